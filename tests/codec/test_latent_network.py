"""The networks of the transform path in NumPy are those that torch trains, and take numbers of any size."""

import lzma
from pathlib import Path

import numpy as np
import pytest
import torch

from narrows.artifacts.model_file import ModelFile
from narrows.codec.learning.latent import latent_network, latent_tensors
from narrows.codec.model import CodecModel
from narrows.codec.transforms.latent import LARGEST_INDEX, LatentArchitecture, indices
from narrows.codec.transforms.latent_network import LatentNetwork
from narrows.errors import FormatError
from narrows.networks import Architecture, build, cut

FIXTURES = Path(__file__).parent / "fixtures"


def model_file(name):
    return ModelFile.from_bytes(lzma.decompress((FIXTURES / f"{name}.safetensors.xz").read_bytes()))


@pytest.mark.parametrize("name", ["digits", "signals"])
@pytest.mark.parametrize("value", [0, 1e3, -1e3, 1e30, -1e30, 3e38])
def test_numbers_of_any_size_pass_without_a_warning(name, value):
    coder = CodecModel.from_file(model_file(name)).coder
    shape = (9, 8)[: len(coder.axes.strip("NC"))]
    x = np.full((1, coder.channels, *shape), value, np.float32)
    k = indices(coder.network.encode(x), 1 / 64, coder.transformed.design)
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


@pytest.mark.parametrize("ranged", [True, False])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "trained_on", [(1,), (7,), (64,), (1, 1), (1, 9), (2, 3), (13, 8), (1, 5, 6), (4, 3, 2)], ids=str
)
def test_they_are_the_networks_of_torch(trained_on, channels, ranged):
    architecture = LatentArchitecture.of(channels, trained_on, ranged)
    tensors = latent_tensors(build(Architecture.from_dict(architecture.to_dict()), 1))
    theirs, ours = latent_network(architecture, tensors), LatentNetwork(architecture, tensors)
    rng = np.random.default_rng(0)
    for shape in (trained_on, tuple(size + 3 for size in trained_on), tuple(1 for _ in trained_on)):
        x = rng.random((2, channels, *shape)).astype(np.float32)
        z = ours.encode(x)
        assert z.shape == (2, 8, *ours.grid(shape))
        assert z.dtype == np.float32
        with torch.inference_mode():
            np.testing.assert_allclose(z, theirs.encode(torch.from_numpy(x))[0].numpy(), atol=1e-4, rtol=1e-4)
            wanted = cut(theirs.decode([torch.from_numpy(z)]), shape).numpy()
        y = ours.decode(z, shape)
        assert y.dtype == np.float32
        np.testing.assert_allclose(y, wanted, atol=1e-4, rtol=1e-4)
