"""The estimator `Codec`: learned compression of signals, images and volumes."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from narrows.codec.archive import Archive
from narrows.codec.container.mode import Mode
from narrows.codec.model import CodecModel
from narrows.errors import ParameterError
from narrows.estimators.base import Estimator
from narrows.plans.codec_plan import plan_codec
from narrows.training.task import TrainingProgress


class Codec(Estimator):
    """Learn to compress signals, images and volumes.

    A codec learns what items of a kind have in common, and compresses others of that kind. Items hold integers or real
    numbers and may have any sizes. Whatever they hold, compression is lossless or keeps every value
    within the maximum error, as requested.

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
    threads : int, optional
        How many threads to train with on the CPU; by default torch's number or, within a budget in minutes, what is
        measured to be the fastest.
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
    model_: CodecModel

    def __init__(
        self,
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
    ) -> "Codec":
        """Train on items. If that fails, the codec stays as it was.

        Parameters
        ----------
        X : ndarray, list of ndarray or narrows.data.Items
            Signals, images or volumes of integers or real numbers. NaN and infinities are allowed.
        y : object
            Ignored.
        init_model : str, Path, estimator or trained model, optional
            The model to start from, whose architecture, scaling and axes are kept; see the guide on fine-tuning.
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
        init = self._init_model(init_model, X)
        plan = plan_codec(self._training_data(X, init), self._training_options(init))
        return self._fit(plan, checkpoint, resume, report)

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
            If the items do not fit the model, or the target cannot be reached.
        ParameterError
            If not exactly one option is given, or its value is out of bounds.
        """
        model, target = self._model(), io.BytesIO()
        mode = Mode.choose(lossless, max_error, quality, psnr)
        model.compress(self._items(X), mode, target, embed_model, progress)
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
        if not isinstance(blob, (bytes, bytearray, memoryview)):
            raise ParameterError("expected bytes", parameter="blob", value=type(blob))
        with Archive(bytes(blob), "the compressed data", model=self._model()) as archive:
            return archive[:]

    @classmethod
    def parameters_of(cls, model: CodecModel) -> dict[str, Any]:
        """Return the parameters that only codecs have, as a model was trained with them: none."""
        return {}

    @property
    def fingerprint_(self) -> str:
        """SHA-256 that identifies the model, in hexadecimal."""
        return self.model_.fingerprint
