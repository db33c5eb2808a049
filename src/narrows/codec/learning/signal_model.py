"""The context model of signals in training: the shape of the distribution of whitened signals."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from narrows.codec.entropy import tokens
from narrows.codec.entropy.design import Design
from narrows.codec.entropy.pass_context import contexts_of
from narrows.codec.entropy.signal_coding import (
    REACH,
    expected_index,
    logits,
    magnitudes,
    relative_index,
    window_weights,
)
from narrows.codec.entropy.whitening import whiten
from narrows.codec.learning.predictor import Predictor, load
from narrows.codec.learning.sampling import sample

TARGETS = 320  # sampled from each pass of a training batch
WARM = 512  # values of a crop before those that are learned from: recordings are longer, and better predicted


class SignalModel(nn.Module):
    """Learns the shape of the distribution; `tensors` returns what `InterlacedCoder` codes with.

    Parameters
    ----------
    design : Design
        Sizes.
    """

    def __init__(self, design: Design) -> None:
        super().__init__()
        self.design = design
        self.shape = nn.Parameter(torch.zeros(design.n_groups, 2 * REACH + 1))

    @property
    def predictors(self) -> list[Predictor]:
        """The perceptrons: none."""
        return []

    def tensors(self) -> dict[str, np.ndarray]:
        """Return all that decides probabilities, as integers, by the names that they have in model files."""
        return {"shape": np.rint(self.shape.detach().cpu().double().numpy() * 256).clip(-9999, 9999).astype(np.int16)}

    def load_tensors(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Take what `tensors` returned."""
        load(self.shape, tensors["shape"], 1 / 256)

    def filled(self, k: Tensor, missing: Tensor) -> Tensor:
        """Return indices (N, C, *S) as they are: missing ones are coded like others."""
        return k

    def bits(
        self,
        k: Tensor,
        step: Tensor,
        size: Tensor,
        group: int,
        generator: torch.Generator | None = None,
        missing: Tensor | None = None,
    ) -> Tensor:
        """Return the mean cost in bits, per value of the items, of one group's passes, from a sample of their values.

        Parameters are those of `ContextModel.bits`; step, size and missing are not used.
        """
        most, bits = 2**self.design.top, self.design.top + 1
        indices = k.clamp(-most, most - 1).cpu().numpy().astype(np.int32)
        residuals = whiten(indices, self.design.top)
        cost = k.new_zeros(())
        for context in contexts_of(self.design, magnitudes(residuals), group):
            target = residuals[context.item_index(k.shape[2:])].reshape(-1).astype(np.int64)
            t = np.arange(k.shape[2])[context.lattice_pass.places(tuple(k.shape[2:]))[0]]
            warm = np.flatnonzero(np.tile(t >= min(WARM, k.shape[2] // 2), len(k)))
            drawn, share = sample(torch.from_numpy(warm), TARGETS, generator)
            chosen = drawn.numpy()
            weights = window_weights(self.design.taps(context.lattice_pass, context.channel))
            expected = expected_index(context.windows(chosen), weights)
            token, _, extra = tokens.split(target[chosen])
            given = torch.from_numpy(logits(bits)[expected] / 256).to(k)
            given = given + self.shape[group][torch.from_numpy(relative_index(bits)[expected]).to(k.device)]
            losses = functional.cross_entropy(given, torch.from_numpy(token).long().to(k.device), reduction="sum")
            cost = cost + share * (losses + float(extra.sum()) * float(np.log(2)))
        return cost / float(k.numel() * np.log(2)) + 0 * self.shape.sum()
