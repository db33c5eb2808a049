"""The context model in training: the probability of each index, given all that precede it in the interlaced order.

    known neighbours (windows), position, step -> perceptrons -> one probability for each possible index

Two alphabets are here. "values", for data of few values such as drawings and digits: first whether the value is zero,
which for contexts of zeros alone is predicted by a table; then which value, where those that the item has shown before
get a bonus that grows with their count. "mixtures", for most data: a mixture of logistic distributions about a linear
prediction.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from narrows.codec.arrays import Array, beside, namespace
from narrows.codec.entropy import tokens
from narrows.codec.entropy.context_features import (
    SMALLEST_OF_BUCKET,
    IndexCounts,
    cells_of_values,
    features_of_values,
)
from narrows.codec.entropy.design import Design
from narrows.codec.entropy.engines import mixture_inputs
from narrows.codec.entropy.exact_predictor import INPUT_UNIT, part
from narrows.codec.entropy.lattice import LatticePass
from narrows.codec.entropy.mixture_features import COMPONENTS, SCALES, WindowLayout, features_of_mixtures
from narrows.codec.entropy.mixtures import LARGEST_MEAN
from narrows.codec.entropy.pass_context import PassContext, contexts_of, iterate_passes
from narrows.codec.learning.predictor import Predictor, Windows, gate, load
from narrows.codec.learning.sampling import on_host, sample, weighted
from narrows.codec.transforms.quantiser import MOST

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
            self.layouts = {key: WindowLayout(design.taps(*each)) for key, each in self.keys.items()}
            for key, size in self.inputs.items():
                self.register_buffer(f"prediction-{key}", torch.zeros(size))
            for layer in self.main.last:
                assert isinstance(layer, nn.Linear)
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)
                with torch.no_grad():
                    layer.bias[COMPONENTS : 2 * COMPONENTS] = torch.linspace(-2, 1.5, COMPONENTS)

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

    def load_tensors(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Take what `tensors` returned."""
        self.main.load_tensors(part(tensors, "main."))
        if self.design.alphabet == "values":
            self.flags.load_tensors(part(tensors, "flags."))
            load(self.zero_logit, tensors["quiet"], 1 / INPUT_UNIT)
            load(self.zero_logit_step, tensors["quiet_step"], 1 / INPUT_UNIT)
            for key, bonus in self.bonus.items():
                load(bonus, tensors[f"bonus.{key}"], 1 / INPUT_UNIT)
        else:
            for key in self.keys:
                load(self.get_buffer(f"prediction-{key}"), tensors[f"prediction.{key}"], 1 / tokens.WEIGHT_UNIT)

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
        missing : bool Tensor (N, C, *S), optional
            Values that mixtures do not code.
        """
        shape, seen, values = tuple(k.shape[2:]), None, self.design.alphabet == "values"
        parts: list[Any] = []
        indices = on_host(k.clamp(1 - MOST, MOST - 1))  # values farther off are not coded
        items = TargetItems(on_host(step), cells_of_values(self.design.top, on_host(size)) if values else None)
        for context in self.contexts(indices, on_host(size), group):
            target = indices[context.item_index(shape)].reshape(-1)
            if not values:
                there = None if missing is None else on_host(~missing[context.item_index(shape)].reshape(-1))
                parts.append(self._mixtures(context, target, items, there, generator))
                continue
            if seen is None:
                seen = IndexCounts(len(k), self.design.top + 1, indices)
                before = indices[(slice(None), slice(None), *context.lattice_pass.coarser_places())]
                if math.prod(before.shape):
                    seen.add(before)
            parts.append(self._values(context, target, items, seen, generator))
            seen.add(target.reshape(len(k), -1))
        if not parts:  # items too small to have passes of this group
            return k.new_zeros((), requires_grad=True)
        cost = self._cost_of_values(parts) if values else self._cost_of_mixtures(parts)
        return cost / float(k.numel() * np.log(2))

    def contexts(self, k: Array, size: Array | None = None, group: int | None = None) -> Iterator[PassContext]:
        """Iterate over the passes and channels of indices k (N, C, *S), of one group where one is given."""
        xp = namespace(k)
        if self.design.alphabet == "values":
            sizes = xp.ones_like(k.reshape(len(k), -1)[:, 0]) if size is None else size
            k = xp.astype(features_of_values(k, sizes, self.design.top), xp.uint8)
        else:
            k = xp.astype(k, xp.int32)
        return contexts_of(self.design, k, group)

    def filled(self, k: Tensor, missing: Tensor) -> Tensor:
        """Return indices (N, C, *S) with what the coding of mixtures takes missing ones for."""
        if self.design.alphabet == "values":
            return k
        shape, k = tuple(k.shape[2:]), k.clone()

        def lattice_values(lattice_pass: LatticePass) -> Tensor:
            return k[(slice(None), slice(None), *lattice_pass.lattice_places())]

        for context in iterate_passes(self.design, shape, lattice_values, changing=True):
            index, near = context.item_index(shape), self.layouts[context.key].near[0]
            places = missing[index].reshape(-1).nonzero()[:, 0]
            if len(places) and len(near):
                values = k[index].reshape(-1).clone()
                values[places] = context.means(places, near)
                k[index] = values.view(k[index].shape)
        return k

    def _values(
        self,
        context: PassContext,
        target: Array,
        given: "TargetItems",
        seen: IndexCounts,
        generator: torch.Generator | None,
    ) -> "ValuesPart":
        """Return the cost of a pass's values in zero contexts, and a sample of the others."""
        positive, active = self._tensor(target > 0), context.active
        logits = self.zero_logit[self._tensor(context.cells)] + self.zero_logit_step[self._tensor(given.step)][:, None]
        cost = functional.binary_cross_entropy_with_logits(
            logits, positive.view_as(logits).float(), self._tensor(~active).view_as(logits).float(), reduction="sum"
        )
        flagged, flag_weight = sample(nonzero(active), FLAG_TARGETS, generator)
        chosen, weight = sample(nonzero(target > 0), TARGETS, generator)
        items = self._tensor(context.split(chosen)[0])
        cells = self._tensor(given.cells)
        bonus = self.bonus[context.key][self._tensor(seen.buckets()).gather(1, cells)]
        return ValuesPart(
            cost,
            self._windows(context, context.windows(flagged), flagged, given),
            positive[self._tensor(flagged)].float(),
            flag_weight,
            self._windows(context, context.windows(chosen), chosen, given),
            self._tensor(target[chosen]).long(),
            bonus.index_select(0, items),
            cells.to(torch.uint8).index_select(0, items) if self.design.steps > 1 else cells[:0],
            weight,
        )

    def _cost_of_values(self, parts: list["ValuesPart"]) -> Tensor:
        logits = self.flags([part.flagged for part in parts])[:, 0]
        flags = torch.cat([part.flags for part in parts])
        losses = functional.binary_cross_entropy_with_logits(logits, flags, reduction="none")
        cost = torch.stack([part.cost for part in parts]).sum()
        cost = cost + weighted(losses, [(len(part.flags), part.flag_weight) for part in parts])
        outputs = self.main([part.windows for part in parts])
        logits = outputs[:, :-1] + torch.cat([part.bonus for part in parts]) * gate(outputs[:, -1:])
        target = torch.cat([part.target for part in parts])
        if self.design.steps > 1:
            cells = torch.cat([part.cells for part in parts])
            likely = torch.softmax(logits.masked_fill(cells == 0, -1e4), 1)  # many times faster here than logsumexp
            wanted = cells == target[:, None].to(torch.uint8)
            losses = -torch.log((likely * wanted).sum(1).clamp(min=1e-30))
        else:
            losses = functional.cross_entropy(logits, target - 1, reduction="none")
        return cost + weighted(losses, [(len(part.target), part.weight) for part in parts])

    def _mixtures(
        self,
        context: PassContext,
        target: Array,
        given: "TargetItems",
        there: Array | None,
        generator: torch.Generator | None,
    ) -> "MixturesPart":
        """Return a sample of those values of a pass that are there; of all by default."""
        most = TARGETS // len(context.lattice_pass.parts()) if context.lattice_pass.part else TARGETS
        places = beside(np.arange(len(target)), target) if there is None else nonzero(there)
        chosen, weight = sample(places, most, generator)
        weights = np.rint(self.get_buffer(f"prediction-{context.key}").cpu().numpy() * tokens.WEIGHT_UNIT)
        layout, windows = self.layouts[context.key], context.windows(chosen)
        if isinstance(windows, Tensor):
            weights = beside(weights.astype(np.float64), windows)
            found = features_of_mixtures(windows.double(), weights, layout, self.design.top)
        else:
            found = mixture_inputs(windows, weights.astype(np.int32), layout, self.design.top)
        scale = 2.0 ** (found.scale / SCALES)
        return MixturesPart(
            self._windows(context, found.inputs, chosen, given),
            self._tensor((target[chosen] * float(tokens.WEIGHT_UNIT) - found.predicted) / scale).float(),
            self._tensor(tokens.WEIGHT_UNIT / 2 / scale).float(),
            weight,
        )

    def _cost_of_mixtures(self, parts: list["MixturesPart"]) -> Tensor:
        outputs = self.main([part.windows for part in parts])
        losses = mixture_loss(
            outputs, torch.cat([part.away for part in parts]), torch.cat([part.half for part in parts])
        )
        return weighted(losses, [(len(part.away), part.weight) for part in parts])

    def _windows(self, context: PassContext, inputs: Array, chosen: Array, given: "TargetItems") -> Windows:
        """Return inputs, -255..255, of chosen values for a perceptron."""
        items, place = context.split(chosen)
        scaled = self._tensor(inputs).float() / INPUT_UNIT
        return Windows(context.key, scaled, self._tensor(place), self._tensor(given.step[items]))

    def _tensor(self, array: Array) -> Tensor:
        """Return an array as a tensor on the device of the weights."""
        return torch.as_tensor(array, device=self.main.place.device)


@dataclass(frozen=True)
class TargetItems:
    """The rows of the table of steps of some items, (n,), and for "values" the index of each value, (n, top)."""

    step: Array
    cells: Array


@dataclass(frozen=True)
class ValuesPart:
    """Of one pass and channel: the cost of values in zero contexts; then flags and values, sampled with weights."""

    cost: Tensor
    flagged: Windows
    flags: Tensor
    flag_weight: float
    windows: Windows
    target: Tensor
    bonus: Tensor
    cells: Tensor
    weight: float


@dataclass(frozen=True)
class MixturesPart:
    """Of one pass and channel: a weighted sample; distances from predictions, halves of an index (P,).

    Both in units of the local scale.
    """

    windows: Windows
    away: Tensor
    half: Tensor
    weight: float


def nonzero(array: Array) -> Array:
    """Return the indices of what is not zero in an array of one axis."""
    return namespace(array).nonzero(array)[0]


def mixture_loss(outputs: Tensor, away: Tensor, half: Tensor) -> Tensor:
    """Return the cost in nats (P,) of indices at distances `away`, between `half` before and `half` behind."""
    mean, spread, weight = outputs.split(COMPONENTS, 1)
    rate = torch.exp2(-spread)
    z = (away[:, None] - mean.clamp(-LARGEST_MEAN, LARGEST_MEAN)) * rate
    half = half[:, None] * rate
    # The logistic function at z + half, less that at z - half: sinh(half) / (cosh(z) + cosh(half)).
    likely = half + torch.log(-torch.expm1(-2 * half)) - torch.logsumexp(torch.stack([z, -z, half, -half]), 0)
    return -torch.logsumexp(torch.log_softmax(weight, 1) + likely, 1)


def rename_parameters(module: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
    """Give the parameters of an old checkpoint their present names."""
    for old, new in RENAMED.items():
        if prefix + old in state:
            state[prefix + new] = state.pop(prefix + old)
