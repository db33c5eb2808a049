"""Pack: a file of items with a model that learned from these items alone, or without one where none pays."""

import io
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from narrows.codec.codec_manifest import CodecDesign
from narrows.codec.container.mode import Mode
from narrows.codec.learning.objective import CodecNetwork, CodecObjective
from narrows.codec.learning.sizes import candidates, file_design, networks_of
from narrows.codec.learning.training import CodecTraining, check_trainable, training_of
from narrows.codec.model import Progress
from narrows.codec.storing import grid_of_values, quantiser_of, rounded_items, store
from narrows.codec.transforms.quantiser import Quantiser
from narrows.data import Items, Scaling
from narrows.data.masks import without_fill
from narrows.errors import ParameterError
from narrows.models.item_checks import plain_numbers
from narrows.plans.defaults import MOST_EPOCHS, default_batch_size, default_crop, default_learning_rate
from narrows.plans.training_plan import TrainingData
from narrows.training.batches import Batches
from narrows.training.loop import train
from narrows.training.runtime import choose_device
from narrows.training.task import RunOptions, Settings, Trained, TrainingProgress
from narrows.training.torch_state import default_torch_state

DEFAULT_MINUTES = 5.0
LEAST_STORED = 2_500  # bytes, below which a model would take most of what it saves
PILOTS = (1 / 60, 1 / 30)  # of the time, that each candidate is trained on trial
SIGNAL_STEPS = 1500  # after which models of signals alone, a few hundred numbers, learn nothing more
FEWEST_STEPS = 150  # of a trial: there are no trials where there is time for less than half of it
AGAIN = 0.5  # of what twice the time gained, four times the time gains again
PAID = 0.5  # of the bytes of a model, that it must be expected to save at least
STEP_SECONDS = 0.03  # until it is measured


@dataclass(frozen=True)
class PackOptions:
    """How to pack.

    Parameters
    ----------
    minutes : float
        Time for learning, at most.
    device : {"auto", "cpu", "cuda"}
        Where to learn.
    seed : int
        Seed of all that is random.
    report : callable, optional
        Called with a title and the progress of a training several times a second.
    progress : callable, optional
        Called with the number of items compressed and of all items.
    """

    minutes: float = DEFAULT_MINUTES
    device: str = "auto"
    seed: int = 0
    report: Callable[[str, TrainingProgress], None] | None = None
    progress: Progress | None = None

    def __post_init__(self) -> None:
        """Check the budget, the device and the seed."""
        if not self.minutes > 0:
            raise ParameterError("expected a number above 0", parameter="minutes", value=self.minutes)
        choose_device(self.device)
        Settings(minutes=self.minutes, epochs=None, batch_size=1, learning_rate=1.0, seed=self.seed)


@dataclass(frozen=True)
class Candidate:
    """A size of the networks, and what a file with it takes.

    Parameters
    ----------
    design : CodecDesign
        The networks.
    model : int
        Bytes of the model, as measured after a trial.
    payload : float
        Bytes of the coded items, as expected after all the time.
    """

    design: CodecDesign
    model: int
    payload: float

    @property
    def total(self) -> float:
        """Bytes of the file, without its header."""
        return self.model + self.payload

    @property
    def hidden(self) -> int:
        """Units of a layer, which stand for the size."""
        return next(iter(self.design.pixels.values())).hidden


@dataclass(frozen=True)
class Packed:
    """A packed file, and how it came about.

    Parameters
    ----------
    content : bytes
        The file.
    sizes : dict of str to int
        Bytes of the "header", "model" and "payload", the "total", and "raw", those of the values.
    stored : int
        Bytes of the file without a model.
    reason : str
        Why there is no model; empty if there is one.
    candidates : tuple of Candidate
        The sizes of networks that were tried.
    chosen : Candidate or None
        The one that was trained.
    interrupted : bool
        Whether the training was stopped.
    """

    content: bytes = field(repr=False)
    sizes: dict[str, int]
    stored: int
    reason: str = ""
    candidates: tuple[Candidate, ...] = ()
    chosen: Candidate | None = None
    interrupted: bool = False


Run = tuple[CodecTraining, Trained[CodecNetwork]]
"""A training and its result."""


@default_torch_state()
def pack_items(data: TrainingData, mode: Mode, options: PackOptions) -> Packed:
    """Return a file of items that needs no other: with a model that learned from them, or without one.

    Raises
    ------
    DataError
        If the items are rows of a table or have missing values, or the mode cannot be had.
    """
    items = plain_numbers(data.items, "codec")
    check_trainable(items)
    packer = Packer(items, data.user_axes, mode, options)
    target = io.BytesIO()
    sizes = {**store(packer.rounded, mode, target), "raw": packer.raw}
    without = Packed(target.getvalue(), sizes, sizes["total"])
    if packer.quantiser is None:
        return replace(without, reason="real numbers without any loss are stored; with a max error they are learned")
    if sizes["total"] < LEAST_STORED:
        return replace(without, reason="the items take too few bytes for a model to pay")
    return packer.learn(without)


class Packer:
    """Chooses, trains and applies the networks of one file.

    Parameters
    ----------
    items : Items
        The items.
    axes : str
        Their axes in the user's order.
    mode : Mode
        What the file has to keep.
    options : PackOptions
        How to pack.
    """

    def __init__(self, items: Items, axes: str, mode: Mode, options: PackOptions) -> None:
        self.items, self.axes, self.mode, self.options = items, axes, mode, options
        known = without_fill(items)
        self.scaling, self.grid = Scaling.learn(known), grid_of_values(items)
        spread = self.grid.high - self.grid.low if self.grid.whole else 2 * self.grid.unit
        span = self.scaling.high - self.scaling.low if self.scaling.is_range else spread or 1.0
        self.quantiser: Quantiser | None = quantiser_of(items, mode, self.grid, span)
        self.rounded = rounded_items(items, self.quantiser)
        self.crop = default_crop(items, flat=False)
        self.batches = Batches(
            known,
            self.scaling,
            default_batch_size("codec", items),
            options.seed,
            choose_device(options.device),
            self.crop,
            hold_out=False,
        )
        self.began, self.step_seconds, self.stopped = time.monotonic(), STEP_SECONDS, False

    @property
    def values(self) -> int:
        """Number of values."""
        return self.items.values.size if self.items.shapes is None else int(self.items.shapes.prod(axis=1).sum())

    @property
    def raw(self) -> int:
        """Bytes of the values."""
        return self.values * self.items.dtype.itemsize

    def learn(self, without: Packed) -> Packed:
        """Return the file with a model, or the one without where that is smaller."""
        designs = self.designs(without.stored)
        found, run = self.compare(designs)
        best = min(found, key=lambda each: each.total, default=None)
        tried = replace(without, candidates=tuple(found), chosen=best)
        if best is not None and without.stored - best.payload < PAID * best.model:
            return replace(tried, chosen=None, interrupted=self.stopped, reason="no model that was tried pays")
        if not self.stopped:
            left = self.options.minutes - (time.monotonic() - self.began) / 60
            design = designs[len(designs) // 2] if best is None else best.design
            training = self.training(design, max(left / self.options.minutes, 0.5))
            run = training, self.train(training, "training")
        training, trained = run
        model, target = training.model(trained, self.axes, self.options.device), io.BytesIO()
        sizes = model.compress(self.items, self.mode, target, True, self.options.progress)
        tried = replace(tried, interrupted=self.stopped)
        if sizes["total"] >= without.stored:
            return replace(tried, reason="the model takes more than it saves")
        return replace(tried, content=target.getvalue(), sizes=sizes)

    def designs(self, stored: int) -> list[CodecDesign]:
        """Return networks of several sizes, from small to large, for a file of so many bytes without a model."""
        assert self.quantiser is not None
        shape = self.crop or self.items.item_shape[: self.items.spatial_dims]
        largest = file_design(self.items, self.scaling, self.grid, self.crop, self.quantiser.step)
        bounded = self.mode.max_error is not None
        return [networks_of(each, self.quantiser, not bounded) for each in candidates(largest, shape, stored)]

    def compare(self, designs: list[CodecDesign]) -> tuple[list[Candidate], Run]:
        """Return what files take with each of the networks, none where there is no time for trials; and the best run.

        How much longer training helps is what it helped all of them: that of one alone is too uncertain.
        """
        trials = len(PILOTS) * len(designs)
        found: list[Candidate] = []
        runs: dict[CodecDesign, Run] = {}
        for number in range(trials):
            design, again = designs[number % len(designs)], number // len(designs)
            training = self.training(design, PILOTS[again], 2**again * FEWEST_STEPS)
            runs[design] = training, self.train(training, f"trying sizes, {number + 1} of {trials}")
            if 2 * runs[design][1].state.step < FEWEST_STEPS:
                return [], runs[design]
            found.append(self.measured(design, *runs[design]))
            if self.stopped:
                break
        first, latest = found[: len(designs)], found[-len(designs) :]
        if len(found) == trials:
            gained = sum(each.payload for each in latest) / sum(each.payload for each in first)
            doublings = math.log2((1 - len(designs) * sum(PILOTS)) / PILOTS[-1])
            gained = min(gained, 1.0) ** (AGAIN * (1 - AGAIN**doublings) / (1 - AGAIN))
            latest = [replace(each, payload=gained * each.payload) for each in latest]
        return latest, runs[min(latest, key=lambda each: each.total).design]

    def training(self, design: CodecDesign, share: float, fewest: int = FEWEST_STEPS) -> CodecTraining:
        """Return a training of networks for a share of the time, or of the epochs where these take less."""
        seconds = 60 * self.options.minutes * share
        epochs = max(1, math.ceil(fewest / self.batches.per_epoch), round(share * MOST_EPOCHS))
        if not design.dequantises and all(each.alphabet == "signals" for each in design.pixels.values()):
            epochs = min(epochs, math.ceil(SIGNAL_STEPS / self.batches.per_epoch))
        short = epochs * self.batches.per_epoch * self.step_seconds < seconds
        settings = Settings(
            minutes=None if short else seconds / 60,
            epochs=epochs if short else None,
            batch_size=self.batches.size,
            learning_rate=default_learning_rate("codec"),
            seed=self.options.seed,
        )
        assert self.quantiser is not None
        return training_of(design, self.grid, self.batches, settings, self.quantiser.step)

    def train(self, training: CodecTraining, title: str) -> Trained[CodecNetwork]:
        """Train; a signal ends this and all trainings after it."""
        report = self.options.report
        progress = None if report is None else partial(report, title)
        trained = train(training.task, RunOptions(progress=progress, stops_early=False))  # a file is all that there is
        self.stopped |= trained.interrupted
        if trained.state.step:
            self.step_seconds = trained.state.seconds / trained.state.step
        return trained

    def measured(self, design: CodecDesign, training: CodecTraining, trained: Trained[CodecNetwork]) -> Candidate:
        """Return what a file takes after a trial."""
        objective = training.task.objective
        assert isinstance(objective, CodecObjective)
        bits = objective.bits(trained.network, self.batches.held_out())
        model = training.model(trained, self.axes, self.options.device)
        return Candidate(design, len(model.to_file().to_condensed()), bits * self.values / 8)
