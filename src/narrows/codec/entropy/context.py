"""The context model: how likely each index is, given all that is known before it in the interlaced order.

    known neighbours (windows), place, step  ->  perceptrons  ->  one probability for each possible index

Two alphabets. "values", for data of few levels such as drawings and digits: first "is it zero?", for which windows of
nothing but zeros are answered by a table; then which value, where those that the item has shown before get a bonus that
grows with how often. "residuals", for all else: the difference from a linear prediction, as a token and extra bits.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from narrows.codec.entropy import tokens
from narrows.codec.entropy.design import Design
from narrows.codec.entropy.integer_network import INPUT_UNIT, LARGEST, Predictor
from narrows.codec.entropy.lattice import parities
from narrows.codec.entropy.plane import Plane, place_cells

SEEN = 24  # buckets of how often an item has shown a value

TARGETS, FLAG_TARGETS = 320, 512  # sampled from each pass of a training batch


class ContextModel(nn.Module):
    """Learns the probabilities; `tensors` gives what `InterlacedCoder` codes with."""

    def __init__(self, design: Design) -> None:
        super().__init__()
        self.design, self.kinds = design, design.kinds()
        self.inputs = design.window_sizes()
        groups = {key: group for key, (_, _, group) in self.kinds.items()}
        common = (groups, design.places, design.steps)
        values = design.alphabet == "values"
        self.main = Predictor(design.input_sizes(), *common, design.hidden, 2, design.outputs)
        if values:
            self.flags = Predictor(self.inputs, *common, design.flag_hidden, 1, 1)
            self.quiet = nn.Parameter(torch.full((design.places,), -4.0))
            self.quiet_step = nn.Parameter(torch.zeros(design.steps))
            rise = torch.log1p(0.5 * smallest_of_bucket())
            self.bonus = nn.ParameterDict({key: rise.clone() for key in self.kinds})
            for layer in self.main.last:
                assert isinstance(layer, nn.Linear)
                nn.init.zeros_(layer.weight[-1:])
                nn.init.zeros_(layer.bias[-1:])
        else:
            for key, size in self.inputs.items():
                self.register_buffer(f"prediction-{key}", torch.zeros(size))

    def tensors(self) -> dict[str, np.ndarray]:
        """All that decides probabilities, as whole numbers, by name."""
        found = {f"main.{name}": tensor for name, tensor in self.main.tensors().items()}
        if self.design.alphabet == "values":
            found |= {f"flags.{name}": tensor for name, tensor in self.flags.tensors().items()}
            for name, parameter in (("quiet", self.quiet), ("quiet_step", self.quiet_step)):
                found[name] = np.rint(parameter.detach().cpu().double().numpy() * 256).astype(np.int32)
            for key, bonus in self.bonus.items():
                found[f"bonus.{key}"] = np.rint(bonus.detach().cpu().double().numpy() * 256).astype(np.int16)
        else:
            for key in self.kinds:
                weights = self.get_buffer(f"prediction-{key}").cpu().numpy()
                found[f"prediction.{key}"] = np.rint(weights * tokens.WEIGHT_UNIT).astype(np.int16)
        return found

    def bits(
        self, k: Tensor, step: Tensor, size: Tensor, group: int, generator: torch.Generator | None = None
    ) -> Tensor:
        """The mean cost in bits, per value of the items, of what belongs to one group, from a sample of its values.

        k (N, C, *S): indices, whole numbers in float32. step (N,): entries of the table of steps. size (N,): for
        "values", the width of each item's cells in whole numbers.
        """
        values, seen = self.design.alphabet == "values", None
        parts: list[Any] = []
        for view in self.views(k, step, size, group):
            if not values:
                parts.append(self._residuals(view, generator))
                continue
            if seen is None:
                seen = Seen(len(k), self.design.top + 1, k.device)
                if view.before.numel():
                    seen.add(view.before)
            parts.append(self._values(view, seen, generator))
            seen.add(view.here.reshape(len(k), -1))
        if not parts:  # items too small to have passes of this group
            return k.new_zeros((), requires_grad=True)
        cost = self._cost_of_values(parts, group) if values else self._cost_of_residuals(parts, group)
        return cost / (k.numel() * np.log(2))

    def views(
        self, k: Tensor, step: Tensor | None = None, size: Tensor | None = None, group: int | None = None
    ) -> Iterator["View"]:
        """Each pass and channel over the indices k (N, C, *S), of one group where one is given, in coding order."""
        shape, lattice = tuple(k.shape[2:]), None
        step = k.new_zeros(len(k), dtype=torch.long) if step is None else step
        size = k.new_ones(len(k)) if size is None else size
        for turn, channel in self.design.turns(shape):
            key = self.design.key(turn, channel)
            if group not in (None, self.main.groups[key]):
                continue
            stride = 2**turn.level
            here: tuple[slice | int, ...] = (slice(None), channel, *turn.places(shape))
            if lattice != (turn.level, turn.first):
                lattice = (turn.level, turn.first)
                on_level = k[(..., *(slice(0, 1 if turn.first else None, stride) for _ in shape))]
                if self.design.alphabet == "values":
                    on_level = features_of_values(on_level, size, self.design.top)
                plane = Plane(on_level, self.design.radius)
            if not turn.first and 1 in on_level.shape[2:]:
                # Reflection at the ends of an axis of one value does not keep parity, so taps reach what is unknown.
                plane = Plane(known_before(on_level, turn.parity, channel), self.design.radius)
            taps = self.design.taps(turn, channel)
            yield View(
                key=key,
                here=k[here].reshape(-1),
                before=k[(..., *(slice(0, 0 if turn.first else None, 2 * stride) for _ in shape))],
                place=place_cells(shape, self.design.cells, turn).to(k.device),
                bases=plane.bases(turn.parity, turn.count(shape), channel, 1 if turn.first else 2),
                offsets=plane.offsets(taps),
                beside=self.design.beside(turn, channel),
                plane=plane,
                step=step,
                size=size,
            )

    def _values(self, view: "View", seen: "Seen", generator: torch.Generator | None) -> "ValuesPart":
        """What the cost of a pass is made of: its quiet values' cost, first layers of a sample of the others."""
        loud = any_near(view.plane, view.bases, view.offsets[view.beside])
        positive = view.here > 0
        quiet = (~loud).nonzero()[:, 0]
        items, place = view.split(quiet)
        logits = self.quiet[place] + self.quiet_step[view.step[items]]
        cost = functional.binary_cross_entropy_with_logits(logits, positive[quiet].float(), reduction="sum")
        flagged, flag_weight = sample(loud.nonzero()[:, 0], FLAG_TARGETS, generator)
        chosen, weight = sample(positive.nonzero()[:, 0], TARGETS, generator)
        items, _ = view.split(chosen)
        cells = cells_of_values(self.design.top, view.size)
        bonus = self.bonus[view.key][bucket(seen.counts).long()].gather(1, cells)
        return ValuesPart(
            cost,
            self._first(self.flags, view, flagged),
            positive[flagged].float(),
            flag_weight,
            self._first(self.main, view, chosen),
            view.here[chosen].long(),
            bonus.index_select(0, items),
            cells.index_select(0, items) if self.design.steps > 1 else cells[:0],
            weight,
        )

    def _cost_of_values(self, parts: list["ValuesPart"], group: int) -> Tensor:
        logits = self.flags.rest(group, torch.cat([part.flag_h for part in parts]))[:, 0]
        flags = torch.cat([part.flags for part in parts])
        losses = functional.binary_cross_entropy_with_logits(logits, flags, reduction="none")
        cost = torch.stack([part.cost for part in parts]).sum()
        for loss, part in zip(losses.split([len(part.flags) for part in parts]), parts, strict=True):
            cost = cost + part.flag_weight * loss.sum()
        outputs = self.main.rest(group, torch.cat([part.h for part in parts]))
        logits = outputs[:, :-1] + torch.cat([part.bonus for part in parts]) * gate(outputs[:, -1:])
        here = torch.cat([part.here for part in parts])
        if self.design.steps > 1:
            cells = torch.cat([part.cells for part in parts])
            likely = torch.softmax(logits.masked_fill(cells == 0, -1e4), 1)  # many times faster here than logsumexp
            losses = -torch.log((likely * (cells == here[:, None])).sum(1).clamp(min=1e-30))
        else:
            losses = functional.cross_entropy(logits, here - 1, reduction="none")
        for loss, part in zip(losses.split([len(part.here) for part in parts]), parts, strict=True):
            cost = cost + part.weight * loss.sum()
        return cost

    def _residuals(self, view: "View", generator: torch.Generator | None) -> "ResidualsPart":
        chosen, weight = sample(torch.arange(len(view.here), device=view.here.device), TARGETS, generator)
        windows = view.plane.windows(view.bases[chosen], view.offsets)
        predicted = windows @ self.get_buffer(f"prediction-{view.key}")
        items, place = view.split(chosen)
        features = features_of_residuals(windows.double(), predicted.double(), self.design.top).float() / INPUT_UNIT
        difference = (view.here[chosen] - nearest_index(predicted, self.design.top)).cpu().numpy().astype(np.int64)
        limit = 2 ** (self.design.top + 1) - 1
        token, _, extra = tokens.split(np.clip(difference, -limit, limit))
        return ResidualsPart(
            self.main.first(view.key, features, place, view.step[items]),
            torch.from_numpy(token).long().to(features.device),
            float(extra.sum()) * float(np.log(2)),
            weight,
        )

    def _cost_of_residuals(self, parts: list["ResidualsPart"], group: int) -> Tensor:
        outputs = self.main.rest(group, torch.cat([part.h for part in parts]))
        losses = functional.cross_entropy(outputs, torch.cat([part.token for part in parts]), reduction="none")
        cost = outputs.new_zeros(())
        for loss, part in zip(losses.split([len(part.token) for part in parts]), parts, strict=True):
            cost = cost + part.weight * (loss.sum() + part.extra)
        return cost

    def _first(self, predictor: Predictor, view: "View", chosen: Tensor) -> Tensor:
        items, place = view.split(chosen)
        windows = view.plane.windows(view.bases[chosen], view.offsets) / INPUT_UNIT
        return predictor.first(view.key, windows, place, view.step[items])


@dataclass(frozen=True)
class View:
    """One pass and channel of some items: the true indices, and what their windows are gathered with."""

    key: str
    here: Tensor  # (n x count,)
    before: Tensor  # what stands on the coarser lattice
    place: Tensor  # (count,)
    bases: Tensor  # (n x count,)
    offsets: Tensor
    beside: list[int]  # which offsets decide whether a value is quiet
    plane: Plane
    step: Tensor  # (n,)
    size: Tensor  # (n,)

    def split(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Of chosen values: their items, and their cells in the table of places."""
        count = len(self.place)
        return chosen // count, self.place[chosen % count]


@dataclass(frozen=True)
class ValuesPart:
    """Of one pass and channel: the cost of quiet values; then flags and values, sampled with weights."""

    cost: Tensor
    flag_h: Tensor
    flags: Tensor
    flag_weight: float
    h: Tensor
    here: Tensor
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


class Seen:
    """How often each item has shown each index, (n, indices)."""

    def __init__(self, items: int, indices: int, device: torch.device) -> None:
        self.counts = torch.zeros(items, indices, device=device)

    def add(self, k: Tensor) -> None:
        k = k.reshape(len(k), -1).long()
        self.counts.scatter_add_(1, k, torch.ones(k.shape, device=k.device))


def bucket(counts: Tensor) -> Tensor:
    """Of whole numbers in float32: 0..7 as they are; from there one bucket an octave."""
    octave = (counts.view(torch.int32) >> 23) - 127  # the exponent, as IEEE 754 keeps it
    return torch.where(counts < 8, counts.int(), octave + 5).clamp(max=SEEN - 1)


def smallest_of_bucket() -> Tensor:
    return torch.tensor([float(index if index < 8 else 2 ** (index - 5)) for index in range(SEEN)])


def gate(output: Tensor) -> Tensor:
    """What a bonus is multiplied by."""
    return (1 + output).clamp(0, 4)


def cells_of_values(top: int, size: Tensor) -> Tensor:
    """The index of the cell of width `size` (n,) in which each of the values 1..top lies, (n, top)."""
    values = torch.arange(1, top + 1, device=size.device)
    size = size.long()[:, None]
    return (values + size // 2) // size


def features_of_values(k: Tensor, size: Tensor, top: int) -> Tensor:
    """What the windows hold: the middle of each cell, 0..top, brought to 0..255; whole numbers in the type of k."""
    middle = (k * size.to(k.dtype).view(-1, *(1 for _ in k.shape[1:]))).clamp(max=top)
    return middle if top == LARGEST else (middle.long() * LARGEST // top).to(k.dtype)


def known_before(values: Tensor, parity: tuple[int, ...], channel: int) -> Tensor:
    """Values (N, C, *S) on the lattice of a pass, zero from this channel of the pass on, as a reader has them."""
    order = [(0,) * len(parity), *parities(len(parity))]
    known = torch.zeros_like(values)
    for odd in order[: order.index(parity) + 1]:
        most = channel if odd == parity else None
        where = (slice(None), slice(most), *(slice(start, None, 2) for start in odd))
        known[where] = values[where]
    return known


def features_of_residuals(windows: Tensor, predicted: Tensor, bits: int) -> Tensor:
    """Windows (P, T) of indices, as differences from the prediction (P,), squeezed to -255..255; and the prediction.

    In float64, in which indices and predictions in units of 2**-12 are exact.
    """
    small, large = (torch.from_numpy(table).to(windows.device) for table in tokens.compressed())
    eighths = torch.floor((windows - predicted[:, None]) * 8 + 0.5)
    size = eighths.abs().clamp(max=2.0**22 - 1)
    squeezed = torch.where(size < 2048, small[size.clamp(max=2047).long()], large[torch.floor(size / 2048).long()])
    level = torch.floor(predicted * (256 / 2**bits)).clamp(-LARGEST, LARGEST)
    return torch.cat([squeezed.double() * eighths.sign(), level[:, None]], 1)


def nearest_index(predicted: Tensor, bits: int) -> Tensor:
    """The index that differences count from: within the range of indices, so that every difference has its token."""
    return torch.floor(predicted + 0.5).clamp(1 - 2**bits, 2**bits - 1)


def any_near(plane: Plane, bases: Tensor, offsets: Tensor) -> Tensor:
    """Whether any of the taps is not zero, for each base."""
    if len(bases) * len(offsets) < 2**18:
        return (plane.windows(bases, offsets) != 0).any(1)
    found = torch.zeros(len(bases), dtype=torch.bool, device=bases.device)
    filled = plane.flat != 0
    for offset in offsets.tolist():
        found |= torch.take(filled, bases + offset)
    return found


def sample(candidates: Tensor, most: int, generator: torch.Generator | None) -> tuple[Tensor, float]:
    """At most so many of the candidates, drawn at random, and how many each stands for."""
    if len(candidates) <= most:
        return candidates, 1.0
    chosen = torch.randint(len(candidates), (most,), generator=generator, device=candidates.device)
    return candidates[chosen], len(candidates) / most
