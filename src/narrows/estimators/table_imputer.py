"""The imputer's work on tables: numbers, categories and dates, as arrays or data frames."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import MissingIndicator
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data
from torch import Tensor

from narrows.corruption import Masks
from narrows.data import Columns, Items, Scaling
from narrows.data.masks import mask_value
from narrows.data.tables import frames as tables
from narrows.data.tables.columns import column_ranges
from narrows.data.tables.features import Features
from narrows.errors import DataError, ParameterError
from narrows.estimators import table_filler
from narrows.estimators.base import axes_count, check_plain, is_list_of_items
from narrows.estimators.restorer import Restorer
from narrows.estimators.table_filler import Strategy, TableFiller
from narrows.networks import Restoration, TableArchitecture
from narrows.objectives.tabular import TableObjective, column_losses
from narrows.training.batches import Batches
from narrows.training.runtime import choose_device
from narrows.training.task import TrainingProgress

SHARES_HIDDEN = "pixels:0.05-0.6"  # of the cells of a row


class TableImputer(Restorer):
    """What `Imputer` does with tables; it stores `holes`, `missing_values` and `strategy`."""

    features_: Features
    holes: str
    missing_values: Any
    strategy: Strategy
    add_indicator: bool
    indicator_: MissingIndicator | None = None

    def _is_table(self, X: Any, fitting: bool) -> bool:
        if not fitting:
            return self.item_axes_ == "NF"
        if isinstance(X, Items):
            return X.axes == "NF"
        if self.axes not in (None, "NF", "FN") or is_list_of_items(X, self.axes):
            return False
        return tables.is_frame(X) or axes_count(X) <= 2

    def _table(self, X: Any, fitting: bool) -> Items | None:
        """A table as items, `holes` where a cell is not known; values in the type of the array, or codes of a frame."""
        if not self._is_table(X, fitting):
            return None
        if isinstance(X, Items):
            items = self._rows_of(X, fitting)
        elif tables.is_frame(X):
            items = self._framed(X, "X", fitting)
        elif self.axes == "FN":
            items = Items.from_array(X, self.axes)
        else:
            X = validate_data(self, X, reset=fitting, dtype="numeric", ensure_all_finite="allow-nan")
            items = Items.from_array(X, "NF")
        if not fitting and items.item_shape[0] != self.n_features_in_:
            raise DataError(
                f"{items.source}: {items.item_shape[0]} columns; this model was trained on {self.n_features_in_}"
            )
        if items.columns is not None:
            return items
        if not fitting:
            assert self.columns_ is not None
            check_plain(self.columns_, f"{items.source}: an array; expected a data frame, since")
        if items.dtype.kind == "f" and np.isinf(items.values).any():
            raise DataError(f"{items.source}: holds infinity; mark what is not known as NaN")
        if isinstance(self.missing_values, Real):
            items = mask_value(items, float(self.missing_values))
        nan = np.isnan(items.values) if items.dtype.kind == "f" else np.zeros(items.values.shape, bool)
        return replace(items, mask=nan if items.mask is None else nan | items.mask)

    def _rows_of(self, items: Items, fitting: bool) -> Items:
        if items.frame is not None:
            framed = self._framed(items.frame, items.source, fitting, items.columns)
            if items.mask is not None and framed.mask is not None:
                framed = replace(framed, mask=framed.mask | items.mask)
            return replace(framed, names=items.names, notes=items.notes)
        if fitting:
            self.n_features_in_ = items.item_shape[0]
            self.__dict__.pop("feature_names_in_", None)
            if items.columns is not None:
                self.feature_names_in_ = np.array(items.columns.names, dtype=object)
        if items.columns is not None and items.mask is None:
            items = replace(items, mask=np.isnan(items.values))
        return items

    def _framed(self, frame: Any, source: str, fitting: bool, columns: Columns | None = None) -> Items:
        """A data frame as items, with the learnt columns, or while fitting those it has."""
        if not fitting and not hasattr(self, "feature_names_in_"):  # learnt from an array
            return Items.from_array(validate_data(self, frame, reset=False, ensure_all_finite="allow-nan"), "NF")
        validate_data(self, frame, reset=fitting, skip_check_array=True)
        unmarked = self._unmarked(frame)
        if fitting:
            items = tables.frame_to_items(unmarked, columns if unmarked is frame else None, source)
        else:
            items = tables.frame_to_items(unmarked, self.columns_, source)
        return replace(items, frame=frame, mask=unmarked.isna().to_numpy())

    def _unmarked(self, frame: Any) -> Any:
        """The frame, with nothing in place of what marks missing cells."""
        marks = self.missing_values
        if marks is None or (isinstance(marks, Real) and np.isnan(float(marks))):
            return frame
        found = frame == marks
        return frame.mask(found) if found.to_numpy().any() else frame

    def known(self, items: Items) -> np.ndarray:
        """Coded values (N, F) of a table, NaN where a cell is not known."""
        assert items.mask is not None
        return np.where(items.mask, np.nan, items.values.astype(np.float64))

    def _fit_table(
        self,
        items: Items,
        checkpoint: str | Path | None,
        resume: bool,
        report: Callable[[TrainingProgress], None] | None,
    ) -> None:
        holes, codes = self._holes_of_rows(), self.known(items)
        columns = Columns.of_array(items.values) if items.columns is None else items.columns
        if items.columns is None:
            low, high = column_ranges(codes)
            columns = Columns(tuple(replace(c, low=a, high=b) for c, a, b in zip(columns, low, high, strict=True)))
        features = Features.learn(codes, columns)
        if not features.size:
            few = "one sample, " if len(items) == 1 else ""
            raise DataError(f"{items.source}: {few}no column varies, so there is nothing to learn")
        architecture = table_filler.design(features, len(items))
        settings = self._settings(items, "table")
        x = table_filler.features_with_holes(features, codes, np.float32)
        part = np.random.default_rng([settings.seed, 5]).permutation(len(x)) % architecture.members
        rows = Items(np.column_stack([x, part.astype(np.float32)]), "NF", source=items.source)
        device = choose_device(self.device)
        scaling = Scaling.identity(features.size)
        batches = Batches(
            rows, Scaling.identity(features.size + 1), settings.batch_size, settings.seed, device, hold_out=False
        )
        objective = TableObjective(holes, settings.seed)
        trained = self._train(
            items,
            batches,
            settings,
            lambda seed: table_filler.start(architecture, features, x, codes, seed).to(device),
            objective,
            0.0,
            {"holes": self.holes, "architecture": architecture.to_dict()},
            checkpoint,
            resume,
            report,
        )
        network, held_out = trained.network.eval().requires_grad_(False), list(batches.held_out())
        self.network_, self.scaling_, self.features_, self.columns_ = network, scaling, features, columns
        self.n_features_in_, self.indicator_ = len(columns), None
        if self.add_indicator:
            self._indicate(np.flatnonzero(np.isnan(codes).any(axis=0)))
        network.correction_weight.fill_(0.0)
        network.prior_weight.fill_(0.0)
        self.training_["mean_loss"] = mean_loss(objective, network, held_out)
        no_better = table_filler.weigh(network, objective, held_out)
        self.training_["held_out_loss"] = mean_loss(objective, network, held_out)
        table_filler.stretch(network, objective, held_out)
        self.calibration_ = table_filler.calibrate(network, objective, held_out)
        self.training_["noisy_loss"] = None
        self.training_["within"] = None if self.calibration_ is None else list(self.calibration_.within)
        varied = [column.name for column, f in zip(columns, features.features, strict=True) if len(f.mean)]
        if no_better:
            warnings.warn(
                f"the other columns do not tell {tables.quote_names([varied[place] for place in no_better])} better "
                "than the mean or the most frequent category does, so that is what their holes get",
                ConvergenceWarning,
                stacklevel=4,
            )
        if trained.interrupted:
            raise KeyboardInterrupt

    def _holes_of_rows(self) -> Masks:
        holes = Masks.parse(SHARES_HIDDEN if self.holes == "mixed" else self.holes)
        if any(part.kind != "pixels" for part in holes.parts):
            raise ParameterError(
                "for tables, expected mixed or pixels, such as pixels:0.1-0.5", parameter="holes", value=self.holes
            )
        return holes

    def _filler(self) -> TableFiller:
        return TableFiller(self._network(), self.features_)

    def codes(self, items: Items) -> np.ndarray:
        """Coded values (N, F) of a table, completed."""
        return self._filler().best(self.known(items), self.strategy)

    def doubts(self, items: Items) -> np.ndarray:
        """How far off completed codes (N, F) may be: deviations, or the chance to be wrong; 0 where a cell is known."""
        return self._filler().doubts(self.known(items), self.calibration_)

    def _fill_table(self, X: Any, items: Items) -> Any:
        return self._completed(X, items, self.codes(items))

    def _draw_table(self, X: Any, items: Items, seed: int) -> Any:
        filler = self._filler()
        generator = torch.Generator(device=filler.device).manual_seed(seed)
        return self._completed(X, items, filler.draw(self.known(items), generator))

    def _doubts_of_table(self, X: Any, items: Items) -> Any:
        doubts = self.doubts(items).astype(np.float32)
        if items.frame is None:
            return self._like(X, replace(items, values=doubts, mask=None))
        outputs = type(items.frame)(doubts, index=items.frame.index, columns=items.frame.columns)
        return (
            replace(items, values=doubts, frame=outputs, columns=None, mask=None) if isinstance(X, Items) else outputs
        )

    def _completed(self, X: Any, items: Items, codes: np.ndarray) -> Any:
        """The table with the codes in its holes, in the form of X."""
        assert self.columns_ is not None
        if items.frame is None:
            possible = self.columns_.nearest_valid(codes)
            fillable = items.mask & ~np.isnan(possible)  # nothing is known of columns without any value
            filled = items.values.copy()
            filled[fillable] = possible[fillable]
            return self._like(X, replace(items, values=filled, mask=None))
        holed = items.frame.mask(items.mask) if self._has_marks(items) else items.frame
        frame = tables.fill_frame(holed, codes, self.columns_)
        if holed is not items.frame:  # whole numbers were made real ones to have holes
            now = {name: items.frame[name].dtype for name in frame.columns if not frame[name].isna().any()}
            frame = frame.astype(now)
        return replace(items, values=codes, frame=frame, mask=None) if isinstance(X, Items) else frame

    def _has_marks(self, items: Items) -> bool:
        """Whether there are holes that are not missing in the frame itself."""
        return bool((items.mask & ~items.frame.isna().to_numpy()).any())

    def _score_table(self, items: Items) -> float:
        objective = TableObjective(self._holes_of_rows(), 0)
        network = self._network()
        x = torch.from_numpy(table_filler.features_with_holes(self.features_, self.known(items)))
        outputs, hidden, _ = objective.predict(network, torch.cat([x, x[:, :1] * 0], 1).to(network.mean.device), None)
        losses = column_losses(network, outputs.predictions.mean(0, keepdim=True), x.to(network.mean.device))[0]
        return -float((losses * hidden).sum() / hidden.sum().clamp(min=1))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """The names of the columns of a completed table, and those that indicators add."""
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        if self.indicator_ is None:
            return names
        return np.concatenate([names, self.indicator_.get_feature_names_out(names)])

    def _with_indicator(self, items: Items, completed: Any) -> Any:
        """A completed table, and beside it the columns that say where holes were."""
        if self.indicator_ is None or isinstance(completed, Items):
            return completed
        was = self.indicator_.transform(self.known(items))
        if items.frame is None:
            return np.hstack([completed, was.astype(completed.dtype)])
        names = self.get_feature_names_out()[items.item_shape[0] :]
        return completed.assign(**{name: was[:, place] for place, name in enumerate(names)})

    def _document(self) -> dict[str, Any]:
        if self.item_axes_ != "NF":
            return super()._document()
        had_holes = None if self.indicator_ is None else self.indicator_.features_.tolist()
        return {**super()._document(), "table": self.features_.to_dict(), "indicator": had_holes}

    def _restore(self, tensors: dict[str, np.ndarray], document: dict[str, Any]) -> None:
        table = "table" in document
        self.architecture_type = TableArchitecture if table else Restoration
        super()._restore(tensors, document)
        self.indicator_ = None
        if table:
            if self.columns_ is None:
                raise ValueError("a table without columns")
            self.features_ = Features.from_dict(document["table"], self.columns_)
            if table_filler.design(self.features_, 0).sizes != self.network_.architecture.sizes:
                raise ValueError("the features of the table are not those of the network")
            if document["indicator"] is not None:
                self._indicate(np.array(document["indicator"], int))

    def _indicate(self, columns: np.ndarray) -> None:
        """Let `transform` add indicators of these columns."""
        holes = np.zeros((1, self.n_features_in_))
        holes[:, columns] = np.nan
        self.add_indicator = True
        self.indicator_ = MissingIndicator(features="missing-only", error_on_new=False).fit(holes)

    def with_hidden_cells(self, items: Items, holes: str | None, seed: int) -> Items:
        """A table with more holes, those of training by default; no row loses all of its cells."""
        drawn = Masks.parse(holes) if holes else self._holes_of_rows()
        generator = torch.Generator().manual_seed(seed)
        hidden = drawn.draw((len(items), 1, items.item_shape[0]), generator)[:, 0].numpy()
        return replace(items, mask=items.mask | hidden)


def mean_loss(objective: TableObjective, network: Any, held_out: list[Tensor]) -> float:
    losses = [float(objective(network, x, None)) for x in held_out]
    return float(np.average(losses, weights=[len(x) for x in held_out]))
