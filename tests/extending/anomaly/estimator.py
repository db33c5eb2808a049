"""The scikit-learn estimator. The parameters of its constructor are the options of `narrows train anomaly`."""

from typing import Any

import numpy as np

from anomaly.model import AnomalyModel
from anomaly.plan import AnomalyOptions, plan_anomaly
from narrows.errors import ParameterError
from narrows.estimators.base import Estimator


class AnomalyDetector(Estimator):
    """Find items unlike the training data.

    Parameters
    ----------
    hidden : int, default=16
        Width of the bottleneck.
    quantile : float, default=0.95
        Share of the training items that are no anomalies, from 0 to 1.
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

    tool = "anomaly"

    def __init__(
        self,
        hidden: int = 16,
        quantile: float = 0.95,
        minutes: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        axes: str | None = None,
        device: str = "auto",
        random_state: Any = 0,
        verbose: bool = False,
    ) -> None:
        self.hidden = hidden
        self.quantile = quantile
        self.minutes = minutes
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.axes = axes
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def check_parameters(self, paired: bool = False) -> None:
        """Raise ParameterError for parameters that suit no data, before any data are read."""
        super().check_parameters(paired)
        if not 0 <= self.quantile <= 1:
            raise ParameterError("expected a number from 0 to 1", parameter="quantile", value=self.quantile)

    def fit(
        self, X: Any, y: Any = None, *, checkpoint: Any = None, resume: bool = False, report: Any = None
    ) -> "AnomalyDetector":
        """Learn from items; `y` is ignored."""
        options = AnomalyOptions(self.hidden, self.quantile, self._training_options())
        return self._fit(plan_anomaly(self._training_data(X), options), checkpoint, resume, report)

    def score_samples(self, X: Any) -> np.ndarray:
        """Return minus the reconstruction error of each item; anomalies have the lowest scores."""
        return -self._model().score(self._items(X))

    @classmethod
    def parameters_of(cls, model: AnomalyModel) -> dict[str, Any]:
        """Return the parameters of the estimator that a model was trained with."""
        return {"hidden": model.manifest.architecture.hidden}
