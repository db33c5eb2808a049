"""Training of a codec: context models, dequantiser and latent networks learn in turn, as tasks of one objective."""

import math
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from narrows.codec.codec_manifest import CodecDesign
from narrows.codec.coder import STEPS_PER_OCTAVE
from narrows.codec.coding_plan import Grid
from narrows.codec.entropy.design import SIGNAL_WINDOW, Design
from narrows.codec.entropy.exact_predictor import part
from narrows.codec.learning.alphabet import entropy, few_values, repeats_colours
from narrows.codec.learning.colour_model import ColourModel
from narrows.codec.learning.context_model import ContextModel
from narrows.codec.learning.dequantiser import Dequantiser
from narrows.codec.learning.latent import Latent
from narrows.codec.learning.prediction import learn_prediction
from narrows.codec.learning.signal_model import SignalModel
from narrows.codec.learning.transform import Transform
from narrows.codec.transforms.latent import STEPS, LatentArchitecture, latent_design
from narrows.codec.transforms.wavelet import WaveletTransform, transform_design
from narrows.data import Items, Scaling
from narrows.data.masks import fill_value, value_ends

STEP_ENTRIES = 68  # of the table of steps of real numbers
MOST_BITS = 23
CELLS = {1: 1024, 2: 32, 3: 10}  # at most so many of the table of places along each axis
WINDOW = {2: 3}  # radius of windows of mixtures, by spatial axes
HELD_OUT = 32  # items of each batch that is measured
SHARES = {  # of the steps; a model for both lossless and lossy coding has the sum of their shares
    "values": {"lossless": 20, "lossy": 42, "dequantiser": 24, "latent": 3},
    "mixtures": {"lossless": 36, "lossy": 36, "dequantiser": 8, "latent": 20},
    "signals": {"lossless": 10, "lossy": 10, "dequantiser": 20, "latent": 20},
}
GROUP_SHARES = {"lossless": (7, 2, 1), "lossy": (7, 2, 1), "latent": (5, 2, 2)}  # of the steps of a context model


def grid_of(items: Items, scaling: Scaling) -> Grid:
    """Return what values the items have."""
    dtype = items.dtype
    if dtype.kind == "f":
        if scaling.is_range:
            return Grid(dtype, origin=0.0, unit=2.0**-16)
        scale = float(np.mean(scaling.scale))
        return Grid(dtype, origin=float(np.mean(scaling.mean)), unit=scale * 2.0**-12)
    if dtype.kind == "b":
        return Grid(dtype, 0, 1)
    if scaling.is_range and scaling.high <= 255:
        return Grid(dtype, 0, int(scaling.high))
    if dtype.itemsize <= 2:
        return Grid(dtype, int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    low, high = value_ends(items, fill_value(items))
    if low == 0 and high <= 255:
        return Grid(dtype, low, high)
    limits, room = np.iinfo(dtype), max(0, 2**MOST_BITS - 1 - (high - low))
    if items.spatial_dims == 1:  # signals, whose range costs nothing: others may be louder
        low = max(int(limits.min), (low + high) // 2 - 2 ** (MOST_BITS - 1))
        return Grid.of_integers(dtype, low, int(limits.max))
    more = min(high - low, room // 2)  # others may be lower and higher
    return Grid.of_integers(dtype, max(int(limits.min), low - more), min(int(limits.max), high + more))


def design_networks(items: Items, scaling: Scaling, grid: Grid, crop: tuple[int, ...] | None) -> CodecDesign:
    """Return the networks for the items."""
    axes, channels = items.spatial_dims, items.channels
    placed = crop is None
    shape = items.item_shape[:axes] if crop is None else crop
    cells = tuple(min(size, CELLS[axes]) for size in shape) if placed else (1,) * axes
    architecture: WaveletTransform | LatentArchitecture | None = None
    latent = None
    if grid.whole and grid.high - grid.low <= 255 and grid.low == 0 and few_values(items):
        architecture = LatentArchitecture.of(channels, shape, scaling.is_range)
        latent = latent_design(architecture, placed)
        top = max(1, grid.high)
        lossless = Design("values", axes, channels, top, cells, 1, 96)
        lossy = Design("values", axes, channels, top, cells, STEPS_PER_OCTAVE * top.bit_length(), 112, 112)
    else:
        if axes < 3:
            architecture = WaveletTransform.of(channels, shape, scaling.is_range)
            latent = transform_design(architecture, cells)
        bits = max(1, min((grid.high - grid.low).bit_length(), MOST_BITS)) if grid.whole else MOST_BITS
        steps = STEPS_PER_OCTAVE * bits + 1 if grid.whole else STEP_ENTRIES
        lossless = lossy = Design("mixtures", axes, channels, bits, cells, steps, window=WINDOW.get(axes, 0))
        if axes == 1 and not placed:
            lossless = lossy = Design("signals", axes, channels, bits, cells, steps, window=SIGNAL_WINDOW)
    if repeats_colours(items, grid):
        lossless = Design("colours", axes, channels, grid.high, cells, 1, 96, 64)
    return CodecDesign(lossless, lossy, latent, architecture)


class CodecNetwork(nn.Module):
    """All networks of a codec, None for those that its design does without."""

    def __init__(self, specification: CodecDesign, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.pixels = nn.ModuleDict({name: context_model(each) for name, each in specification.pixels.items()})
            self.dequantiser: Dequantiser | None = None
            self.latent: Transform | Latent | None = None
            if specification.lossy is not None and specification.dequantises:
                self.dequantiser = Dequantiser(specification.lossy)
            if specification.architecture is not None and specification.latent is not None:
                if isinstance(specification.architecture, WaveletTransform):
                    self.latent = Transform(specification.architecture, specification.latent)
                else:
                    self.latent = Latent(specification.architecture, specification.latent, seed)

    def inner_matrices(self) -> list[Tensor]:
        """Return the weights for Muon: square matrices inside perceptrons, and kernels inside the latent networks."""
        kernels = self.latent.kernels() if isinstance(self.latent, Latent) else []
        predictors = [each for model in self.pixels.values() for each in pixel_model(model).predictors]
        if self.latent is not None:
            predictors += self.latent.context.predictors
        if self.dequantiser is not None:
            predictors.append(self.dequantiser.places)
        inner = [
            layer.weight for each in predictors for group in range(len(each.inner)) for layer in each.layers(group)
        ]
        return [*inner, *kernels]

    def tensors(self) -> dict[str, np.ndarray]:
        """Return the weights of a `CodecModel`, by name: integers for everything that decides a symbol."""
        parts = {name: model.tensors() for name, model in self.pixels.items()}  # type: ignore[operator]
        if self.dequantiser is not None:
            parts["dequantiser"] = self.dequantiser.tensors()
        if self.latent is not None:
            parts |= {"latent": self.latent.context.tensors(), "network": self.latent.tensors()}
        return {f"{name}.{each}": tensor for name, tensors in parts.items() for each, tensor in tensors.items()}

    def load_tensors(self, tensors: Mapping[str, np.ndarray], batches: list[Tensor]) -> None:
        """Take the weights of a `CodecModel`, which are those that `tensors` returned.

        Training begins with them as they are stored: rounded. Latent networks fit what is not stored to some batches.
        """
        for name, model in self.pixels.items():
            pixel_model(model).load_tensors(part(tensors, f"{name}."))
        if self.dequantiser is not None:
            self.dequantiser.load_tensors(part(tensors, "dequantiser."))
        if self.latent is not None:
            self.latent.context.load_tensors(part(tensors, "latent."))
            self.latent.load_tensors(part(tensors, "network."), [numbers(x) for x in batches])


class CodecObjective:
    """The loss of a codec: network, batch (N, C, *S) in scaled units and step -> a scalar, about 1 before training.

    Each step serves one task of a part that the design has, weighted so that the mean over all tasks is the loss that
    is measured on held-out items.

    Parameters
    ----------
    grid, scaling, design, seed : Grid, Scaling, CodecDesign and int
        The data, the networks, and the seed of what is drawn.
    step : float, optional
        The only step that lossy parts learn; by default they learn all.
    """

    def __init__(self, grid: Grid, scaling: Scaling, design: CodecDesign, seed: int, step: float | None = None) -> None:
        self.grid, self.scaling, self.seed, self.step = grid, scaling, seed, step
        self.tasks: list[tuple[str, int]] = []
        for name, share in shares_of(design).items():
            named = {"lossless": design.lossless, "lossy": design.lossy, "latent": design.latent}.get(name)
            shares = (1,) if named is None else GROUP_SHARES[name][: max(named.groups().values()) + 1]
            for group, group_share in enumerate(shares):
                self.tasks += [(name, group)] * max(1, round(share * group_share / sum(shares)))
        order = np.random.default_rng(seed).permutation(len(self.tasks))
        self.tasks = [self.tasks[index] for index in order]
        self.names = sorted({name for name, _ in self.tasks})
        self.units = dict.fromkeys(self.names, 1.0)
        self.steps = next(iter(design.pixels.values())).steps
        self.mixed = design.lossless == design.lossy

    def learn_units(self, batches: list[Tensor]) -> None:
        """Measure the cost of each task where only the frequencies of values are known."""
        x = numbers(torch.cat(batches))
        generator = torch.Generator(device=x.device).manual_seed(self.seed)
        for name in self.names:
            if name in ("lossless", "lossy"):
                k, *_ = self._quantised(x, name == "lossless", generator)
                self.units[name] = max(entropy(np.unique(k.cpu().numpy(), return_counts=True)[1]), 0.1)
        self.units["dequantiser"] = 1 / 12

    def __call__(self, network: CodecNetwork, x: Tensor, step: int | None) -> Tensor:
        """Return the loss of the task of a step, or of all tasks on held-out items where the step is None."""
        if step is not None:
            task = self.tasks[step % len(self.tasks)]
            generator = torch.Generator(device=x.device).manual_seed(self.seed * 1_000_003 + step)
            weight = len(self.tasks) / self.tasks.count(task)
            return weight * self._loss(network, *task, x, generator) / len(self.names)
        x = x[:: math.ceil(len(x) / HELD_OUT)]
        generator = torch.Generator(device=x.device).manual_seed(self.seed)
        losses = [self._loss(network, *task, x, generator) for task in sorted(set(self.tasks))]
        return torch.stack(losses).sum() / len(self.names)

    def bits(self, network: CodecNetwork, batches: Iterable[Tensor]) -> float:
        """Return about how many bits a value takes on the pixel path."""
        tasks = [task for task in sorted(set(self.tasks)) if task[0] in network.pixels]
        total, count = 0.0, 0
        with torch.no_grad():
            for x in batches:
                generator = torch.Generator(device=x.device).manual_seed(self.seed)
                x = x[:: math.ceil(len(x) / HELD_OUT)]
                for name, group in tasks:
                    total += len(x) * self.units[name] * float(self._loss(network, name, group, x, generator))
                count += len(x)
        return total / count

    def measured(self, network: CodecNetwork, batches: Iterable[Tensor]) -> float:
        """Return the loss of a network over batches."""
        with torch.no_grad():
            parts = [(float(self(network.eval(), x, None)), len(x)) for x in batches]
        return sum(loss * count for loss, count in parts) / sum(count for _, count in parts)

    def _loss(self, network: CodecNetwork, name: str, group: int, x: Tensor, generator: torch.Generator) -> Tensor:
        missing, x = missing_in(x), numbers(x)
        if name == "latent":
            assert network.latent is not None
            entry = torch.rand(len(x), generator=generator, device=x.device) * (STEPS - 1)
            return network.latent.task_loss(x, entry, group, generator)
        k, true, entry, size = self._quantised(x, name == "lossless", generator)
        model = pixel_model(network.pixels["lossy" if name == "dequantiser" else name])
        if missing is not None:
            k = model.filled(k, missing)
            true = torch.where(missing, k, true)
        if name == "dequantiser":
            assert network.dequantiser is not None
            return network.dequantiser.error(k, true, entry, size, generator) / self.units[name]
        return model.bits(k, entry, size, group, generator, missing) / self.units[name]

    def _quantised(
        self, x: Tensor, lossless: bool, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return indices (N, C, *S) for a random step of each item, true values in steps, entries (N,), sizes (N,)."""
        draw = torch.rand(len(x), generator=generator, device=x.device)
        v = self._values(x)
        if self.step is not None and not lossless:
            size = torch.full_like(draw, self.step if self.grid.whole else 1)
            k = torch.floor((v + self.step // 2) / self.step) if self.grid.whole else torch.round(v / self.step)
            return k, v / self.step, torch.zeros_like(draw).long(), size
        if not self.grid.whole:
            exponent = draw * (self.steps - 1) / STEPS_PER_OCTAVE
            step = (self.grid.unit * 2**exponent).view(-1, *(1 for _ in x.shape[1:]))
            true = v / step
            return torch.round(true), true, torch.floor(STEPS_PER_OCTAVE * exponent).long(), torch.ones_like(draw)
        span = self.grid.high - self.grid.low
        if lossless or span < 2:
            size = torch.ones_like(draw)
        else:
            if self.mixed:  # one model for all steps: every other item is lossless
                draw = (2 * draw - 1).clamp(min=0)
            else:  # mostly coarse ones, at which little is lost by another step nearby
                draw = (1 + (math.log2(span + 1) - 1) * draw.sqrt()) / math.log2(span + 1)
            size = torch.floor(2 ** (draw * math.log2(span + 1))).clamp(max=span)
        wide = size.view(-1, *(1 for _ in x.shape[1:]))
        k = torch.floor((v + torch.floor(wide / 2)) / wide)
        entry = torch.floor(STEPS_PER_OCTAVE * torch.log2(size) + 1e-4).clamp(max=self.steps - 1).long()
        return k, v / wide, entry * (not lossless), size

    def _values(self, x: Tensor) -> Tensor:
        """Return the distance of scaled values from index 0 in the data's own unit, an integer for integers."""
        if self.scaling.is_range:
            v = x * (self.scaling.high - self.scaling.low) + self.scaling.low
        else:
            spread = [-1, *(1 for _ in x.shape[2:])]
            mean, scale = (x.new_tensor(each).view(spread) for each in (self.scaling.mean, self.scaling.scale))
            v = x * scale + mean
        return torch.round(v - self.grid.low) if self.grid.whole else v - self.grid.origin

    def learn_first(self, network: CodecNetwork, batches: list[Tensor], mean: Tensor) -> None:
        """Learn what training leaves as it is, or begins with. mean: of all items."""
        missing, batches = [missing_in(x) for x in batches], [numbers(x) for x in batches]
        for model in network.pixels.values():
            if isinstance(model, ContextModel) and model.design.alphabet == "mixtures":
                learn_prediction(model, [self._values(x) for x in batches], self.seed, missing)
        if network.latent is not None:
            network.latent.learn_first(batches, numbers(mean), self.seed)


def shares_of(design: CodecDesign) -> dict[str, int]:
    """Return the share of the steps of each part that a design has."""
    shares = dict(SHARES.get(next(iter(design.pixels.values())).alphabet, SHARES["values"]))
    if design.lossless == design.lossy:
        shares["lossy"] += shares["lossless"]
    there = {
        "dequantiser": design.dequantises,
        "latent": design.latent is not None,
        **dict.fromkeys(design.pixels, True),
    }
    return {name: share for name, share in shares.items() if there.get(name)}


def context_model(design: Design) -> ContextModel | ColourModel | SignalModel:
    """Return an untrained context model."""
    if design.alphabet == "signals":
        return SignalModel(design)
    return ColourModel(design) if design.alphabet == "colours" else ContextModel(design)


def pixel_model(module: nn.Module) -> ContextModel | ColourModel | SignalModel:
    """Return a context model of the pixel path with its type."""
    assert isinstance(module, ContextModel | ColourModel | SignalModel)
    return module


def missing_in(x: Tensor) -> Tensor | None:
    """Return which values are not finite, None where all are."""
    missing = ~x.isfinite()
    return missing if bool(missing.any()) else None


def numbers(x: Tensor) -> Tensor:
    """Return values with 0, about the mean, for those that are not finite."""
    return torch.nan_to_num(x, 0.0, 0.0, 0.0)
