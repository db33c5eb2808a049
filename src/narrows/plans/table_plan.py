"""The training plan of imputers of tables, and all that is learned of the network without gradients.

table -> factor analysis -> first guess -> perceptrons, trained, that correct it
    -> on rows that a perceptron left out: how much corrections count, how wide predictions are, calibration
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from narrows.data import Columns, Items, Scaling
from narrows.data.tables.columns import column_ranges
from narrows.data.tables.features import Features
from narrows.data.tables.frames import quote_names
from narrows.errors import DataError
from narrows.models.calibration import Calibration
from narrows.models.imputer_model import ImputerManifest, ImputerModel
from narrows.models.table_imputation import column_sizes, masked_features, observed_codes, parse_cells
from narrows.networks import TableArchitecture, TableNetwork, build
from narrows.networks.restoration.mixture import Mixture
from narrows.networks.tabular.factor_analysis import FactorAnalysis
from narrows.objectives.tabular import TableObjective, column_losses
from narrows.plans.fit_calibration import fit_calibration
from narrows.plans.training_plan import Fitted, TrainingData, TrainingPlan, training_identity, training_record
from narrows.training.batches import Batches
from narrows.training.runtime import choose_device
from narrows.training.task import Trained, TrainingTask

if TYPE_CHECKING:
    from narrows.plans.imputer_plan import ImputerOptions

MEMBERS, FEWER_MEMBERS = 8, 4
LONG, WIDE = 5_000, 256  # rows and features from which on there are fewer members
WIDTHS = {1_000: 32, LONG: 64, math.inf: 128}  # for fewer rows than this
MAX_FACTORS = 32
FACTOR_ANALYSIS_ROWS = 4_000
CHECKED_ROWS = 8_000  # those there are, with other cells hidden each time, until there are as many
CHECKED_CELLS = 2**24  # at most, so that wide tables do not take much longer than their budget
MUST_BEAT = 0.99  # of the loss of the mean, or of the most frequent category
SHARES = torch.linspace(0, 1, 11)  # of a correction, that are tried
AVERAGED_OUT = 0.5  # share of the members' differences: they learn from much the same rows
INTERVAL = 0.9  # central probability by which the width of predictions is judged
STD_SCALES = tuple(0.8 * 1.08**power for power in range(20))
MIN_CELLS_TO_SCALE = 200


def plan_table(data: TrainingData, options: "ImputerOptions") -> TrainingPlan[TableNetwork]:
    """Return the plan to train an imputer of tables.

    Raises
    ------
    DataError
        If no column varies.
    ParameterError
        If the holes are not for tables.
    """
    items, holes, codes = data.items, parse_cells(options.holes), observed_codes(data.items)
    columns = items.columns or columns_of_numbers(items, codes)
    features = Features.learn(codes, columns)
    if not features.size:
        few = "one sample, " if len(items) == 1 else ""
        raise DataError(f"{few}no column varies, so there is nothing to learn", source=items.source)
    architecture = design(features, len(items))
    settings, device = options.training.settings("table", items), choose_device(options.training.device)
    x = masked_features(features, codes, np.float32)
    part = np.random.default_rng([settings.seed, 5]).permutation(len(x)) % architecture.members
    rows = Items(np.column_stack([x, part.astype(np.float32)]), "NF", source=items.source)
    scaling = Scaling.identity(features.size + 1)
    batches = Batches(rows, scaling, settings.batch_size, settings.seed, device, hold_out=False)
    objective = TableObjective(holes, settings.seed)
    task = TrainingTask(
        build=lambda seed: untrained(architecture, features, x, codes, seed).to(device),
        objective=objective,
        batches=batches,
        settings=settings,
        baseline=0.0,
        identity=training_identity("imputer", items, holes=options.holes, architecture=architecture.to_dict()),
    )

    def finish(trained: Trained[TableNetwork]) -> Fitted:
        learned = learn_from_held_out(trained.network, objective, list(batches.held_out()))
        facts = {"noisy_loss": None, "within": list(learned.calibration.within) if learned.calibration else None}
        training = training_record(items, task, trained, learned.mean_loss, held_out_loss=learned.loss, **facts)
        had_holes = np.flatnonzero(np.isnan(codes).any(axis=0)).tolist()
        manifest = ImputerManifest(
            architecture=architecture,
            scaling=Scaling.identity(features.size),
            axes=data.user_axes,
            feature_names=data.feature_names,
            columns=columns,
            training=training,
            calibration=learned.calibration,
            features=features,
            indicator=tuple(had_holes) if options.add_indicator else None,
            **options.to_manifest(),
        )
        varied = [column.name for column, f in zip(columns, features.features, strict=True) if len(f.mean)]
        warnings = unpredicted_columns([varied[place] for place in learned.unpredicted])
        return Fitted(ImputerModel(manifest, trained.network, options.training.device), warnings, trained.interrupted)

    return TrainingPlan(task, finish)


def columns_of_numbers(items: Items, codes: np.ndarray) -> Columns:
    """Return the columns of an array, whose ranges are those of its observed values."""
    columns, (low, high) = Columns.of_array(items.values), column_ranges(codes)
    return Columns(tuple(replace(c, low=a, high=b) for c, a, b in zip(columns, low, high, strict=True)))


def unpredicted_columns(names: list[str]) -> tuple[str, ...]:
    """Return a warning where there are columns that the others do not predict."""
    if not names:
        return ()
    return (
        f"the other columns do not predict {quote_names(names)} better than the mean or the most frequent category "
        "does, so that is what missing cells there get",
    )


def design(features: Features, n_rows: int) -> TableArchitecture:
    """Return the architecture for a table."""
    varied = [feature for feature in features.features if len(feature.mean)]
    transforms = [feature.transform for feature in varied]
    return TableArchitecture(
        sizes=column_sizes(features),
        transformed=tuple(place for place, transform in enumerate(transforms) if transform),
        knots=max((len(transform.knots) for transform in transforms if transform), default=0),
        factors=min(MAX_FACTORS, features.size),
        members=MEMBERS if features.size < WIDE and n_rows < LONG else FEWER_MEMBERS,
        width=next(width for limit, width in WIDTHS.items() if n_rows < limit),
    )


def untrained(
    architecture: TableArchitecture, features: Features, x: np.ndarray, codes: np.ndarray, seed: int
) -> TableNetwork:
    """Return a network whose first guess is learned, and whose perceptrons are not.

    Parameters
    ----------
    architecture : TableArchitecture
        The network.
    features : Features
        How cells become features.
    x : ndarray of shape (N, D)
        Rows of features, NaN where cells are missing.
    codes : ndarray of shape (N, F)
        The same rows as coded cells.
    seed : int
        Seed of the perceptrons, and of the choice of rows.
    """
    rows = np.random.default_rng(seed).permutation(len(x))[:FACTOR_ANALYSIS_ROWS]
    factors = FactorAnalysis.fit(torch.from_numpy(x[rows].astype(np.float64)), architecture.factors)
    transforms = []
    for place, feature in enumerate(features.features):
        if feature.transform and len(feature.mean):
            mean, deviation = np.nanmean(codes[:, place]), np.nanstd(codes[:, place])
            knots, scores = np.array(feature.transform.knots), np.array(feature.transform.scores)
            scores = (scores - feature.mean) / feature.scale
            transforms.append((torch.from_numpy(scores), torch.from_numpy((knots - mean) / deviation)))
    network = build(architecture, seed)
    means, scales = (np.concatenate([getattr(f, name) for f in features.features]) for name in ("mean", "scale"))
    network.load_statistics(factors, torch.from_numpy(means), torch.from_numpy(scales), transforms)
    return network


@dataclass(frozen=True)
class HeldOutFacts:
    """What held-out rows say of a network.

    Parameters
    ----------
    mean_loss, loss : float
        Loss of predicting the mean, and that of the network.
    unpredicted : list of int
        Columns that the others do not predict.
    calibration : Calibration or None
        From predicted to measured standard deviations of numbers; None without numbers.
    """

    mean_loss: float
    loss: float
    unpredicted: list[int]
    calibration: Calibration | None


def learn_from_held_out(network: TableNetwork, objective: TableObjective, held_out: list[Tensor]) -> HeldOutFacts:
    """Set how much corrections count and how wide predictions are, and return what that gives."""
    network.correction_weight.fill_(0.0)
    network.prior_weight.fill_(0.0)
    loss_of_mean = mean_loss(objective, network, held_out)
    unpredicted = fit_shrinkage(network, objective, held_out)
    loss = mean_loss(objective, network, held_out)
    fit_std_scale(network, objective, held_out)
    return HeldOutFacts(loss_of_mean, loss, unpredicted, calibrate(network, objective, held_out))


def mean_loss(objective: TableObjective, network: TableNetwork, held_out: list[Tensor]) -> float:
    """Return the loss of held-out rows."""
    losses = [float(objective(network, x, None)) for x in held_out]
    return float(np.average(losses, weights=[len(x) for x in held_out]))


@dataclass(frozen=True)
class ShrinkageStatistics:
    """How much the corrections of each column help: sums over hidden cells (C,) of rows that a member left out.

    Parameters
    ----------
    gain, size, spread, base : Tensor of shape (C,)
        Of numbers: corrections times errors of the first guess, squares of corrections, variances between members,
        and squares of the errors.
    nll : Tensor of shape (11, C)
        Losses where 0, 0.1, ... 1 of the correction counts.
    usual : Tensor of shape (C,)
        Loss of the mean, or of the shares of categories.
    """

    gain: Tensor
    size: Tensor
    spread: Tensor
    base: Tensor
    nll: Tensor
    usual: Tensor


def shrinkage_statistics(
    network: TableNetwork, objective: TableObjective, held_out: list[Tensor]
) -> ShrinkageStatistics:
    """Return how much corrections help; the network is left with none of them counting."""
    columns, first = len(network.architecture.sizes), network.starts
    gain, size, spread, base, usual = (torch.zeros(columns, dtype=torch.float64) for _ in range(5))
    nll = torch.zeros(len(SHARES), columns, dtype=torch.float64)
    network.prior_weight.fill_(1.0)
    for turn, x in checked_rows(held_out):
        network.correction_weight.fill_(1.0)
        outputs, hidden, part = objective.predict(network, x, turn)
        network.correction_weight.fill_(0.0)
        guess = objective.predict(network, x, turn)[0].predictions[0]
        correction = outputs.predictions - guess
        own = left_out(correction, part)
        target = network.expected(x[:, :-1], torch.zeros_like(x[:, :-1])).nan_to_num()
        is_hidden = hidden.double()
        error = (target - guess)[:, first] * is_hidden
        gain += (error * own[:, first]).sum(0).cpu()
        size += (own[:, first] ** 2 * is_hidden).sum(0).cpu()
        spread += (correction[..., first].var(0) * is_hidden).sum(0).cpu()
        base += (error**2).sum(0).cpu()
        for row, share in enumerate(SHARES.tolist()):
            losses = column_losses(network, (guess + share * own)[None], x[:, :-1])[0] * is_hidden
            nll[row] += losses.sum(0).cpu()
        nothing = torch.zeros_like(guess)
        for group in network.groups:
            nothing[:, group] = network.shares[group].clamp(min=1e-6).log()
        losses = column_losses(network, nothing[None], x[:, :-1])[0]
        losses[:, network.number_columns] = target[:, network.numbers] ** 2
        usual += (losses * is_hidden).sum(0).cpu()
    return ShrinkageStatistics(gain, size, spread, base, nll, usual)


def fit_shrinkage(network: TableNetwork, objective: TableObjective, held_out: list[Tensor]) -> list[int]:
    """Set how much the corrections of each column count, by the rows that each member left out.

    A member errs more than the mean of all of them; half of their differences is taken off. Returns the columns that
    are predicted no better than by their mean or most frequent category: there that is the prediction.
    """
    found, groups = shrinkage_statistics(network, objective, held_out), network.group_columns
    alone = found.size.clamp(min=1e-12)
    together = (found.size - AVERAGED_OUT * found.spread).clamp(min=0.25 * alone)
    weight = (found.gain / together).clamp(0, 1)
    weight[groups] = SHARES[found.nll.argmin(0)].double()[groups]
    single = (found.gain / alone).clamp(0, 1)
    error = found.base - 2 * single * found.gain + single**2 * found.size
    error[groups] = found.nll.min(0).values[groups]
    no_better = error >= MUST_BEAT * found.usual
    network.correction_weight.copy_(weight.masked_fill(no_better, 0.0))
    network.prior_weight.copy_((~no_better).double())
    return [int(place) for place in no_better.nonzero()[:, 0]]


def fit_std_scale(network: TableNetwork, objective: TableObjective, held_out: list[Tensor]) -> None:
    """Set how much wider each number is predicted than its members say, by rows that a member left out.

    So that the central 90 % hold nine in ten of the values; alike in all columns that show too few values.
    """
    inside = torch.zeros(len(STD_SCALES), len(network.numbers), dtype=torch.float64)
    count = torch.zeros(len(network.numbers), dtype=torch.float64)
    for turn, x in checked_rows(held_out):
        outputs, hidden, part = objective.predict(network, x, turn)
        each = network.describe(outputs)
        own = Mixture(*(left_out(values, part) for values in (each.log_weights, each.means, each.deviations)))
        is_hidden = hidden[:, network.number_columns]
        y = x[:, network.numbers].nan_to_num()
        for row, factor in enumerate(STD_SCALES):
            rank = own.scaled(torch.full_like(network.std_scale, factor)).cdf(y)
            inside[row] += (((rank - 0.5).abs() <= INTERVAL / 2) & is_hidden).sum(0).cpu()
        count += is_hidden.sum(0).cpu()
    together = inside.sum(1, keepdim=True) / count.sum().clamp(min=1)
    shares = torch.where(count >= MIN_CELLS_TO_SCALE, inside / count.clamp(min=1), together)
    widest = (shares < INTERVAL).sum(0).clamp(max=len(STD_SCALES) - 1)
    network.std_scale.copy_(torch.tensor(STD_SCALES)[widest])


def calibrate(network: TableNetwork, objective: TableObjective, held_out: list[Tensor]) -> Calibration | None:
    """Return the map from predicted standard deviations of numbers to those of errors; None without numbers."""
    predicted, errors = [], []
    for turn, x in checked_rows(held_out):
        outputs, hidden, part = objective.predict(network, x, turn)
        std = left_out(network.predictive_std(network.describe(outputs)), part)
        target = network.expected(x[:, :-1], torch.zeros_like(x[:, :-1]))
        error = (left_out(outputs.predictions, part) - target)[:, network.numbers]
        is_hidden = hidden[:, network.number_columns]
        predicted.append(std[is_hidden].cpu().numpy())
        errors.append(error[is_hidden].cpu().numpy())
    if not sum(map(len, predicted)):
        return None
    return fit_calibration(np.concatenate(predicted), np.concatenate(errors))


def checked_rows(held_out: list[Tensor]) -> Iterator[tuple[int, Tensor]]:
    """Yield rows, and a number for the cells to hide in them, until there were enough."""
    n_rows, n_cells = sum(map(len, held_out)), sum(x.numel() for x in held_out)
    for turn in range(max(1, min(16, CHECKED_ROWS // n_rows, CHECKED_CELLS // n_cells))):
        for x in held_out:
            yield -2 - turn, x


def left_out(values: Tensor, part: Tensor) -> Tensor:
    """Return those of values (M, B, ...) of the member that left each row out, (B, ...)."""
    return values[part, torch.arange(len(part), device=part.device)]
