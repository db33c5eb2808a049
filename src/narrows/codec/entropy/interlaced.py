"""Indices of items into a bitstream and back, in the interlaced order, with the exact probabilities of a context model.

One walk serves both ways: it fills the lattice pass by pass from what the entropy coder gives back, so that the writer
sees at each moment what the reader will see.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from narrows.codec.entropy import tokens
from narrows.codec.entropy.context import (
    SEEN,
    Seen,
    any_near,
    bucket,
    features_of_residuals,
    features_of_values,
    nearest_index,
)
from narrows.codec.entropy.design import Design
from narrows.codec.entropy.integer_network import ExactPredictor, check_whole
from narrows.codec.entropy.lattice import Pass
from narrows.codec.entropy.plane import Plane, place_cells
from narrows.codec.entropy.range_coder import SymbolDecoder, SymbolEncoder

BLOCK, FLAG_BLOCK = 2**12, 2**13  # values, and flags, whose probabilities are computed at once
FARTHEST = 2**23  # of an index from 0
SURE = 0.2  # steps: values so near to the point of their index are coded with it


@dataclass(frozen=True)
class EncodeRequest:
    """What a writer is to code: indices k (n, C, *S); or, with a `weight` above 0, indices cheap for their error.

    x (n, C, *S): the true values in units of one step of the grid, index 0 at 0. weight: squared steps a bit is worth.
    """

    k: Tensor
    x: Tensor | None = None
    weight: float = 0.0


class InterlacedCoder:
    """Codes the indices of items of one shape. step: entry of the model's table of steps; size: width of a cell."""

    def __init__(self, design: Design, tensors: dict[str, np.ndarray], device: torch.device) -> None:
        check_whole(tensors)
        self.design, self.device = design, device
        groups = {key: group for key, (_, _, group) in design.kinds().items()}

        def part(name: str) -> dict[str, np.ndarray]:
            return {each.removeprefix(name): tensor for each, tensor in tensors.items() if each.startswith(name)}

        inputs = design.window_sizes()
        self.main = ExactPredictor(part("main."), groups, device)
        self.main.check(design.input_sizes(), design.places, design.steps, design.outputs)
        self.decay = torch.from_numpy(tokens.decay()).to(device)
        if design.alphabet == "values":
            self.flags = ExactPredictor(part("flags."), groups, device)
            self.flags.check(inputs, design.places, design.steps, 1)
            self.quiet, self.quiet_step = (
                torch.from_numpy(tensors[name].astype(np.int64)).to(device) for name in ("quiet", "quiet_step")
            )
            self.bonus = {
                key: torch.from_numpy(bonus.astype(np.float32)).to(device) for key, bonus in part("bonus.").items()
            }
            if any(float(bonus.abs().max()) > 4095 for bonus in self.bonus.values()):
                raise ValueError("a bonus too large for exact arithmetic")
            shapes = [self.quiet.shape, self.quiet_step.shape, *(self.bonus[key].shape for key in inputs)]
            if shapes != [(design.places,), (design.steps,), *((SEEN,) for _ in inputs)]:
                raise ValueError("tables of other sizes than the design says")
        else:
            self.prediction = {
                key: torch.from_numpy(weights.astype(np.float64)).to(device)
                for key, weights in part("prediction.").items()
            }
            if [self.prediction[key].shape for key in inputs] != [(size,) for size in inputs.values()]:
                raise ValueError("predictions of other sizes than the design says")

    def write(self, writer: SymbolEncoder, wanted: EncodeRequest, step: int, size: int) -> tuple[Tensor, np.ndarray]:
        """Code items -> the indices (n, C, *S) that stand in the bitstream, and the cost of each item in bits (n,)."""
        n, _, *shape = wanted.k.shape
        walk = Walk(self, writer, n, tuple(shape), step, size, wanted)
        return walk.run(0), walk.costs

    def read(
        self, reader: SymbolDecoder, n: int, shape: tuple[int, ...], step: int, size: int, coarsest: int = 0
    ) -> Tensor:
        """The indices (n, C, *S), int32; with `coarsest` above 0, of every 2**coarsest-th value along each axis."""
        return Walk(self, reader, n, shape, step, size, None).run(coarsest)


class Walk:
    """One walk over n items of a shape, with what is known so far."""

    def __init__(
        self,
        model: InterlacedCoder,
        coder: SymbolEncoder | SymbolDecoder,
        n: int,
        shape: tuple[int, ...],
        step: int,
        size: int,
        wanted: EncodeRequest | None,
    ) -> None:
        self.model, self.design, self.coder = model, model.design, coder
        self.n, self.shape, self.step, self.size, self.wanted = n, shape, step, size, wanted
        self.device = model.device
        self.costs = np.zeros(n)
        if self.design.alphabet == "values":
            top = self.design.top
            self.sizes = torch.full((n,), size, device=self.device)
            self.levels = (top + size // 2) // size + 1
            self.seen = Seen(n, self.levels, self.device)
            first = torch.arange(1, self.levels, device=self.device) * size - size // 2
            self.edges = torch.cat([first, torch.tensor([top + 1], device=self.device)]).clamp(1, top + 1) - 1

    def run(self, coarsest: int) -> Tensor:
        known = torch.zeros(
            self.n, self.design.channels, *(1 for _ in self.shape), dtype=torch.int32, device=self.device
        )
        lattice = None
        for turn, channel in self.design.turns(self.shape, coarsest):
            if lattice != (turn.level, turn.first):
                lattice = (turn.level, turn.first)
                if not turn.first:
                    known = self._finer(known, turn.level)
                plane = Plane(self._features(known), self.design.radius)
            else:
                plane.refresh(self._features(known))
            self._code(turn, channel, known, plane)
        return known

    def _finer(self, known: Tensor, level: int) -> Tensor:
        """The known indices on the lattice of this level, zero where nothing is known."""
        shape = [-(-size // 2**level) for size in self.shape]
        if list(known.shape[2:]) == shape:
            return known
        finer = known.new_zeros(self.n, self.design.channels, *shape)
        finer[(slice(None), slice(None), *(slice(None, None, 2) for _ in shape))] = known
        return finer

    def _features(self, known: Tensor) -> Tensor:
        if self.design.alphabet == "residuals":
            return known
        return features_of_values(known, self.sizes, self.design.top).to(torch.uint8)

    def _code(self, turn: Pass, channel: int, known: Tensor, plane: Plane) -> None:
        """One pass of one channel: its indices go into `known`."""
        taps = self.design.taps(turn, channel)
        count = turn.count(self.shape)
        odd = turn.parity
        self.key = self.design.key(turn, channel)
        self.plane, self.offsets = plane, plane.offsets(taps)
        self.bases = plane.bases(odd, count, channel, 1 if turn.first else 2)
        self.place = place_cells(self.shape, self.design.cells, turn).to(self.device)
        target: tuple[slice | int, ...] = (slice(None), channel, *(slice(start, None, 2) for start in odd))
        if self.wanted is None:
            here, x = None, None
        else:
            where: tuple[slice | int, ...] = (slice(None), channel, *turn.places(self.shape))
            here = self.wanted.k[where].reshape(-1)
            x = None if self.wanted.x is None or not self.wanted.weight else self.wanted.x[where].reshape(-1)
        if self.design.alphabet == "values":
            beside = self.offsets[self.design.beside(turn, channel)]
            k = self._code_values(here, x, any_near(plane, self.bases, beside))
            self.seen.add(k.reshape(self.n, -1))
        else:
            k = self._code_residuals(here, x)
        known[target] = k.to(torch.int32).reshape(known[target].shape)

    # "values": is it zero; if not, which

    def _code_values(self, here: Tensor | None, x: Tensor | None, loud: Tensor) -> Tensor:
        self.bonus = self.model.bonus[self.key][bucket(self.seen.counts)]
        if here is not None and x is not None:
            here = self._cheaper_values(here, x, loud)
        k = torch.zeros(len(self.bases), dtype=torch.int64, device=self.device)
        for places, frequencies in ((~loud, self._quiet_frequencies), (loud, self._flag_frequencies)):
            for block in blocks(places.nonzero()[:, 0], FLAG_BLOCK):
                k[block] = self._symbols(block, frequencies(block), None if here is None else (here[block] > 0).long())
        for block in blocks(k.nonzero()[:, 0]):
            symbols = None if here is None else here[block].long() - 1
            k[block] = 1 + self._symbols(block, self._value_frequencies(block), symbols)
        return k

    def _quiet_frequencies(self, block: Tensor) -> Tensor:
        logit = self.model.quiet[self.place[block % len(self.place)]] + self.model.quiet_step[self.step]
        return self._yes_or_no(logit)

    def _flag_frequencies(self, block: Tensor) -> Tensor:
        return self._yes_or_no(self._outputs(self.model.flags, block)[:, 0].long())

    def _yes_or_no(self, logit: Tensor) -> Tensor:
        most = len(self.model.decay) - 1
        return torch.take(self.model.decay, torch.stack([logit, -logit], 1).clamp_(0, most))

    def _value_frequencies(self, block: Tensor) -> Tensor:
        outputs = self._outputs(self.model.main, block)
        gates = (outputs[:, -1:] + 256).clamp_(0, 1024)
        bonus = self.bonus
        if self.size > 1:
            values = torch.arange(1, self.design.top + 1, device=self.device)
            bonus = bonus[:, (values + self.size // 2) // self.size]
        else:
            bonus = bonus[:, 1:]
        added = bonus.index_select(0, block // len(self.place)).mul_(gates.mul_(1 / 256)).floor_()
        frequencies = self._from_logits(added.add_(outputs[:, :-1]), int(self.edges[0]))
        if self.size == 1:
            return frequencies
        sums = torch.nn.functional.pad(frequencies.cumsum(1), (1, 0))
        return sums[:, self.edges[1:]] - sums[:, self.edges[:-1]]

    def _from_logits(self, logits: Tensor, first: int = 0) -> Tensor:
        """Frequencies (P, K) from logits in whole numbers of 1/256, of which those before `first` do not count."""
        behind = logits[:, first:].amax(1, keepdim=True) - logits
        return torch.take(self.model.decay, behind.clamp_(0, len(self.model.decay) - 1).long())

    def _outputs(self, predictor: ExactPredictor, block: Tensor) -> Tensor:
        windows = self.plane.windows(self.bases[block], self.offsets).float()
        return predictor(self.key, windows, self.place[block % len(self.place)], self.step)

    def _cheaper_values(self, here: Tensor, x: Tensor, loud: Tensor) -> Tensor:
        """For each value the index that is best by squared error and bits."""
        assert self.wanted is not None
        here = here.clone()
        points = torch.arange(self.levels, device=self.device)
        doubtful = (loud | (here > 0)) & ((x - here).abs() > SURE)
        for block in blocks(doubtful.nonzero()[:, 0]):
            flag = bits_of(
                torch.where(loud[block, None], self._flag_frequencies(block), self._quiet_frequencies(block))
            )
            value = bits_of(self._value_frequencies(block)) + flag[:, 1:]
            cost = torch.cat([flag[:, :1], value], 1)
            error = (x[block, None] - points) ** 2
            here[block] = torch.argmin(error + self.wanted.weight * cost, 1).to(here.dtype)
        return here

    # "residuals": how far from the prediction

    def _code_residuals(self, here: Tensor | None, x: Tensor | None) -> Tensor:
        k = torch.zeros(len(self.bases), dtype=torch.int64, device=self.device)
        for block in blocks(torch.arange(len(self.bases), device=self.device)):
            windows = self.plane.windows(self.bases[block], self.offsets).double()
            predicted = windows @ self.model.prediction[self.key] / tokens.WEIGHT_UNIT
            features = features_of_residuals(windows, predicted, self.design.top).float()
            place = self.place[block % len(self.place)]
            frequencies = self._from_logits(self.model.main(self.key, features, place, self.step))
            nearest = nearest_index(predicted, self.design.top).long()
            if here is None:
                token = self._symbols(block, frequencies, None).cpu().numpy()
                extra = self._extra_bits(block, token, None)
            else:
                wanted = here[block].long()
                if x is not None:
                    wanted = self._cheaper_residuals(wanted, x[block], nearest, frequencies)
                token, extra, _ = tokens.split((wanted - nearest).cpu().numpy())
                self._symbols(block, frequencies, torch.from_numpy(token).to(self.device))
                self._extra_bits(block, token, extra)
            difference = torch.from_numpy(tokens.join(token, extra)).to(self.device)
            k[block] = (nearest + difference).clamp(-FARTHEST, FARTHEST)
        return k

    def _extra_bits(self, block: Tensor, token: np.ndarray, extra: np.ndarray | None) -> np.ndarray:
        counts = tokens.extra_bits(token)
        where = np.flatnonzero(counts)
        sizes = np.left_shift(1, counts[where]).astype(np.int32)
        found = np.zeros(len(token), np.int32)
        found[where] = self.coder.uniform(sizes, *(() if extra is None else (extra[where],)))
        self._add_cost(block[torch.from_numpy(where).to(self.device)], counts[where].astype(np.float64))
        return found

    def _cheaper_residuals(self, here: Tensor, x: Tensor, nearest: Tensor, frequencies: Tensor) -> Tensor:
        """The best of each index and its two neighbours, by squared error and bits."""
        assert self.wanted is not None
        bits, costs = bits_of(frequencies), []
        for candidate in (here - 1, here, here + 1):
            token, _, extra = tokens.split((candidate - nearest).cpu().numpy())
            cost = bits.gather(1, torch.from_numpy(token).long().to(self.device)[:, None])[:, 0]
            cost = cost + torch.from_numpy(extra).to(self.device)
            costs.append((x - candidate) ** 2 + self.wanted.weight * cost)
        return here + torch.argmin(torch.stack(costs), 0) - 1

    def _symbols(self, block: Tensor, frequencies: Tensor, symbols: Tensor | None) -> Tensor:
        """Through the entropy coder: (P,) symbols, int64."""
        if frequencies.shape[1] == 1:
            return torch.zeros(len(block), dtype=torch.int64, device=self.device)
        rows = frequencies.cpu().numpy()
        if symbols is None:
            found = self.coder.categorical(rows)  # type: ignore[call-arg]
        else:
            found = self.coder.categorical(rows, symbols.cpu().numpy().astype(np.int32))
            chosen = np.take_along_axis(rows, found[:, None].astype(np.int64), 1)[:, 0]
            self._add_cost(block, np.log2(rows.sum(1) / chosen))
        return torch.from_numpy(found).long().to(self.device)

    def _add_cost(self, block: Tensor, bits: np.ndarray) -> None:
        if self.wanted is not None:
            self.costs += np.bincount((block // len(self.place)).cpu().numpy(), bits, self.n)


def blocks(places: Tensor, most: int = BLOCK) -> tuple[Tensor, ...]:
    """In parts whose probabilities are computed at once."""
    return places.split(most) if len(places) else ()


def bits_of(frequencies: Tensor) -> Tensor:
    return torch.log2(frequencies.sum(1, keepdim=True) / frequencies)
