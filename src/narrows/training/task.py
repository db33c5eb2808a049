"""What to train, how to run the training, and what comes of it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Generic, TypeVar

from torch import Tensor, nn

from narrows.artifacts.manifest import InitModel
from narrows.errors import ParameterError
from narrows.training.batches import Batches

Net = TypeVar("Net", bound=nn.Module)
Objective = Callable[[Net, Tensor, int | None], Tensor]
"""From a network, a batch and the number of the step to the mean loss, a scalar.

Whatever it draws at random follows from the step, so that a training can be resumed. The step is None for held-out
items.
"""

N_VALIDATIONS = (4, 50)  # at least and at most
MAX_SEED = 2**32 - 1  # as NumPy and scikit-learn have it
MAX_THREADS = 1024  # OpenMP ends the process where it cannot start as many as it is told to


@dataclass(frozen=True)
class Settings:
    """How to train.

    Within a budget of epochs everything follows from the seed. A budget in minutes is kept by the clock, and so the
    number of steps, and with it the weights, depend on the speed of the machine.

    Parameters
    ----------
    minutes, epochs : float or int, above 0
        The budget; exactly one of them is not None.
    batch_size : int, above 0
        Items, or crops of items, in a batch.
    learning_rate : float, above 0
        The largest learning rate of Adam.
    seed : int, from 0 to 2**32 - 1
        Seed of weights, batches and objectives.

    Raises
    ------
    ParameterError
        If a value is out of bounds.
    """

    minutes: float | None
    epochs: int | None
    batch_size: int
    learning_rate: float
    seed: int

    def __post_init__(self) -> None:
        """Check the values."""
        if (self.minutes is None) == (self.epochs is None):
            raise ParameterError("give a budget either in minutes or in epochs")
        kinds: dict[str, Any] = {"minutes": Real, "epochs": Integral, "batch_size": Integral, "learning_rate": Real}
        for name, kind in kinds.items():
            value, whole = getattr(self, name), kind is Integral
            if value is None:
                continue
            if not (isinstance(value, kind) and 0 < value < math.inf):
                article = "a whole number" if whole else "a number"
                raise ParameterError(f"expected {article} above 0", parameter=name, value=value)
            object.__setattr__(self, name, int(value) if whole else float(value))  # JSON takes no numbers of NumPy's
        if not 0 <= self.seed <= MAX_SEED:
            raise ParameterError(
                f"expected a whole number from 0 to {MAX_SEED}", parameter="random_state", value=self.seed
            )


@dataclass(frozen=True)
class TrainingTask(Generic[Net]):
    """What to train.

    Parameters
    ----------
    build : callable
        From a seed to a network as training begins with it.
    objective : callable
        The loss; see `Objective`.
    batches : Batches
        The data, and the device to train on.
    settings : Settings
        Budget, batch size, learning rate and seed.
    baseline : float
        The loss of predicting the mean of the data. A training that does not beat it starts again with a lower learning
        rate. 0 where there is nothing to beat, as for constant data.
    identity : mapping, optional
        What must be the same for a training to be resumed from a checkpoint, besides settings and baseline; plain
        values, and mappings of them.
    init_model : InitModel, optional
        The model whose weights the networks from `build` have. They are then validated too, before the first step, so
        that the result is no worse than they are.
    """

    build: Callable[[int], Net]
    objective: Objective[Net]
    batches: Batches
    settings: Settings
    baseline: float
    identity: Mapping[str, Any] = field(default_factory=dict)
    init_model: InitModel | None = None


@dataclass(frozen=True)
class TrainingProgress:
    """How far a training is.

    Parameters
    ----------
    progress : float, 0..1
        The share of the budget that is spent.
    epoch : float
        Epochs done.
    loss, held_out : float or None
        Mean training and validation loss at the last validation; None before the first.
    items_per_second : float
        Speed of the current attempt.
    seconds_left : float
        Estimated time until the budget is spent.
    attempt : int
        0 for the first attempt, and one more for each restart with a lower learning rate.
    """

    progress: float
    epoch: float
    loss: float | None
    held_out: float | None
    items_per_second: float
    seconds_left: float
    attempt: int

    def describe(self) -> str:
        """Return the losses, the speed and the time left, in one line."""
        losses = (("loss", self.loss), ("held out", self.held_out))
        minutes, seconds = divmod(round(self.seconds_left), 60)
        words = [f"attempt {self.attempt + 1}"] if self.attempt else []
        words += [f"{name} {value:.4f}" for name, value in losses if value is not None]
        return ", ".join([*words, f"{self.items_per_second:,.0f} items/s", f"{minutes}:{seconds:02} left"])


def checked_threads(threads: Any) -> int | None:
    """Return a number of threads as an int, or None; ParameterError for what is no such number."""
    if threads is None:
        return None
    if isinstance(threads, bool) or not (isinstance(threads, Integral) and 0 < int(threads) <= MAX_THREADS):
        raise ParameterError(f"expected a whole number from 1 to {MAX_THREADS}", parameter="threads", value=threads)
    return int(threads)  # JSON takes no numbers of NumPy's


@dataclass(frozen=True)
class RunOptions:
    """How to run a training.

    Parameters
    ----------
    checkpoint : Path, optional
        File for the state of the training, written after some seconds, then every minute, and when the training is
        stopped. Where it cannot be written, a RuntimeWarning says so and the training goes on.
    resume : bool
        Whether to go on from that file.
    progress : callable, optional
        Called several times a second with a `TrainingProgress`.
    threads : int, optional
        How many threads to use on the CPU. By default as many as torch has; within a budget in minutes, what is fastest
        of these, which is measured now and then.
    stops_early : bool
        Whether to stop where the validation loss has not fallen for a part of the budget.

    Raises
    ------
    ParameterError
        If the number of threads is not between 1 and 1024.
    """

    checkpoint: Path | None = None
    resume: bool = False
    progress: Callable[[TrainingProgress], None] | None = None
    threads: int | None = None
    stops_early: bool = True

    def __post_init__(self) -> None:
        """Check the number of threads."""
        object.__setattr__(self, "threads", checked_threads(self.threads))


@dataclass
class TrainingState:
    """Where a training stands, besides the tensors. The names of the fields are keys of checkpoint files."""

    attempt: int = 0
    attempt_began: float = 0.0  # seconds of training before this attempt
    step: int = 0
    seconds: float = 0.0
    best: float = math.inf  # validation loss
    best_at: float = 0.0  # share of the budget
    validated_step: int = 0
    next_validation: float = 1 / N_VALIDATIONS[1]  # share of the budget
    threads: int | None = None  # of a run with a budget of epochs
    history: dict[str, list[float]] = field(
        default_factory=lambda: {"epoch": [], "seconds": [], "loss": [], "held_out": []}
    )

    def __post_init__(self) -> None:
        """Check the number of threads, which may come from a file."""
        self.threads = checked_threads(self.threads)

    def next_attempt(self) -> "TrainingState":
        """Return the state at the begin of the next attempt, which has what is left of a budget in minutes."""
        return TrainingState(
            attempt=self.attempt + 1, attempt_began=self.seconds, seconds=self.seconds, threads=self.threads
        )


@dataclass(frozen=True)
class Trained(Generic[Net]):
    """The result of a training.

    Parameters
    ----------
    network : Module
        The network with the best weights, for inference.
    state : TrainingState
        How the training went.
    interrupted : bool
        Whether it was stopped before its budget was spent.
    """

    network: Net
    state: TrainingState
    interrupted: bool
