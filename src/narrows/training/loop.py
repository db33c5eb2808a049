"""The one training loop: budget, schedule, held-out slice, best weights, guard, checkpoints, progress."""

import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from narrows.artifacts.checkpoint import read_checkpoint, write_checkpoint
from narrows.errors import ParameterError, TrainingError
from narrows.training.batches import Batches
from narrows.training.optimizers import optimisers

Net = TypeVar("Net", bound=nn.Module)
Objective = Callable[[Net, Tensor, int | None], Tensor]

WARM_UP_STEPS, WARM_UP_SHARE = 100, 0.05
CHECKPOINT_SECONDS = 60.0
REPORT_SECONDS = 0.1
FEWEST_VALIDATIONS, MOST_VALIDATIONS = 4, 50
VALIDATION_SHARE = 0.05  # of the work of training
PATIENCE = 0.3  # of the budget
GUARD_AFTER, GUARD_AFTER_STEPS = 0.2, 3 * WARM_UP_STEPS  # of the budget, and of the steps
MUST_BEAT = 0.98  # of the loss that the mean of the data has
GENTLER = (1.0, 0.2, 0.04)  # times the learning rate, attempt by attempt


@dataclass(frozen=True)
class Settings:
    """How to train. Exactly one of `minutes` and `epochs` is the budget.

    Within a budget of epochs everything follows from the seed. A budget of minutes is kept by the clock, and so the
    number of steps, and with it the weights, depend on how fast the machine was.
    """

    minutes: float | None
    epochs: int | None
    batch_size: int
    learning_rate: float
    seed: int

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.epochs is None):
            raise ParameterError("expected a budget either in minutes or in epochs")
        kinds: dict[str, Any] = {"minutes": Real, "epochs": Integral, "batch_size": Integral, "learning_rate": Real}
        for name, kind in kinds.items():
            value, whole = getattr(self, name), kind is Integral
            if value is None:
                continue
            if not (isinstance(value, kind) and 0 < value < math.inf):
                raise ParameterError(
                    f"expected a {'whole ' if whole else ''}number above 0", parameter=name, value=value
                )
            object.__setattr__(self, name, int(value) if whole else float(value))  # JSON takes no numbers of NumPy's
        if self.seed < 0:
            raise ParameterError("expected a whole number from 0", parameter="random_state", value=self.seed)


@dataclass
class State:
    """Where a run stands; with the weights and the optimiser's moments, all that is needed to go on."""

    attempt: int = 0
    attempt_began: float = 0.0  # in seconds of the run
    step: int = 0
    seconds: float = 0.0
    best: float = math.inf  # held-out loss
    best_at: float = 0.0  # share of the budget
    validated_step: int = 0
    next_validation: float = 1 / MOST_VALIDATIONS  # share of the budget
    history: dict[str, list[float]] = field(
        default_factory=lambda: {"epoch": [], "seconds": [], "loss": [], "held_out": []}
    )


@dataclass(frozen=True)
class Report:
    """What a progress display shows; losses are None until they are known."""

    progress: float
    epoch: float
    loss: float | None
    held_out: float | None
    items_per_second: float
    seconds_left: float
    attempt: int


@dataclass(frozen=True)
class Trained(Generic[Net]):
    """The network with its best weights, how it came about, and whether it was stopped before its budget."""

    network: Net
    state: State
    interrupted: bool


def train(
    build: Callable[[int], Net],
    objective: Objective[Net],
    batches: Batches,
    settings: Settings,
    baseline: float,
    identity: dict[str, Any] | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    report: Callable[[Report], None] | None = None,
) -> Trained[Net]:
    """Minimise `objective` over the batches, and give back the network that did best on the held-out items.

    build: a seed -> an untrained network on the device of the batches.
    objective: a network, a batch and the step, None for held-out items -> the mean loss, a scalar tensor. What it
        draws at random follows from the step, so that a run can be resumed.
    baseline: the loss of answering with the mean of the data. A run that does not beat it starts again with a lower
        learning rate; TrainingError when that does not help either. 0 for data that do not vary: nothing to beat.
    checkpoint: a file for the run's state, written every minute and when the run is stopped; `resume` goes on from it.
    identity: what must be the same for a run to be resumed, besides the settings and the baseline.

    SIGINT and SIGTERM end the run after the step in hand, and the best network so far comes back, marked as
    interrupted; KeyboardInterrupt where none is better than the mean yet. A second signal ends it at once.
    """
    if checkpoint is not None and not checkpoint.parent.is_dir():
        raise TrainingError(f"{checkpoint}: there is no folder {checkpoint.parent}; make it first")
    run = Run(build, settings, batches)
    # The loss of the mean, with room for rounding on other machines, tells apart data of the same form.
    identity = {**(identity or {}), **asdict(settings), "mean_loss": float(f"{baseline:.4g}")}
    if resume:
        if checkpoint is None or not checkpoint.exists():
            raise TrainingError(f"{checkpoint}: there is no such checkpoint to go on from")
        run.restore(checkpoint, identity)
    state = run.state
    began = time.monotonic() - state.seconds
    saved = reported = time.monotonic()

    with interruptible() as interrupted:
        while True:
            state.seconds = time.monotonic() - began
            progress = run.progress()
            if progress >= min(state.next_validation, 1):
                finite = run.validate(objective, progress)
                learning = not state.best > MUST_BEAT * baseline > 0
                warm = progress >= 1 or (progress >= GUARD_AFTER and state.step >= GUARD_AFTER_STEPS)
                if not finite or (warm and not learning):
                    if state.attempt + 1 == len(GENTLER) or (settings.minutes and progress >= 1):
                        raise TrainingError(worthless(state, baseline))
                    run.start_again()
                    continue
                if progress >= 1 or (learning and progress - state.best_at > PATIENCE):
                    break
            if interrupted():
                break

            run.set_learning_rate(progress)
            loss = objective(run.network, batches.at(state.step), state.step)
            run.network.zero_grad()
            # In units of the baseline, so that clipping and Adam's epsilon mean the same for all data.
            (loss / baseline if baseline > 0 else loss).backward()
            nn.utils.clip_grad_norm_(run.network.parameters(), 1.0)
            for optimiser in run.optimisers:
                optimiser.step()
            run.loss_sum += loss.detach()
            state.step += 1

            now = time.monotonic()
            if checkpoint is not None and now - saved > CHECKPOINT_SECONDS:
                run.save(checkpoint, identity)
                saved = now
            if report is not None and now - reported > REPORT_SECONDS:
                report(run.report(progress))
                reported = now

    stopped = progress < 1 and interrupted()
    if checkpoint is not None and stopped:
        run.save(checkpoint, identity)
    if not math.isfinite(state.best):
        # After saving, because a run that goes on from there validates at its own time.
        run.validate(objective, progress)
    if state.best > MUST_BEAT * baseline > 0:
        raise KeyboardInterrupt if stopped else TrainingError(worthless(state, baseline))
    run.network.load_state_dict(run.best_weights)
    return Trained(run.network.eval().requires_grad_(False), state, interrupted=stopped)


class Run(Generic[Net]):
    """A network in training: its weights, its optimiser and its state."""

    def __init__(self, build: Callable[[int], Net], settings: Settings, batches: Batches) -> None:
        self.build, self.settings, self.batches = build, settings, batches
        self.state = State()
        self.begin()

    def begin(self) -> None:
        self.network = self.build(self.settings.seed + self.state.attempt)
        self.optimisers = optimisers(self.network)
        self.best_weights = copy_weights(self.network)
        self.loss_sum = torch.zeros((), device=self.batches.device)

    def start_again(self) -> None:
        """From new weights, more gently; of a budget in minutes, what is left of it."""
        self.state.__dict__.update(asdict(State(attempt=self.state.attempt + 1, attempt_began=self.state.seconds)))
        self.state.seconds = self.state.attempt_began
        self.begin()

    def progress(self) -> float:
        """The share of the budget that is spent."""
        if self.settings.epochs is not None:
            return self.state.step / (self.settings.epochs * self.batches.per_epoch)
        assert self.settings.minutes is not None
        budget = 60 * self.settings.minutes - self.state.attempt_began
        return (self.state.seconds - self.state.attempt_began) / max(budget, 1e-9)

    def set_learning_rate(self, progress: float) -> None:
        """A linear warm-up, short even for small budgets, then half a cosine down to zero at the end of the budget."""
        warm_up = max((self.state.step + 1) / WARM_UP_STEPS, progress / WARM_UP_SHARE)
        rate = self.settings.learning_rate * GENTLER[self.state.attempt]
        rate *= min(1.0, warm_up) * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate * group["relative"]

    def validate(self, objective: Objective[Net], progress: float) -> bool:
        """Measure the held-out loss, keep the weights where it is the best so far; False when it is not finite."""
        state = self.state
        self.network.eval()
        with torch.no_grad():
            parts = [(float(objective(self.network, x, None)), len(x)) for x in self.batches.held_out()]
        self.network.train()
        held_out = sum(loss * count for loss, count in parts) / sum(count for _, count in parts)
        steps = state.step - state.validated_step
        loss = float(self.loss_sum) / steps if steps else held_out
        for name, value in (
            ("epoch", state.step / self.batches.per_epoch),
            ("seconds", state.seconds),
            ("loss", loss),
            ("held_out", held_out),
        ):
            state.history[name].append(value)
        if held_out < state.best:
            state.best, state.best_at = held_out, progress
            self.best_weights = copy_weights(self.network)
        # As often as the share of the work for it allows; a training step on an item costs about three times its test.
        items = state.step * self.batches.size / max(progress, 1e-9)
        count = 3 * VALIDATION_SHARE * items / len(self.batches.held_out_items)
        state.next_validation = progress + 1 / min(MOST_VALIDATIONS, max(FEWEST_VALIDATIONS, count))
        state.validated_step = state.step
        self.loss_sum.zero_()
        return math.isfinite(held_out) and math.isfinite(loss)

    def report(self, progress: float) -> Report:
        state = self.state
        history, seconds = state.history, state.seconds - state.attempt_began
        return Report(
            progress=progress,
            epoch=state.step / self.batches.per_epoch,
            loss=history["loss"][-1] if history["loss"] else None,
            held_out=history["held_out"][-1] if history["held_out"] else None,
            items_per_second=state.step * self.batches.size / max(seconds, 1e-9),
            seconds_left=seconds * (1 - progress) / max(progress, 1e-9),
            attempt=state.attempt,
        )

    def save(self, path: Path, identity: dict[str, Any]) -> None:
        """Write all that is needed to go on; `restore` undoes it."""
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best_weights.items()}
        for number, optimiser in enumerate(self.optimisers):
            for index, moments in optimiser.state_dict()["state"].items():
                tensors |= {f"optimiser.{number}.{index}.{name}": tensor for name, tensor in moments.items()}
        tensors["loss_sum"] = self.loss_sum
        write_checkpoint(path, tensors, {"identity": identity, "state": asdict(self.state)})

    def restore(self, path: Path, identity: dict[str, Any]) -> None:
        """Read what `save` wrote; TrainingError where the run was another one."""
        tensors, document = read_checkpoint(path, self.batches.device)
        begun, asked = flat(document["identity"]), flat(json.loads(json.dumps(identity)))
        for name, value in asked.items():
            if begun.get(name) != value:
                raise TrainingError(
                    f"{path}: this run was begun with {name}={begun.get(name)}, not {value}; "
                    f"resume it with the same options, or remove the file and start anew"
                )
        self.state = State(**document["state"])
        self.network.load_state_dict(part(tensors, "network."))
        self.best_weights = part(tensors, "best.")
        for number, optimiser in enumerate(self.optimisers):
            moments: dict[int, dict[str, Tensor]] = {}
            for name, tensor in part(tensors, f"optimiser.{number}.").items():
                index, moment = name.split(".")
                moments.setdefault(int(index), {})[moment] = tensor
            optimiser.load_state_dict({**optimiser.state_dict(), "state": moments})
            for weight, state in optimiser.state.items():
                # In the weight's own memory layout: the fused Adam walks through both as they lie.
                for name, moment in state.items():
                    if moment.shape == weight.shape:
                        state[name] = torch.empty_like(weight).copy_(moment)
        self.loss_sum = tensors["loss_sum"]


def copy_weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def flat(document: dict[str, Any]) -> dict[str, Any]:
    """The values of a document by their innermost names."""
    values: dict[str, Any] = {}
    for name, value in document.items():
        values |= flat(value) if isinstance(value, dict) else {name: value}
    return values


def part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def worthless(state: State, baseline: float) -> str:
    return (
        f"training did not beat the mean of the data (held-out loss {state.best:.4g}, the mean has {baseline:.4g}) "
        f"in {state.attempt + 1} attempt(s): try a lower learning rate, a larger budget or a larger code"
    )


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Within the block the first SIGINT or SIGTERM is only noted; what is given tells whether one came."""
    came = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield came.is_set
        return
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in signals}

    def note(number: int, frame: Any) -> None:
        came.set()
        for each in signals:
            signal.signal(each, before[each])

    for number in signals:
        signal.signal(number, note)
    try:
        yield came.is_set
    finally:
        for number in signals:
            signal.signal(number, before[number])
