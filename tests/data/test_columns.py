import json

import numpy as np
import pytest

from narrows.data import Column, Columns
from narrows.errors import DataError, FormatError

COLUMNS = Columns(
    (
        Column("x", "number", "float64", low=-1.0, high=2.5),
        Column("n", "integer", "Int64", low=1.0, high=9.0),
        Column("b", "boolean", "bool", low=0.0, high=1.0),
        Column("c", "category", "category", ("lo", 2, True), ordered=True, low=0.0, high=2.0),
        Column("d", "date", "datetime64[us]", low=10.0, high=20.0, date_only=True),
        Column("t", "date", "datetime64[us]", low=10.0, high=20.0),
        Column("nothing", "number", "float64"),
    )
)


def test_json_there_and_back():
    assert Columns.from_dict(json.loads(json.dumps(COLUMNS.to_dict()))) == COLUMNS


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        [{"name": "x"}],
        [{**COLUMNS.to_dict()[0], "kind": "colour"}],
        [{**COLUMNS.to_dict()[0], "low": "x"}],
        [{**COLUMNS.to_dict()[0], "low": None}],
        [{**COLUMNS.to_dict()[0], "high": -5.0}],
        [{**COLUMNS.to_dict()[0], "high": float("inf")}],
        [{**COLUMNS.to_dict()[0], "categories": ["a"]}],
        [{**COLUMNS.to_dict()[3], "categories": ["a", "a"]}],
        [{**COLUMNS.to_dict()[3], "categories": [["a"]]}],
        [{**COLUMNS.to_dict()[3], "ordered": "yes"}],
        [COLUMNS.to_dict()[0], COLUMNS.to_dict()[0]],
    ],
)
def test_documents_that_are_no_columns_are_refused(document):
    with pytest.raises(FormatError, match="columns of the table"):
        Columns.from_dict(document)


def test_of_plain_arrays():
    X = np.array([[1.5, np.nan], [2.0, np.nan]])
    one, other = Columns.of_array(X)
    assert (one.name, one.kind, one.dtype, one.low, one.high) == ("x0", "number", "float64", 1.5, 2.0)
    assert other.empty
    assert [column.kind for column in Columns.of_array(np.array([[1], [2]], np.uint8))] == ["integer"]
    assert [column.kind for column in Columns.of_array(np.array([[True], [True]]))] == ["boolean"]
    with pytest.raises(DataError, match="numbers, of shape"):
        Columns.of_array(np.array([["a"]]))


def test_possible_codes_are_those_of_cells():
    codes = np.array([[7.25, 0.3, 0.6, 7.0, 10.4, 10.4, 1.0], [np.nan] * 7, [-9.0, 4.6, 0.4, -1.0, 99.0, 9.0, 1.0]])
    found = COLUMNS.nearest_valid(codes)
    np.testing.assert_array_equal(found[0], [7.25, 1, 1, 2, 10, 10.4, np.nan])
    assert np.isnan(found[1]).all()
    np.testing.assert_array_equal(found[2], [-9, 5, 0, 0, 20, 10, np.nan])
