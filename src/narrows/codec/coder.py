"""A trained codec at work: items of one shape into bytes and back, by the pixel path or by the latent path."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from narrows.codec.container.fields import Fields, pack_varint
from narrows.codec.entropy.interlaced import Interlaced, Wanted
from narrows.codec.entropy.range_coder import Reader, Writer
from narrows.codec.transforms.dequantiser import ExactDequantiser
from narrows.codec.transforms.latent import indices, step_of
from narrows.codec.transforms.quantiser import LARGEST_STEP, Quantiser
from narrows.data import Scaling
from narrows.networks import Network, cut
from narrows.training.batches import Scale

PATHS = ("pixel", "latent")
STEPS_PER_OCTAVE = 4  # of the pixel path's tables of steps


@dataclass(frozen=True)
class Grid:
    """What the values of a codec's data are: those of integers, or where real numbers lie.

    low, high: of integers, or None. origin, unit: of real numbers, their middle and the finest step that was learnt.
    """

    dtype: np.dtype
    low: int = 0
    high: int = 0
    origin: float = 0.0
    unit: float = 1.0

    @property
    def whole(self) -> bool:
        return self.dtype.kind != "f"


@dataclass(frozen=True)
class Plan:
    """How one file is coded.

    path: "pixel", values quantised where they are; or "latent", their code quantised.
    quantiser: of the values; on the latent path, of what comes out. entry: of the context model's table of steps.
    weight: squared steps that a bit is worth to the writer; the reader does not know it.
    """

    path: Literal["pixel", "latent"]
    quantiser: Quantiser
    entry: float
    weight: float = 0.0

    def to_bytes(self) -> bytes:
        """The parameters of a file; `Coder.plan_from_bytes` reads them.

        Nothing, where integers are kept as they are. Else one byte: bit 0, the latent path; bit 1, a bound is promised.
        On the latent path one more: the entry, in sixteenths. On the pixel path the step of integers (varint); of real
        numbers the entry (1 byte), the step and the bound (float64 each).
        """
        bound = self.quantiser.bound
        if self.path == "pixel" and self.quantiser.whole and bound == 0:
            return b""
        start = bytes([PATHS.index(self.path) | 2 * (bound is not None)])
        if self.path == "latent":
            return start + bytes([round(self.entry * 16)])
        if self.quantiser.whole:
            return start + pack_varint(int(self.quantiser.step))
        return start + bytes([int(self.entry)]) + np.array([self.quantiser.step, bound or 0], "<f8").tobytes()


class Coder:
    """Codes items with what a codec has learnt. Every number that decides a symbol is exact."""

    def __init__(
        self,
        grid: Grid,
        scaling: Scaling,
        axes: str,
        pixels: dict[str, Interlaced],
        dequantiser: ExactDequantiser,
        latents: Interlaced,
        network: Network,
        device: torch.device,
    ) -> None:
        """pixels: context models by name, "lossless" and "lossy". network: encoder and decoder of the latent path."""
        self.grid, self.scaling, self.axes, self.device = grid, scaling, axes, device
        self.pixels, self.dequantiser, self.latents, self.network = pixels, dequantiser, latents, network
        self.has_channels = axes.endswith("C")

    def pixel_plan(self, quantiser: Quantiser, weight: float = 0.0) -> Plan:
        if quantiser.whole:
            entry = (int(quantiser.step) ** STEPS_PER_OCTAVE).bit_length() - 1
        else:
            entry = math.floor(STEPS_PER_OCTAVE * math.log2(max(quantiser.step / self.grid.unit, 1)))
        return Plan("pixel", quantiser, min(entry, self._interlaced(quantiser).design.steps - 1), weight)

    def latent_plan(self, entry: float, dtype: np.dtype) -> Plan:
        """entry: kept in sixteenths."""
        return Plan("latent", self.quantiser(1.0 if self.grid.whole else self.grid.unit, dtype), round(16 * entry) / 16)

    def quantiser(self, step: float, dtype: np.dtype) -> Quantiser:
        """Of values of a type, without a bound."""
        grid = self.grid
        return Quantiser(dtype, min(int(step), LARGEST_STEP) if grid.whole else step, grid.low, grid.high, grid.origin)

    def bounded(self, max_error: float, dtype: np.dtype) -> Quantiser:
        """Of values of a type, none off by more than `max_error`."""
        return Quantiser.bounded(dtype, max_error, self.grid.low, self.grid.high, self.grid.origin)

    def plan_from_bytes(self, content: bytes, dtype: np.dtype) -> Plan:
        """The plan that `Plan.to_bytes` wrote, without its weight; FormatError where it is none."""
        if not content and self.grid.whole and dtype.kind != "f":
            return self.pixel_plan(self.bounded(0, dtype))
        fields = Fields(content, "its plan")
        start = fields.byte()
        if start > 3 or (dtype.kind != "f") != self.grid.whole:
            raise fields.nonsense(f"a plan of kind {start} for {dtype} values")
        if start & 1:
            plan = self.latent_plan(fields.byte() / 16, dtype)
        elif self.grid.whole:
            step = fields.varint()
            if not 0 < step <= LARGEST_STEP:
                raise fields.nonsense(f"a step of {step}")
            quantiser = self.quantiser(step, dtype)
            plan = self.pixel_plan(replace(quantiser, bound=(step - 1) // 2 if start & 2 else None))
        else:
            entry = fields.byte()
            step, bound = np.frombuffer(fields.take(16), "<f8").tolist()
            if not (0 < step < math.inf and 0 <= bound < math.inf and entry < self.pixels["lossy"].design.steps):
                raise fields.nonsense(f"a step of {step} and a bound of {bound}")
            quantiser = replace(self.quantiser(step, dtype), bound=bound if start & 2 else None)
            plan = Plan("pixel", quantiser, entry)
        if fields.left:
            raise fields.nonsense(f"{fields.left} bytes too many")
        return plan

    def encode(self, plan: Plan, x: np.ndarray) -> tuple[bytes, np.ndarray]:
        """Items (n, *S[, C]) of one shape -> their payload, and what each costs in bits (n,)."""
        payload, costs, _ = self.try_out(plan, x)
        return payload, costs

    def try_out(self, plan: Plan, x: np.ndarray) -> tuple[bytes, np.ndarray, Callable[[], np.ndarray]]:
        """As `encode`; and what gives the items as they will be decoded."""
        writer = Writer()
        if plan.path == "latent":
            z = self.network.encode(self._scale(x.dtype)(torch.from_numpy(np.ascontiguousarray(x)).to(self.device)))[0]
            steps = torch.full((len(z),), step_of(plan.entry, self.scaling.is_range), device=self.device)
            k, costs = self.latents.write(writer, Wanted(indices(z, steps).to(torch.int32)), int(plan.entry), 1)
            return writer.payload(), costs, lambda: self._from_latents(plan, k, x.shape[1:])
        model, step = self._interlaced(plan.quantiser), plan.quantiser.step
        wanted = Wanted(self._channels_first(plan.quantiser.indices(x)[0]))
        if plan.weight:
            start = self.grid.low if self.grid.whole else self.grid.origin
            true = self._channels_first(((x.astype(np.float64) - start) / step).astype(np.float32))
            wanted = replace(wanted, x=true, weight=plan.weight)
        k, costs = model.write(writer, wanted, int(plan.entry), int(step) if self.grid.whole else 1)
        return writer.payload(), costs, lambda: self._from_pixels(plan, k)

    def decode(self, plan: Plan, payload: bytes, shape: tuple[int, ...], level: int = 0) -> np.ndarray:
        """The items (n, *S[, C]), or of each every 2**level-th value along an axis; FormatError for a wrong payload."""
        n, *rest = shape
        spatial = tuple(rest[:-1]) if self.has_channels else tuple(rest)
        reader = Reader(payload)
        if plan.path == "latent":
            grid = self.network.code_shapes(spatial)[0][1:]
            k = self.latents.read(reader, n, tuple(grid), int(plan.entry), 1)
            whole = self._from_latents(plan, k, tuple(rest))
            return whole[(slice(None), *(slice(None, None, 2**level) for _ in spatial))]
        model, step = self._interlaced(plan.quantiser), plan.quantiser.step
        size = int(step) if self.grid.whole else 1
        k = model.read(reader, n, spatial, int(plan.entry), size, level)
        return self._from_pixels(plan, k, exact=level == 0)

    def _from_pixels(self, plan: Plan, k: Tensor, exact: bool = True) -> np.ndarray:
        """Values of indices (n, C, *S); without `exact` the middles of their cells."""
        quantiser, fraction = plan.quantiser, None
        if exact and quantiser.step != 1:
            size = int(quantiser.step) if self.grid.whole else 1
            fraction = self._channels_last(self.dequantiser(k, int(plan.entry), size))
        return quantiser.values(self._channels_last(k), fraction)

    def _from_latents(self, plan: Plan, k: Tensor, shape: tuple[int, ...]) -> np.ndarray:
        spatial = shape[:-1] if self.has_channels else shape
        scale = self._scale(plan.quantiser.dtype)
        parts = [
            scale.back(cut(self.network.decode([part * step_of(plan.entry, self.scaling.is_range)]), spatial))
            for part in k.float().split(max(1, 2**22 // math.prod(shape)))
        ]
        return np.concatenate(parts)

    def _interlaced(self, quantiser: Quantiser) -> Interlaced:
        return self.pixels["lossless" if quantiser.whole and quantiser.step == 1 else "lossy"]

    def _scale(self, dtype: np.dtype) -> Scale:
        return Scale(replace(self.scaling, dtype=str(dtype)), self.axes, self.device)

    def _channels_first(self, array: np.ndarray) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array)).to(self.device)
        return tensor.movedim(-1, 1).contiguous() if self.has_channels else tensor.unsqueeze(1)

    def _channels_last(self, tensor: Tensor) -> np.ndarray:
        tensor = tensor.movedim(1, -1) if self.has_channels else tensor.squeeze(1)
        return np.ascontiguousarray(tensor.cpu().numpy())
