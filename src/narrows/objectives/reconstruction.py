"""Reconstruction losses."""

from typing import Literal, get_args

from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from narrows.errors import ParameterError

Loss = Literal["mse", "mae", "bce"]


def observed_difference(loss: Loss, reconstruction: Tensor, x: Tensor) -> Tensor:
    """Return the mean loss over the values of x that are not NaN."""
    known = ~x.isnan()
    return difference(loss, reconstruction[known], x[known]) if not known.all() else difference(loss, reconstruction, x)


def difference(loss: Loss, reconstruction: Tensor, x: Tensor) -> Tensor:
    """Return the mean loss over all values, a scalar: 0 where the two are equal.

    Parameters
    ----------
    loss : {"mse", "mae", "bce"}
        Squared error; absolute error; or, for values in 0..1, binary cross-entropy less the entropy of x.
    reconstruction, x : Tensor of the same shape
        What to compare.

    Examples
    --------
    >>> import torch
    >>> float(difference("mse", torch.zeros(3), torch.ones(3)))
    1.0
    """
    if loss == "mse":
        return F.mse_loss(reconstruction, x)
    if loss == "mae":
        return F.l1_loss(reconstruction, x)
    if loss == "bce":
        return F.binary_cross_entropy(reconstruction, x) - F.binary_cross_entropy(x, x)
    raise ParameterError(f"expected one of {', '.join(get_args(Loss))}", parameter="loss", value=loss)
