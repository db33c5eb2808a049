"""Make the files of `fixtures/`, which later versions must read as this one does. Not run by the tests.

    python tests/codec/make_fixtures.py              # models too
    python tests/codec/make_fixtures.py SUFFIX       # only files, named for what is new in them, by the models there

Of each kind of data a model with networks as small as they come, and a file in each mode beside the values that come
out of it.
"""

import lzma
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

from narrows import Codec
from narrows.codec.learning.objective import design_networks
from narrows.codec.model import CodecModel
from narrows.data import Items

FOLDER = Path(__file__).parent / "fixtures"
RNG = np.random.default_rng(0)
GRAIN = 32  # weights of the transform path's networks are whole multiples of one part in so many, to make them small


def digits(count: int) -> np.ndarray:
    """(N, 9, 8) uint8: bars and blots."""
    x = np.zeros((count, 9, 8), np.uint8)
    for item in x:
        left, top, grey = RNG.integers(0, 5), RNG.integers(0, 4), RNG.integers(120, 256)
        item[top : top + 5, left : left + 2] = grey
        item[top + 2, left : left + 4] = grey // 2
    return x


def signals(count: int) -> np.ndarray:
    """(N, 24, 2) float32: random walks."""
    return RNG.normal(size=(count, 24, 2)).cumsum(1).astype(np.float32)


def small(*given: object) -> object:
    found = design_networks(*given)
    designs = {name: getattr(found, name) for name in ("lossless", "lossy", "latent")}
    return replace(found, **{name: replace(each, hidden=4, flag_hidden=4) for name, each in designs.items()})


def train(name: str, training: np.ndarray, axes: str) -> None:
    with patch.object(training, "design_networks", small):
        codec = Codec(epochs=3, axes=axes, device="cpu").fit(training)
    tensors = {
        each: np.round(tensor * GRAIN) / np.float32(GRAIN) if tensor.dtype.kind == "f" else tensor
        for each, tensor in codec.model_.tensors.items()
    }
    codec = Codec.from_model(CodecModel.from_tensors(codec.model_.manifest, tensors))
    model = FOLDER / f"{name}.safetensors"
    codec.save(model)
    (FOLDER / f"{name}.safetensors.xz").write_bytes(lzma.compress(model.read_bytes(), preset=9))
    model.unlink()


def compress(name: str, suffix: str, axes: str, test: np.ndarray, modes: dict[str, dict[str, object]]) -> None:
    content = lzma.decompress((FOLDER / f"{name}.safetensors.xz").read_bytes())
    codec = Codec.from_model(CodecModel.from_bytes(content).on("cpu"))
    for mode, demand in modes.items():
        items = Items.from_array(test, axes, names=[f"item {index}" for index in range(len(test))])
        blob = codec.compress(items if mode == "named" else test, **demand)
        path = FOLDER / f"{name}-{mode}{suffix}.narrow"
        path.write_bytes(blob)
        np.save(path.with_suffix(".npy"), codec.decompress(blob))


def main() -> None:
    torch.set_num_threads(1)
    suffix = "".join(f"-{word}" for word in sys.argv[1:])
    if not suffix:
        train("digits", digits(200), "NYX")
        train("signals", signals(100), "NTC")
    test = digits(6)
    test[4] = RNG.integers(0, 256, test[4].shape)
    lossless = {"lossless": True}
    modes = {"lossless": lossless, "named": lossless, "bounded": {"max_error": 9}, "quality": {"quality": 35}}
    compress("digits", suffix, "NYX", test, modes)
    test = signals(5)
    test[1, 3, 0], test[2, 4, 1], test[3] = np.nan, np.inf, 1e30
    compress("signals", suffix, "NTC", test, {"bounded": {"max_error": 0.05}, "quality": {"quality": 30}})


if __name__ == "__main__":
    main()
