"""The tool `Denoiser`: clean items from noisy ones, learnt with clean examples or without any."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from narrows.corruption import Noise
from narrows.data import Items, Scaling
from narrows.errors import DataError, ParameterError
from narrows.estimators.restorer import Restorer, part_of, scaled_mse
from narrows.models.defaults import describe
from narrows.networks.restoration.mixture import Mixture
from narrows.networks.restoration.unet import RestoringNetwork
from narrows.objectives.restoration import AddNoise, BlindObjective, Pairs, RestorationObjective, hide_lattice, lattice
from narrows.training.batches import as_tensor
from narrows.training.runtime import choose_device
from narrows.training.task import TrainingProgress

LITTLE = 0.005  # of the range or the deviation of the data: noise that is none


class Denoiser(Restorer):
    """Learn to denoise, from clean or from noisy items.

    In one of three ways. With `noise`, from clean items, to which such noise is added in training. With pairs,
    `fit(noisy, clean)`, or `fit(noisy, noisy_again)` of the same scenes. With neither, from noisy items alone, whose
    noise then has to be independent from value to value and zero on average, but for being clipped.

    Parameters
    ----------
    noise : "KIND:S", optional
        Noise that training adds to clean data: gaussian:0.5, or gaussian:0.1-0.5 for a range; poisson:30,
        salt-pepper:0.1, speckle:0.2, blur:1.5; several joined by +. Strengths are in scaled units: 1 is the width of
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
    random_state : int, RandomState instance or None, default=0
        Seed, which makes a run repeatable within a budget of epochs.
    verbose : bool, default=False
        Show a progress bar on standard error.

    Attributes
    ----------
    n_features_in_, axes_, history_, training_ : as of `Autoencoder`
    calibration_ : how expected deviations go with those of held-out items; None where only noisy items were learnt from
    """

    tool = "denoiser"

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
    ) -> "Denoiser":
        """Learn from items X: clean ones where there is a `noise`, else noisy ones, and from what they should be, y.

        y: of the shapes of X, clean or noisy another time. The other arguments and what is raised are as for
        `Autoencoder.fit`; ValueError where both `noise` and `y` are given.
        """
        self.check_parameters(paired=y is not None)
        items, target = self._items(X, fitting=True), None
        scaling = Scaling.learn(items)
        if y is not None:
            target = self._items(y, fitting=True)
            check_alike(items, target)
            scaling = wider(scaling, Scaling.learn(target))
        elif self.noise is None and self.clip is None and not scaling.is_range:
            # What was clipped says nothing of how strong its noise was, and would be taken for free of it.
            scaling = Scaling.detect_clipping(items) or scaling
        clip = scaling.is_range if self.clip is None else self.clip
        if clip and not scaling.is_range:
            raise ParameterError(
                f"needs values of a known range, 0..1 or unsigned; these are {items.dtype}",
                parameter="clip",
                value=True,
            )
        noise = None if self.noise is None else Noise.parse(self.noise)

        def objective(seed: int) -> RestorationObjective:
            if target is not None:
                return RestorationObjective(Pairs(), seed)
            return BlindObjective(clip, seed) if noise is None else RestorationObjective(AddNoise(noise, clip), seed)

        blind = noise is None and target is None
        self._fit(
            items,
            scaling,
            "blind" if blind else "denoise",
            objective,
            target,
            {"noise": self.noise, "clip": clip, "pairs": target is not None},
            checkpoint,
            resume,
            report,
        )
        if blind and (level := self._noise_level()) < LITTLE:
            unit = "range" if scaling.is_range else "deviation"
            warnings.warn(
                f"hardly any noise was found, {level:.2g} of the {unit} of the data, so hardly any is taken away: "
                "either there is none, or that of a value goes with that of its neighbours",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

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

    def _noise_level(self) -> float:
        """The deviation of the noise that was learnt beside noisy items, where it is largest, in scaled units."""
        with torch.no_grad():
            ends = torch.tensor([0.0, 1.0], device=choose_device(self.device))
            return float(self._network().noise(ends).max().sqrt())

    @property
    def clip_(self) -> bool:
        """Whether noisy values are clipped."""
        return self.scaling_.is_range if self.clip is None else self.clip

    def transform(self, X: Any, *, progress: Callable[[int, int], None] | None = None) -> Any:
        """The items X without noise: the same dtype, shape and layout. A list gives a list, `Items` give `Items`.

        progress: called with items done and items in all.
        """
        check_is_fitted(self)
        items = self._items(X)
        return self._like(X, self._answers(items, self._values, items.dtype, progress))

    def uncertainty(self, X: Any) -> Any:
        """The standard deviation of each value that `transform` gives, float32 in the data's own unit, shaped as X.

        With clean examples it is calibrated on the held-out items. Learnt from noisy items alone, it is that of the
        clean value under what the network expects; learnt from a second noisy take, it includes the noise of that.
        """
        check_is_fitted(self)
        return self._like(X, self._answers(self._items(X), self._deviations))

    def score(self, X: Any, y: Any = None) -> float:
        """Minus the mean squared error in scaled units, so that more is better.

        With y, of X without noise from y; else of the items X, once noise was added as in training. DataError where
        there was none.
        """
        check_is_fitted(self)
        items = self._items(X)
        if y is not None:
            right = self._items(y)
            check_alike(items, right)
            return -scaled_mse(self.scaling_, self.transform(items), right)
        return -scaled_mse(self.scaling_, self.transform(self.with_noise(items)), items)

    def with_noise(self, X: Any, noise: str | None = None, seed: int = 0) -> Any:
        """The items X with noise, that of training by default, clipped as there; floats where X has integers."""
        check_is_fitted(self)
        noise = noise or self.noise
        if noise is None:
            raise DataError("this denoiser learnt from noisy items: say which noise to add, like gaussian:0.1")
        items, parsed = self._items(X), Noise.parse(noise)
        scale, device = self._scale(), choose_device(self.device)
        generator = torch.Generator(device=device).manual_seed(seed)
        dtype = items.dtype if items.dtype.kind == "f" else np.dtype(np.float32)
        noisy = replace(items, values=np.empty(items.values.shape, dtype))
        step = 500 if items.uniform else 1
        for start in range(0, len(items), step):
            x = parsed.add(scale(as_tensor(part_of(items, start, step)).to(device)), generator, self.clip_)
            part_of(noisy, start, step)[:] = scale.inverse_unclipped(x, dtype)
        return self._like(X, noisy)

    def _values(self, network: RestoringNetwork, x: Tensor) -> Tensor:
        return super()._values(network, x) if self._calibrated(network) else self._posterior(network, x)[0]

    def _deviations(self, network: RestoringNetwork, x: Tensor) -> Tensor:
        return super()._deviations(network, x) if self._calibrated(network) else self._posterior(network, x)[1].sqrt()

    @staticmethod
    def _calibrated(network: RestoringNetwork) -> bool:
        return network.architecture.task != "blind"

    def _posterior(self, network: RestoringNetwork, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of the clean values: what their neighbours say, and then what was seen of them."""
        mean, variance = torch.empty_like(x), torch.empty_like(x)
        for starts in product((0, 1), repeat=x.ndim - 2):
            _, features = network(hide_lattice(x, starts).x)
            hidden = lattice(starts)
            mixture = Mixture.from_parameters(network.describe(features, x.shape[2:])[hidden])
            mean[hidden], variance[hidden] = mixture.posterior(x[hidden], network.noise(mixture.means), self.clip_)
        return mean, variance

    def _document(self) -> dict[str, Any]:
        return {**super()._document(), "noise": self.noise, "clip": self.clip_}

    @staticmethod
    def _parameters(document: dict[str, Any]) -> dict[str, Any]:
        preset = document["architecture"]["preset"]
        return {"noise": document["noise"], "clip": bool(document["clip"]), "preset": preset}


def check_alike(items: Items, target: Items) -> None:
    """DataError where the two are not pairs."""
    same = items.uniform == target.uniform and items.axes == target.axes and len(items) == len(target)
    if same and items.uniform:
        same = items.item_shape == target.item_shape
    elif same:
        same = np.array_equal(items.shapes, target.shapes)  # type: ignore[arg-type]
    if not same:
        raise DataError(
            f"{target.source}: {len(target)} items, {describe(target)}; pairs need the same as "
            f"{items.source}: {len(items)} items, {describe(items)}"
        )


def wider(one: Scaling, other: Scaling) -> Scaling:
    """Of two scalings, the one into which both data fit; DataError where the two are of different units."""
    if one.is_range and other.is_range and np.dtype(one.dtype).kind != np.dtype(other.dtype).kind:
        raise DataError(
            f"pairs of {one.dtype} from {one.low:g} to {one.high:g} and of {other.dtype} from {other.low:g} to "
            f"{other.high:g}: give both in the same unit"
        )
    if one.is_range and (not other.is_range or other.high > one.high):
        return replace(other, dtype=one.dtype)
    return one
