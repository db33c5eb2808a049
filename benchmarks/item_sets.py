"""What the benchmark of the codec compresses: sets of items, to train on and to test on."""

from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np

from narrows.data import Items, read
from narrows.errors import NarrowsError
from rates import Demand, Files

Kind = Literal["pictures", "signals", "fields", "volumes"]
Unit = Literal["item", "pixel", "value"]
LOSSLESS = Demand("lossless")
BOUNDS = (1e-3, 1e-4)  # of fields, relative to the range of their values
OWN_FILES = 50  # test items that are also coded each in a file of its own
HELD_BACK = 10  # of a user's items without a test folder, the last one in so many is for the test
MOST_TEST_VALUES = 8_000_000  # of a user's items, so that peers take minutes


class MissingPackageError(Exception):
    """A set needs a package that is not installed; the text says how to install it."""


@dataclass(frozen=True)
class ItemSet:
    """Items to train on and others to test on.

    targets: PSNR in dB at which sizes are compared. bounds: largest errors, relative to the range of the test values.
    unit: what lossy sizes are given for; lossless ones are bits a pixel for pictures in pixels, else bits a value.
    own_files: how many test items are coded each in a file of its own. whole: whether the training and test items
    together are a set for the part "totals".
    """

    name: str
    kind: Kind
    title: str
    training: Items
    test: Items
    targets: tuple[float, ...] = ()
    bounds: tuple[float, ...] = ()
    unit: Unit = "value"
    own_files: int = OWN_FILES
    whole: bool = False

    @cached_property
    def arrays(self) -> list[np.ndarray]:
        """The test items, channels last."""
        return list(self.test)

    @property
    def channels(self) -> int:
        return self.test.channels

    @cached_property
    def range(self) -> float:
        """The difference of the largest and the smallest finite test value."""
        ends = [(np.nanmin(item), np.nanmax(item)) for item in self.arrays if np.isfinite(item).any()]
        return float(max(high for _, high in ends)) - float(min(low for low, _ in ends))

    @property
    def demands(self) -> tuple[Demand, ...]:
        """What files are compared at: lossless, and the targets and bounds."""
        bounds = (Demand("max_error", relative * self.range, relative) for relative in self.bounds)
        return (LOSSLESS, *(Demand("psnr", target) for target in self.targets), *bounds)

    def spread(self, count: int) -> Items:
        """Return as many test items, evenly spread over them, or all where there are no more."""
        places = np.linspace(0, len(self.test) - 1, min(count, len(self.test)))
        return self.test.select(places.round().astype(int))

    def of(self, files: Files) -> list[np.ndarray]:
        """The test items that are coded together, or those that are coded each in a file of its own."""
        return self.arrays if files == "one" else list(self.spread(self.own_files))


def files_of(package: str, ending: str, install: str | None = None) -> list[Path]:
    """Return the data files of an installed package, which is not imported, by name."""
    try:
        found = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        raise MissingPackageError(f"pip install {install or package}") from None
    return sorted(Path(str(file.locate())) for file in found if str(file).endswith(ending))


def imported(module: str, package: str) -> Any:
    """Return a module, or say which package has it."""
    try:
        return __import__(module, fromlist=["_"])
    except ImportError:
        raise MissingPackageError(f"pip install {package}") from None


def counted(items: Items) -> str:
    """Return such as "898 of 8x8" or "24 of various sizes"."""
    sizes = "x".join(map(str, items.item_shape)) if items.uniform else "various sizes"
    return f"{len(items):,} of {sizes}"


def user_set(name: str, path: str, count: int | None) -> ItemSet:
    """Return the set in a file or folder of the user's.

    If the folder has folders train and test, these are the parts; else the last tenth of the items by name is the test.
    """
    if all((Path(path) / part).is_dir() for part in ("train", "test")):
        training, test = (_unless_jpeg(read(Path(path) / part)) for part in ("train", "test"))
        split = "its test folder"
    else:
        items = _unless_jpeg(read(path))
        held_back = max(1, len(items) // HELD_BACK)
        training, test = items.select(slice(-held_back)), items.select(slice(-held_back, None))
        split = "the last tenth by name"
    if len(training) == 0:
        raise NarrowsError("holds a single item", source=path, hint="a set needs items to train on and to test on")
    kind = kind_of(test)
    # One item in so many, so that no more values than MOST_TEST_VALUES are left.
    total = sum(item.size for item in test)
    test = test.select(slice(None, count, max(1, round(total / MOST_TEST_VALUES))))
    photographs = kind == "pictures" and test.dtype == np.uint8 and _are_photographs(test)
    return ItemSet(
        name,
        kind,
        f"{name}: {counted(test)}, {test.dtype} ({split}); trained on {len(training):,} others",
        training,
        test,
        targets=(40.0, 35.0, 30.0) if photographs else (),
        bounds=BOUNDS if kind == "fields" else (),
        unit="pixel" if photographs else "value",
        whole=True,
    )


def kind_of(items: Items) -> Kind:
    """Return what items are, by their axes and type."""
    if items.dtype.kind == "f" and items.spatial_dims > 1:
        return "fields"
    return {1: "signals", 2: "pictures", 3: "volumes"}[items.spatial_dims]


def halved(picture: np.ndarray) -> np.ndarray:
    """Return each 2x2 pixels as their mean."""
    height, width = (side // 2 for side in picture.shape[:2])
    blocks = picture[: 2 * height, : 2 * width].reshape(height, 2, width, 2, *picture.shape[2:]).astype(np.uint16)
    return ((blocks.sum(axis=(1, 3)) + 2) // 4).astype(np.uint8)


def _unless_jpeg(items: Items) -> Items:
    """Return items, but pictures that were JPEG files at half their size.

    The blocks of JPEG would help a codec that has learned them, and fade at half the size.
    """
    if items.names and all(name.lower().endswith((".jpg", ".jpeg")) for name in items.names):
        items = Items.from_list([halved(picture) for picture in items], items.axes, names=items.names)
    return items


def _are_photographs(items: Items) -> bool:
    """Whether pictures have so many values in so smooth an order that lossy codecs are made for them.

    In drawings, icons and masks, most values equal their left neighbour.
    """
    same = np.mean([(item[:, 1:] == item[:, :-1]).mean() for item in items])
    return bool(same < 0.4) and items.channels in (1, 3)
