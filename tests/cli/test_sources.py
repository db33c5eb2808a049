"""Sources that are read once: pipes, and files that an output of the same run replaces."""

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from narrows import Imputer, data
from narrows.data import formats

from ..made_up_tables import people
from .conftest import narrows

pd = pytest.importorskip("pandas")
posix = pytest.mark.skipif(sys.platform == "win32", reason="needs pipes of POSIX")


def with_holes(count=120):
    table = people(count).reset_index(drop=True)
    table.loc[::4, "income"] = np.nan
    return table


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    Imputer(epochs=1).fit(with_holes()).save(folder / "imputer.safetensors")
    arguments = ("digits", "--architecture", "linear", "--code", 4, "--epochs", 3)
    assert narrows("train", "autoencoder", *arguments, "-o", folder / "digits.safetensors").code == 0
    people(120).to_csv(folder / "people.csv", index=False)
    table = ("train", "autoencoder", folder / "people.csv", "--code", 2, "--epochs", 2)
    assert narrows(*table, "-o", folder / "table.safetensors").code == 0
    return folder


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with_holes().to_csv("x.csv", index=False)
    people(120).to_csv("people.csv", index=False)
    np.save("x.npy", data.read("digits:test").values[:20])
    return tmp_path


def through_pipe(source, name):
    """Write a file into a named pipe, for whoever opens it."""
    os.mkfifo(name)
    return subprocess.Popen(f"cat {source} > {name}", shell=True)


def test_a_table_that_is_filled_in_place_has_its_samples_and_uncertainty(models, place):
    words = ("--uncertainty", "std.npy", "--samples", 1, "--force")
    assert narrows("fill", models / "imputer.safetensors", "x.csv", "-o", "y.csv", *words).code == 0
    (place / "y-1.csv").rename("sample.csv")
    std = np.load("std.npy")
    assert (std > 0).any()
    assert narrows("fill", models / "imputer.safetensors", "x.csv", "-o", "x.csv", *words).code == 0
    assert np.array_equal(np.load("std.npy"), std)
    assert (place / "x.csv").read_text() == (place / "y.csv").read_text()
    assert (place / "x-1.csv").read_text() == (place / "sample.csv").read_text()


def test_codes_that_replace_their_table_have_its_errors(models, place):
    line = ("encode", models / "table.safetensors", "people.csv", "--force")
    assert narrows(*line, "-o", "codes.csv", "--errors", "errors.csv").code == 0
    codes, errors = (place / "codes.csv").read_text(), pd.read_csv("errors.csv")["mse"]
    assert narrows(*line, "-o", "people.csv", "--errors", "errors.csv").code == 0
    assert (place / "people.csv").read_text() == codes
    assert np.allclose(pd.read_csv("errors.csv")["mse"], errors)


@posix
@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("x.npy", ("encode", "digits.safetensors", "PIPE.npy", "-o", "OUT.npy")),
        ("people.csv", ("encode", "table.safetensors", "PIPE.csv", "-o", "OUT.csv")),
        ("people.csv", ("encode", "table.safetensors", "PIPE", "-o", "OUT.csv")),
        ("people.csv", ("encode", "table.safetensors", "PIPE.csv", "-o", "OUT.csv", "--errors", "ERRORS.csv")),
        ("x.csv", ("fill", "imputer.safetensors", "PIPE.csv", "-o", "OUT.csv", "--samples", 1)),
    ],
)
def test_pipes_are_read_to_their_end(source, line, models, place):
    line = [models / word if str(word).endswith(".safetensors") else word for word in line]
    expected = narrows(*(source if str(word).startswith("PIPE") else word for word in line))
    outputs = {path.name: path.read_bytes() for path in place.glob("*OUT*")}
    writer = through_pipe(source, next(word for word in line if str(word).startswith("PIPE")))
    ran = narrows(*line, *["--force"] * bool(outputs))
    assert (ran.code, writer.wait(), expected.code) == (0, 0, 0)
    assert ran.out == expected.out
    assert {path.name: path.read_bytes() for path in place.glob("*OUT*")} == outputs


@posix
@pytest.mark.parametrize("verb", ["info PIPE", "encode PIPE x.npy -o z.npy"])
def test_a_model_in_a_pipe_is_refused(verb, place):
    os.mkfifo("PIPE")
    ran = narrows(*verb.split())
    assert ran.code == 1
    assert ran.err == "narrows: error: PIPE: is a pipe, which can be read only once; write it to a file first\n"


@posix
def test_a_pipe_in_a_folder_of_images_is_skipped(models, place):
    (place / "images").mkdir()
    for name in "ab":
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(f"images/{name}.png")
    os.mkfifo("images/c.png")
    items = data.read("images/")
    assert (len(items), items.skipped) == (2, [("c.png", "is no regular file")])


def test_every_row_of_a_large_table_has_a_result(models, place, monkeypatch):
    monkeypatch.setattr(formats, "MOST_CELLS", 50)
    assert narrows("encode", models / "table.safetensors", "people.csv", "-o", "codes.npy").code == 0
    assert len(np.load("codes.npy")) == 120
    line = ("fill", models / "imputer.safetensors", "x.csv", "-o", "y.csv", "--uncertainty", "std.npy")
    assert narrows(*line).code == 0
    assert len(np.load("std.npy")) == 120
