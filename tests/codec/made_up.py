"""Small context models with random weights, as good as trained ones for all but the size of what they write."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from narrows.codec.entropy.design import Design
from narrows.codec.entropy.interlaced import InterlacedCoder
from narrows.codec.learning.colour_model import ColourModel
from narrows.codec.learning.context_model import ContextModel
from narrows.codec.learning.objective import context_model
from narrows.codec.learning.signal_model import SignalModel


def design(alphabet: Any, axes: int, channels: int, top: int = 0, cells: tuple[int, ...] = (), **more: Any) -> Design:
    made = Design(
        alphabet,
        axes,
        channels,
        top or {"values": 20, "mixtures": 9, "colours": 20, "signals": 9}[alphabet],
        cells or (2,) * axes,
        9,
    )
    return replace(made, **{"hidden": 8, "flag_hidden": 8, **more})


def model(design: Design, seed: int = 0) -> ContextModel | ColourModel | SignalModel:
    torch.manual_seed(seed)
    made = context_model(design)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            parameter.add_(torch.randn(parameter.shape) * (0.5 if "zero_logit" in name or "bonus" in name else 0.05))
        for key in made.keys if isinstance(made, ContextModel) and design.alphabet == "mixtures" else ():
            weights = made.get_buffer(f"prediction-{key}")
            own = [index for index, tap in enumerate(design.taps(*made.keys[key])) if tap[0] == 0]
            weights[own] = torch.rand(len(own))
            weights[own] /= weights[own].sum()
    return made.eval()


def interlaced(design: Design, seed: int = 0) -> InterlacedCoder:
    return InterlacedCoder(design, model(design, seed).tensors())


def contents(rng: np.random.Generator, shape: tuple[int, ...], most: int) -> Iterator[tuple[str, np.ndarray]]:
    """Arrays of whole numbers 0..most: smooth, mostly nothing, noise, and all alike."""
    steps = rng.integers(-2, 3, shape)
    for axis in range(1, len(shape)):
        steps = steps.cumsum(axis) if axis > 1 else steps
    yield "smooth", np.abs(steps) % (most + 1)
    yield "sparse", rng.integers(0, most + 1, shape) * (rng.random(shape) < 0.15)
    yield "noise", rng.integers(0, most + 1, shape)
    yield "largest", np.full(shape, most)
    yield "nothing", np.zeros(shape, np.int64)
