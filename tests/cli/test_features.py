"""What codes are worth, and which items come back badly, on the command line."""

import json

import numpy as np
import pytest

from narrows import data, load

from .conftest import narrows


def test_evaluate_with_the_labels_of_a_named_set(digits_model):
    arguments = ("evaluate", digits_model, "digits:test", "--labels", "digits:test")
    found = json.loads(narrows(*arguments, "--json").out)
    task = found["downstream"]
    assert (task["items"], task["classes"], task["components"]) == (898, 10, 12)
    assert task["majority"] < 0.7 < task["codes"]["linear"] < 1
    ran = narrows(*arguments)
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.decode().splitlines()
    (heading,) = (number for number, line in enumerate(lines) if line.startswith("right labels"))
    assert "codes  PCA-12  raw data  most frequent" in lines[heading]
    linear, nearest = lines[heading + 1 : heading + 3]
    assert linear.split() == [
        *("linear", "classifier"),
        *(f"{share:.2%}" for share in (*(task[kind]["linear"] for kind in ("codes", "pca", "raw")), task["majority"])),
    ]
    assert f"{task['codes']['neighbours']:.2%}" in nearest


def test_evaluate_with_labels_in_a_file(digits_model, tmp_path):
    labels = tmp_path / "labels.csv"
    names = [f"digit {number}" for number in data.read("digits:test").labels]
    labels.write_text("\n".join(["name", *names]) + "\n")
    of_file, of_set = (
        json.loads(narrows("evaluate", digits_model, "digits:test", "--labels", source, "--json").out)
        for source in (labels, "digits:test")
    )
    assert of_file["downstream"] == of_set["downstream"]


def test_without_labels_there_is_no_task(digits_model):
    assert "downstream" not in json.loads(narrows("evaluate", digits_model, "digits:test", "--json").out)


@pytest.mark.parametrize(
    ("model", "source", "labels", "words"),
    [
        ("digits", "digits:test", "digits:train", "899 labels for 898 items"),
        ("digits", "digits:test", "nowhere.npy", "nowhere.npy: No such file or directory"),
        ("ragged", "ragged", "digits", "its items have different sizes"),
    ],
)
def test_labels_that_do_not_fit(model, source, labels, words, digits_model, ragged_model, ragged):
    model = {"digits": digits_model, "ragged": ragged_model}[model]
    ran = narrows("evaluate", model, ragged if source == "ragged" else source, "--labels", labels)
    assert (ran.code, ran.out) == (1, b"")
    assert words in ran.err
    assert ran.err.count("\n") == 1


def test_errors_of_named_items_of_different_sizes(ragged_model, ragged, tmp_path):
    errors = tmp_path / "errors.csv"
    ran = narrows("encode", ragged_model, ragged, "--errors", errors)
    assert (ran.code, ran.out, ran.err) == (0, b"", "")
    header, *lines = errors.read_text().splitlines()
    items = data.read(ragged)
    assert header == "item,mse"
    assert [line.split(",")[0] for line in lines] == items.names
    found = [float(line.split(",")[1]) for line in lines]
    np.testing.assert_allclose(found, -load(ragged_model).score_samples(items), rtol=1e-6)


def test_errors_beside_codes(digits_model, tmp_path):
    codes, errors = tmp_path / "codes.npy", tmp_path / "errors.csv"
    assert narrows("encode", digits_model, "digits:test", "-o", codes, "--errors", errors).code == 0
    assert np.load(codes).shape == (898, 12)
    table = np.loadtxt(errors, delimiter=",", skiprows=1)
    np.testing.assert_array_equal(table[:, 0], np.arange(898))
    found = json.loads(narrows("evaluate", digits_model, "digits:test", "--json").out)
    assert table[:, 1].mean() == pytest.approx(found["mse"], rel=1e-5)


def test_errors_where_they_cannot_go(digits_model, tmp_path):
    for target, code, words in (("errors.npy", 2, "--errors errors.npy"), (tmp_path / "no" / "e.csv", 1, "no folder")):
        ran = narrows("encode", digits_model, "digits:test", "--errors", target)
        assert (ran.code, ran.out) == (code, b"")
        assert words in ran.err
