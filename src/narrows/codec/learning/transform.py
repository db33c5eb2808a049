"""The transform path in training: only the context model of its coefficients learns."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from narrows.codec.entropy.design import Design
from narrows.codec.learning.context_model import ContextModel
from narrows.codec.learning.prediction import learn_prediction
from narrows.codec.learning.predictor import load
from narrows.codec.learning.sampling import on_host
from narrows.codec.transforms.latent import ROUNDED_UP, step_of
from narrows.codec.transforms.wavelet import LARGEST_INDEX, WaveletTransform, principal_axes

CHANNELS_FROM = 4  # batches
BITS_BEFORE = 1.0  # cost of a coefficient before training, roughly


class Transform(nn.Module):
    """The transform, and the context model of its coefficients.

    Parameters
    ----------
    transform : WaveletTransform
        What is computed.
    design : Design
        Of the context model.
    """

    def __init__(self, transform: WaveletTransform, design: Design) -> None:
        super().__init__()
        self.transform = transform
        self.context = ContextModel(design)
        self.register_buffer("matrix", torch.eye(transform.channels))

    def learn_first(self, batches: list[Tensor], mean: Tensor, seed: int) -> None:
        """Learn how to decorrelate the channels of items (N, C, *S), and how to predict the lowest frequencies."""
        values = torch.cat(batches[:CHANNELS_FROM]).movedim(1, -1).reshape(-1, self.transform.channels)
        self.get_buffer("matrix").copy_(torch.from_numpy(principal_axes(values.double().cpu().numpy())))
        learn_prediction(self.context, [self.indices(x, x.new_zeros(len(x))) for x in batches], seed)

    def tensors(self) -> dict[str, np.ndarray]:
        """Return the tensors of `WaveletCoder`."""
        return {"matrix": self.get_buffer("matrix").cpu().numpy()}

    def load_tensors(self, tensors: Mapping[str, np.ndarray], batches: list[Tensor]) -> None:
        """Take what `tensors` returned."""
        load(self.get_buffer("matrix"), tensors["matrix"], 1.0)

    def indices(self, x: Tensor, entry: Tensor) -> Tensor:
        """Return the indices of the coefficients of scaled items at entries (N,) of the table of steps."""
        values, matrix = on_host(x.double()), self.get_buffer("matrix").double().cpu().numpy()
        z = torch.as_tensor(self.transform.forward(values, matrix)).float()
        step = step_of(entry.double(), self.transform.ranged).float().view(-1, *(1 for _ in x.shape[1:]))
        rounded: Tensor = torch.copysign((z.abs() / step + ROUNDED_UP).floor(), z)
        return rounded.clamp(-LARGEST_INDEX, LARGEST_INDEX)

    def task_loss(self, x: Tensor, entry: Tensor, group: int, generator: torch.Generator | None) -> Tensor:
        """Return the cost, per value, of one group of the context model in units of about that before training."""
        size = torch.ones_like(entry)
        return self.context.bits(self.indices(x, entry), entry.long(), size, group, generator) / BITS_BEFORE
