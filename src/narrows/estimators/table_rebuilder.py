"""A tool that rebuilds items, and rows of tables with cells of any type."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from narrows.data import Items
from narrows.data.memory import allocate
from narrows.data.tables import frames as tables
from narrows.data.tables.features import Features
from narrows.errors import DataError
from narrows.estimators.base import Rebuilder, check_plain

ROWS_AT_ONCE = 2**14  # of a table, on the way to features


class TableRebuilder(Rebuilder):
    """A `Rebuilder` whose network sees the features of such tables: `features_`, None of all other items."""

    features_: Features | None = None

    def _table(self, X: Any, fitting: bool) -> Items | None:
        if not self._is_table(X, fitting):
            return None
        if isinstance(X, Items) and X.columns is not None:
            items = X
            if fitting:
                self.n_features_in_, self.columns_ = len(X.columns), X.columns
                self.feature_names_in_ = np.array(X.columns.names, dtype=object)
            elif X.columns != self.columns_:
                assert self.columns_ is not None
                if X.frame is None:
                    raise DataError(f"{X.source}: its columns are not those that the model learnt from")
                values = tables.encode_frame(X.frame, self.columns_, X.source)
                items = replace(X, values=values, columns=self.columns_)
        elif tables.is_frame(X):
            validate_data(self, X, reset=fitting, skip_check_array=True)  # names and number of columns
            items = tables.frame_to_items(X, None if fitting else self.columns_)
            self.columns_ = items.columns
        else:
            assert self.columns_ is not None
            check_plain(self.columns_, "an array; expected a data frame, since")
            values = X.values if isinstance(X, Items) else X
            values = validate_data(self, values, reset=False, dtype=np.float64)
            items = Items(values, "NF", columns=self.columns_)
        if not len(items):
            raise DataError(f"{items.source}: holds no rows")
        check_complete(items, self.tool)
        return items

    def _is_table(self, X: Any, fitting: bool) -> bool:
        if self.axes not in (None, "NF"):
            return False
        if not fitting:
            return self.columns_ is not None
        return X.columns is not None if isinstance(X, Items) else tables.is_frame(X)

    def seen(self, items: Items) -> Items:
        """The items as they are before they are scaled: of a table with cells of any type its features, float32."""
        if self.features_ is None:
            return items
        shape = (len(items), self.features_.size)
        values = allocate(math.prod(shape), np.dtype(np.float32)).reshape(shape)
        for start in range(0, len(items), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            self.features_.forward(items.values[part], out=values[part])
        return replace(items, values=values, columns=None, frame=None)

    def _as_frame(self, features: np.ndarray, index: Any) -> Any:
        """Rebuilt features (N, D) of a table as a data frame."""
        assert self.features_ is not None
        return tables.decode_frame(self.features_.inverse(features), self.features_.columns, index)

    def _document(self) -> dict[str, Any]:
        return {**super()._document(), "table": None if self.features_ is None else self.features_.to_dict()}

    def _restore(self, tensors: dict[str, np.ndarray], document: dict[str, Any]) -> None:
        super()._restore(tensors, document)
        if self.columns_ is not None:
            self.features_ = Features.from_dict(document["table"], self.columns_)
            if self.features_.size != self.channels_:
                raise ValueError(f"{self.features_.size} features of the table for {self.channels_} of the network")


def check_complete(items: Items, tool: str) -> None:
    """DataError where cells of a table are missing, in columns where any was known."""
    assert items.columns is not None
    known = np.array([not column.empty for column in items.columns])
    missing = np.isnan(items.values) if items.frame is None else items.frame.isna().to_numpy()
    counts = missing.sum(axis=0) * known
    if counts.any():
        first = int((counts > 0).argmax())
        more = int((counts > 0).sum()) - 1
        raise DataError(
            f"{items.source}: column {items.columns[first].name!r} has {counts[first]} missing value(s)"
            + (f", and {more} other column(s) have some" if more else "")
            + f"; {tool}s need complete data: fill them first, as with narrows fill"
        )
