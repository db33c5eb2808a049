"""The estimator `Autoencoder`: features from data, and data from features."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags, check_array
from sklearn.utils.validation import validate_data

from narrows.data import Items
from narrows.data.tables import frames as tables
from narrows.data.tables.features import Features
from narrows.errors import ParameterError
from narrows.estimators.base import Estimator
from narrows.models.autoencoder_model import AutoencoderModel
from narrows.models.item_checks import check_numeric
from narrows.networks import Architecture, parse_code
from narrows.objectives.reconstruction import Loss
from narrows.plans.autoencoder_plan import AutoencoderOptions, plan_autoencoder
from narrows.training.task import TrainingProgress


class Autoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Estimator):
    """Learn to encode items as short codes and to decode them again.

    Items are the rows of a table, signals, images or volumes: an array, a list of arrays of different sizes, a data
    frame, or `narrows.data.Items`. Integers and floats need no scaling. The columns of a data frame may hold numbers,
    booleans, text, categories and dates; skewed and heavy-tailed ones are transformed to normal scores. What is
    decoded has the type, range, layout and columns of the training data.

    Parameters
    ----------
    architecture : str, default="auto"
        Kind of network: linear, dense (perceptrons) or conv; auto is conv where items have spatial axes, and dense for
        tables.
    code : int or "CxYxX", optional
        Size of the code: a number such as 32, or channels and grid such as 4x7x7; chosen by the size of the items by
        default. A number fixes the size of the items. Channels and grid, those of a convolutional code for items of
        the training size, go with items of any size; a tuple ``(4, 7, 7)`` means the same. The default is 32 for small
        items of one size, and otherwise 8 channels at an eighth of the size.
    upsampling : str, default="nearest"
        How a convolutional decoder doubles its grid: nearest, bilinear, transpose, pixelshuffle or unpool. With unpool,
        the code also carries the positions of the maxima.
    preset : {"default", "lesson"}, default="default"
        The size of the network; lesson is the small network of the classic lesson on autoencoders.
    loss : {"mse", "mae", "bce"}, default="mse"
        Loss to minimise: mean squared error, mean absolute error or binary cross-entropy.
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
        Columns of a data frame; None for other items.
    code_shape_ : tuple of int
        Shape of one training item's code, (K,) or (*grid, channels); `transform` returns it flattened.
    history_ : dict of str to list of float
        Columns "epoch", "seconds", "loss" and "held_out", one row for each validation.
    training_ : dict
        Facts about the training.

    See Also
    --------
    Denoiser : Remove noise.
    Imputer : Fill missing values.
    Codec : Compress items to bytes.

    References
    ----------
    Hinton & Salakhutdinov, "Reducing the dimensionality of data with neural networks", Science 313, 2006.

    Examples
    --------
    >>> from narrows import Autoencoder, data
    >>> images = data.read("digits").values
    >>> model = Autoencoder("linear", code=4, epochs=20).fit(images)
    >>> codes = model.transform(images)
    >>> codes.shape
    (899, 4)
    >>> decoded = model.inverse_transform(codes)
    >>> decoded.shape, decoded.dtype
    ((899, 8, 8), dtype('uint8'))
    """

    tool = "autoencoder"
    model_: AutoencoderModel
    _template: Any = None  # the data frame it was fitted to, without rows: what decoded frames are like

    def __init__(
        self,
        architecture: str = "auto",
        code: int | str | tuple[int, ...] | None = None,
        upsampling: str = "nearest",
        preset: str = "default",
        loss: Loss = "mse",
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
        self.architecture = architecture
        self.code = code
        self.upsampling = upsampling
        self.preset = preset
        self.loss = loss
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
    ) -> "Autoencoder":
        """Learn from items.

        Parameters
        ----------
        X : array, list of arrays, data frame or Items
            N items. Cells of data frames may be missing: they do not count in the loss, and are decoded all the same.
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
        Autoencoder
            The fitted estimator itself.

        Raises
        ------
        DataError
            If nothing can be learned from the items, such as incomplete ones.
        ParameterError
            If a parameter is invalid, or does not go with the items.
        TrainingError
            If no network better than the mean of the data was found.
        KeyboardInterrupt
            If the training was interrupted, as by Ctrl-C. The estimator is then fitted with the best network so far,
            if that beats the mean of the data; otherwise it stays as it was.
        """
        init = self._init_model(init_model, X)
        options = AutoencoderOptions(
            architecture=self.architecture,
            code=self.code,
            upsampling=self.upsampling,
            preset=self.preset,
            loss=self.loss,
            training=self._training_options(init),
        )
        plan, before = plan_autoencoder(self._training_data(X, init), options), getattr(self, "model_", None)
        try:
            return self._fit(plan, checkpoint, resume, report)
        finally:  # also where it was interrupted
            if getattr(self, "model_", None) is not before:
                self._template = tables.without_rows(X) if tables.is_frame(X) else None

    def check_parameters(self, paired: bool = False) -> None:
        """Raise ParameterError for parameters that suit no data, before any data are read."""
        super().check_parameters(paired)
        if self.loss not in get_args(Loss):
            raise ParameterError(f"expected one of {', '.join(get_args(Loss))}", parameter="loss", value=self.loss)
        if self.code is not None:
            parse_code(self.code)
        Architecture(
            kind="linear" if self.architecture == "auto" else self.architecture,
            channels=1,
            shape=(1,),
            code=1,
            upsampling=self.upsampling,
            preset=self.preset,
        )

    def transform(self, X: Any) -> Any:
        """Encode items.

        Parameters
        ----------
        X : array, list of arrays, data frame or Items
            N items like those of `fit`.

        Returns
        -------
        ndarray of shape (N, K), or list of N ndarrays
            The codes, of the dtype of X where that is floating, else float32. A convolutional code is flattened from
            (*grid, channels). Items of different sizes give a list.

        Raises
        ------
        DataError
            If the items do not fit the model.
        """
        return self._model().encode(self._items(X))

    def inverse_transform(self, Z: Any, shapes: Any = None) -> Any:
        """Decode codes.

        Parameters
        ----------
        Z : array-like of shape (N, K), or list of N arrays
            Codes as from `transform`.
        shapes : tuple of int, or array-like of shape (N, S), optional
            Spatial shape of all items, or of each; by default that of the training items. A list of codes with the
            shape of each becomes a list of items.

        Returns
        -------
        ndarray, list of ndarrays or DataFrame
            Items with the dtype, range and layout of the training data; a data frame where it was one, of the same
            library and with the index of Z where that has one. Of a model that was loaded it is one of pandas.

        Raises
        ------
        DataError
            If codes and shapes do not fit.
        """
        model = self._model()
        each = shapes is not None and np.ndim(shapes) == 2
        ragged = isinstance(Z, list) and (each or len({np.size(code) for code in Z}) > 1)
        dtype = np.float32 if model.manifest.architecture.shape else np.float64
        found = model.decode(Z if ragged else check_array(Z, dtype=dtype), shapes)
        if found.columns is not None:
            frame = tables.decode_frame(found.values, found.columns, Z.index if hasattr(Z, "iloc") else None)
            return frame if self._template is None else tables.like(frame, self._template)
        return self._as_list(found) if ragged or not found.uniform else self._as_array(found)

    def reconstruct(self, X: Any) -> Any:
        """Encode and decode items.

        Parameters
        ----------
        X : array, list of arrays, data frame or Items
            N items like those of `fit`.

        Returns
        -------
        ndarray, list of ndarrays or DataFrame
            The reconstructions, in the form of X; `Items` give an array, or a list where their sizes differ.
        """
        items = self._items(X)
        found = self._model().reconstruct(items)
        if found.columns is not None:
            frame = tables.decode_frame(found.values, found.columns) if found.frame is None else found.frame
            return tables.like(frame, X) if tables.is_frame(X) else frame
        if isinstance(X, Items):
            return found.values if found.uniform else list(found)
        return self._as_given(X, found)

    def score(self, X: Any, y: Any = None) -> float:
        """Return minus the mean squared error of the reconstruction in scaled units, so that more is better."""
        return -float(self._model().mse(self._items(X)))

    def score_samples(self, X: Any) -> np.ndarray:
        """Score each item by how well it is reconstructed.

        Parameters
        ----------
        X : array, list of arrays, data frame or Items
            N items like those of `fit`.

        Returns
        -------
        ndarray of shape (N,), float64
            Minus the mean squared error in scaled units. Outliers have the lowest scores: what is unlike the training
            items is reconstructed badly.
        """
        errors: np.ndarray = self._model().item_errors(self._items(X))
        return -errors

    @property
    def code_shape_(self) -> tuple[int, ...]:
        """Shape of one training item's code: K, or grid and channels."""
        return self.model_.code_shape

    @property
    def features_(self) -> Features | None:
        """How the cells of a data frame become the numbers that the network sees; None for other items."""
        return self.model_.manifest.features

    @property
    def _n_features_out(self) -> int:
        return self.model_.code_size()

    @classmethod
    def parameters_of(cls, model: AutoencoderModel) -> dict[str, Any]:
        """Return the parameters that only autoencoders have, as a model was trained with them."""
        architecture = model.manifest.architecture
        return {
            "architecture": architecture.kind,
            "code": architecture.code,
            "upsampling": architecture.upsampling,
            "preset": architecture.preset,
            "loss": model.loss,
        }

    def _training_items(self, X: Any) -> Items:
        if tables.is_frame(X) and self.axes in (None, "NF"):
            return self._frame_to_items(X, None, fitting=True)
        return super()._training_items(X)

    def _items(self, X: Any) -> Items:
        columns = self._model().columns
        if columns is None or isinstance(X, Items):
            return super()._items(X)
        if tables.is_frame(X):
            return self._frame_to_items(X, columns)
        check_numeric(columns, "an array; expected a data frame, since")
        return Items(validate_data(self, X, reset=False, dtype=np.float64), "NF", columns=columns)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
