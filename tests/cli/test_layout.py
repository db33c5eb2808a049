"""Arrays come out with the axes and the dtype that they went in with, from every verb that writes such arrays."""

import numpy as np
import pytest

from narrows import data

from ..made_up import waves
from .conftest import narrows

FAST = ("--epochs", 1, "--seed", 0)
VERBS = {
    "denoise": ("denoiser", "--preset", "lesson", "--noise", "gaussian:0.1"),
    "fill": ("imputer", "--preset", "lesson"),
    "decode": ("autoencoder", "--code", 4, "--architecture", "linear", "--epochs", 20),
    "decompress": ("codec",),
}
LAYOUTS = {
    "NCYX": waves(40, 8, 10, channels=3).transpose(0, 3, 1, 2),
    "YXCN": waves(40, 8, 10, channels=3).transpose(1, 2, 3, 0),
    "XYN": waves(40, 8, 10).transpose(2, 1, 0),
    "NCT": waves(80, 48, channels=2, dtype=np.float32).transpose(0, 2, 1),
    "TN": waves(40, 48, dtype=np.float32).T,
    "XYZN": waves(24, 8, 8, 8).T,
}


def run(*arguments):
    ran = narrows(*arguments)
    assert ran.code == 0, ran.err


def there_and_back(verb, source, *options):
    """What a verb makes of an array: of codes and compressed files, from the array on."""
    if verb == "decode":
        run("encode", "m.safetensors", source, "-o", "codes.npz", "--force", *options)
        run("decode", "m.safetensors", "codes.npz", "-o", "out.npy", "--force")
    elif verb == "decompress":
        lossless = np.load(source).dtype.kind != "f"
        target = ("--lossless",) if lossless else ("--max-error", 1e-4)
        run("compress", "m.safetensors", source, "-o", "x.narrow", "--force", *target, *options)
        run("decompress", "x.narrow", "-m", "m.safetensors", "-o", "out.npy", "--force")
    else:
        run(verb, "m.safetensors", source, "-o", "out.npy", "--force", *options)
    return np.load("out.npy")


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("axes", LAYOUTS)
def test_arrays_keep_their_axes(tmp_path, monkeypatch, unguarded, verb, axes):
    monkeypatch.chdir(tmp_path)
    X = LAYOUTS[axes]
    np.save("x.npy", X)
    tool, *options = VERBS[verb]
    run("train", tool, "x.npy", "-o", "m.safetensors", "--axes", axes, *FAST, *options)
    found = there_and_back(verb, "x.npy")
    assert (found.shape, found.dtype) == (X.shape, X.dtype)
    if verb in ("fill", "decompress"):
        np.testing.assert_allclose(found, X, rtol=0, atol=1e-4 if X.dtype.kind == "f" else 0)
    if verb == "decode":
        assert np.corrcoef(found.ravel(), X.ravel())[0, 1] > 0.3


@pytest.mark.parametrize("verb", ["denoise", "fill"])
def test_other_axes_than_those_of_training(tmp_path, monkeypatch, unguarded, verb):
    """One item without N, and an array whose axes the user gives."""
    monkeypatch.chdir(tmp_path)
    X = LAYOUTS["NCYX"]
    np.save("x.npy", X)
    run("train", VERBS[verb][0], "x.npy", "-o", "m.safetensors", "--axes", "NCYX", *FAST, *VERBS[verb][1:])
    expected = there_and_back(verb, "x.npy")
    np.save("one.npy", X[3])
    np.testing.assert_array_equal(there_and_back(verb, "one.npy"), expected[3])
    for axes in ("NYXC", "CXYN"):
        order = ["NCYX".index(axis) for axis in axes]
        np.save("other.npy", X.transpose(order))
        found = there_and_back(verb, "other.npy", "--axes", axes)
        np.testing.assert_array_equal(found, expected.transpose(order))
    run(verb, "m.safetensors", "other.npy", "-o", "out.npy", "--axes", "CXYN", "--uncertainty", "u.npy", "--force")
    assert np.load("u.npy").shape == np.load("other.npy").shape


@pytest.mark.parametrize("sizes", [(8, 9, 10, 11), (8, 8, 8, 8)])
def test_arrays_of_an_npz_keep_their_names_and_axes(tmp_path, monkeypatch, sizes):
    monkeypatch.chdir(tmp_path)
    arrays = {f"item {index}": np.full((3, 8, size), index, np.uint8) for index, size in enumerate(sizes)}
    np.savez("x.npz", **arrays)
    data.write(data.read("x.npz", axes="CYX"), "y.npz")
    with np.load("y.npz") as found:
        assert list(found) == list(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)


def test_a_mask_has_the_axes_of_the_items(tmp_path, monkeypatch, unguarded):
    monkeypatch.chdir(tmp_path)
    X = waves(40, 8, 8)
    np.save("x.npy", X)
    run("train", "imputer", "x.npy", "-o", "m.safetensors", *FAST, "--preset", "lesson")
    mask = np.zeros(X.shape, bool)
    mask[:, 1:4, 5] = True
    np.save("x.npy", X.transpose(2, 1, 0))
    for number, marks in enumerate((mask.transpose(2, 1, 0), mask[0].T)):
        np.save(f"mask{number}.npy", marks)
        found = there_and_back("fill", "x.npy", "--axes", "XYN", "--mask", f"mask{number}.npy").transpose(2, 1, 0)
        np.testing.assert_array_equal(found[~mask], X[~mask])
        assert (found[mask] != X[mask]).any()


DTYPES = {
    "bool": waves(40, 8, 8) > 127,
    "int8": (waves(40, 8, 8) - 100).astype(np.int8),
    "int16": waves(40, 8, 8).astype(np.int16) * 99 - 5000,
    "uint32": waves(40, 8, 8).astype(np.uint32) * 2**20,
    "float16": waves(40, 8, 8, dtype=np.float16),
    "float64": waves(40, 8, 8, dtype=np.float64) * 99,
    ">u2": waves(40, 8, 8).astype(">u2") * 257,
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_keep_their_dtype(tmp_path, monkeypatch, unguarded, verb, dtype):
    monkeypatch.chdir(tmp_path)
    X = DTYPES[dtype]
    np.save("x.npy", X)
    tool, *options = VERBS[verb]
    run("train", tool, "x.npy", "-o", "m.safetensors", *FAST, *options)
    found = there_and_back(verb, "x.npy")
    assert (found.shape, found.dtype) == (X.shape, X.dtype.newbyteorder("="))
    if verb in ("fill", "decompress"):
        np.testing.assert_allclose(found, X, rtol=0, atol=1e-4 if X.dtype.kind == "f" else 0)
    if verb == "decode":
        assert np.corrcoef(found.ravel(), X.ravel())[0, 1] > 0.3
