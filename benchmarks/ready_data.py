"""Write the photographs that ready-made models learn from, and are measured on, as arrays.

    python benchmarks/ready_data.py BSDS/ OUT/

BSDS holds the folders train and test of BSDS500. The last 68 photographs of test, by name, are held out. OUT gets
grey-train.npy, grey-test.npy, colour-train.npy and colour-test.npy, (N, 321, 481) and (N, 321, 481, 3), upright ones
transposed; and the same at half size, grey-halved-train.npy and so on, where no traces of JPEG are left.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from item_sets import halved

HELD_OUT = 68
MODES = {"grey": "L", "colour": "RGB"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("output", type=Path)
    given = parser.parse_args()
    train, test = (sorted((given.photographs / part).iterdir()) for part in ("train", "test"))
    parts = {"train": [*train, *test[:-HELD_OUT]], "test": test[-HELD_OUT:]}
    given.output.mkdir(exist_ok=True)
    for name, mode in MODES.items():
        for part, paths in parts.items():
            pictures = np.stack([photograph(path, mode) for path in paths])
            np.save(given.output / f"{name}-{part}.npy", pictures)
            np.save(given.output / f"{name}-halved-{part}.npy", np.stack([halved(picture) for picture in pictures]))


def photograph(path: Path, mode: str) -> np.ndarray:
    """Return a photograph that is wider than high."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert(mode))
    return pixels if pixels.shape[0] <= pixels.shape[1] else pixels.swapaxes(0, 1)


if __name__ == "__main__":
    main()
