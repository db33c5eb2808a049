"""The estimator `Imputer`: complete items from items with missing values, and complete tables."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.impute import MissingIndicator
from sklearn.utils import Tags
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from narrows.corruption import Masks
from narrows.data import Items
from narrows.data.tables import frames as tables
from narrows.data.tables.features import Features
from narrows.errors import ParameterError
from narrows.estimators.base import Estimator, checked_random_state, is_list_of_items, n_axes
from narrows.models.calibration import Calibration
from narrows.models.imputer_model import ImputerModel, Strategy
from narrows.models.table_imputation import code_frame, observed_codes
from narrows.plans.imputer_plan import ImputerOptions, plan_imputer
from narrows.training.task import TrainingProgress


class Imputer(TransformerMixin, Estimator):
    """Learn to fill missing values in tables, signals, images and volumes.

    Learns from items with or without missing values. Training hides further values, and the network, which sees which
    ones, learns to predict them [1]_ [2]_ [3]_. Observed values stay bit for bit. A table is an array or a data frame,
    whose columns may hold numbers, booleans, categories, text and dates; the result has the same columns, types, order
    and index. Tables get a factor analysis, corrected by an ensemble of perceptrons; signals, images and volumes a
    U-Net. Where the other columns do not predict a column better than its mean does, it is filled with the mean.

    Parameters
    ----------
    holes : "KIND:SHARE", default="mixed"
        What training hides: pixels:0.5, or pixels:0.1-0.9 for a range; blocks:0.25, lines, strokes, channels; several
        joined by +, or by commas for one of them in each item; mixed is one of all. For tables, mixed or pixels: cells.
    missing_values : float, str, dict, list of these or "alpha", default=nan
        Which values are missing, besides NaN; alpha: where the last channel of images is 0. That channel is no part of
        the items then. For data frames, also text; None and NA are always missing.
    strategy : {"mean", "mode"}, default="mean"
        What to fill in: the best value on average, or the most probable one. Categories are always the most probable.
    add_indicator : bool, default=False
        Whether `transform` adds a column for each column of a table that had missing values in `fit`, which is 1 where
        a value was missing.
    preset : {"default", "lesson"}, default="default"
        The size of the network; lesson is the plain convolutional network of the classic lesson.
    minutes : float, optional
        Budget of training in minutes, by the clock. By default, the budget is a number of epochs.
    epochs : int, optional
        Budget of training in epochs, chosen by the size of the data by default. Runs with a budget of epochs are
        repeatable. At most one of `minutes` and `epochs` may be given.
    batch_size : int, optional
        Items in a step, chosen by network and data by default.
    learning_rate : float, optional
        Learning rate at its peak, chosen by network by default.
    axes : str, optional
        Which axis is which, where an array's shape does not tell: NYX, NYXC, NT, NTC, NZYX, NF, in any order. Arrays
        come back with their axes in this order.
    device : {"auto", "cpu", "cuda"}, default="auto"
        Where to train; auto is the GPU if there is one.
    threads : int, optional
        How many threads to train with on the CPU; by default torch's number or, within a budget in minutes, what is
        measured to be the fastest.
    random_state : int, RandomState instance or None, default=0
        Seed, which makes a run repeatable within a budget of epochs.
    verbose : bool, default=False
        Show a progress bar on standard error.

    Attributes
    ----------
    model_ : narrows.models.TrainedModel
        The trained model, which does all the work and needs no scikit-learn.
    n_features_in_ : int
        Number of values of one item, or of columns of a table.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns; only where a table had them.
    axes_ : str
        Axes of the arrays that come in and go out.
    columns_ : narrows.data.Columns or None
        Columns of a table; None for other items.
    indicator_ : sklearn.impute.MissingIndicator or None
        What adds columns.
    calibration_ : Calibration or None
        Map from predicted to measured standard deviations; None for a table without numbers.
    history_ : dict of str to list of float
        Columns "epoch", "seconds", "loss" and "held_out", one row for each validation.
    training_ : dict
        Facts about the training.

    References
    ----------
    .. [1] Gondara & Wang, "MIDA: Multiple imputation using denoising autoencoders", PAKDD 2018.
    .. [2] Du, Melis & Wang, "ReMasker: Imputing tabular data with masked autoencoding", ICLR 2024.
    .. [3] Pathak et al., "Context encoders: Feature learning by inpainting", CVPR 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from narrows import Imputer
    >>> x = np.linspace(0, 1, 200)
    >>> table = np.column_stack([x, 2 * x, 1 - x])
    >>> table[::4, 1] = np.nan
    >>> filled = Imputer(epochs=20).fit_transform(table)
    >>> bool(np.isfinite(filled).all()), filled.shape
    (True, (200, 3))
    """

    tool = "imputer"
    model_: ImputerModel
    indicator_: MissingIndicator | None

    def __init__(
        self,
        holes: str = "mixed",
        missing_values: Any = math.nan,
        strategy: Strategy = "mean",
        add_indicator: bool = False,
        preset: str = "default",
        minutes: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        axes: str | None = None,
        device: str = "auto",
        threads: int | None = None,
        random_state: Any = 0,
        verbose: bool = False,
    ) -> None:
        self.holes = holes
        self.missing_values = missing_values
        self.strategy = strategy
        self.add_indicator = add_indicator
        self.preset = preset
        self.minutes = minutes
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.axes = axes
        self.device = device
        self.threads = threads
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        init_model: Any = None,
        checkpoint: str | Path | None = None,
        resume: bool = False,
        report: Callable[[TrainingProgress], None] | None = None,
    ) -> "Imputer":
        """Learn from the observed values of items.

        Parameters
        ----------
        X : array, list of arrays, data frame or Items
            N items, with or without missing values.
        y : None
            Ignored.
        init_model : str, Path, estimator or trained model, optional
            The model to start from, whose architecture, scaling and axes are kept; see the guide on fine-tuning.
        checkpoint : str or Path, optional
            File for the state of the training, written every minute and when it is interrupted.
        resume : bool, default=False
            Resume the training whose state is in `checkpoint`.
        report : callable, optional
            Called several times a second with the progress, a `narrows.training.task.TrainingProgress`.

        Returns
        -------
        Imputer
            The fitted estimator itself.

        Raises
        ------
        DataError
            If nothing can be learned from the items.
        ParameterError
            If a parameter is invalid, or does not go with the items.
        TrainingError
            If no network better than the mean of the data was found.
        KeyboardInterrupt
            If the training was interrupted, as by Ctrl-C. The estimator is then fitted with the best network so far,
            if that beats the mean of the data; otherwise it stays as it was.

        Warns
        -----
        sklearn.exceptions.ConvergenceWarning
            If the other columns do not predict a column better than its mean does.
        """
        if isinstance(y, np.ndarray) and y.ndim > 1 and y.dtype.kind == "b":
            raise ParameterError("a mask as y would be ignored: set missing values to NaN, or pass a masked array")
        init = self._init_model(init_model, X)
        options = ImputerOptions(
            holes=self.holes,
            missing_values=self.missing_values,
            strategy=self.strategy,
            add_indicator=self.add_indicator,
            preset=self.preset,
            training=self._training_options(init),
        )
        return self._fit(plan_imputer(self._training_data(X, init), options), checkpoint, resume, report)

    def check_parameters(self, paired: bool = False) -> None:
        """Raise ParameterError for parameters that suit no data, before any data are read."""
        super().check_parameters(paired)
        if self.strategy not in ("mean", "mode"):
            raise ParameterError("expected mean or mode", parameter="strategy", value=self.strategy)
        Masks.parse(self.holes)

    def transform(
        self, X: Any, mask: Any = None, *, tta: bool = False, progress: Callable[[int, int], None] | None = None
    ) -> Any:
        """Fill the missing values of items.

        Parameters
        ----------
        X : array, list of arrays, data frame or Items
            N items with missing values.
        mask : array, list of arrays or Items, optional
            Values are also missing where it is not 0. Of the shape of X with or without its channels, or of one item
            and then for all.
        tta : bool, default=False
            Whether to use test-time augmentation: the result is the mean of those for all mirrorings of an item and, of
            images, rotations. It takes up to eight times as long, and is better for data that look as natural when they
            are mirrored or turned.
        progress : callable, optional
            Called with the items done and the items in all.

        Returns
        -------
        array, list of arrays, data frame or Items
            The complete items in the form of X: the same dtype, shape and layout, without an alpha channel that marks
            missing values. Observed values stay bit for bit.

        Raises
        ------
        DataError
            If the items do not fit the model, or the mask does not fit them.
        ParameterError
            If `tta` is asked for with tables, or with the strategy "mode".
        """
        model, items = self._model(), self.with_mask(X, mask)
        complete = model.fill(items, progress, tta)
        if self.indicator_ is None or isinstance(X, Items):
            return self._as_given(X, complete)
        added = self.indicator_.transform(observed_codes(items))
        if items.frame is None:
            filled = self._as_given(X, complete)
            return np.hstack([filled, added.astype(filled.dtype)])
        names = self.get_feature_names_out()[items.item_shape[0] :]
        frame = complete.frame.assign(**{name: added[:, place] for place, name in enumerate(names)})
        return tables.like(frame, X)

    def sample(self, X: Any, count: int, mask: Any = None, random_state: Any = 0) -> list[Any]:
        """Draw plausible values for the missing ones.

        Where `transform` fills in what is best on average, values are drawn here, some at a time: those that come
        later see those that came before, so that the values go together.

        Parameters
        ----------
        X : array, list of arrays, data frame or Items
            N items with missing values.
        count : int
            Number of samples.
        mask : array, list of arrays or Items, optional
            As for `transform`: values are also missing where it is not 0.
        random_state : int, RandomState instance or None, default=0
            Seed of the samples.

        Returns
        -------
        list of length `count`
            Complete items, each in the form of X.
        """
        model, items, seeds = self._model(), self.with_mask(X, mask), checked_random_state(random_state)
        return [self._as_given(X, model.sample(items, seeds.randint(2**31))) for _ in range(count)]

    def uncertainty(self, X: Any, mask: Any = None) -> Any:
        """Return the predictive standard deviation of each filled value, calibrated on held-out items.

        Parameters
        ----------
        X : array, list of arrays, data frame or Items
            N items with missing values.
        mask : array, list of arrays or Items, optional
            As for `transform`: values are also missing where it is not 0.

        Returns
        -------
        array, list of arrays, data frame or Items
            Standard deviations, float32 in the data's unit, in the form of X; 0 where a value is observed. For
            categories, the probability that the filled one is wrong; for dates, days.
        """
        std = self._model().predictive_std(self.with_mask(X, mask))
        if std.frame is not None and not isinstance(X, Items):
            return tables.like(std.frame, X, keep_types=False)
        return self._as_given(X, std)

    def score(self, X: Any, y: Any = None) -> float:
        """Return minus the mean squared error in scaled units of values hidden as in training; more is better.

        For tables it is minus the training loss, in which categories count by their negative log-likelihood.
        """
        return -float(self._model().loss(self._items(X)))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns of a completed table, and those that indicators add.

        Parameters
        ----------
        input_features : array-like of str, optional
            Names of the columns, where `fit` saw none.
        """
        check_is_fitted(self)
        names: np.ndarray = _check_feature_names_in(self, input_features)
        if self.indicator_ is None:
            return names
        return np.concatenate([names, self.indicator_.get_feature_names_out(names)])

    @property
    def calibration_(self) -> Calibration | None:
        """Map from predicted to measured standard deviations; None for a table without numbers."""
        return self.model_.calibration

    @property
    def features_(self) -> Features | None:
        """How the cells of a table become the numbers that the network sees; None for other items."""
        return self.model_.manifest.features

    @classmethod
    def parameters_of(cls, model: ImputerModel) -> dict[str, Any]:
        """Return the parameters that only imputers have, as a model was trained with them."""
        names = ("holes", "missing_values", "strategy", "preset")
        given = {name: getattr(model.manifest, name) for name in names}
        return {**given, "add_indicator": model.manifest.indicator is not None}

    def with_mask(self, X: Any, mask: Any = None) -> Items:
        """Return X as items with a mask of all missing values."""
        masked: Items = self._model().with_mask(self._items(X), mask)
        return masked

    def with_holes(self, X: Any, holes: str | None = None, seed: int = 0) -> Items:
        """Return `ImputerModel.hide`."""
        hidden: Items = self._model().hide(self._items(X), holes, seed)
        return hidden

    def _model(self) -> Any:
        return super()._model().with_options(self.strategy, self.missing_values)

    def _assign(self, model: Any) -> None:
        super()._assign(model)
        self.indicator_, columns = None, self.model_.manifest.indicator
        if columns is not None:
            missing = np.zeros((1, self.n_features_in_))
            missing[:, list(columns)] = np.nan
            self.indicator_ = MissingIndicator(features="missing-only", error_on_new=False).fit(missing)

    def _training_items(self, X: Any) -> Items:
        if tables.is_frame(X) and self.axes in (None, "NF"):
            return code_frame(self._as_pandas(X, fitting=True), self.missing_values)
        if isinstance(X, Items) or self.axes not in (None, "NF") or is_list_of_items(X, self.axes) or n_axes(X) > 2:
            return super()._training_items(X)
        return self._items_of(X, self.axes, fitting=True, ensure_all_finite="allow-nan")

    def _items(self, X: Any) -> Items:
        model = self._model()
        if isinstance(X, Items):
            return X
        if model.is_table:
            if tables.is_frame(X) and model.feature_names:
                return code_frame(self._as_pandas(X), self.missing_values, model.columns)
            return self._items_of(X, self.axes_, ensure_all_finite="allow-nan")
        if self.axes_ == "NYX" and is_list_of_items(X, self.axes_) and X[0].ndim == 3:
            return Items.from_list(X, "YXC")  # with an alpha channel
        if self.axes_ == "NYX" and n_axes(X) == 4:
            return Items.from_array(X, "NYXC")
        return super()._items(X)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
