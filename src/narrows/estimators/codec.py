"""The estimator `Codec`: learned compression of signals, images and volumes."""

import copy
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from sklearn.utils.validation import check_is_fitted

from narrows.artifacts.model_file import ModelFile
from narrows.codec.archive import Archive
from narrows.codec.codec_training import check_trainable, prepare_training
from narrows.codec.coder import Coder
from narrows.codec.container.mode import Mode
from narrows.codec.model import CodecModel
from narrows.data import Scaling
from narrows.estimators.base import Tool, axes_as_given
from narrows.models.defaults import choose_crop
from narrows.progress import training_bar
from narrows.training.loop import train
from narrows.training.runtime import choose_device
from narrows.training.task import RunOptions, TrainingProgress


class Codec(Tool):
    """Learned compression of signals, images and volumes.

    A codec learns what items of a kind have in common, and compresses others of that kind. Items hold integers or real
    numbers and may have any sizes. Whatever they hold, the compression keeps what is asked of it: lossless, or no value
    off by more than a bound.

    Parameters
    ----------
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
    random_state : int, RandomState instance or None, default=0
        Seed, which makes a run repeatable within a budget of epochs.
    verbose : bool, default=False
        Show a progress bar on standard error.

    Attributes
    ----------
    model_ : narrows.codec.model.CodecModel
        The trained model.
    axes_ : str
        Axes of the arrays that come in and go out.
    fingerprint_ : str
        SHA-256 that identifies the model in files that need it, in hexadecimal.
    history_ : dict of str to list
        Columns "epoch", "seconds", "loss" and "held_out", one row for each validation.
    training_ : dict
        Facts about the training.

    See Also
    --------
    narrows.open : Read some of the items in a compressed file.

    Examples
    --------
    >>> import numpy as np
    >>> import narrows
    >>> digits = narrows.data.read("digits").values
    >>> codec = narrows.Codec(epochs=1).fit(digits[:200])
    >>> blob = codec.compress(digits[200:300], lossless=True)
    >>> len(blob) < digits[200:300].nbytes
    True
    >>> bool((codec.decompress(blob) == digits[200:300]).all())
    True
    >>> coarse = codec.decompress(codec.compress(digits[200:300], max_error=2))
    >>> int(np.abs(coarse.astype(int) - digits[200:300]).max()) <= 2
    True
    """

    tool = "codec"
    complete_data: ClassVar[bool] = False
    model_: CodecModel

    def __init__(
        self,
        minutes: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        axes: str | None = None,
        device: str = "auto",
        random_state: Any = 0,
        verbose: bool = False,
    ) -> None:
        self.minutes = minutes
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.axes = axes
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        checkpoint: str | Path | None = None,
        resume: bool = False,
        report: Callable[[TrainingProgress], None] | None = None,
    ) -> "Codec":
        """Train on items. If that fails, the codec stays as it was.

        Parameters
        ----------
        X : ndarray, list of ndarray or narrows.data.Items
            Signals, images or volumes of integers or real numbers. NaN and infinities are allowed.
        y : object
            Ignored.
        checkpoint : str or Path, optional
            File for the state of the training.
        resume : bool
            Whether to go on from that file.
        report : callable, optional
            Called several times a second with a `TrainingProgress`.

        Returns
        -------
        Codec
            The fitted codec.

        Raises
        ------
        DataError
            If X holds rows of a table.
        TrainingError
            If the loss does not stay finite, or the checkpoint is missing or of another training.
        KeyboardInterrupt
            If the training was interrupted; the codec is then fitted with the best networks so far.
        """
        items = copy.copy(self)._items(X, fitting=True)  # scikit-learn sets on the copy what it finds out about X
        check_trainable(items)
        crop = choose_crop(items, flat=False)
        training = prepare_training(items, self._settings(items, "codec"), crop, choose_device(self.device))
        with training_bar(self.verbose) as shown:
            run = RunOptions(None if checkpoint is None else Path(checkpoint), resume, report or shown)
            trained = train(training.task, run)
        self.model_ = training.model(trained, axes_as_given(self.axes, items), self.device)
        if trained.interrupted:
            raise KeyboardInterrupt
        return self

    def compress(
        self,
        X: Any,
        *,
        lossless: bool = False,
        max_error: float | None = None,
        quality: float | None = None,
        psnr: float | None = None,
        embed_model: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> bytes:
        """Compress items to the bytes of a `.narrow` file, as exactly one of the first four options asks.

        Parameters
        ----------
        X : ndarray, list of ndarray or narrows.data.Items
            Items with the axes and channels of the training data, of any sizes.
        lossless : bool
            Keep every value as it is; for integers.
        max_error : float, from 0
            Keep every value within this distance, in the data's own unit.
        quality : float, 0..100
            A trade-off between size and error.
        psnr : float
            Reach at least this PSNR over all values, in dB.
        embed_model : bool
            Whether to put the model into the file too.
        progress : callable, optional
            Called with the number of items done and of all items.

        Returns
        -------
        bytes
            The file, which `decompress` and `narrows.open` read.

        Raises
        ------
        DataError
            If the items do not fit the model, or what is asked cannot be had.
        ParameterError
            If not exactly one option is given, or its value is out of bounds.
        """
        check_is_fitted(self)
        target = io.BytesIO()
        mode = Mode.choose(lossless, max_error, quality, psnr)
        self.model_.on(self.device).compress(self._items(X), mode, target, embed_model, progress)
        return target.getvalue()

    def decompress(self, blob: bytes) -> Any:
        """Return the items that `compress` was given.

        Parameters
        ----------
        blob : bytes
            What `compress` returned.

        Returns
        -------
        ndarray or list of ndarray
            One array, or a list of arrays if the items have different sizes.

        Raises
        ------
        FormatError
            If the bytes are damaged, or were compressed with another model.
        """
        check_is_fitted(self)
        with Archive(blob, "the compressed data", model=self.model_.on(self.device)) as archive:
            return archive[:]

    def save(self, path: str | Path) -> None:
        """Write the model to one safetensors file, which `narrows.load` reads."""
        check_is_fitted(self)
        self.model_.save(path)

    @classmethod
    def from_model(cls, model: CodecModel) -> "Codec":
        """Return an estimator fitted with a model."""
        training = model.training
        names = ("minutes", "epochs", "batch_size", "learning_rate")
        self = cls(axes=model.axes, random_state=training.seed, **{name: getattr(training, name) for name in names})
        self.model_ = model
        return self

    @classmethod
    def from_file(cls, path: str | Path, tensors: dict[str, np.ndarray], document: dict[str, Any]) -> "Codec":
        """Return the codec in a model file; FormatError where its parts do not fit together."""
        return cls.from_model(CodecModel.from_file(ModelFile(tensors, document, str(path))))

    @property
    def axes_(self) -> str:  # type: ignore[override]
        """Axes of the arrays that come in and go out."""
        return self.model_.axes

    @property
    def fingerprint_(self) -> str:
        """SHA-256 that identifies the model, in hexadecimal."""
        return self.model_.fingerprint

    @property
    def history_(self) -> dict[str, list[float]]:  # type: ignore[override]
        """Columns "epoch", "seconds", "loss" and "held_out", one row for each validation."""
        return self.model_.training.history

    @property
    def training_(self) -> dict[str, Any]:  # type: ignore[override]
        """Facts about the training."""
        return self.model_.training.to_dict()

    @property
    def scaling_(self) -> Scaling:
        """How values are scaled on their way into the latent networks."""
        return self.model_.scaling

    @property
    def coder_(self) -> Coder:
        """What codes items of one shape."""
        return self.model_.coder

    @property
    def channels_(self) -> int:
        """Number of channels of an item."""
        return self.model_.channels
