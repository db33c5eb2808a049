"""Coding of items of one shape, by the pixel path or by the transform path."""

import math
from copy import copy
from dataclasses import dataclass, replace

import numpy as np

from narrows.codec.coding_plan import CodingPlan, Grid
from narrows.codec.container.fields import Fields
from narrows.codec.entropy.coding import EncodeRequest
from narrows.codec.entropy.interlaced import InterlacedCoder
from narrows.codec.entropy.range_coder import decoder, encoder
from narrows.codec.transforms.dequantiser import ExactDequantiser
from narrows.codec.transforms.latent import indices, step_of
from narrows.codec.transforms.latent_network import LatentNetwork
from narrows.codec.transforms.quantiser import LARGEST_STEP, Quantiser
from narrows.codec.transforms.wavelet import WaveletCoder
from narrows.data import Scaling
from narrows.errors import DataError

STEPS_PER_OCTAVE = 4  # of the pixel path's tables of steps
DECODED_AT_ONCE = 2**21  # values, on the transform path


@dataclass(frozen=True, eq=False)
class CodedItems:
    """Items of one shape as they are coded.

    Parameters
    ----------
    payload : bytes
        The range coder's bytes.
    bits : ndarray of shape (n,)
        The cost of each item.
    indices : int32 array of shape (n, C, *S)
        What the payload holds: indices of quantised values or coefficients.
    """

    payload: bytes
    bits: np.ndarray
    indices: np.ndarray


class Coder:
    """Codes items with the networks of a codec. Every number that decides a symbol is exact.

    Parameters
    ----------
    grid : Grid
        What values the data have.
    scaling : Scaling
        How values are scaled on their way into the latent networks.
    axes : str
        Axes in the order of `Items`.
    channels : int
        Number of channels of an item.
    pixels : dict of str to InterlacedCoder
        Context models of the pixel path, "lossless" and "lossy" or one of them.
    dequantiser : ExactDequantiser, optional
        Predicts where in its cell a value lies; without it values are the middles of their cells.
    latents : InterlacedCoder, optional
        Context model of the transform path.
    network : WaveletCoder or LatentNetwork, optional
        What computes coefficients, and values from them.

    Attributes
    ----------
    fill_value : float or int or None
        A value of the data that stands for missing ones, which encoding keeps and leaves out.
    """

    def __init__(
        self,
        grid: Grid,
        scaling: Scaling,
        axes: str,
        channels: int,
        pixels: dict[str, InterlacedCoder],
        dequantiser: ExactDequantiser | None = None,
        latents: InterlacedCoder | None = None,
        network: WaveletCoder | LatentNetwork | None = None,
    ) -> None:
        self.grid, self.scaling, self.axes, self.channels = grid, scaling, axes, channels
        self.pixels, self.dequantiser, self._transformed, self._network = pixels, dequantiser, latents, network
        self.has_channels = axes.endswith("C")
        self.fill_value: float | int | None = None

    def with_fill_value(self, value: float | int | None) -> "Coder":
        """Return a coder of data in which a value stands for missing ones; None for no such value."""
        coder = copy(self)
        coder.fill_value = value
        return coder

    @property
    def has_transform(self) -> bool:
        """Whether the codec has a transform path."""
        return self._transformed is not None

    @property
    def transformed(self) -> InterlacedCoder:
        """Context model of the transform path; DataError where the codec has none."""
        if self._transformed is None:
            raise self._lacking("the transform path")
        return self._transformed

    @property
    def network(self) -> WaveletCoder | LatentNetwork:
        """Encoder and decoder of the transform path; DataError where the codec has none."""
        if self._network is None:
            raise self._lacking("the transform path")
        return self._network

    def pixel_plan(self, quantiser: Quantiser, weight: float = 0.0) -> CodingPlan:
        """Return the plan to code quantised values."""
        if quantiser.whole:
            entry = (int(quantiser.step) ** STEPS_PER_OCTAVE).bit_length() - 1
        else:
            entry = math.floor(STEPS_PER_OCTAVE * math.log2(max(quantiser.step / self.grid.unit, 1)))
        return CodingPlan("pixel", quantiser, min(entry, self._interlaced(quantiser).design.steps - 1), weight)

    def transform_plan(self, entry: float, dtype: np.dtype) -> CodingPlan:
        """Return the plan to code coefficients with a row of the table of steps, kept in sixteenths."""
        return CodingPlan(
            "transform", self.quantiser(1.0 if self.grid.whole else self.grid.unit, dtype), round(16 * entry) / 16
        )

    def quantiser(self, step: float, dtype: np.dtype) -> Quantiser:
        """Return a quantiser of values of a type without an error bound."""
        grid = self.grid
        step = min(int(step), LARGEST_STEP) if grid.whole else step
        return Quantiser(dtype, step, grid.low, grid.high, grid.origin, fill_value=self.fill_value)

    def bounded(self, max_error: float, dtype: np.dtype) -> Quantiser:
        """Return the quantiser of values of a type that keeps every error within `max_error`."""
        quantiser = Quantiser.bounded(dtype, max_error, self.grid.low, self.grid.high, self.grid.origin)
        return replace(quantiser, fill_value=self.fill_value)

    def plan_from_bytes(self, content: bytes, dtype: np.dtype) -> CodingPlan:
        """Return the plan that `CodingPlan.to_bytes` wrote, without its weight; FormatError where it is none."""
        fields = Fields(content, "its plan")
        if not content and self.grid.whole and dtype.kind != "f" and "lossless" in self.pixels:
            return self.pixel_plan(self.bounded(0, dtype))
        start = fields.byte()
        if start > 3 or (dtype.kind != "f") != self.grid.whole:
            raise fields.invalid(f"a plan of kind {start} for {dtype} values")
        if start & 1:
            entry = fields.byte() / 16
            if not self.has_transform:
                raise fields.invalid("the transform path, which its model does not have")
            if entry >= self.transformed.design.steps:
                raise fields.invalid(f"entry {entry} of {self.transformed.design.steps} steps")
            plan = self.transform_plan(entry, dtype)
        elif self.grid.whole:
            step = fields.varint()
            if not 0 < step <= LARGEST_STEP:
                raise fields.invalid(f"a step of {step}")
            quantiser = self.quantiser(step, dtype)
            plan = self.pixel_plan(replace(quantiser, bound=(step - 1) // 2 if start & 2 else None))
        else:
            entry = fields.byte()
            step, bound = np.frombuffer(fields.take(16), "<f8").tolist()
            lossy = self.pixels.get("lossy")
            if not (0 < step < math.inf and 0 <= bound < math.inf and lossy and entry < lossy.design.steps):
                raise fields.invalid(f"a step of {step} and a bound of {bound}")
            quantiser = replace(self.quantiser(step, dtype), bound=bound if start & 2 else None)
            plan = CodingPlan("pixel", quantiser, entry)
        if plan.path == "pixel" and not self.codes(plan.quantiser):
            raise fields.invalid("a step that its model does not have")
        if fields.left:
            raise fields.invalid(f"{fields.left} bytes too many")
        return plan

    def encode(self, plan: CodingPlan, x: np.ndarray, missing: np.ndarray | None = None) -> CodedItems:
        """Encode items (n, *S[, C]) of one shape; missing: where their values do not matter, bool."""
        writer, request = encoder(), EncodeRequest(self.indices(plan, x))
        if plan.path == "transform":
            k, costs = self.transformed.encode(writer, request, int(plan.entry), 1)
            return CodedItems(writer.payload(), costs, k)
        model, step = self._interlaced(plan.quantiser), plan.quantiser.step
        if plan.weight:
            start = self.grid.low if self.grid.whole else self.grid.origin
            true = self._channels_first(((x.astype(np.float64) - start) / step).astype(np.float32))
            request = replace(request, x=true, weight=plan.weight)
        if missing is not None:
            request = replace(request, missing=self._channels_first(missing))
        k, costs = model.encode(writer, request, int(plan.entry), int(step) if self.grid.whole else 1)
        return CodedItems(writer.payload(), costs, k)

    def indices(self, plan: CodingPlan, x: np.ndarray) -> np.ndarray:
        """Return the indices (n, C, *S) of items (n, *S[, C]), of which the encoder may choose others by their cost."""
        if plan.path == "pixel":
            return self._channels_first(plan.quantiser.indices(x)[0])
        z = self.network.encode(self._channels_first(self.scaling.forward(x)))
        return indices(z, step_of(plan.entry, self.scaling.is_range), self.transformed.design)

    def decode(
        self,
        plan: CodingPlan,
        payload: bytes,
        shape: tuple[int, ...],
        level: int = 0,
        missing: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return the indices of items of a shape (n, *S[, C]); FormatError if corrupt.

        Of quantised values only every ``2**level``-th along a spatial axis. missing: as in `encode`.
        """
        n, spatial = shape[0], self._spatial(shape)
        reader = decoder(payload)
        if plan.path == "transform":
            return self.transformed.decode(reader, n, self.network.grid(spatial), int(plan.entry), 1)
        size = int(plan.quantiser.step) if self.grid.whole else 1
        missing = None if missing is None else self._channels_first(missing)
        return self._interlaced(plan.quantiser).decode(reader, n, spatial, int(plan.entry), size, level, missing)

    def values(self, plan: CodingPlan, indices: np.ndarray, shape: tuple[int, ...], level: int = 0) -> np.ndarray:
        """Return the values that indices of items of a shape (n, *S[, C]) stand for, coarse ones as `decode` does."""
        if plan.path == "pixel":
            return self._from_pixels(plan, indices, exact=level == 0)
        coarse = (slice(None, None, 2**level),) * len(self._spatial(shape))
        return self._from_transform(plan, indices, shape[1:])[(slice(None), *coarse)]

    def _from_pixels(self, plan: CodingPlan, k: np.ndarray, exact: bool = True) -> np.ndarray:
        """Return the values of indices (n, C, *S); without `exact` the middles of their cells."""
        quantiser, fraction = plan.quantiser, None
        if exact and quantiser.step != 1 and self.dequantiser is not None:
            size = int(quantiser.step) if self.grid.whole else 1
            fraction = self._channels_last(self.dequantiser(k, int(plan.entry), size))
        return quantiser.values(self._channels_last(k), fraction)

    def _from_transform(self, plan: CodingPlan, k: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        spatial, at_once = self._spatial((1, *shape)), max(1, DECODED_AT_ONCE // math.prod(shape))
        z = k.astype(np.float32) * np.float32(step_of(plan.entry, self.scaling.is_range))
        parts = (self.network.decode(z[start : start + at_once], spatial) for start in range(0, len(z), at_once))
        return np.concatenate([self.scaling.inverse(self._channels_last(x), plan.quantiser.dtype) for x in parts])

    def _spatial(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the spatial part of a shape (n, *S[, C])."""
        return shape[1:-1] if self.has_channels else shape[1:]

    def codes(self, quantiser: Quantiser) -> bool:
        """Return whether the codec has a context model for quantised values."""
        return mode_of(quantiser) in self.pixels

    def chooses_indices(self, quantiser: Quantiser) -> bool:
        """Return whether the encoder can save bits by the choice of other indices."""
        return self._interlaced(quantiser).design.alphabet not in ("signals", "colours")

    def _interlaced(self, quantiser: Quantiser) -> InterlacedCoder:
        mode = mode_of(quantiser)
        if mode not in self.pixels:
            raise self._lacking(f"{mode} compression")
        return self.pixels[mode]

    def _lacking(self, what: str) -> DataError:
        return DataError(f"this model has no networks for {what}; it was made for {' and '.join(self.pixels)} alone")

    def _channels_first(self, array: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.moveaxis(array, -1, 1) if self.has_channels else array[:, None])

    def _channels_last(self, array: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.moveaxis(array, 1, -1) if self.has_channels else array[:, 0])


def mode_of(quantiser: Quantiser) -> str:
    """Return which context model of the pixel path codes quantised values."""
    return "lossless" if quantiser.whole and quantiser.step == 1 else "lossy"
