"""What all training plans share: data, options, a task for the training loop, and what becomes of its result."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Generic

from narrows.artifacts.manifest import TrainingRecord
from narrows.data import Items
from narrows.data.axes import layout_of
from narrows.plans.defaults import default_batch_size, default_epochs, default_learning_rate
from narrows.training.loop import train
from narrows.training.task import Net, RunOptions, Settings, Trained, TrainingTask
from narrows.training.threads import chosen_threads
from narrows.training.torch_state import default_torch_state


@dataclass(frozen=True)
class TrainingData:
    """Items to learn from.

    Parameters
    ----------
    items : Items
        The items.
    axes : str, optional
        Axes in the order that the user has them, with or without N, such as "CYX"; by default those of the items.
    feature_names : tuple of str
        Names of the columns of a table that has them.
    """

    items: Items
    axes: str | None = None
    feature_names: tuple[str, ...] = ()

    @property
    def user_axes(self) -> str:
        """Axes of arrays as the user has them, with an N."""
        if self.axes is None or layout_of(self.axes) != self.items.axes:
            return self.items.axes
        return self.axes if "N" in self.axes else "N" + self.axes


@dataclass(frozen=True)
class TrainingOptions:
    """How to train; None leaves a choice to the plan.

    Parameters
    ----------
    minutes, epochs : float and int, optional
        The budget, at most one of them.
    batch_size : int, optional
        Items in a batch.
    learning_rate : float, optional
        The largest learning rate.
    device : {"auto", "cpu", "cuda"}
        Where to train.
    seed : int
        Seed of everything that is random.
    init_model : TrainedModel or CodecModel, optional
        The model to start from: its weights, architecture, scaling and columns. The learning rate is then lower.
    """

    minutes: float | None = None
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    device: str = "auto"
    seed: int = 0
    init_model: Any = None

    def settings(self, kind: str, items: Items, positions: int = 1) -> Settings:
        """Return complete settings for a kind of network, such as "conv".

        Parameters
        ----------
        kind : str
            A key of `narrows.plans.defaults.LEARNING_RATE`, or a registered architecture.
        items : Items
            The items to learn from.
        positions : int
            Those of one item or crop that each count as an example.
        """
        batch_size = default_batch_size(kind, items, positions) if self.batch_size is None else self.batch_size
        unlimited = self.minutes is None and self.epochs is None
        usual_rate = default_learning_rate(kind, fine_tuning=self.init_model is not None)
        return Settings(
            minutes=self.minutes,
            epochs=default_epochs(kind, items, batch_size, positions) if unlimited else self.epochs,
            batch_size=batch_size,
            learning_rate=usual_rate if self.learning_rate is None else self.learning_rate,
            seed=self.seed,
        )


@dataclass(frozen=True)
class Fitted:
    """A trained model and how the training went.

    Parameters
    ----------
    model : TrainedModel or CodecModel
        The model.
    warnings : tuple of str
        What the user should know about it.
    interrupted : bool
        Whether the training was stopped before its budget was spent.
    """

    model: Any
    warnings: tuple[str, ...] = ()
    interrupted: bool = False


@dataclass(frozen=True)
class TrainingPlan(Generic[Net]):
    """A task for the training loop, and how its result becomes a model.

    Parameters
    ----------
    task : TrainingTask
        What to train.
    finish : callable
        From the result of `narrows.training.train` to `Fitted`.
    """

    task: TrainingTask[Net]
    finish: Callable[[Trained[Net]], Fitted]


@default_torch_state()
def run_plan(plan: TrainingPlan[Any], run: RunOptions) -> Fitted:
    """Train as planned.

    Raises
    ------
    TrainingError
        If no network better than the baseline was found.
    KeyboardInterrupt
        If the training was interrupted before there was one. If there is one already, it is returned.
    """
    trained = train(plan.task, run)
    # What is calibrated on the result is repeatable too.
    with chosen_threads(trained.state.threads, measured=False):
        return plan.finish(trained)


def training_identity(tool: str, items: Items, **facts: Any) -> dict[str, Any]:
    """Return what must be the same for a training to be resumed from a checkpoint, besides its settings."""
    return {"tool": tool, "items": len(items), "dtype": str(items.dtype), **facts}


def training_record(
    items: Items, task: TrainingTask[Any], trained: Trained[Any], mean_loss: float | None = None, **details: Any
) -> TrainingRecord:
    """Return how a model was trained.

    Parameters
    ----------
    items : Items
        The items that it learned from.
    task, trained : TrainingTask and Trained
        What was trained, and the result.
    mean_loss : float, optional
        Loss to compare with; by default the task's baseline.
    **details
        Facts of one tool alone; ``held_out_loss`` replaces that of the training.
    """
    state = trained.state
    if items.cell_text is not None:
        details["cell_text"] = items.cell_text.to_dict()
    held_out_loss = details.pop("held_out_loss", state.best)
    if items.common_bits is not None:
        details["bits"] = items.common_bits
    return TrainingRecord(
        data=items.source,
        items=len(items),
        rate=items.rate,
        device=str(task.batches.device),
        **asdict(task.settings),
        seconds=round(state.seconds, 2),
        steps=state.step,
        held_out_loss=held_out_loss,
        mean_loss=task.baseline if mean_loss is None else mean_loss,
        attempts=state.attempt + 1,
        complete=not trained.interrupted,
        history=state.history,
        init_model=task.init_model,
        details=details,
    )
