"""The base of the estimators: from whatever the user gives to items, and back to what was given."""

import copy
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from narrows.data import Columns, Items, Scaling
from narrows.data.axes import layout_of
from narrows.data.tables import frames as tables
from narrows.errors import DataWarning, ParameterError
from narrows.plans import TrainingData, TrainingOptions, TrainingPlan, run_plan
from narrows.plans.fine_tuning import find_init_model
from narrows.progress import training_bar
from narrows.training.runtime import choose_device
from narrows.training.task import MAX_SEED, RunOptions, Settings, TrainingProgress


class Estimator(BaseEstimator, ABC):
    """A scikit-learn estimator around a trained model, `model_`.

    Subclasses store in their constructors, besides their own parameters: minutes, epochs, batch_size, learning_rate,
    axes, device, threads, random_state and verbose. `fit` sets `model_`, `n_features_in_` and `feature_names_in_` once
    it has succeeded, so that an estimator whose refit fails stays as it was; all other learned attributes come from the
    model.
    """

    tool: ClassVar[str]
    model_: Any
    minutes: float | None
    epochs: int | None
    batch_size: int | None
    learning_rate: float | None
    axes: str | None
    device: str
    threads: int | None = None  # for tools whose constructors do not have it
    random_state: Any
    verbose: bool

    @classmethod
    @abstractmethod
    def parameters_of(cls, model: Any) -> dict[str, Any]:
        """Return the parameters of the estimator that only its tool has, as a model was trained with them."""

    @classmethod
    def from_model(cls, model: Any) -> Self:
        """Return an estimator fitted with a model."""
        training, names = model.training, ("minutes", "epochs", "batch_size", "learning_rate")
        given = {name: getattr(training, name) for name in names}
        self = cls(axes=model.axes, random_state=training.seed, **given, **cls.parameters_of(model))
        self._assign(model)
        return self

    def save(self, path: str | Path) -> None:
        """Write the model to a file that `narrows.load` reads.

        Parameters
        ----------
        path : str or Path
            The file, whose name should end in .safetensors. It holds no pickle.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        """
        self._model().save(path)

    @property
    def axes_(self) -> str:
        """Axes of the arrays that come in and go out."""
        return str(self.model_.axes)

    @property
    def columns_(self) -> Columns | None:
        """Columns of the table that the model learned from; None for other items."""
        columns: Columns | None = self.model_.columns
        return columns

    @property
    def training_(self) -> dict[str, Any]:
        """Facts about the training."""
        facts: dict[str, Any] = self.model_.training.to_dict()
        return facts

    @property
    def history_(self) -> dict[str, list[float]]:
        """Columns "epoch", "seconds", "loss" and "held_out", one row for each validation."""
        history: dict[str, list[float]] = self.model_.training.history
        return history

    @property
    def network_(self) -> Any:
        """The trained network."""
        return self.model_.network

    @property
    def scaling_(self) -> Scaling:
        """How values are scaled on their way into the network."""
        scaling: Scaling = self.model_.scaling
        return scaling

    def check_parameters(self, paired: bool = False) -> None:
        """Raise ParameterError for parameters that suit no data, before any data are read.

        Parameters
        ----------
        paired : bool, default=False
            Whether `fit` gets targets `y`.
        """
        seed = self.random_state
        checked_random_state(seed)
        Settings(
            minutes=self.minutes,
            epochs=1 if self.minutes is None and self.epochs is None else self.epochs,
            batch_size=1 if self.batch_size is None else self.batch_size,
            learning_rate=1.0 if self.learning_rate is None else self.learning_rate,
            seed=int(seed) if isinstance(seed, (int, np.integer)) else 0,
        )
        choose_device(self.device)
        RunOptions(threads=self.threads)
        if self.axes is not None:
            layout_of(self.axes)

    @property
    def item_axes_(self) -> str:
        """Axes in the order of `narrows.data.Items`: N first and C last."""
        return str(self.model_.item_axes)

    @property
    def channels_(self) -> int:
        """Number of channels of an item, or of features of a table."""
        return int(self.model_.channels)

    @property
    def only_shape_(self) -> tuple[int, ...] | None:
        """The spatial shape of the items that the model takes; None for any."""
        shape: tuple[int, ...] | None = self.model_.only_shape
        return shape

    @property
    def rate_(self) -> int | None:
        """Sampling rate in Hz of the recordings that the model learned from; None for other items."""
        rate: int | None = self.model_.rate
        return rate

    def _model(self) -> Any:
        """Return the fitted model on the device of the estimator."""
        check_is_fitted(self)
        return self.model_.on(self.device)

    def _assign(self, model: Any) -> None:
        """Become the estimator of this model."""
        self.model_, self.n_features_in_ = model, model.n_features
        self.__dict__.pop("feature_names_in_", None)  # of a table that it was fitted to before
        if model.feature_names:
            self.feature_names_in_ = np.array(model.feature_names, dtype=object)

    def _fit(
        self,
        plan: TrainingPlan[Any],
        checkpoint: str | Path | None,
        resume: bool,
        report: Callable[[TrainingProgress], None] | None,
    ) -> Self:
        """Train as planned, and become the estimator of the model that comes of it."""
        with training_bar(self.verbose) as shown:
            run = RunOptions(None if checkpoint is None else Path(checkpoint), resume, report or shown, self.threads)
            fitted = run_plan(plan, run)
        self._assign(fitted.model)
        for warning in fitted.warnings:
            warnings.warn(warning, ConvergenceWarning, stacklevel=3)
        if fitted.interrupted:
            raise KeyboardInterrupt
        return self

    def _training_options(self, init_model: Any = None) -> TrainingOptions:
        """Return how to train. init_model: the model to start from, as `_init_model` returns it."""
        seed = self.random_state
        if not isinstance(seed, (int, np.integer)):
            seed = checked_random_state(seed).randint(2**31)
        return TrainingOptions(
            minutes=self.minutes,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            device=self.device,
            seed=int(seed),
            init_model=init_model,
        )

    def _init_model(self, given: Any, X: Any) -> Any:
        """Return the trained model that `init_model` of `fit` stands for, None where it is None."""
        return find_init_model(given, self.tool, lambda: self._training_data(X).items)

    def _training_data(self, X: Any, init_model: Any = None) -> TrainingData:
        """Return what `fit` learns from, with the axes of the model to start from; it leaves the estimator as it is."""
        probe = copy.copy(self)  # on which scikit-learn sets what it finds out about X
        if init_model is not None:
            probe.axes = self.axes or init_model.axes
        probe.__dict__.pop("feature_names_in_", None)
        items = probe._training_items(X)
        names = getattr(probe, "feature_names_in_", ()) if items.axes == "NF" else ()
        if isinstance(X, Items):
            names = () if items.columns is None else items.columns.names
        return TrainingData(items, probe.axes, tuple(str(name) for name in names))

    def _training_items(self, X: Any) -> Items:
        return self._items_of(X, self.axes, fitting=True)

    def _items(self, X: Any) -> Items:
        """Return X as items; whether they fit the model is for its `check` to say."""
        return self._items_of(X, self.axes_)

    def _items_of(self, X: Any, axes: str | None, fitting: bool = False, **checks: Any) -> Items:
        if isinstance(X, Items):
            return X
        if is_list_of_items(X, axes):
            return Items.from_list(X, axes)
        if n_axes(X) <= 2 and axes in (None, "NF"):
            if isinstance(X, np.ma.MaskedArray):
                checks["ensure_all_finite"] = False  # whatever is under the mask
            table = validate_data(
                self,
                np.ma.getdata(X) if isinstance(X, np.ma.MaskedArray) else X,
                **({"reset": fitting, "dtype": "numeric"} | checks),
            )
            return Items.from_array(np.ma.array(table, mask=np.ma.getmask(X)), "NF")
        if axes is not None and not fitting and n_axes(X) == len(axes) - 1:
            axes = axes.replace("N", "")  # one item
        items = Items.from_array(X, axes)
        for note in items.notes:
            warnings.warn(note, DataWarning, stacklevel=4)
        return items

    def _frame_to_items(self, frame: Any, columns: Columns | None, fitting: bool = False) -> Items:
        """Return a data frame as items, with these columns or with its own."""
        return tables.frame_to_items(self._as_pandas(frame, fitting), columns)

    def _as_pandas(self, frame: Any, fitting: bool = False) -> Any:
        """Return a data frame as one of pandas, whose names and number of columns scikit-learn has seen or checked."""
        frame = tables.to_pandas(frame)
        validate_data(self, frame, reset=fitting, skip_check_array=True)
        return frame

    def _as_given(self, X: Any, items: Items) -> Any:
        """Return items in the form of X, from which they were computed."""
        if isinstance(X, Items):
            return items
        if items.frame is not None:
            return tables.like(items.frame, X)
        if is_list_of_items(X, self.axes_):
            return self._as_list(items)
        one = n_axes(X) < items.values.ndim
        return self._item_as_given(items[0]) if one else self._as_array(items)

    def _as_array(self, items: Items) -> np.ndarray:
        """Return items of one shape as an array with its axes in the user's order."""
        return items.values.transpose([self.item_axes_.index(axis) for axis in self.axes_])

    def _as_list(self, items: Items) -> list[np.ndarray]:
        return [self._item_as_given(item) for item in items]

    def _item_as_given(self, item: np.ndarray) -> np.ndarray:
        return item.transpose([self.item_axes_[1:].index(axis) for axis in self.axes_ if axis != "N"])

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def checked_random_state(random_state: Any) -> np.random.RandomState:
    """Return the generator that scikit-learn makes of a `random_state`; ParameterError where it makes none."""
    try:
        generator: np.random.RandomState = check_random_state(random_state)
        return generator
    except (TypeError, ValueError):
        raise ParameterError(
            f"expected a whole number from 0 to {MAX_SEED}, a RandomState or None",
            parameter="random_state",
            value=random_state,
        ) from None


def n_axes(X: Any) -> int:
    """Return how many axes an array has, or nested sequences that make one; 1 where they do not."""
    if hasattr(X, "ndim"):
        return int(X.ndim)
    try:
        return np.asarray(X).ndim
    except ValueError:
        return 1


def is_list_of_items(X: Any, axes: str | None) -> bool:
    """Return whether X is a list of one array for each item, rather than a table written as a list of rows."""
    if not (isinstance(X, (list, tuple)) and X and all(isinstance(x, np.ndarray) and x.ndim for x in X)):
        return False
    return axes not in (None, "NF") or X[0].ndim > 1 or len({x.shape for x in X}) > 1
