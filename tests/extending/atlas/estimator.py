"""The scikit-learn estimator. The parameters of its constructor are the options of `narrows train atlas`."""

from dataclasses import replace
from typing import Any

import numpy as np

from atlas.model import AtlasManifest, AtlasModel
from narrows.estimators.base import Estimator
from narrows.plans import Fitted
from narrows.plans.autoencoder_plan import AutoencoderOptions, plan_autoencoder


class Atlas(Estimator):
    """Place items on a plane, similar ones near each other.

    Parameters
    ----------
    architecture : {"dense", "conv"}, default="dense"
        Kind of network.
    minutes : float, optional
        Training time in minutes.
    epochs : int, optional
        Number of passes over the data, instead of a time.
    batch_size : int, optional
        Number of items in a training batch.
    learning_rate : float, optional
        Largest learning rate of the schedule.
    axes : str, optional
        Order of the axes, such as NYX.
    device : {"auto", "cpu", "cuda"}, default="auto"
        Device to compute on.
    random_state : int, default=0
        Seed of everything that is random.
    verbose : bool, default=False
        Show a progress bar.
    """

    tool = "atlas"

    def __init__(
        self,
        architecture: str = "dense",
        minutes: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        axes: str | None = None,
        device: str = "auto",
        random_state: Any = 0,
        verbose: bool = False,
    ) -> None:
        self.architecture = architecture
        self.minutes = minutes
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.axes = axes
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self, X: Any, y: Any = None, *, checkpoint: Any = None, resume: bool = False, report: Any = None
    ) -> "Atlas":
        """Learn from items; `y` is ignored."""
        options = AutoencoderOptions(self.architecture, code=2, training=self._training_options())
        plan = plan_autoencoder(self._training_data(X), options)

        def finish(trained: Any) -> Fitted:
            fitted = plan.finish(trained)
            model = AtlasModel(AtlasManifest(**vars(fitted.model.manifest)), fitted.model.network)
            return replace(fitted, model=model)

        return self._fit(replace(plan, finish=finish), checkpoint, resume, report)

    def transform(self, X: Any) -> np.ndarray:
        """Return the position of each item, (N, 2) in 0..1."""
        return self._model().locate(self._items(X))

    @classmethod
    def parameters_of(cls, model: AtlasModel) -> dict[str, Any]:
        """Return the parameters of the estimator that a model was trained with."""
        return {"architecture": model.manifest.architecture.kind}
