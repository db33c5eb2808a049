"""The wavelet transform, as docs/format.md specifies it: a part of docs/decoder.py."""

import numpy as np

LIFTING, GAIN = (-1.586134342059924, -0.052980118572961, 0.882911075530934, 0.443506852043971), 1.1496043988602418


def from_coefficients(k, entry, dtype, architecture, scaling, tensors):
    """Return the values (n, C, *S) of indices of wavelet coefficients."""
    ranged = scaling["kind"] == "range"
    z = (k.astype(np.float32) * np.float32((1 / 64 if ranged else 1 / 16) * 2 ** (entry / 2))).astype(float)
    for level in reversed(range(architecture["levels"])):
        for axis in reversed(range(2, z.ndim)):
            every = np.moveaxis(z[(..., *[slice(None, None, 2**level)] * (z.ndim - 2))], axis, -1)
            size = every.shape[-1]
            if size == 1:
                continue
            every[..., ::2] *= 1 / GAIN
            every[..., 1::2] *= 1 / (1 / GAIN)
            for number, weight in reversed(list(enumerate(LIFTING))):
                place = np.arange(1 - number % 2, size, 2)
                after = np.where(place + 1 < size, place + 1, size - 2)
                every[..., place] += -weight * (every[..., np.abs(place - 1)] + every[..., after])
    rows = tensors["network.matrix"].astype(float).T.tolist()
    x = np.stack([sum(z[:, other] * weight for other, weight in enumerate(row)) for row in rows], 1).astype(np.float32)
    if ranged:
        x = np.clip(x, 0, 1) * np.float64(scaling["high"] - scaling["low"]) + scaling["low"]
    else:
        scale, mean = (np.reshape(scaling[name], (-1, *[1] * (x.ndim - 2))) for name in ("scale", "mean"))
        x = x * scale.astype(float) + mean
    if dtype.kind == "f":
        return x.astype(dtype)
    if dtype.kind == "b":
        return x >= 0.5
    return np.clip(np.rint(x), np.iinfo(dtype).min, np.iinfo(dtype).max).astype(dtype)
