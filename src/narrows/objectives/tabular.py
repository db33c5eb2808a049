"""The objective of imputing tables."""

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from narrows.corruption import Masks
from narrows.networks.tabular.ensemble import EnsembleOutput, TableNetwork
from narrows.objectives.restoration import NLL_STRIDE, NLL_WEIGHT

HUBER_LIMIT = 4.0  # standard deviations, from which on the squared error becomes linear


class TableObjective:
    """The loss of an ensemble of M members for rows x (B, D + 1): features, NaN where missing, and a part 0..M - 1.

    Some observed cells are hidden; the loss is the mean over them of squared errors of numbers and negative
    log-likelihoods of categories. Member m does not learn from the rows of part m, so its errors on these are those on
    new data; they are the validation loss (`step` None).
    """

    def __init__(self, masks: Masks, seed: int) -> None:
        self.masks, self.seed = masks, seed

    def hidden(self, network: TableNetwork, x: Tensor, step: int | None) -> Tensor:
        """Return which observed cells (B, columns) are hidden, always the same ones for the same step."""
        generator = torch.Generator(device=x.device).manual_seed(self.seed * 1_000_003 + (-1 if step is None else step))
        observed = x[:, network.starts].isfinite()
        return observed & self.masks.draw((len(x), 1, observed.shape[1]), generator)[:, 0]

    def predict(self, network: TableNetwork, x: Tensor, step: int | None) -> tuple[EnsembleOutput, Tensor, Tensor]:
        """Return predictions of rows with more cells hidden, which cells (B, columns), and the part (B,) of a row."""
        rows, part = x[:, :-1], x[:, -1].long()
        hidden = self.hidden(network, rows, step)
        return network(rows.masked_fill(hidden[:, network.column_of], torch.nan)), hidden, part

    def __call__(self, network: TableNetwork, x: Tensor, step: int | None) -> Tensor:
        """Return the loss of a batch."""
        outputs, hidden, part = self.predict(network, x, step)
        left_out = part == torch.arange(network.architecture.members, device=x.device)[:, None]
        counted = (left_out if step is None else ~left_out).to(x.dtype)
        losses = column_losses(network, outputs.predictions, x[:, :-1]) * hidden
        count = hidden.sum().clamp(min=1)
        loss = torch.einsum("mbc,mb->", losses, counted) / count
        if step is None or not network.numbers:
            return loss
        mask = hidden[::NLL_STRIDE, network.number_columns]
        mixture = network.describe(of_rows(outputs, slice(None, None, NLL_STRIDE)))
        target = torch.where(mask, x[::NLL_STRIDE, network.numbers], 0.0).expand(mixture.means.shape[:-1])
        nll = -mixture.log_likelihood(target, torch.zeros_like(mixture.means), clipped=False) * mask
        nll = torch.einsum("mbn,mb->", nll, counted[:, ::NLL_STRIDE]) / mask.sum().clamp(min=1)
        # Its gradient counts, its value does not.
        return loss + NLL_WEIGHT * (nll - nll.detach())


def of_rows(outputs: EnsembleOutput, rows: slice) -> EnsembleOutput:
    """Return the output for some rows, with features that pass no gradients."""
    return EnsembleOutput(
        outputs.predictions[:, rows],
        outputs.features[:, rows].detach(),
        outputs.guess[rows],
        outputs.guess_variance[rows],
    )


def column_losses(network: TableNetwork, predictions: Tensor, x: Tensor) -> Tensor:
    """Return the losses of predictions (M, B, D) of rows (B, D), by column (M, B, C); 0 where a value is missing."""
    losses = predictions.new_zeros(*predictions.shape[:2], len(network.architecture.sizes))
    target = network.expected(x, torch.zeros_like(x))
    error = (predictions - target)[..., network.numbers].nan_to_num()
    size = error.abs()
    losses[..., network.number_columns] = torch.where(
        size < HUBER_LIMIT, error**2, HUBER_LIMIT * (2 * size - HUBER_LIMIT)
    )
    for group, column in zip(network.groups, network.group_columns, strict=True):
        log_probabilities = F.log_softmax(predictions[..., group], -1)
        category = x[:, group].nan_to_num().argmax(1).expand(predictions.shape[:2])
        found = -log_probabilities.gather(-1, category[..., None])[..., 0]
        losses[..., column] = found * x[:, group.start].isfinite()
    return losses
