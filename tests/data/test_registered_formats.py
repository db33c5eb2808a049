"""Formats that are registered from outside the package: a file, and a store that is a directory."""

import json
import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from narrows import Autoencoder, data
from narrows.cli import main
from narrows.data.formats import Format, find_by_name, magic, register_format, unregister_format
from narrows.data.formats.arrays import array_items
from narrows.errors import DataError

X = np.arange(60, dtype=np.float32).reshape(3, 4, 5)


def module(name, **functions):
    made = ModuleType(name)
    vars(made).update(functions)
    sys.modules[name] = made
    return name


@pytest.fixture
def plain():
    """Files of text that begin with "PLAIN", then a shape, then numbers."""

    def read_array(content, name):
        text = content if isinstance(content, bytes) else content.read_bytes()
        shape, numbers = map(json.loads, text.split(b"\n")[1:3])
        return np.array(numbers, np.float32).reshape(shape)

    def write(items, file, name):
        file.write(f"PLAIN\n{json.dumps(items.values.shape)}\n{json.dumps(items.values.ravel().tolist())}".encode())

    name = module(
        "plain_files",
        read=lambda content, name, options: array_items(read_array(content, name), name, options),
        read_array=read_array,
        write=write,
    )
    register_format(Format("plain", name, magic(b"PLAIN"), suffixes=(".plain",)))
    yield
    unregister_format("plain")


@pytest.fixture
def store():
    """Directories with a .npy for each item, and their axes."""

    def read(path, name, options):
        arrays = [np.load(each) for each in sorted(path.glob("*.npy"))]
        return data.Items.from_list(arrays, json.loads((path / "axes.json").read_text()), name)

    def write(items, path, name):
        path.mkdir()
        (path / "axes.json").write_text(json.dumps(items.axes))
        for item, each in zip(items, items.item_names, strict=True):
            np.save(path / f"{each}.npy", item)

    name = module("store_files", read=read, write=write)

    def is_store(head, content):
        return (content / "axes.json").exists()

    register_format(Format("store", name, is_store, "container", suffixes=(".store",), directory=True))
    yield
    unregister_format("store")


@pytest.mark.usefixtures("plain")
def test_a_registered_format_is_read_and_written(tmp_path):
    data.write(data.Items(X, "NYX"), tmp_path / "x.plain")
    assert (tmp_path / "x.plain").read_bytes().startswith(b"PLAIN")
    np.testing.assert_array_equal(data.read(tmp_path / "x.plain").values, X)
    assert data.read(tmp_path / "x.plain", axes="ZYX").axes == "NZYX"
    with open(tmp_path / "x.plain", "rb") as file:
        np.testing.assert_array_equal(data.read("-", stdin=file).values, X)
    with pytest.raises(DataError, match=r"use .*\.plain"):
        data.write(data.Items(X, "NYX"), tmp_path / "x.doc")


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("target", ["x.store", "x.store/"])
def test_a_store_that_is_a_directory(tmp_path, target):
    items = replace(data.Items(X, "NYX"), names=["a", "b", "c"])
    data.write(items, f"{tmp_path}/{target}")
    np.testing.assert_array_equal(data.read(tmp_path / "x.store").values, X)


@pytest.mark.usefixtures("store")
def test_other_directories_are_folders_still(tmp_path):
    data.write(data.Items(X.astype(np.uint8), "NYX"), f"{tmp_path}/images/")
    np.testing.assert_array_equal(data.read(tmp_path / "images").values, X.astype(np.uint8))


@pytest.mark.usefixtures("plain")
def test_the_command_line_knows_a_registered_format(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    model = Autoencoder("linear", code=2, epochs=1).fit(np.random.default_rng(0).random((40, 4, 5), np.float32))
    model.save("m.safetensors")
    data.write(data.Items(X / 60, "NYX"), "x.plain")
    for line in ("encode m.safetensors x.plain -o codes.plain", "decode m.safetensors codes.plain -o back.plain"):
        main(line.split())
    assert data.read("codes.plain").values.shape == (3, 2)
    assert data.read("back.plain").values.shape == X.shape
    with pytest.raises(SystemExit):
        main(["encode", "m.safetensors", "x.plain", "-o", "codes.doc"])
    assert ".plain" in capsys.readouterr().err


def test_a_name_is_matched_by_its_longest_suffix():
    assert find_by_name("X.CSV.GZ").name == "csv"
    assert find_by_name("x.npy.gz").name == "gzip"
    assert find_by_name("train-images-idx3-ubyte").name == "idx"
    assert find_by_name("x.npy", "table") is None
    assert find_by_name("x.zip") is None
