"""The networks of the latent path in NumPy; that they are those that were trained is tested with the estimators."""

import lzma
from pathlib import Path

import numpy as np
import pytest

from narrows.artifacts.model_file import ModelFile
from narrows.codec.model import CodecModel
from narrows.codec.transforms.latent import LARGEST_INDEX, indices
from narrows.errors import FormatError

FIXTURES = Path(__file__).parent / "fixtures"


def model_file(name):
    return ModelFile.from_bytes(lzma.decompress((FIXTURES / f"{name}.safetensors.xz").read_bytes()))


@pytest.mark.parametrize("name", ["digits", "signals"])
@pytest.mark.parametrize("value", [0, 1e3, -1e3, 1e30, -1e30, 3e38])
def test_numbers_of_any_size_pass_without_a_warning(name, value):
    coder = CodecModel.from_file(model_file(name)).coder
    shape = (9, 8)[: len(coder.axes.strip("NC"))]
    x = np.full((1, coder.channels, *shape), value, np.float32)
    k = indices(coder.network.encode(x), 1 / 64)
    assert np.abs(k).max() <= LARGEST_INDEX
    z = np.full((1, 8, *coder.network.grid(shape)), value, np.float32)
    found = coder.network.decode(z, shape)
    assert found.shape == x.shape
    if coder.scaling.is_range and abs(value) < 1e20:
        assert ((found >= 0) & (found <= 1)).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int32])
def test_weights_of_other_types_are_refused(dtype):
    file = model_file("digits")
    tensors = dict(file.tensors)
    name = next(name for name in tensors if name.startswith("network."))
    tensors[name] = tensors[name].astype(dtype)
    with pytest.raises(FormatError, match="not float32"):
        CodecModel.from_file(ModelFile(tensors, file.document))
