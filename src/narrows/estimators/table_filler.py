"""A trained network at work on the holes of tables, and all that is learnt of it beside its weights."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from narrows.data.tables.features import Features
from narrows.models.calibration import Calibration
from narrows.networks import TableArchitecture, TableNetwork, build
from narrows.networks.restoration.mixture import Mixture
from narrows.networks.tabular.factor_analysis import FactorAnalysis
from narrows.objectives.tabular import TableObjective, column_losses

MEMBERS, FEWER_MEMBERS = 8, 4
LONG, WIDE = 5_000, 256  # rows and features, from where on there are fewer members
WIDTHS = {1_000: 32, LONG: 64, math.inf: 128}  # for fewer rows than this
MOST_FACTORS = 32
FACTORED = 4_000  # rows that the first guess is learnt from
CHECKED = 8_000  # rows, drawn again with other holes where there are fewer, by which corrections are weighed
MUST_BEAT = 0.99  # of the loss of the mean, or of the most frequent category
SHARES = torch.linspace(0, 1, 11)  # of a correction, that are tried
AVERAGED_OUT = 0.5  # share of what members differ by: they learn from much the same rows
MIDDLE = 0.9  # share of what is plausible
WIDTHS_TRIED = tuple(0.8 * 1.08**power for power in range(20))
FEWEST_TO_STRETCH = 200
ROUNDS = 8  # of drawing a plausible filling
NUMBERS_AT_ONCE = 2**22
Strategy = Literal["mean", "mode"]


def design(features: Features, rows: int) -> TableArchitecture:
    """What to build for a table of so many rows."""
    seen = [feature for feature in features.features if len(feature.mean)]
    return TableArchitecture(
        sizes=tuple(len(feature.mean) for feature in seen),
        transformed=tuple(place for place, feature in enumerate(seen) if feature.transform),
        knots=max((len(feature.transform.knots) for feature in seen if feature.transform), default=0),
        factors=min(MOST_FACTORS, features.size),
        members=MEMBERS if features.size < WIDE and rows < LONG else FEWER_MEMBERS,
        width=next(width for limit, width in WIDTHS.items() if rows < limit),
    )


def start(
    architecture: TableArchitecture, features: Features, x: np.ndarray, codes: np.ndarray, seed: int
) -> TableNetwork:
    """An untrained network that knows the first guess, from rows of features (N, D), NaN where not known, and codes."""
    rows = np.random.default_rng(seed).permutation(len(x))[:FACTORED]
    factors = FactorAnalysis.fit(torch.from_numpy(x[rows].astype(np.float64)), architecture.factors)
    bends = []
    for place, feature in enumerate(features.features):
        if feature.transform and len(feature.mean):
            known = codes[:, place]
            mean, deviation = np.nanmean(known), np.nanstd(known)
            knots, scores = np.array(feature.transform.knots), np.array(feature.transform.scores)
            scores = (scores - feature.mean) / feature.scale
            bends.append((torch.from_numpy(scores), torch.from_numpy((knots - mean) / deviation)))
    network = build(architecture, seed)
    shares, scales = map(torch.from_numpy, means_and_scales(features))
    network.load_statistics(factors, shares, scales, bends)
    return network


def means_and_scales(features: Features) -> tuple[np.ndarray, np.ndarray]:
    """Of all features, (D,) each."""
    return (
        np.concatenate([feature.mean for feature in features.features]),
        np.concatenate([feature.scale for feature in features.features]),
    )


def features_with_holes(features: Features, codes: np.ndarray, dtype: type = np.float64) -> np.ndarray:
    """Coded values (N, F) as features (N, D), NaN where not known."""
    x = features.forward(codes, dtype)
    widths = [len(feature.mean) for feature in features.features]
    x[np.repeat(np.isnan(codes), widths, axis=1)] = np.nan
    return x


@dataclass(frozen=True)
class Worth:
    """What corrections of each column are worth: sums over hidden cells (C,), of rows that a member left out.

    Of numbers, squares: gain of corrections times what the guess is off, size of corrections, apart of what members
    differ by, base of what the guess is off. surprises (11, C): losses where 0, 0.1, ... 1 of the correction counts.
    usual: the loss of the mean, or of the shares of categories.
    """

    gain: Tensor
    size: Tensor
    apart: Tensor
    base: Tensor
    surprises: Tensor
    usual: Tensor


def worth(network: TableNetwork, objective: TableObjective, held_out: list[Tensor]) -> Worth:
    """What corrections are worth; it leaves the network with none of them counting."""
    columns, first = len(network.architecture.sizes), network.starts
    gain, size, apart, base, usual = (torch.zeros(columns, dtype=torch.float64) for _ in range(5))
    surprises = torch.zeros(len(SHARES), columns, dtype=torch.float64)
    network.prior_weight.fill_(1.0)
    for turn, x in checked(held_out):
        network.correction_weight.fill_(1.0)
        outputs, hidden, part = objective.predict(network, x, turn)
        network.correction_weight.fill_(0.0)
        guess = objective.predict(network, x, turn)[0].predictions[0]
        correction = outputs.predictions - guess
        own = left_out(correction, part)
        target = network.expected(x[:, :-1], torch.zeros_like(x[:, :-1])).nan_to_num()
        asked = hidden.double()
        off = (target - guess)[:, first] * asked
        gain += (off * own[:, first]).sum(0).cpu()
        size += (own[:, first] ** 2 * asked).sum(0).cpu()
        apart += (correction[..., first].var(0) * asked).sum(0).cpu()
        base += (off**2).sum(0).cpu()
        for row, share in enumerate(SHARES.tolist()):
            losses = column_losses(network, (guess + share * own)[None], x[:, :-1])[0] * asked
            surprises[row] += losses.sum(0).cpu()
        nothing = torch.zeros_like(guess)
        for group in network.groups:
            nothing[:, group] = network.shares[group].clamp(min=1e-6).log()
        losses = column_losses(network, nothing[None], x[:, :-1])[0]
        losses[:, network.number_columns] = target[:, network.numbers] ** 2
        usual += (losses * asked).sum(0).cpu()
    return Worth(gain, size, apart, base, surprises, usual)


def weigh(network: TableNetwork, objective: TableObjective, held_out: list[Tensor]) -> list[int]:
    """Set how much the corrections of each column count, by what each member says of the rows that it left out.

    A member errs more than the mean of all of them; half of what they differ by is taken off. Gives the places of the
    columns of which nothing is known better than their mean, or most frequent category: there that is the answer.
    """
    found, groups = worth(network, objective, held_out), network.group_columns
    alone = found.size.clamp(min=1e-12)
    together = (found.size - AVERAGED_OUT * found.apart).clamp(min=0.25 * alone)
    trust = (found.gain / together).clamp(0, 1)
    trust[groups] = SHARES[found.surprises.argmin(0)].double()[groups]
    single = (found.gain / alone).clamp(0, 1)
    error = found.base - 2 * single * found.gain + single**2 * found.size
    error[groups] = found.surprises.min(0).values[groups]
    no_better = error >= MUST_BEAT * found.usual
    network.correction_weight.copy_(trust.masked_fill(no_better, 0.0))
    network.prior_weight.copy_((~no_better).double())
    return [int(place) for place in no_better.nonzero()[:, 0]]


def stretch(network: TableNetwork, objective: TableObjective, held_out: list[Tensor]) -> None:
    """Set how much wider each number is described than its member does, by rows that the member left out.

    As wide as it takes for the middle 90 % to hold nine in ten of the values; all alike where a column shows too few.
    """
    inside = torch.zeros(len(WIDTHS_TRIED), len(network.numbers), dtype=torch.float64)
    count = torch.zeros(len(network.numbers), dtype=torch.float64)
    for turn, x in checked(held_out):
        outputs, hidden, part = objective.predict(network, x, turn)
        each = network.describe(outputs)
        own = Mixture(*(left_out(values, part) for values in (each.log_weights, each.means, each.deviations)))
        asked = hidden[:, network.number_columns]
        y = x[:, network.numbers].nan_to_num()
        for row, factor in enumerate(WIDTHS_TRIED):
            rank = own.scaled(torch.full_like(network.std_scale, factor)).cdf(y)
            inside[row] += (((rank - 0.5).abs() <= MIDDLE / 2) & asked).sum(0).cpu()
        count += asked.sum(0).cpu()
    together = inside.sum(1, keepdim=True) / count.sum().clamp(min=1)
    shares = torch.where(count >= FEWEST_TO_STRETCH, inside / count.clamp(min=1), together)
    widest = (shares < MIDDLE).sum(0).clamp(max=len(WIDTHS_TRIED) - 1)
    network.std_scale.copy_(torch.tensor(WIDTHS_TRIED)[widest])


def calibrate(network: TableNetwork, objective: TableObjective, held_out: list[Tensor]) -> Calibration | None:
    """How the deviations that the network expects of numbers go with those that errors have; None without numbers."""
    expected, errors = [], []
    for turn, x in checked(held_out):
        outputs, hidden, part = objective.predict(network, x, turn)
        deviations = left_out(network.predictive_std(network.describe(outputs)), part)
        target = network.expected(x[:, :-1], torch.zeros_like(x[:, :-1]))
        off = (left_out(outputs.predictions, part) - target)[:, network.numbers]
        asked = hidden[:, network.number_columns]
        expected.append(deviations[asked].cpu().numpy())
        errors.append(off[asked].cpu().numpy())
    if not sum(map(len, expected)):
        return None
    return Calibration.learn(np.concatenate(expected), np.concatenate(errors))


def checked(held_out: list[Tensor]) -> Iterator[tuple[int, Tensor]]:
    """Rows to look at, and a number for the holes to draw in them, until enough rows were seen."""
    rows = sum(map(len, held_out))
    for turn in range(max(1, min(16, CHECKED // rows))):
        for x in held_out:
            yield -2 - turn, x


def left_out(values: Tensor, part: Tensor) -> Tensor:
    """Of values (M, B, ...) those of the member that left each row out, (B, ...)."""
    return values[part, torch.arange(len(part), device=part.device)]


class TableFiller:
    """Fills holes of coded values (N, F), NaN where not known, with what columns can hold.

    network: in the precision and on the device in which it works.
    """

    def __init__(self, network: TableNetwork, features: Features) -> None:
        self.network, self.features = network, features
        self.dtype, self.device = network.mean.dtype, network.mean.device
        self.means, self.scales = means_and_scales(features)

    def best(self, codes: np.ndarray, strategy: Strategy) -> np.ndarray:
        """What is best on average, or what is most probable; of categories always the most probable."""

        def answer(x: Tensor) -> Tensor:
            outputs = self.network(x)
            values = outputs.predictions.mean(0)
            features = self.network.features_of(values)
            if strategy == "mode" and self.network.numbers:
                features[:, self.network.numbers] = pooled(self.network.describe(outputs)).mode()
            return self.whole(features, lambda logits: logits.argmax(-1))

        return self.codes_of(self.rows(codes, answer), codes)

    def draw(self, codes: np.ndarray, generator: torch.Generator) -> np.ndarray:
        """One plausible filling, outputs by one of the members, which is drawn as well.

        A few cells of each row are drawn first, which the others then see.
        """
        member = int(torch.randint(self.network.architecture.members, (), generator=generator, device=self.device))
        network = alone(self.network, member)

        def once(x: Tensor) -> Tensor:
            outputs = network(x)
            features = outputs.predictions[0].clone()
            if network.numbers:
                features[:, network.numbers] = network.describe(outputs).sample(generator)[0]
            return self.whole(
                features, lambda logits: torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]
            )

        def answer(x: Tensor) -> Tensor:
            holes = x[:, network.starts].isnan()
            rounds = min(ROUNDS, max(1, int(holes.sum(1).max())))
            for left in range(rounds, 0, -1):
                chosen = holes & (torch.rand(holes.shape, generator=generator, device=self.device) < 1 / left)
                x = torch.where(chosen[:, network.column_of], once(x), x)
                holes &= ~chosen
            return x

        return self.codes_of(self.rows(codes, answer), codes)

    def doubts(self, codes: np.ndarray, calibration: Calibration | None) -> np.ndarray:
        """How far off fillings may be (N, F): the deviation of numbers in their unit, or the chance to be wrong.

        0 where the value is known, and where nothing else was ever seen.
        """
        units = self._units()

        def answer(x: Tensor) -> Tensor:
            outputs = self.network(x)
            found = x.new_zeros(len(x), len(units))
            network = self.network
            for group, column in zip(network.groups, network.group_columns, strict=True):
                found[:, column] = 1 - outputs.predictions[..., group].softmax(-1).mean(0).amax(-1)
            if network.numbers:
                assert calibration is not None
                deviations = calibration(network.predictive_std(pooled(network.describe(outputs))).cpu().numpy())
                found[:, network.number_columns] = torch.from_numpy(deviations).to(found)
            return found * units.to(found)

        out = np.zeros(codes.shape)
        varied = [place for place, feature in enumerate(self.features.features) if len(feature.mean)]
        out[:, varied] = self.rows(codes, answer)
        return out * np.isnan(codes)

    def rows(self, codes: np.ndarray, answer: Callable[[Tensor], Tensor]) -> np.ndarray:
        """What is answered to the rows, some at a time."""
        a = self.network.architecture
        step = max(1, NUMBERS_AT_ONCE // (a.members * (a.channels + a.width) + a.factors * (a.factors + a.channels)))
        parts = []
        for begin in range(0, len(codes), step):
            x = torch.from_numpy(features_with_holes(self.features, codes[begin : begin + step]))
            with torch.no_grad():
                parts.append(answer(x.to(self.device, self.dtype)).cpu().numpy())
        return np.concatenate(parts)

    def whole(self, features: Tensor, choose: Callable[[Tensor], Tensor]) -> Tensor:
        """Rows (B, D) with a category chosen from the logits of each, in features."""
        for group in self.network.groups:
            chosen = F.one_hot(choose(features[:, group]), group.stop - group.start)
            features[:, group] = (chosen - self.network.shares[group]) / self.network.scales[group]
        return features

    def codes_of(self, features: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """The codes, with their holes filled from rows of features."""
        found = self.features.inverse(features)
        low, high = (np.array([getattr(c, end) for c in self.features.columns], float) for end in ("low", "high"))
        return np.where(np.isnan(codes), np.clip(found, low, high), codes)

    def _units(self) -> Tensor:
        """What a deviation of each varied column is in its own unit; 1 of categories."""
        transformed, units = iter(self.network.knot_values), []
        for feature in self.features.features:
            if feature.transform and len(feature.mean):
                heights, knots = next(transformed), feature.transform.knots
                units.append((knots[-1] - knots[0]) / float(heights[len(knots) - 1] - heights[0]))
            elif len(feature.mean):
                units.append(1.0 if len(feature.mean) > 1 else float(feature.scale[0]))
        return torch.tensor(units)


def alone(network: TableNetwork, member: int) -> TableNetwork:
    """One of the members, as a network of its own."""
    single = build(replace(network.architecture, members=1)).to(network.mean.device, network.mean.dtype)
    single.load_state_dict(network.member_state(member))
    return single.eval().requires_grad_(False)


def pooled(mixture: Mixture) -> Mixture:
    """One mixture (...) of those of M members (M, ...), each as probable as any other."""
    weights, means, deviations = (
        each.movedim(0, -2).flatten(-2) for each in (mixture.log_weights, mixture.means, mixture.deviations)
    )
    return Mixture(weights - math.log(len(mixture.means)), means, deviations)
