"""The context model of colours in training: which near colour a pixel repeats, and the channels of new colours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from narrows.codec.entropy import colours
from narrows.codec.entropy.colour_coding import channel_keys
from narrows.codec.entropy.colours import NearColours, NewColours
from narrows.codec.entropy.context_features import SMALLEST_OF_BUCKET, IndexCounts
from narrows.codec.entropy.design import KEYED_LEVELS, Design
from narrows.codec.entropy.exact_predictor import INPUT_UNIT, LARGEST, part
from narrows.codec.entropy.pass_context import PassContext, contexts_of
from narrows.codec.learning.predictor import Predictor, Windows, gate, load
from narrows.codec.learning.sampling import sample, weighted

REPEATS, NEW = 384, 256  # pixels sampled from each pass of a training batch


class ColourModel(nn.Module):
    """Learns the probabilities of colours; `tensors` returns what `InterlacedCoder` codes with.

    Parameters
    ----------
    design : Design
        Sizes.
    """

    def __init__(self, design: Design) -> None:
        super().__init__()
        self.design, self.scale = design, LARGEST // design.top
        taps = {key: max(size, 1) for key, size in design.window_sizes().items()}
        sizes = {key: colours.repeat_inputs_size(size, design.channels) for key, size in taps.items()}
        groups = dict.fromkeys(sizes, 0)
        self.repeats = Predictor(sizes, groups, design.places, KEYED_LEVELS, design.flag_hidden, 1, colours.NEAR + 1)
        by_channel = channel_keys(design)
        sizes = {name: colours.channel_inputs_size(taps[key], design.channels) for name, key in by_channel.items()}
        groups = dict.fromkeys(sizes, 0)
        self.main = Predictor(sizes, groups, 1, KEYED_LEVELS, design.hidden, 2, design.outputs)
        for layer in self.main.last:
            assert isinstance(layer, nn.Linear)
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.flat = nn.Parameter(torch.full((KEYED_LEVELS, 2), -4.0))
        rise = torch.log1p(0.5 * torch.from_numpy(SMALLEST_OF_BUCKET))
        self.bonus = nn.ParameterDict({key: rise.clone() for key in by_channel})

    @property
    def predictors(self) -> list[Predictor]:
        """The perceptrons."""
        return [self.main, self.repeats]

    def tensors(self) -> dict[str, np.ndarray]:
        """Return all that decides probabilities, as integers, by the names that they have in model files."""
        found = {f"main.{name}": tensor for name, tensor in self.main.tensors().items()}
        found |= {f"repeats.{name}": tensor for name, tensor in self.repeats.tensors().items()}
        found |= {f"bonus.{key}": whole(bonus).astype(np.int16) for key, bonus in self.bonus.items()}
        return found | {"flat": whole(self.flat)}

    def load_tensors(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Take what `tensors` returned."""
        self.main.load_tensors(part(tensors, "main."))
        self.repeats.load_tensors(part(tensors, "repeats."))
        load(self.flat, tensors["flat"], 1 / INPUT_UNIT)
        for key, bonus in self.bonus.items():
            load(bonus, tensors[f"bonus.{key}"], 1 / INPUT_UNIT)

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
        """Return the mean cost in bits, per value of the items, of one group's passes, from a sample of their pixels.

        Parameters are those of `ContextModel.bits`; step, size and missing are not used.
        """
        pixels, parts, seen = colours.colours_of(k), [], None
        for context in contexts_of(self.design, pixels, group):
            if seen is None:
                before = k[(slice(None), slice(None), *context.lattice_pass.coarser_places())]
                seen = [IndexCounts(len(k), self.design.top + 1, k) for _ in range(self.design.channels)]
                self._count(seen, before)
            index = context.item_index(tuple(k.shape[2:]))
            parts.append(self._part(context, pixels[index].reshape(-1), seen, generator))
            self._count(seen, k[(slice(None), slice(None), *index[2:])])
        if not parts:  # items too small to have passes of this group
            return k.new_zeros((), requires_grad=True)
        cost = torch.stack([part.flat_cost for part in parts]).sum()
        cost = cost + self._cost_of_repeats(parts) + self._cost_of_channels(parts)
        return cost / float(k.numel() * np.log(2))

    def _count(self, seen: list[IndexCounts], k: Tensor) -> None:
        """Count the values of each channel."""
        for channel, counts in enumerate(seen):
            counts.add(k[:, channel])

    def _part(
        self, context: PassContext, target: Tensor, seen: list[IndexCounts], generator: torch.Generator | None
    ) -> "Part":
        windows = context.windows(torch.arange(len(target), device=target.device))
        if not windows.shape[1]:
            windows = windows.new_zeros(len(windows), 1)
        level, flat, other = self.design.level(context.lattice_pass), colours.flatness(windows), target != windows[:, 0]
        cost = self.flat.new_zeros(())
        for kind in (1, 2):
            wanted = other[flat == kind].float()
            logits = self.flat[level, kind - 1].expand(len(wanted))
            cost = cost + functional.binary_cross_entropy_with_logits(logits, wanted, reduction="sum")
        chosen, weight = sample((flat == 0).nonzero()[:, 0], REPEATS, generator)
        near = NearColours(windows[chosen], self.design.channels, self.scale)
        _, place = context.split(chosen)
        levels = torch.full_like(place, level)
        given = Windows(context.key, near.inputs().float() / INPUT_UNIT, place, levels)
        repeats = Sampled(given, near.symbols(target[chosen]), weight)
        candidates = other.nonzero()[:, 0]
        drawn, weight = sample(candidates, 4 * NEW, generator)
        near_drawn = NearColours(windows[drawn], self.design.channels, self.scale)
        is_new = (flat[drawn] > 0) | (near_drawn.symbols(target[drawn]) == colours.NEAR)
        drawn, more = sample(drawn[is_new], NEW, generator)
        new = NewColours(NearColours(windows[drawn], self.design.channels, self.scale))
        bonuses = self._bonuses(context, seen, drawn)
        return Part(cost, near.there, repeats, self._channels(context, new, target[drawn], bonuses, weight * more))

    def _bonuses(self, context: PassContext, seen: list[IndexCounts], drawn: Tensor) -> list[Tensor]:
        """Return what the logit of each value gains from its count in the item, (P, top + 1) for each channel."""
        items, _ = context.split(drawn)
        keys = (f"{context.key}-{channel}" for channel in range(self.design.channels))
        return [
            self.bonus[key][counts.buckets()].index_select(0, items) for key, counts in zip(keys, seen, strict=True)
        ]

    def _channels(
        self, context: PassContext, new: NewColours, target: Tensor, bonuses: list[Tensor], weight: float
    ) -> list["SampledChannel"]:
        wanted, level = colours.channels_of(target, self.design.channels), self.design.level(context.lattice_pass)
        place = torch.zeros_like(target)
        found = []
        for channel in range(self.design.channels):
            known = wanted[:, :channel]
            inputs = new.inputs(known).float() / INPUT_UNIT
            given = Windows(f"{context.key}-{channel}", inputs, place, torch.full_like(place, level))
            bins, raised = new.bins(channel, self.design.top), new.gated(known, self.design.top)
            found.append(SampledChannel(given, wanted[:, channel], weight, bonuses[channel], bins, *raised))
        return found

    def _cost_of_repeats(self, parts: list["Part"]) -> Tensor:
        outputs = self.repeats([part.repeats.windows for part in parts])
        there = torch.cat([part.there for part in parts])
        logits = torch.cat([outputs[:, : colours.NEAR].masked_fill(~there, -128.0), outputs[:, colours.NEAR :]], 1)
        return cost_of(logits, [part.repeats for part in parts])

    def _cost_of_channels(self, parts: list["Part"]) -> Tensor:
        samples = [each for part in parts for each in part.channels]
        outputs = self.main([each.windows for each in samples])
        top = self.design.top
        logits, of_bonus, binned, gates = outputs.split([top + 1, 1, colours.BINS + 1, colours.GATES], 1)
        logits = logits + torch.cat([each.bonus for each in samples]) * gate(of_bonus)
        logits = logits + binned.gather(1, torch.cat([each.bins for each in samples]))
        raised, raises = (torch.cat([getattr(each, name) for each in samples]) for name in ("raised", "raises"))
        return cost_of(logits.scatter_add(1, raised, gates * raises), samples)


@dataclass(frozen=True)
class Sampled:
    """Inputs and symbols of a sample of pixels, and how many each stands for."""

    windows: Windows
    symbols: Tensor
    weight: float


@dataclass(frozen=True)
class SampledChannel(Sampled):
    """One channel of a sample of new colours, with the bonuses and bins of its values and what gates raise."""

    bonus: Tensor
    bins: Tensor
    raised: Tensor
    raises: Tensor


@dataclass(frozen=True)
class Part:
    """Of one pass: the cost of pixels in flat contexts; then which colours others repeat, and new colours."""

    flat_cost: Tensor
    there: Tensor
    repeats: Sampled
    channels: list[SampledChannel]


def whole(parameter: nn.Parameter) -> np.ndarray:
    """Return a parameter in units of 1/256, rounded to int32."""
    return np.asarray(np.rint(parameter.detach().cpu().double().numpy() * INPUT_UNIT), np.int32)


def cost_of(logits: Tensor, samples: Sequence[Sampled]) -> Tensor:
    """Return the cost of the symbols of samples, whose logits (P, K) follow each other."""
    symbols = torch.cat([each.symbols for each in samples])
    losses = functional.cross_entropy(logits, symbols, reduction="none")
    return weighted(losses, [(len(each.symbols), each.weight) for each in samples])
