"""The one training loop: budget, schedule, validation, best weights, restarts, checkpoints, progress."""

import json
import math
import time
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Generic

import torch
from torch import Tensor, nn

from narrows.artifacts.checkpoint import read_checkpoint, write_checkpoint
from narrows.artifacts.schema import from_document
from narrows.errors import FormatError, TrainingError
from narrows.training.optimizers import build_optimizers
from narrows.training.runtime import interruptible, place_network
from narrows.training.task import N_VALIDATIONS, Net, RunOptions, Trained, TrainingProgress, TrainingState, TrainingTask
from narrows.training.threads import chosen_threads

WARM_UP_STEPS, WARM_UP_SHARE = 100, 0.05
FIRST_CHECKPOINT_SECONDS, CHECKPOINT_SECONDS = 5.0, 60.0
REPORT_SECONDS = 0.1
VALIDATION_SHARE = 0.05  # of the work of training
PATIENCE = 0.3  # of the budget
GUARD_AFTER, GUARD_AFTER_STEPS = 0.2, 3 * WARM_UP_STEPS  # of the budget, and of the steps
MUST_BEAT = 0.98  # of the baseline
RATE_OF_ATTEMPT = (1.0, 0.2, 0.04)  # times the learning rate


def train(task: TrainingTask[Net], run: RunOptions | None = None) -> Trained[Net]:
    """Minimise the objective over the batches, and return the network with the lowest validation loss.

    SIGINT, SIGTERM and SIGHUP end the training after the current step, and the best network so far is returned. A
    second SIGINT ends it at once.

    Parameters
    ----------
    task : TrainingTask
        What to train.
    run : RunOptions, optional
        Checkpoints and progress; by default none.

    Returns
    -------
    Trained
        The network, the state of the training, and whether it was interrupted.

    Raises
    ------
    TrainingError
        If no attempt beats the baseline, or a checkpoint is missing or of another training.
    KeyboardInterrupt
        If the training was interrupted before it beat the baseline.
    """
    run = run or RunOptions()
    checkpoint, baseline, settings, batches = run.checkpoint, task.baseline, task.settings, task.batches
    if checkpoint is not None and not checkpoint.parent.is_dir():
        raise TrainingError(f"{checkpoint}: there is no folder {checkpoint.parent}; make it first")
    if checkpoint is not None and checkpoint.is_dir():
        raise TrainingError(f"{checkpoint}: is a folder; name a file in it")
    identity = run_identity(task)
    if not run.resume:
        attempt = Attempt(task, TrainingState())
    elif checkpoint is None or not checkpoint.exists():
        raise TrainingError(f"{checkpoint}: there is no such checkpoint to go on from")
    else:
        attempt = Attempt.load(task, checkpoint, identity)
    state = attempt.state
    began = time.monotonic() - state.seconds
    reported = time.monotonic()
    checkpoints = None if checkpoint is None else Checkpoints(checkpoint, identity)

    measured = settings.epochs is None and batches.device.type == "cpu"
    state.threads = run.threads or state.threads
    with interruptible() as interrupted, chosen_threads(state.threads, measured) as threads:
        if not measured:  # a run with a budget of epochs is resumed with as many, since sums depend on it
            state.threads = threads.number
        while True:
            state.seconds = time.monotonic() - began
            progress = attempt.progress()
            validates = progress >= min(state.next_validation, 1)
            if validates:
                finite = attempt.validate(progress)
                learning = not state.best > MUST_BEAT * baseline > 0
                warm = progress >= 1 or (progress >= GUARD_AFTER and state.step >= GUARD_AFTER_STEPS)
                if not finite or (warm and not learning):
                    if state.attempt + 1 == len(RATE_OF_ATTEMPT) or (settings.minutes and progress >= 1):
                        raise failure(state, baseline, checkpoint)
                    attempt = Attempt(task, state.next_attempt())
                    state = attempt.state
                    continue
                stuck = learning and progress - state.best_at > PATIENCE
                # What improves on the weights of a model, improves late, when the learning rate is low.
                if progress >= 1 or (stuck and run.stops_early and task.init_model is None):
                    break
            if interrupted():
                break

            attempt.set_learning_rate(progress)
            loss = task.objective(attempt.network, batches.at(state.step), state.step)
            for weight in attempt.weights:
                weight.grad = None
            # In units of the baseline, so that clipping and Adam's epsilon mean the same for all data.
            torch.autograd.backward(loss / baseline if baseline > 0 else loss)
            nn.utils.clip_grad_norm_(attempt.weights, 1.0)
            for optimizer in attempt.optimizers:
                optimizer.step()
            attempt.loss_sum += loss.detach()
            state.step += 1

            now = time.monotonic()
            if not validates:
                threads.step(now - began - state.seconds)
            if checkpoints is not None and now > checkpoints.due:
                checkpoints.write(attempt)
            if run.progress is not None and now - reported > REPORT_SECONDS:
                run.progress(attempt.describe(progress))
                reported = now

        stopped = progress < 1 and interrupted()
        if checkpoints is not None and stopped:
            checkpoints.write(attempt)

    if not math.isfinite(state.best):
        # After saving, because a resumed training validates at its own time.
        attempt.validate(progress)
    if state.best > MUST_BEAT * baseline > 0:
        raise KeyboardInterrupt if stopped else failure(state, baseline, checkpoint)
    attempt.network.load_state_dict(attempt.best_weights)
    return Trained(attempt.network.eval().requires_grad_(False), state, interrupted=stopped)


class Attempt(Generic[Net]):
    """A network in training, with its optimizers and its state, from new weights to the end of the budget.

    Parameters
    ----------
    task : TrainingTask
        What to train.
    state : TrainingState
        Where the training stands; it is updated in place.
    """

    def __init__(self, task: TrainingTask[Net], state: TrainingState) -> None:
        device = task.batches.device
        self.task, self.state = task, state
        self.network = place_network(task.build(task.settings.seed + state.attempt), device)
        self.weights = list(self.network.parameters())  # which take long to look up
        self.optimizers = build_optimizers(self.network)
        self.best_weights = copy_weights(self.network)
        self.loss_sum = torch.zeros((), device=device)
        if task.init_model is not None and not state.history["epoch"]:
            state.next_validation = 0.0

    def progress(self) -> float:
        """Return the share of the budget that is spent."""
        settings, state = self.task.settings, self.state
        if settings.epochs is not None:
            return state.step / (settings.epochs * self.task.batches.per_epoch)
        assert settings.minutes is not None
        budget = 60 * settings.minutes - state.attempt_began
        return (state.seconds - state.attempt_began) / max(budget, 1e-9)

    def set_learning_rate(self, progress: float) -> None:
        """Set a linear warm-up, short even for small budgets, then half a cosine down to zero."""
        warm_up = max((self.state.step + 1) / WARM_UP_STEPS, progress / WARM_UP_SHARE)
        rate = self.task.settings.learning_rate * RATE_OF_ATTEMPT[self.state.attempt]
        rate *= min(1.0, warm_up) * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * group["relative"]

    def validate(self, progress: float) -> bool:
        """Measure the validation loss, keep the weights if they are the best; return whether the loss is finite."""
        state, batches, objective = self.state, self.task.batches, self.task.objective
        self.network.eval()
        with torch.no_grad():
            parts = [(float(objective(self.network, x, None)), len(x)) for x in batches.held_out()]
        self.network.train()
        held_out = sum(loss * count for loss, count in parts) / sum(count for _, count in parts)
        steps = state.step - state.validated_step
        loss = float(self.loss_sum) / steps if steps else held_out
        for name, value in (
            ("epoch", state.step / batches.per_epoch),
            ("seconds", state.seconds),
            ("loss", loss),
            ("held_out", held_out),
        ):
            state.history[name].append(value)
        if held_out < state.best:
            state.best, state.best_at = held_out, progress
            self.best_weights = copy_weights(self.network)
        # As often as the share of the work allows; a training step costs about three times a validation of the item.
        items = state.step * batches.size / max(progress, 1e-9)
        fewest, most = N_VALIDATIONS
        count = 3 * VALIDATION_SHARE * items / len(batches.held_out_items) if state.step else most
        state.next_validation = progress + 1 / min(most, max(fewest, count))
        state.validated_step = state.step
        self.loss_sum.zero_()
        return math.isfinite(held_out) and math.isfinite(loss)

    def describe(self, progress: float) -> TrainingProgress:
        """Return what a progress bar shows."""
        state, batches = self.state, self.task.batches
        history, seconds = state.history, state.seconds - state.attempt_began
        return TrainingProgress(
            progress=progress,
            epoch=state.step / batches.per_epoch,
            loss=history["loss"][-1] if history["loss"] else None,
            held_out=history["held_out"][-1] if history["held_out"] else None,
            items_per_second=state.step * batches.size / max(seconds, 1e-9),
            seconds_left=seconds * (1 - progress) / max(progress, 1e-9),
            attempt=state.attempt,
        )

    def save(self, path: Path, identity: dict[str, Any]) -> None:
        """Write all that is needed to go on; `load` reads it."""
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best_weights.items()}
        for number, optimizer in enumerate(self.optimizers):
            for index, moments in optimizer.state_dict()["state"].items():
                tensors |= {f"optimiser.{number}.{index}.{name}": tensor for name, tensor in moments.items()}
        tensors["loss_sum"] = self.loss_sum
        write_checkpoint(path, tensors, {"identity": identity, "state": asdict(self.state)})

    @classmethod
    def load(cls, task: TrainingTask[Net], path: Path, identity: dict[str, Any]) -> "Attempt[Net]":
        """Read what `save` wrote; TrainingError where it is of another training."""
        tensors, document = read_checkpoint(path, task.batches.device)
        check_identity(path, document["identity"], identity)
        try:
            attempt = cls(task, from_document(TrainingState, document["state"]))
            attempt.network.load_state_dict(with_prefix(tensors, "network."))
            attempt.best_weights = with_prefix(tensors, "best.")
            for number, optimizer in enumerate(attempt.optimizers):
                load_moments(optimizer, with_prefix(tensors, f"optimiser.{number}."))
            attempt.loss_sum = tensors["loss_sum"]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise FormatError(f"its parts do not fit together ({reason})", source=str(path)) from None
        return attempt


class Checkpoints:
    """The checkpoints of one run: when the next is due, and what happens where one cannot be written.

    Parameters
    ----------
    path : Path
        The file.
    identity : dict
        What the training that resumes must have in common with this one.
    """

    def __init__(self, path: Path, identity: dict[str, Any]) -> None:
        self.path, self.identity = path, identity
        self.due = time.monotonic() + FIRST_CHECKPOINT_SECONDS
        self.problem: str | None = None

    def write(self, attempt: Attempt[Any]) -> None:
        """Write a checkpoint; where that fails, warn once for each reason, because training can go on without."""
        try:
            attempt.save(self.path, self.identity)
            self.problem = None
        except OSError as error:
            problem = error.strerror or str(error)
            if problem != self.problem:
                warnings.warn(
                    f"{self.path}: the checkpoint cannot be written ({problem})", RuntimeWarning, stacklevel=3
                )
            self.problem = problem
        self.due = time.monotonic() + CHECKPOINT_SECONDS


def run_identity(task: TrainingTask[Any]) -> dict[str, Any]:
    """Return what a checkpoint must have in common with a training."""
    # The loss of the mean, with room for rounding on other machines, distinguishes data of the same form.
    facts = {**task.identity, **asdict(task.settings), "mean_loss": float(f"{task.baseline:.4g}")}
    return {**facts, "init_model": None if task.init_model is None else task.init_model.fingerprint}


def check_identity(path: Path, saved: dict[str, Any], identity: dict[str, Any]) -> None:
    """Raise TrainingError where a checkpoint is of another training."""
    before, now = flatten(saved), flatten(json.loads(json.dumps(identity)))
    for name, value in now.items():
        if before.get(name) != value:
            raise TrainingError(
                f"{path}: this run was begun with {name}={before.get(name)}, not {value}; "
                f"resume it with the same options, or remove the file and start anew"
            )


def flatten(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a document by their innermost names."""
    values: dict[str, Any] = {}
    for name, value in document.items():
        values |= flatten(value) if isinstance(value, dict) else {name: value}
    return values


def load_moments(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Load the state of an optimizer from tensors named "INDEX.MOMENT"."""
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, moment = name.split(".")
        moments.setdefault(int(index), {})[moment] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
    for weight, state in optimizer.state.items():
        # In the weight's own memory layout, because the fused Adam steps through both in the order of memory.
        for name, moment in state.items():
            if moment.shape == weight.shape:
                state[name] = torch.empty_like(weight).copy_(moment)


def copy_weights(network: nn.Module) -> dict[str, Tensor]:
    """Return copies of all tensors of a network."""
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def with_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with the prefix, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def failure(state: TrainingState, baseline: float, checkpoint: Path | None) -> TrainingError:
    """Return the error of a training that failed; its checkpoint is removed, because it would fail again."""
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    if state.best > MUST_BEAT * baseline:
        what = f"did not beat the mean of the data (held-out loss {state.best:.4g}, the mean has {baseline:.4g})"
    else:
        what = f"diverged (the loss is not finite, after a held-out loss of {state.best:.4g})"
    hint = "try a lower learning rate, a larger budget or a larger code"
    return TrainingError(f"training {what} in {state.attempt + 1} attempt(s): {hint}")
