"""What a codec makes of some items on this machine, as digests: run as a program with a folder that a test filled."""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

import narrows
from narrows.codec.entropy.range_coder import decoder

EXACT = {"lossless": {"lossless": True}, "bounded": {"max_error": 2}}
ENTRY = 4.0  # of the transform path


def digest(array):
    return hashlib.sha256(repr((array.dtype.str, array.shape)).encode() + array.tobytes()).hexdigest()


def digests(folder, device="cpu"):
    """Of all that must be the same on every machine, by name."""
    found = {}
    for model in sorted(Path(folder).glob("*.safetensors")):
        codec, items = narrows.load(model).set_params(device=device), np.load(model.with_suffix(".npy"))
        for name, demand in EXACT.items():
            blob = codec.compress(items, **demand)
            found[f"{model.stem} {name} bytes"] = hashlib.sha256(blob).hexdigest()
            found[f"{model.stem} {name} values"] = digest(codec.decompress(blob))
        lossy = codec.decompress(model.with_suffix(".narrow").read_bytes())
        found[f"{model.stem} values of another machine's file"] = digest(lossy)
        coder = codec.model_.on(device).coder
        grid = coder.network.grid(items.shape[1:])
        payload = decoder(model.with_suffix(".latents").read_bytes())
        symbols = coder.transformed.decode(payload, len(items), grid, int(ENTRY), 1)
        found[f"{model.stem} symbols of another machine's transform path"] = digest(symbols)
    return found


if __name__ == "__main__":
    print(json.dumps(digests(*sys.argv[1:])))
