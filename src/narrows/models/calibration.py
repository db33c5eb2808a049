"""Calibration of predictive standard deviations on held-out values."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from narrows.artifacts.schema import NonNegativeFloat, from_document


@dataclass(frozen=True)
class Calibration:
    """A rising map from predicted to measured standard deviations, in scaled units.

    Parameters
    ----------
    expected, measured : tuple of float
        Predicted deviations, rising, and the root mean square of the errors of such values.
    within : tuple of float
        The shares of held-out values within one and two calibrated deviations.

    See Also
    --------
    narrows.plans.fit_calibration.fit_calibration : Learn one from held-out values.

    Examples
    --------
    >>> calibration = Calibration(expected=(0.1, 0.2), measured=(0.3, 0.5), within=(0.68, 0.95))
    >>> calibration(np.array([0.15, 0.4])).tolist()
    [0.4000000059604645, 1.0]
    """

    expected: tuple[float, ...]
    measured: tuple[float, ...]
    within: tuple[NonNegativeFloat, NonNegativeFloat]

    def __call__(self, expected: np.ndarray) -> np.ndarray:
        """Return calibrated deviations, float32, for predicted ones of any shape; beyond the largest, in proportion."""
        beyond = self.measured[-1] * np.maximum(expected / max(self.expected[-1], 1e-12), 1)
        return np.where(expected > self.expected[-1], beyond, np.interp(expected, self.expected, self.measured)).astype(
            np.float32
        )

    def of_tensor(self, expected: Tensor) -> Tensor:
        """Return what a call returns, for a tensor on any device."""
        last = self.measured[-1] / max(self.expected[-1], 1e-12)
        slopes = [0.0, *(np.diff(self.measured) / np.diff(self.expected)).tolist(), last]
        lines = zip(self.expected[:1] + self.expected, self.measured[:1] + self.measured, slopes, strict=True)
        edges, table = (torch.tensor(each, device=expected.device) for each in (self.expected, list(lines)))
        start, height, slope = F.embedding(torch.bucketize(expected, edges), table).unbind(-1)
        return height + slope * (expected - start)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; `from_dict` is the inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> "Calibration":
        """Return the calibration that `to_dict` wrote; TypeError or ValueError where the document is none."""
        self = from_document(cls, document)
        pairs = zip(self.expected, self.measured, strict=False)
        known = [pair for pair in pairs if not math.isnan(pair[1])]  # version 0.1.0 measured NaN in small data
        valid = known and all(0 <= deviation < math.inf for pair in known for deviation in pair)
        if not valid or len(self.expected) != len(self.measured):
            raise ValueError(f"a calibration of {len(self.expected)} and {len(self.measured)} deviations")
        expected, measured = zip(*known, strict=True)
        return cls(expected, measured, self.within)
