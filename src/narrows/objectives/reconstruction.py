"""What training makes small: the difference between a reconstruction and what it should be."""

from typing import Literal, get_args

from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from narrows.errors import ParameterError

Loss = Literal["mse", "mae", "bce"]


def difference(loss: Loss, reconstruction: Tensor, x: Tensor) -> Tensor:
    """The mean over all values, a scalar: 0 where the two are equal.

    mse  the square of the difference
    mae  its absolute value
    bce  for values in 0..1: the binary cross-entropy, less the entropy of `x` itself, which no reconstruction can save
    """
    if loss == "mse":
        return F.mse_loss(reconstruction, x)
    if loss == "mae":
        return F.l1_loss(reconstruction, x)
    if loss == "bce":
        return F.binary_cross_entropy(reconstruction, x) - F.binary_cross_entropy(x, x)
    raise ParameterError(f"expected one of {', '.join(get_args(Loss))}", parameter="loss", value=loss)
