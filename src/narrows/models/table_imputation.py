"""Imputation of tables: numbers, categories and dates, as arrays or data frames."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from narrows.corruption import Masks
from narrows.data import Columns, Items
from narrows.data.masks import mask_value
from narrows.data.tables import frames as tables
from narrows.data.tables.cell_text import MissingMarks
from narrows.data.tables.features import Features
from narrows.data.units import check_columns
from narrows.errors import DataError, ParameterError
from narrows.models.calibration import Calibration
from narrows.models.item_checks import check_no_infinity, check_numeric, missing_mask, plain_numbers
from narrows.models.tiled_inference import Progress
from narrows.models.trained_model import TrainedModel
from narrows.networks import TableNetwork, build
from narrows.networks.restoration.mixture import Mixture
from narrows.objectives.tabular import TableObjective, column_losses
from narrows.training.threads import timed

CELLS_HIDDEN = "pixels:0.05-0.6"  # of a row, where `holes` is "mixed"
ROUNDS = 8  # of sampling
NUMBERS_AT_ONCE = 2**22


@dataclass(frozen=True)
class TableImputation:
    """Imputation of tables by factor analysis and an ensemble of perceptrons that correct it.

    Parameters
    ----------
    model : TrainedModel
        The model, whose manifest says what tables fit.
    network : TableNetwork
        On the device and in the precision of inference.
    features : Features
        How cells become the numbers that the network sees.
    calibration : Calibration or None
        From predicted to measured standard deviations of numbers; None where training could measure none.
    """

    model: TrainedModel
    network: TableNetwork
    features: Features
    calibration: Calibration | None

    def check(self, items: Items, missing_values: Any) -> Items:
        """Return the rows with a mask of all missing cells; DataError where they do not fit."""
        columns = self.features.columns
        if items.axes != "NF":
            raise DataError(
                f"axes {items.axes}; this model was trained on a table of {len(columns)} columns", source=items.source
            )
        if items.columns is not None and not self.model.feature_names:
            items = plain_numbers(items, self.model.tool)
        items = mark_missing_cells(items, missing_values, columns)
        if items.item_shape[0] != len(columns):
            raise DataError(f"{items.source}: {items.item_shape[0]} columns; this model was trained on {len(columns)}")
        if items.columns is None:
            check_numeric(columns, f"{items.source}: an array; expected a data frame, since")
        check_columns(observed_codes(items), self.features, items.source)
        return items

    def fill(self, items: Items, strategy: str, progress: Progress | None, tta: bool = False) -> Items:
        """Return the rows with their missing cells filled."""
        return self._completed(items, self.filled_codes(items, strategy))

    def sample(self, items: Items, seed: int) -> Items:
        """Return the rows with their missing cells drawn by one of the perceptrons, which is drawn as well.

        A few cells of each row are drawn first, which the others then see.
        """
        generator = torch.Generator(device=self.network.mean.device).manual_seed(seed)
        return self._completed(items, self.sampled_codes(items, generator))

    def predictive_std(self, items: Items) -> Items:
        """Return the standard deviation of each filled number, and the probability that a filled category is wrong."""
        std = self.std_of_codes(items).astype(np.float32)
        done = replace(items, values=std, mask=None, columns=None)
        if items.frame is None:
            return replace(done, columns=items.columns)
        frame = type(items.frame)(std, index=items.frame.index, columns=items.frame.columns)
        return replace(done, frame=frame)

    def hide(self, items: Items, holes: str, seed: int) -> Items:
        """Return the rows with more cells masked; no row loses all of its cells."""
        generator = torch.Generator().manual_seed(seed)
        hidden = parse_cells(holes).draw((len(items), 1, items.item_shape[0]), generator)[:, 0].numpy()
        assert items.mask is not None
        return replace(items, mask=items.mask | hidden)

    def loss(self, items: Items, holes: str, strategy: str) -> float:
        """Return the mean training loss of hidden cells."""
        objective, device = TableObjective(parse_cells(holes), 0), self.network.mean.device
        x = torch.from_numpy(masked_features(self.features, observed_codes(items)))
        outputs, hidden, _ = objective.predict(self.network, torch.cat([x, x[:, :1] * 0], 1).to(device), None)
        losses = column_losses(self.network, outputs.predictions.mean(0, keepdim=True), x.to(device))[0]
        return float((losses * hidden).sum() / hidden.sum().clamp(min=1))

    def filled_codes(self, items: Items, strategy: str = "mean") -> np.ndarray:
        """Return the coded cells (N, F), the missing ones filled; categories are always the most probable."""

        def output(x: Tensor) -> Tensor:
            outputs = self.network(x)
            features = self.network.features_of(outputs.predictions.mean(0))
            if strategy == "mode" and self.network.numbers:
                features[:, self.network.numbers] = pooled(self.network.describe(outputs)).mode()
            return choose_categories(self.network, features, lambda logits: logits.argmax(-1))

        codes = observed_codes(items)
        return self._fill_codes(codes, self._by_rows(codes, output))

    def sampled_codes(self, items: Items, generator: torch.Generator) -> np.ndarray:
        """Return the coded cells (N, F), the missing ones drawn."""
        device = self.network.mean.device
        member = int(torch.randint(self.network.architecture.members, (), generator=generator, device=device))
        network = single_member(self.network, member)

        def draw(logits: Tensor) -> Tensor:
            return torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]

        def once(x: Tensor) -> Tensor:
            outputs = network(x)
            features = outputs.predictions[0].clone()
            if network.numbers:
                features[:, network.numbers] = network.describe(outputs).sample(generator)[0]
            return choose_categories(network, features, draw)

        def output(x: Tensor) -> Tensor:
            left = x[:, network.starts].isnan()
            rounds = min(ROUNDS, max(1, int(left.sum(1).max())))
            for number in range(rounds, 0, -1):
                chosen = left & (torch.rand(left.shape, generator=generator, device=device) < 1 / number)
                x = torch.where(chosen[:, network.column_of], once(x), x)
                left &= ~chosen
            return x

        codes = observed_codes(items)
        return self._fill_codes(codes, self._by_rows(codes, output))

    def std_of_codes(self, items: Items) -> np.ndarray:
        """Return how far off filled codes (N, F) may be, float64.

        The standard deviation of numbers in their unit, and the probability that a category is wrong; 0 where a cell
        is observed, and in columns of one value.
        """
        network, units = self.network, self._units()

        def output(x: Tensor) -> Tensor:
            outputs = network(x)
            found = x.new_zeros(len(x), len(units))
            for group, column in zip(network.groups, network.group_columns, strict=True):
                found[:, column] = 1 - outputs.predictions[..., group].softmax(-1).mean(0).amax(-1)
            if network.numbers:
                std = network.predictive_std(pooled(network.describe(outputs))).cpu().numpy()
                std = std if self.calibration is None else self.calibration(std)
                found[:, network.number_columns] = torch.from_numpy(std).to(found)
            return found * units.to(found)

        codes = observed_codes(items)
        out = np.zeros(codes.shape)
        varied = [place for place, feature in enumerate(self.features.features) if len(feature.mean)]
        out[:, varied] = self._by_rows(codes, output)
        out[~np.isnan(codes)] = 0
        return out

    def _by_rows(self, codes: np.ndarray, output: Callable[[Tensor], Tensor]) -> np.ndarray:
        """Return the outputs for coded rows (N, F), computed some at a time."""
        a, weight = self.network.architecture, self.network.mean
        step = max(1, NUMBERS_AT_ONCE // (a.members * (a.channels + a.width) + a.factors * (a.factors + a.channels)))
        parts, outputs = (codes[begin : begin + step] for begin in range(0, len(codes), step)), []
        for part in timed(((part, len(part) / step) for part in parts), weight.device):
            x = torch.from_numpy(masked_features(self.features, part))
            with torch.no_grad():
                outputs.append(output(x.to(weight.device, weight.dtype)).cpu().numpy())
        return np.concatenate(outputs)

    def _fill_codes(self, codes: np.ndarray, features: np.ndarray) -> np.ndarray:
        """Return the codes, NaN replaced by what rows of features say, within the range of each column."""
        found = self.features.inverse(features)
        low, high = (np.array([getattr(c, end) for c in self.features.columns], float) for end in ("low", "high"))
        return np.where(np.isnan(codes), np.clip(found, low, high), codes)

    def _units(self) -> Tensor:
        """Return the standard deviation 1 of each varied column in its own unit; 1 for categories."""
        transformed, units = iter(self.network.knot_values), []
        for feature in self.features.features:
            if feature.transform and len(feature.mean):
                heights, knots = next(transformed), feature.transform.knots
                units.append((knots[-1] - knots[0]) / float(heights[len(knots) - 1] - heights[0]))
            elif len(feature.mean):
                units.append(1.0 if len(feature.mean) > 1 else float(feature.scale[0]))
        return torch.tensor(units)

    def _completed(self, items: Items, codes: np.ndarray) -> Items:
        """Return the rows with codes in place of their missing cells."""
        assert items.mask is not None
        if items.frame is None:
            valid = self.features.columns.nearest_valid(codes)
            fillable = items.mask & ~np.isnan(valid)  # a column without any value has nothing to fill with
            values = items.values.copy()
            values[fillable] = valid[fillable]
            return replace(items, values=values, mask=None)
        marked = bool((items.mask & ~items.frame.isna().to_numpy()).any())
        frame = tables.without_cells(items.frame, items.mask) if marked else items.frame
        filled = tables.fill_frame(frame, codes, self.features.columns)
        if marked:  # back from dtypes that have room for missing cells
            filled = filled.astype(
                {name: items.frame[name].dtype for name in filled.columns if not filled[name].isna().any()}
            )
        return replace(items, values=codes, frame=filled, mask=None)


def mark_missing_cells(items: Items, missing_values: Any, columns: Columns | None = None) -> Items:
    """Return the rows with a mask of all missing cells.

    Parameters
    ----------
    items : Items
        Rows of numbers, or of coded cells, with the frame that they are of where there is one.
    missing_values : float or str
        The value that means "missing" besides NaN.
    columns : Columns, optional
        By which the cells of a frame are coded; by default the items' own, or new ones.
    """
    if items.frame is not None:
        unmarked = tables.without_marks(items.frame, missing_values)
        if columns is None and (unmarked is items.frame or items.mask is not None):
            columns = items.columns
        if columns is None or columns != items.columns:
            coded = tables.frame_to_items(unmarked, columns, items.source)
            items = replace(items, values=coded.values, columns=coded.columns)
        missing = unmarked.isna().to_numpy()
    elif items.columns is not None:
        missing = np.isnan(items.values)
    else:
        check_no_infinity(items)
        for mark in MissingMarks.parse(missing_values).everywhere:
            items = mask_value(items, mark) if isinstance(mark, float) else items
        missing = missing_mask(items)
    return replace(items, mask=missing if items.mask is None else missing | items.mask)


def code_frame(frame: Any, missing_values: Any, columns: Columns | None = None, source: str = "X") -> Items:
    """Return a data frame as items with a mask of missing cells, coded by these columns or by new ones."""
    unmarked = tables.without_marks(frame, missing_values)
    items = tables.frame_to_items(unmarked, columns, source)
    return replace(items, frame=frame, mask=unmarked.isna().to_numpy())


def observed_codes(items: Items) -> np.ndarray:
    """Return the coded cells (N, F) of checked rows, NaN where they are missing."""
    assert items.mask is not None
    return np.where(items.mask, np.nan, items.values.astype(np.float64))


def parse_cells(holes: str) -> Masks:
    """Return which cells of a table `holes` hides; ParameterError where it is for images."""
    parsed = Masks.parse(CELLS_HIDDEN if holes == "mixed" else holes)
    if any(part.kind != "pixels" for part in chain.from_iterable(parsed.alternatives)):
        raise ParameterError(
            "for tables, expected mixed or pixels, such as pixels:0.1-0.5", parameter="holes", value=holes
        )
    return parsed


def masked_features(features: Features, codes: np.ndarray, dtype: type = np.float64) -> np.ndarray:
    """Return coded cells (N, F) as features (N, D), NaN where cells are missing."""
    x = features.forward(codes, dtype)
    widths = [len(feature.mean) for feature in features.features]
    x[np.repeat(np.isnan(codes), widths, axis=1)] = np.nan
    return x


def column_sizes(features: Features) -> tuple[int, ...]:
    """Return how many features each column has, those that do not vary left out."""
    return tuple(len(feature.mean) for feature in features.features if len(feature.mean))


def choose_categories(network: TableNetwork, features: Tensor, choose: Callable[[Tensor], Tensor]) -> Tensor:
    """Return rows (B, D) in which each category is one of those that its logits allow, in features."""
    for group in network.groups:
        chosen = F.one_hot(choose(features[:, group]), group.stop - group.start)
        features[:, group] = (chosen - network.shares[group]) / network.scales[group]
    return features


def single_member(network: TableNetwork, member: int) -> TableNetwork:
    """Return one of the perceptrons as a network of its own."""
    single = build(replace(network.architecture, members=1)).to(network.mean.device, network.mean.dtype)
    single.load_state_dict(network.member_state(member))
    return single.eval().requires_grad_(False)


def pooled(mixture: Mixture) -> Mixture:
    """Return one mixture (...) of those of M members (M, ...), each as probable as any other."""
    weights, means, deviations = (
        each.movedim(0, -2).flatten(-2) for each in (mixture.log_weights, mixture.means, mixture.deviations)
    )
    return Mixture(weights - math.log(len(mixture.means)), means, deviations)
