"""Labels from every form of file that holds them."""

import gzip

import numpy as np
import pytest

from narrows import DataError, data
from narrows.data.formats.idx import write_array as write_idx
from narrows.data.labels import read_labels

NUMBERS = np.array([3, 1, 4, 1, 5], np.uint8)


def idx(path):
    with open(path, "wb") as file:
        write_idx(file, NUMBERS)


@pytest.mark.parametrize(
    "write", [lambda path: np.save(path, NUMBERS), lambda path: np.save(path, NUMBERS[:, None]), idx]
)
def test_arrays(write, tmp_path):
    path = tmp_path / "labels.npy"
    write(path)
    np.testing.assert_array_equal(read_labels(str(path), 5), NUMBERS)
    packed = tmp_path / "labels.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    np.testing.assert_array_equal(read_labels(str(packed), 5), NUMBERS)


def test_an_array_of_text(tmp_path):
    path = tmp_path / "labels.npy"
    np.save(path, np.array(["cat", "dog"]))
    assert read_labels(str(path), 2).tolist() == ["cat", "dog"]


@pytest.mark.parametrize(
    "text",
    ["cat\nbig dog\ncat\n", "cat\r\nbig dog\r\ncat", "\ufefflabel\ncat\nbig dog\ncat\n\n", 'cat\n"big dog"\ncat\n'],
)
def test_lines(text, tmp_path):
    """With and without a heading, a byte order mark, quotes, and an end of the last line."""
    path = tmp_path / "labels.csv"
    path.write_bytes(text.encode())
    assert read_labels(str(path), 3).tolist() == ["cat", "big dog", "cat"]


def test_a_line_without_a_label_keeps_its_place(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("cat\n\ndog\n")
    assert read_labels(str(path), 3).tolist() == ["cat", "", "dog"]


def test_a_named_set():
    labels = read_labels("digits:test", 898)
    np.testing.assert_array_equal(labels, data.read("digits:test").labels)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        (b"cat\ndog,3\n", "line 2 has 2 columns; expected one label a line"),
        (b"\xff\xfe\x00c", "neither an array nor text in UTF-8"),
        (b"\x93NUMPY damaged", "labels.csv: "),
    ],
)
def test_what_holds_no_labels(content, words, tmp_path):
    path = tmp_path / "labels.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"labels\.csv: .*") as raised:
        read_labels(str(path), 2)
    assert words in str(raised.value)


def test_an_array_of_rows_is_none(tmp_path):
    path = tmp_path / "labels.npy"
    np.save(path, np.zeros((5, 3)))
    with pytest.raises(DataError, match=r"shape \(5, 3\); expected one label an item"):
        read_labels(str(path), 5)


@pytest.mark.parametrize("name", ["labels.csv.gz", "labels.gz"])
def test_packed_labels_that_are_damaged_or_unpack_to_too_much(name, tmp_path, monkeypatch):
    text = gzip.compress(b"cat\n" * 2**18)
    damaged = [text[:-9], text[: len(text) // 2], text[:20] + bytes(9) + text[29:], text[:-8] + bytes(8)]
    for content in damaged:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=r"damaged \.gz file \(.+\)"):
            read_labels(str(tmp_path / name), 2**18)
    (tmp_path / name).write_bytes(text)
    assert len(read_labels(str(tmp_path / name), 2**18)) == 2**18
    monkeypatch.setattr("narrows.data.memory.free_memory", lambda: 2**20)
    with pytest.raises(DataError, match="unpacks to"):
        read_labels(str(tmp_path / name), 2**18)
