"""Encoding of all items by one plan, chunk by chunk, on all cores."""

import math
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from narrows.codec import windows
from narrows.codec.chunk import checksum, chunks_of, groups
from narrows.codec.coder import Coder
from narrows.codec.coding_plan import CodingPlan
from narrows.codec.decoding import CHECK_BYTES
from narrows.codec.parallel import ordered_parallel_map
from narrows.data import Items

AIM, LEAST = 0.99, 0.97  # shares of the wanted error: what chunks encoded anew aim at, and what is near enough
MOST = 1.2  # by which the error of a chunk that is encoded anew may grow or shrink
AT_ONCE = 2**18  # values that are put on a grid at once


@dataclass(frozen=True, eq=False)
class Stack:
    """Items (n, ...) of one shape, and those of their values whose errors count."""

    items: np.ndarray
    counted: tuple[Any, ...] = (...,)


class SquaredErrors:
    """The sum of the squared errors of finite values, and their number."""

    def __init__(self, sum_: float = 0.0, count: int = 0) -> None:
        self.sum, self.count = sum_, count

    @property
    def mean(self) -> float:
        """The mean squared error; 0 where there are no finite values."""
        return self.sum / max(self.count, 1)

    def add(self, found: np.ndarray, x: np.ndarray) -> None:
        """Add the errors of values that stand for x."""
        finite = np.isfinite(x)
        difference = found[finite].astype(np.float64) - x[finite].astype(np.float64)
        self.sum += float(difference @ difference)
        self.count += difference.size

    @classmethod
    def total(cls, parts: Iterable["SquaredErrors"]) -> "SquaredErrors":
        """Return the errors of parts."""
        parts = list(parts)
        return cls(sum(part.sum for part in parts), sum(part.count for part in parts))


class ItemEncoder:
    """Encodes items; what it encodes to measure an error, it keeps.

    Parameters
    ----------
    coder : Coder
        The coder of the model.
    items : Items
        The items.
    """

    def __init__(self, coder: Coder, items: Items) -> None:
        self.coder, self.items, self.runs = coder, items, chunks_of(items)
        self._plan: CodingPlan | None = None
        self._kept: list[tuple[bytes, SquaredErrors]] = []

    def chunks(self, plan: CodingPlan) -> Generator[bytes, None, None]:
        """Yield the chunks of a file."""
        if plan == self._plan:
            yield from (chunk for chunk, _ in self._kept)
            return
        with closing(ordered_parallel_map(lambda run: self._encode(plan, run)[0], self.runs)) as chunks:
            yield from chunks

    def encode(self, plan: CodingPlan, wanted: float, other: Callable[[float], CodingPlan]) -> float:
        """Encode all items, and return their mean squared error, which is `wanted` or a little less if possible.

        Chunks are encoded anew, one after another, until it is.

        Parameters
        ----------
        plan : CodingPlan
            How to encode.
        wanted : float
            The mean squared error.
        other : callable
            From the octaves by which the error is to grow to a plan that decodes as this one does.
        """
        self._plan = plan
        self._kept = list(ordered_parallel_map(lambda run: self._encode_measured(plan, run), self.runs))
        for index, run in enumerate(self.runs):
            total = SquaredErrors.total(errors for _, errors in self._kept)
            if LEAST * wanted <= total.mean <= wanted:
                break
            own = self._kept[index][1].sum
            ratio = (own + AIM * wanted * total.count - total.sum) / own if own else 1.0
            if (changed := other(math.log2(min(max(ratio, 1 / MOST), MOST)))) != plan:
                self._kept[index] = self._encode_measured(changed, run)
        return SquaredErrors.total(errors for _, errors in self._kept).mean

    def distortion(self, plan: CodingPlan) -> float:
        """Return the mean squared error of a plan without optimised indices, whose symbols need not be coded for it."""
        parts = ordered_parallel_map(lambda run: distortion(self.coder, plan, self._stacks(run)), self.runs)
        return SquaredErrors.total(parts).mean

    def grid_error(self, plan: CodingPlan) -> float:
        """Return the mean squared error that a plan's grid alone would make, without networks."""

        def part(run: range) -> SquaredErrors:
            return on_grid(plan, self._stacks(run))

        return SquaredErrors.total(ordered_parallel_map(part, self.runs)).mean

    def _encode(self, plan: CodingPlan, run: range) -> tuple[bytes, list[np.ndarray]]:
        members = [self.items[index] for index in run]
        payload, covered = windows.encode(self.coder, plan, members, self.items.spatial_dims)
        return checksum(covered).to_bytes(CHECK_BYTES, "little") + payload, covered

    def _encode_measured(self, plan: CodingPlan, run: range) -> tuple[bytes, SquaredErrors]:
        chunk, decoded = self._encode(plan, run)
        members, errors = [self.items[index] for index in run], SquaredErrors()
        if len(decoded) > len(members):  # windows of one item
            members = windows.cut(members[0], self.items.spatial_dims)
        for found, x in zip(decoded, members, strict=True):
            errors.add(found, x)
        return chunk, errors

    def _stacks(self, run: range) -> list[Stack]:
        members = [self.items[index] for index in run]
        return [Stack(np.stack([members[index] for index in group])) for group in groups([x.shape for x in members])]


def distortion(coder: Coder, plan: CodingPlan, stacks: Iterable[Stack]) -> SquaredErrors:
    """Return the errors of a plan on items, without optimised indices."""
    errors = SquaredErrors()
    for stack in stacks:
        held, exceptions = plan.quantiser.without_exceptions(stack.items, coder.channels)
        found = coder.values(plan, coder.indices(plan, held), held.shape)
        exceptions.put_into(found)
        errors.add(found[stack.counted], stack.items[stack.counted])
    return errors


def on_grid(plan: CodingPlan, stacks: Iterable[Stack]) -> SquaredErrors:
    """Return the errors of the points of a plan's grid on items."""
    errors = SquaredErrors()
    for stack in stacks:
        values = stack.items[stack.counted].reshape(-1)
        for start in range(0, len(values), AT_ONCE):
            x = values[start : start + AT_ONCE]
            k, exceptions = plan.quantiser.indices(x)
            found = plan.quantiser.values(k)
            exceptions.put_into(found)
            errors.add(found, x)
    return errors
