"""Files that were made once are read as they were then."""

import lzma
from pathlib import Path

import numpy as np
import pytest

import narrows

FOLDER = Path(__file__).parent / "fixtures"
FILES = sorted(FOLDER.glob("*.narrow"))


@pytest.fixture(scope="module", params=["digits", "signals"])
def model(request, tmp_path_factory):
    """The file of a model."""
    path = tmp_path_factory.mktemp("models") / f"{request.param}.safetensors"
    path.write_bytes(lzma.decompress((FOLDER / f"{request.param}.safetensors.xz").read_bytes()))
    return path


def test_files_of_before_are_read_as_then(model):
    files = [file for file in FILES if file.name.startswith(model.stem)]
    assert len(files) >= 2
    for file in files:
        expected = np.load(file.with_suffix(".npy"))
        with narrows.open(file, model) as archive:
            found = archive[:]
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        if archive.path == "transform":  # whose values come from floating point
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1)
        else:
            np.testing.assert_array_equal(found, expected)
        if "named" in file.name:
            assert archive.names == [f"item {index}" for index in range(len(found))]
