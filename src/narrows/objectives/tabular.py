"""What training asks of a network that fills tables: which cells it sees, and how well it tells which others."""

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from narrows.corruption import Masks
from narrows.networks.tabular.ensemble import TableNetwork, Told
from narrows.objectives.restoration import DESCRIBED, HEAD_WEIGHT

FAR_OFF = 4.0  # deviations, from where on the squared error grows no faster than the error


class TableObjective:
    """The loss of a network of M members for rows x (B, D + 1): features, NaN where not known, and a part of 0..M-1.

    More cells are hidden, and asked for: the squared error of numbers, and the surprise at categories, each as a mean
    over the cells that are hidden. Member m learns nothing from the rows of part m; so what it says of them is honest,
    and is what counts as held out (`step` None).
    """

    def __init__(self, holes: Masks, seed: int) -> None:
        self.holes, self.seed = holes, seed

    def hidden(self, network: TableNetwork, x: Tensor, step: int | None) -> Tensor:
        """Known cells (B, columns) that are asked for: always the same ones for the same step."""
        generator = torch.Generator(device=x.device).manual_seed(self.seed * 1_000_003 + (-1 if step is None else step))
        known = x[:, network.starts].isfinite()
        return known & self.holes.draw((len(x), 1, known.shape[1]), generator)[:, 0]

    def tell(self, network: TableNetwork, x: Tensor, step: int | None) -> tuple[Told, Tensor, Tensor]:
        """What is told of the rows (B, D) with more cells hidden, which, and the part (B,) of each row."""
        rows, part = x[:, :-1], x[:, -1].long()
        hidden = self.hidden(network, rows, step)
        return network(rows.masked_fill(hidden[:, network.column_of], torch.nan)), hidden, part

    def __call__(self, network: TableNetwork, x: Tensor, step: int | None) -> Tensor:
        told, hidden, part = self.tell(network, x, step)
        left_out = part == torch.arange(network.architecture.members, device=x.device)[:, None]
        counted = (left_out if step is None else ~left_out).to(x.dtype)
        losses = column_losses(network, told.answers, x[:, :-1]) * hidden
        count = hidden.sum().clamp(min=1)
        loss = torch.einsum("mbc,mb->", losses, counted) / count
        if step is None or not network.numbers:
            return loss
        asked = hidden[::DESCRIBED, network.number_columns]
        mixture = network.describe(of_rows(told, slice(None, None, DESCRIBED)))
        right = torch.where(asked, x[::DESCRIBED, network.numbers], 0.0).expand(mixture.means.shape[:-1])
        surprise = -mixture.log_likelihood(right, torch.zeros_like(mixture.means), clipped=False) * asked
        surprise = torch.einsum("mbn,mb->", surprise, counted[:, ::DESCRIBED]) / asked.sum().clamp(min=1)
        # Learnt from, but no part of the loss that is told.
        return loss + HEAD_WEIGHT * (surprise - surprise.detach())


def of_rows(told: Told, rows: slice) -> Told:
    """Of some rows, from features that gradients do not reach."""
    return Told(told.answers[:, rows], told.features[:, rows].detach(), told.guess[rows], told.doubt[rows])


def column_losses(network: TableNetwork, answers: Tensor, x: Tensor) -> Tensor:
    """How far off answers (M, B, D) are from rows (B, D), by columns (M, B, C); 0 where a row has no value."""
    losses = answers.new_zeros(*answers.shape[:2], len(network.architecture.sizes))
    target = network.expected(x, torch.zeros_like(x))
    off = (answers - target)[..., network.numbers].nan_to_num()
    far = off.abs()
    losses[..., network.number_columns] = torch.where(far < FAR_OFF, off**2, FAR_OFF * (2 * far - FAR_OFF))
    for group, column in zip(network.groups, network.group_columns, strict=True):
        likely = F.log_softmax(answers[..., group], -1)
        right = x[:, group].nan_to_num().argmax(1).expand(answers.shape[:2])
        found = -likely.gather(-1, right[..., None])[..., 0]
        losses[..., column] = found * x[:, group.start].isfinite()
    return losses
