"""The former module of noise and masks."""

from narrows.corruption import Masks as Holes
from narrows.corruption import Noise

__all__ = ["Holes", "Noise"]
