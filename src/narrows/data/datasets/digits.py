"""The optical digits that come with scikit-learn (E. Alpaydin, C. Kaynak 1998)."""

import numpy as np

from narrows.data.datasets.named import NamedSet
from narrows.progress import Progress, no_progress


def describe() -> NamedSet:
    """Return what the data set contains."""
    title = "small handwritten digits, 0..16"
    return NamedSet("digits", {"train": 899, "test": 898}, (8, 8), "uint8", title, True, "in scikit-learn")


def read_split(split: str, progress: Progress = no_progress) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return digits (N, 8, 8) uint8 and their labels (N,) uint8: the first half to train on, the rest to test."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    half = slice(0, 899) if split == "train" else slice(899, None)
    return images.reshape(-1, 8, 8).astype(np.uint8)[half], labels.astype(np.uint8)[half], []
