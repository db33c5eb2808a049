"""The estimator `Denoiser`: clean items from noisy ones, learned with clean examples or without any."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sklearn.base import TransformerMixin

from narrows.corruption import Noise
from narrows.errors import ParameterError
from narrows.estimators.base import Estimator
from narrows.models.calibration import Calibration
from narrows.models.denoiser_model import DenoiserModel
from narrows.models.tiled_inference import scaled_mse
from narrows.plans.denoiser_plan import DenoiserOptions, check_pairs, plan_denoiser
from narrows.training.task import TrainingProgress


class Denoiser(TransformerMixin, Estimator):
    """Learn to remove noise from signals, images and volumes.

    In one of three ways. With `noise`, from clean items, to which training adds such noise. With pairs,
    ``fit(noisy, clean)``, or ``fit(noisy, noisy_again)`` of the same scenes [1]_. With neither, from noisy items
    alone, by predicting hidden values from their neighbours [2]_ [3]_ and combining the prediction with the noisy
    value [4]_; their noise then has to be independent from value to value, with mean zero but for clipping.

    Parameters
    ----------
    noise : "KIND:S", optional
        Noise that training adds to clean data: gaussian:0.5, or gaussian:0.1-0.5 for a range; correlated:0.1,
        poisson:30, salt-pepper:0.1, speckle:0.2, blur:1.5, jpeg:50; several joined by +, or by commas for one of them
        in each item. Strengths are in scaled units: 1 is the width of
        the data's range, or their standard deviation.
    clip : bool, optional
        Whether noisy values are clipped to the range of the data; by default where the data have a range. Where only
        noisy items are learned from, also by default where many values lie at the ends of their range.
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
        Number of values of one item, or of one training crop.
    axes_ : str
        Axes of the arrays that come in and go out.
    clip_ : bool
        Whether noisy values are clipped.
    calibration_ : Calibration or None
        Map from predicted to measured standard deviations; None where only noisy items were learned from.
    history_ : dict of str to list of float
        Columns "epoch", "seconds", "loss" and "held_out", one row for each validation.
    training_ : dict
        Facts about the training.

    References
    ----------
    .. [1] Lehtinen et al., "Noise2Noise: Learning image restoration without clean data", ICML 2018.
    .. [2] Krull, Buchholz & Jug, "Noise2Void: Learning denoising from single noisy images", CVPR 2019.
    .. [3] Batson & Royer, "Noise2Self: Blind denoising by self-supervision", ICML 2019.
    .. [4] Laine et al., "High-quality self-supervised deep image denoising", NeurIPS 2019.

    Examples
    --------
    >>> from narrows import Denoiser, data
    >>> images = data.read("digits").values[:200]
    >>> model = Denoiser("gaussian:0.3", epochs=10).fit(images)
    >>> noisy = model.with_noise(images, seed=1)
    >>> clean = model.transform(noisy)
    >>> clean.shape, clean.dtype
    ((200, 8, 8), dtype('float32'))
    >>> bool(((clean - images) ** 2).mean() < ((noisy - images) ** 2).mean())
    True
    """

    tool = "denoiser"
    model_: DenoiserModel

    def __init__(
        self,
        noise: str | None = None,
        clip: bool | None = None,
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
        self.noise = noise
        self.clip = clip
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
    ) -> "Denoiser":
        """Learn from items.

        Parameters
        ----------
        X : array, list of arrays or Items
            N items: clean ones where there is a `noise`, else noisy ones.
        y : array, list of arrays or Items, optional
            The same items, clean or with other noise, of the shapes of X.
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
        Denoiser
            The fitted estimator itself.

        Raises
        ------
        DataError
            If nothing can be learned from the items, or X and y are no pairs.
        ParameterError
            If a parameter is invalid, does not go with the items, or both `noise` and `y` are given.
        TrainingError
            If no network better than the mean of the data was found.
        KeyboardInterrupt
            If the training was interrupted, as by Ctrl-C. The estimator is then fitted with the best network so far,
            if that beats the mean of the data; otherwise it stays as it was.

        Warns
        -----
        sklearn.exceptions.ConvergenceWarning
            If denoising does not help, or hardly any noise was found.
        """
        init = self._init_model(init_model, X)
        options = DenoiserOptions(self.noise, self.clip, self.preset, self._training_options(init))
        data, target = self._training_data(X, init), None if y is None else self._training_data(y, init).items
        return self._fit(plan_denoiser(data, options, target), checkpoint, resume, report)

    def check_parameters(self, paired: bool = False) -> None:
        """Raise ParameterError for parameters that suit no data, before any data are read."""
        super().check_parameters(paired)
        if self.noise is not None:
            Noise.parse(self.noise)
            if paired:
                raise ParameterError(
                    "pairs of items have noise of their own; give noise or a target, not both",
                    parameter="noise",
                    value=self.noise,
                )

    def transform(self, X: Any, *, tta: bool = False, progress: Callable[[int, int], None] | None = None) -> Any:
        """Remove the noise of items.

        Parameters
        ----------
        X : array, list of arrays or Items
            N noisy items.
        tta : bool, default=False
            Whether to use test-time augmentation: the result is the mean of those for all mirrorings of an item and, of
            images, rotations. It takes up to eight times as long, and is better for data that look as natural when they
            are mirrored or turned.
        progress : callable, optional
            Called with the items done and the items in all.

        Returns
        -------
        array, list of arrays or Items
            The denoised items, in the form of X: the same dtype, shape and layout.

        Raises
        ------
        DataError
            If the items do not fit the model.
        """
        return self._as_given(X, self._model().denoise(self._items(X), progress, tta))

    def uncertainty(self, X: Any) -> Any:
        """Return the predictive standard deviation of each value that `transform` returns.

        With clean examples it is calibrated on the held-out items. Learned from noisy items alone, it is that of the
        posterior of the clean value; learned from a second noisy take, it includes the noise of that.

        Parameters
        ----------
        X : array, list of arrays or Items
            N noisy items.

        Returns
        -------
        array, list of arrays or Items
            Standard deviations, float32 in the data's unit, in the form of X.
        """
        return self._as_given(X, self._model().predictive_std(self._items(X)))

    def score(self, X: Any, y: Any = None) -> float:
        """Return minus the mean squared error in scaled units, so that more is better.

        Parameters
        ----------
        X : array, list of arrays or Items
            N items: noisy ones where there is y; else clean ones, to which noise is added as in training.
        y : array, list of arrays or Items, optional
            The clean items.

        Raises
        ------
        DataError
            If there is no y, and training added no noise.
        """
        model, items = self._model(), self._items(X)
        if y is None:
            target, noisy = model.check(items), model.add_noise(items)
        else:
            target, noisy = model.check(self._items(y)), model.check(items)
            check_pairs(noisy, target)
        return -scaled_mse(model.adapted_to(target).scaling, model.denoise(noisy), target)

    def with_noise(self, X: Any, noise: str | None = None, seed: int = 0) -> Any:
        """Add noise to items.

        Parameters
        ----------
        X : array, list of arrays or Items
            N clean items.
        noise : str, optional
            Such as "gaussian:0.1"; by default that of training.
        seed : int, default=0
            Seed of the noise.

        Returns
        -------
        array, list of arrays or Items
            Noisy items in the form of X, clipped as in training; float32 where X has integers.

        Raises
        ------
        DataError
            If no noise is given, and training added none.
        """
        return self._as_given(X, self._model().add_noise(self._items(X), noise, seed))

    @property
    def clip_(self) -> bool:
        """Whether noisy values are clipped."""
        return self.model_.clip

    @property
    def calibration_(self) -> Calibration | None:
        """Map from predicted to measured standard deviations; None where only noisy items were learned from."""
        return self.model_.calibration

    @classmethod
    def parameters_of(cls, model: DenoiserModel) -> dict[str, Any]:
        """Return the parameters that only denoisers have, as a model was trained with them."""
        return {"noise": model.noise, "clip": model.clip, "preset": model.manifest.architecture.preset}
