"""The figures of `narrows evaluate`; the fields of the dataclass are its JSON."""

import time
from dataclasses import dataclass

from anomaly.model import AnomalyModel
from narrows.data import Items
from narrows.evaluation.summary import Evaluation, Summary


@dataclass(frozen=True)
class AnomalyEvaluation(Evaluation):
    """How many items are anomalies."""

    mean_error: float
    anomalies: float

    def summary(self) -> Summary:
        """Return the figures as tables."""
        rows = [("", "model"), ("mean error", f"{self.mean_error:.4f}"), ("anomalies", f"{self.anomalies:.1%}")]
        return Summary([("data", self.data), ("items", f"{self.items:,}")], rows, "mean squared error in scaled units")


def evaluate(model: AnomalyModel, items: Items) -> AnomalyEvaluation:
    """Score the items."""
    start = time.perf_counter()
    errors = model.score(items)
    anomalies = float((errors > model.manifest.threshold).mean())
    return AnomalyEvaluation(items.source, len(items), time.perf_counter() - start, float(errors.mean()), anomalies)
