"""Corruption for training: noise that is added, and masks of what is hidden.

    text -> Noise.parse -> noise.add(x, generator, clip)
    text -> Masks.parse -> masks.draw(shape, generator)

`register_noise` and `register_mask` add kinds.
"""

from narrows.corruption.masking import MaskKind, Masks, mask_kinds, register_mask
from narrows.corruption.noise import Noise, NoiseKind, noise_kinds, register_noise
from narrows.corruption.specification import Part

__all__ = [
    "MaskKind",
    "Masks",
    "Noise",
    "NoiseKind",
    "Part",
    "mask_kinds",
    "noise_kinds",
    "register_mask",
    "register_noise",
]
