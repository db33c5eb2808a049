"""Small codecs of several kinds of data, trained for moments, once a session; and all sorts of data for them."""

from functools import cache

import numpy as np
from sklearn.datasets import load_digits

from narrows import Codec

AXES = {"digits": "NYX", "bool": "NYX", "colour": "NYXC", "uint16": "NYX", "int16": "NT", "float32": "NT", "3d": "NZYX"}


def waves(shape, seed=0):
    """Items (n, *S) of a few slow waves, 0..1."""
    rng = np.random.default_rng(seed)
    where = np.stack(np.meshgrid(*(np.arange(size) / 12 for size in shape[1:]), indexing="ij"), -1)
    turns = rng.uniform(-4, 4, (shape[0], 3, len(shape) - 1)), rng.uniform(0, 6, (shape[0], 3))
    angles = np.einsum("...a,nka->nk...", where, turns[0]) + turns[1].reshape(shape[0], 3, *(1 for _ in shape[1:]))
    return 0.5 + np.sin(angles).sum(1) / 6


def training_data(kind):
    digits = load_digits().images
    match kind:
        case "digits":
            return digits[:160].astype(np.uint8)
        case "bool":
            return digits[:120] > 7
        case "colour":
            grey = waves((60, 12, 10))
            return np.stack([255 * grey, 200 * grey, 255 - 100 * grey], -1).astype(np.uint8)
        case "uint16":
            return (4095 * waves((50, 9, 9))).astype(np.uint16)
        case "int16":
            return (3000 * (waves((50, 48)) - 0.5)).astype(np.int16)
        case "float32":
            return (7 * waves((50, 48)) - 2).astype(np.float32)
        case "3d":
            return (255 * waves((30, 6, 7, 5))).astype(np.uint8)


@cache
def codec(kind):
    return Codec(epochs=2, axes=AXES[kind], batch_size=16).fit(training_data(kind))


def items_like(kind, contents, seed, sizes):
    """A list of items that a codec takes, of these sizes, holding what it knows or what it has never seen."""
    rng, like = np.random.default_rng(seed), training_data(kind)
    dtype, channels = like.dtype, like.shape[len(AXES[kind].strip("C")) :]
    low, high = (0, 1) if dtype.kind in "bf" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    found = []
    for size in sizes:
        shape = (*size, *channels)
        match contents:
            case "like":
                tiled = np.tile(
                    like[rng.integers(len(like))], [*(-(-each // 4) for each in size), *(1 for _ in channels)]
                )
                item = tiled[tuple(slice(0, each) for each in size)]
            case "noise":
                item = (
                    rng.random(shape) * 1e4 - 5e3
                    if dtype.kind == "f"
                    else rng.integers(low, high, shape, endpoint=True)
                )
            case "constant":
                item = np.full(shape, like.reshape(-1)[rng.integers(like.size)])
            case "inverted":
                item = np.clip(
                    float(like.max()) - like[rng.integers(len(like))], low if dtype.kind != "f" else None, None
                )
                item = np.resize(item, shape)
            case "extreme":
                item = rng.choice([low, high], shape)
        found.append(item.astype(dtype))
    return found
