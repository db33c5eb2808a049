"""The context model in training: the probability of each index, given all that precede it in the interlaced order.

    known neighbours (windows), position, step -> perceptrons -> one probability for each possible index

Two alphabets are here. "values", for data of few values such as drawings and digits: first whether the value is zero,
which for contexts of zeros alone is predicted by a table; then which value, where those that the item has shown before
get a bonus that grows with their count. "residuals", for most data: the difference from a linear prediction, as a token
and extra bits.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from narrows.codec.entropy import tokens
from narrows.codec.entropy.context_features import (
    SMALLEST_OF_BUCKET,
    IndexCounts,
    cells_of_values,
    features_of_residuals,
    features_of_values,
    nearest_index,
)
from narrows.codec.entropy.design import Design
from narrows.codec.entropy.exact_predictor import INPUT_UNIT
from narrows.codec.entropy.pass_context import PassContext, contexts_of
from narrows.codec.learning.predictor import Predictor, gate
from narrows.codec.learning.sampling import sample

TARGETS, FLAG_TARGETS = 320, 512  # sampled from each pass of a training batch
RENAMED = {"quiet": "zero_logit", "quiet_step": "zero_logit_step"}  # since checkpoints of version 0.1.0


class ContextModel(nn.Module):
    """Learns the probabilities; `tensors` returns what `InterlacedCoder` codes with.

    Parameters
    ----------
    design : Design
        Sizes and alphabet.
    """

    def __init__(self, design: Design) -> None:
        super().__init__()
        self.design, self.keys = design, design.keys()
        self.inputs = design.window_sizes()
        common = (design.groups(), design.places, design.steps)
        values = design.alphabet == "values"
        untyped: Any = self
        untyped.register_load_state_dict_pre_hook(rename_parameters)
        self.main = Predictor(design.input_sizes(), *common, design.hidden, 2, design.outputs)
        if values:
            self.flags = Predictor(self.inputs, *common, design.flag_hidden, 1, 1)
            self.zero_logit = nn.Parameter(torch.full((design.places,), -4.0))
            self.zero_logit_step = nn.Parameter(torch.zeros(design.steps))
            rise = torch.log1p(0.5 * torch.from_numpy(SMALLEST_OF_BUCKET))
            self.bonus = nn.ParameterDict({key: rise.clone() for key in self.keys})
            for layer in self.main.last:
                assert isinstance(layer, nn.Linear)
                nn.init.zeros_(layer.weight[-1:])
                nn.init.zeros_(layer.bias[-1:])
        else:
            for key, size in self.inputs.items():
                self.register_buffer(f"prediction-{key}", torch.zeros(size))

    @property
    def predictors(self) -> list[Predictor]:
        """The perceptrons."""
        return [self.main, self.flags] if self.design.alphabet == "values" else [self.main]

    def tensors(self) -> dict[str, np.ndarray]:
        """Return all that decides probabilities, as integers, by the names that they have in model files."""
        found = {f"main.{name}": tensor for name, tensor in self.main.tensors().items()}
        if self.design.alphabet == "values":
            found |= {f"flags.{name}": tensor for name, tensor in self.flags.tensors().items()}
            for name, parameter in (("quiet", self.zero_logit), ("quiet_step", self.zero_logit_step)):
                found[name] = np.rint(parameter.detach().cpu().double().numpy() * 256).astype(np.int32)
            for key, bonus in self.bonus.items():
                found[f"bonus.{key}"] = np.rint(bonus.detach().cpu().double().numpy() * 256).astype(np.int16)
        else:
            for key in self.keys:
                weights = self.get_buffer(f"prediction-{key}").cpu().numpy()
                found[f"prediction.{key}"] = np.rint(weights * tokens.WEIGHT_UNIT).astype(np.int16)
        return found

    def bits(
        self, k: Tensor, step: Tensor, size: Tensor, group: int, generator: torch.Generator | None = None
    ) -> Tensor:
        """Return the mean cost in bits, per value of the items, of one group's passes, from a sample of their values.

        Parameters
        ----------
        k : Tensor (N, C, *S)
            Indices, integers in float32.
        step : Tensor (N,)
            Rows of the table of steps.
        size : Tensor (N,)
            For "values", the width of each item's cells.
        group : int
            The group.
        generator : torch.Generator, optional
            Draws the sample.
        """
        shape, seen = tuple(k.shape[2:]), None
        values = self.design.alphabet == "values"
        parts: list[Any] = []
        for context in self.contexts(k, size, group):
            targets = Targets(context, k[context.item_index(shape)].reshape(-1), step, size)
            if not values:
                parts.append(self._residuals(targets, generator))
                continue
            if seen is None:
                seen = IndexCounts(len(k), self.design.top + 1, k)
                before = k[(slice(None), slice(None), *context.lattice_pass.coarser_places())]
                if before.numel():
                    seen.add(before)
            parts.append(self._values(targets, seen, generator))
            seen.add(targets.k.reshape(len(k), -1))
        if not parts:  # items too small to have passes of this group
            return k.new_zeros((), requires_grad=True)
        cost = self._cost_of_values(parts, group) if values else self._cost_of_residuals(parts, group)
        return cost / float(k.numel() * np.log(2))

    def contexts(self, k: Tensor, size: Tensor | None = None, group: int | None = None) -> Iterator[PassContext]:
        """Iterate over the passes and channels of indices k (N, C, *S), of one group where one is given."""
        if self.design.alphabet == "values":
            k = features_of_values(k, k.new_ones(len(k)) if size is None else size, self.design.top)
        return contexts_of(self.design, k, group)

    def _values(self, targets: "Targets", seen: IndexCounts, generator: torch.Generator | None) -> "ValuesPart":
        """Return the cost of a pass's values in zero contexts, and the first layers of a sample of the others."""
        context, positive = targets.context, targets.k > 0
        zero = (~context.active).nonzero()[:, 0]
        items, place = context.split(zero)
        logits = self.zero_logit[place] + self.zero_logit_step[targets.step[items]]
        cost = functional.binary_cross_entropy_with_logits(logits, positive[zero].float(), reduction="sum")
        flagged, flag_weight = sample(context.active.nonzero()[:, 0], FLAG_TARGETS, generator)
        chosen, weight = sample(positive.nonzero()[:, 0], TARGETS, generator)
        items, _ = context.split(chosen)
        cells = cells_of_values(self.design.top, targets.size)
        bonus = self.bonus[context.key][seen.buckets()].gather(1, cells)
        return ValuesPart(
            cost,
            self._first(self.flags, targets, flagged),
            positive[flagged].float(),
            flag_weight,
            self._first(self.main, targets, chosen),
            targets.k[chosen].long(),
            bonus.index_select(0, items),
            cells.index_select(0, items) if self.design.steps > 1 else cells[:0],
            weight,
        )

    def _cost_of_values(self, parts: list["ValuesPart"], group: int) -> Tensor:
        logits = self.flags.rest(group, torch.cat([part.flag_h for part in parts]))[:, 0]
        flags = torch.cat([part.flags for part in parts])
        losses = functional.binary_cross_entropy_with_logits(logits, flags, reduction="none")
        cost = torch.stack([part.cost for part in parts]).sum()
        for loss, part in zip(torch.split(losses, [len(part.flags) for part in parts]), parts, strict=True):
            cost = cost + part.flag_weight * loss.sum()
        outputs = self.main.rest(group, torch.cat([part.h for part in parts]))
        logits = outputs[:, :-1] + torch.cat([part.bonus for part in parts]) * gate(outputs[:, -1:])
        target = torch.cat([part.target for part in parts])
        if self.design.steps > 1:
            cells = torch.cat([part.cells for part in parts])
            likely = torch.softmax(logits.masked_fill(cells == 0, -1e4), 1)  # many times faster here than logsumexp
            losses = -torch.log((likely * (cells == target[:, None])).sum(1).clamp(min=1e-30))
        else:
            losses = functional.cross_entropy(logits, target - 1, reduction="none")
        for loss, part in zip(torch.split(losses, [len(part.target) for part in parts]), parts, strict=True):
            cost = cost + part.weight * loss.sum()
        return cost

    def _residuals(self, targets: "Targets", generator: torch.Generator | None) -> "ResidualsPart":
        context = targets.context
        chosen, weight = sample(torch.arange(len(targets.k), device=targets.k.device), TARGETS, generator)
        windows = context.windows(chosen)
        predicted = windows @ self.get_buffer(f"prediction-{context.key}")
        items, place = context.split(chosen)
        features = features_of_residuals(windows.double(), predicted.double(), self.design.top).float() / INPUT_UNIT
        difference = (targets.k[chosen] - nearest_index(predicted, self.design.top)).cpu().numpy().astype(np.int64)
        limit = 2 ** (self.design.top + 1) - 1
        token, _, extra = tokens.split(np.clip(difference, -limit, limit))
        return ResidualsPart(
            self.main.first(context.key, features, place, targets.step[items]),
            torch.from_numpy(token).long().to(features.device),
            float(extra.sum()) * float(np.log(2)),
            weight,
        )

    def _cost_of_residuals(self, parts: list["ResidualsPart"], group: int) -> Tensor:
        outputs = self.main.rest(group, torch.cat([part.h for part in parts]))
        losses = functional.cross_entropy(outputs, torch.cat([part.token for part in parts]), reduction="none")
        cost = outputs.new_zeros(())
        for loss, part in zip(torch.split(losses, [len(part.token) for part in parts]), parts, strict=True):
            cost = cost + part.weight * (loss.sum() + part.extra)
        return cost

    def _first(self, predictor: Predictor, targets: "Targets", chosen: Tensor) -> Tensor:
        context = targets.context
        items, place = context.split(chosen)
        windows = context.windows(chosen) / INPUT_UNIT
        return predictor.first(context.key, windows, place, targets.step[items])


@dataclass(frozen=True)
class Targets:
    """The true indices of a pass and channel, (n x count,), with the steps and sizes of cells of the items, (n,)."""

    context: PassContext
    k: Tensor
    step: Tensor
    size: Tensor


@dataclass(frozen=True)
class ValuesPart:
    """Of one pass and channel: the cost of values in zero contexts; then flags and values, sampled with weights."""

    cost: Tensor
    flag_h: Tensor
    flags: Tensor
    flag_weight: float
    h: Tensor
    target: Tensor
    bonus: Tensor
    cells: Tensor
    weight: float


@dataclass(frozen=True)
class ResidualsPart:
    """Of one pass and channel: first layers and tokens of a weighted sample, and the cost of their extra bits."""

    h: Tensor
    token: Tensor
    extra: float
    weight: float


def rename_parameters(module: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
    """Give the parameters of an old checkpoint their present names."""
    for old, new in RENAMED.items():
        if prefix + old in state:
            state[prefix + new] = state.pop(prefix + old)
