"""Tables in data frames: what is learnt of them, coded, filled and decoded."""

import numpy as np
import pytest

from narrows.data.tables import frames as tables
from narrows.errors import DataError

from ..made_up_tables import every_type

pd = pytest.importorskip("pandas")


def same_known_cells(before, after):
    """Every cell that is known in `before` is the same in `after`, types, order and index as well."""
    assert after.index.equals(before.index)
    assert after.index.name == before.index.name
    assert after.columns.equals(before.columns)
    assert (after.dtypes == before.dtypes).all()
    for name in before:
        known = before[name].notna()
        pd.testing.assert_series_equal(after[name][known], before[name][known])


def test_filling_fills_holes_and_nothing_else():
    frame = every_type()
    untouched = frame.copy(deep=True)
    columns = tables.infer_columns(frame)
    codes = tables.encode_frame(frame, columns)
    np.testing.assert_array_equal(np.isnan(codes), frame.isna())
    guesses = np.where(np.isnan(codes), np.random.default_rng(0).normal(3, 9, codes.shape), codes)
    filled = tables.fill_frame(frame, guesses, columns)
    same_known_cells(frame, filled)
    pd.testing.assert_frame_equal(frame, untouched)
    assert filled.columns[filled.isna().any()].tolist() == ["nothing", "None"]
    for name in ("Int64", "UInt8", "int64[pyarrow]", "numbers in objects"):
        assert filled[name].between(frame[name].min(), frame[name].max()).all()
    for name in ("str", "string", "text in objects", "ordered", "intervals"):
        assert set(filled[name]) <= set(frame[name].dropna()) | {"never"}
    assert (filled["days"] == filled["days"].dt.normalize()).all()
    assert {type(cell) for cell in filled["dates in objects"]} == {type(frame["dates in objects"].dropna().iloc[0])}
    assert {type(cell) for cell in filled["booleans in objects"]} == {bool}


def test_what_is_coded_is_decoded():
    frame = every_type().drop(columns="intervals")
    columns = tables.infer_columns(frame)
    back = tables.decode_frame(tables.encode_frame(frame, columns), columns, frame.index)
    pd.testing.assert_frame_equal(back, frame)


def test_a_type_without_room_for_holes_gives_way():
    frame = pd.DataFrame({"n": [1, 2], "b": [True, False], "u": np.array([1, 2], np.uint8)})
    back = tables.decode_frame(np.full((2, 3), np.nan), tables.infer_columns(frame))
    assert back.dtypes.astype(str).tolist() == ["Int64", "boolean", "UInt8"]
    assert back.isna().all(axis=None)


def test_a_table_in_parts_is_learnt_as_one():
    frame = every_type()
    parts = [frame.iloc[start : start + 7] for start in range(0, len(frame), 7)]
    assert tables.infer_columns(iter(parts)) == tables.infer_columns(frame)
    with pytest.raises(DataError, match="different columns"):
        tables.infer_columns([frame, frame.iloc[:, 1:]])
    with pytest.raises(DataError, match="no rows"):
        tables.infer_columns([])


def test_one_row_and_one_column():
    frame = pd.DataFrame({"only": ["a"]})
    (column,) = columns = tables.infer_columns(frame)
    assert column.constant
    pd.testing.assert_frame_equal(tables.decode_frame(tables.encode_frame(frame, columns), columns), frame)
    missing = pd.DataFrame({"only": pd.Series([None, None], dtype=object)})
    assert tables.fill_frame(missing, np.zeros((2, 1)), columns)["only"].tolist() == ["a", "a"]
    assert tables.fill_frame(missing, np.full((2, 1), np.nan), columns).isna().all(axis=None)


def test_rows_that_are_all_missing():
    frame = pd.DataFrame({"x": [1.0, None], "c": ["a", None]})
    columns = tables.infer_columns(frame)
    filled = tables.fill_frame(frame, np.zeros((2, 2)), columns)
    assert filled.values.tolist() == [[1.0, "a"], [0.0, "a"]]


def test_categories_never_seen_stay_and_have_no_code():
    columns = tables.infer_columns(pd.DataFrame({"c": ["a", "b", "a"], "k": pd.Categorical(["x", "y", "x"])}))
    other = pd.DataFrame({"c": ["z", None, "b"], "k": pd.Categorical(["z", None, "y"])})
    np.testing.assert_array_equal(tables.encode_frame(other, columns), [[np.nan, np.nan], [np.nan, np.nan], [1, 1]])
    filled = tables.fill_frame(other, np.zeros((3, 2)), columns)
    assert filled["c"].tolist() == ["z", "a", "b"]
    assert filled["k"].tolist() == ["z", "x", "y"]  # a category that it had not


def test_identifiers_and_rare_categories_are_left_out():
    many = [f"name {number}" for number in range(500)]
    often = [f"town {number % 300}" for number in range(500)]
    few = ["odd one"] + ["usual"] * 499
    frame = pd.DataFrame({"name": many, "town": often, "few": few, "some": [*map(str, range(20))] * 24 + ["x"] * 20})
    frame.loc[499, "some"] = "once"
    columns = tables.infer_columns(frame)
    assert columns[0].categories == ()
    assert columns[0].empty
    assert len(columns[1].categories) == 200  # 100 of the 300 occur once
    assert columns[2].categories == ("odd one", "usual")
    assert "once" not in columns[3].categories
    twice = pd.DataFrame({"c": [f"{number}" for number in range(400)] * 2 + ["7"]})
    assert len(tables.infer_columns(twice)[0].categories) == tables.MAX_CATEGORIES
    assert "7" in tables.infer_columns(twice)[0].categories


def test_more_values_than_are_counted_at_a_time(monkeypatch):
    monkeypatch.setattr(tables, "MAX_COUNTED", 64)
    parts = (pd.DataFrame({"c": [f"{part}-{n}" for n in range(50)] + ["often"] * 50}) for part in range(20))
    assert tables.infer_columns(parts)[0].categories == ("often",)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([1, "a"], "column 'bad' holds cells of the types int, str"),
        ([[1], [2]], "column 'bad' holds cells of the types list"),
        ([{"a": 1}, None], "column 'bad' holds cells of the types dict"),
        ([b"a", b"b"], "column 'bad' holds bytes"),
        ([1.0, np.inf], "column 'bad' holds infinity"),
        (pd.array([1.0, np.inf], "Float64"), "column 'bad' holds infinity"),
        (pd.to_timedelta([1, 2], unit="D"), "column 'bad' holds durations"),
        ([1j, 2j], "column 'bad' holds complex"),
        (pd.arrays.SparseArray([0, 1]), "column 'bad' is sparse"),
    ],
)
def test_columns_that_cannot_be_learnt_are_named(cells, message):
    cells = cells if not isinstance(cells, list) or isinstance(cells[1], float) else pd.Series(cells, dtype=object)
    with pytest.raises(DataError, match=message) as caught:
        tables.infer_columns(pd.DataFrame({"good": [1, 2], "bad": cells}))
    assert "\n" not in str(caught.value)


def test_columns_are_matched_by_name():
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    columns = tables.infer_columns(frame)
    for other, message in (
        (frame[["a"]], "no column 'b'"),
        (frame[["b", "a"]], "another order"),
        (frame.assign(c=1), "not trained on column 'c'"),
        (frame.assign(a="x"), "column 'a' holds category cells"),
    ):
        with pytest.raises(DataError, match=message):
            tables.encode_frame(other, columns)
    with pytest.raises(DataError, match="two columns have the name 'a'"):
        tables.infer_columns(pd.DataFrame([[1, 2]], columns=["a", "a"]))


def test_integers_made_floats_by_holes_are_filled_with_integers():
    columns = tables.infer_columns(pd.DataFrame({"n": [1, 2, 9]}))
    filled = tables.fill_frame(pd.DataFrame({"n": [1.0, np.nan, 2.0]}), np.full((3, 1), 3.7), columns)
    assert filled["n"].tolist() == [1.0, 4.0, 2.0]


def test_selected_items_keep_the_rows_of_their_frame():
    items = tables.frame_to_items(pd.DataFrame({"a": [1, 2, 3], "b": list("xyz")})).select([2, 0])
    assert items.frame.values.tolist() == [[3, "z"], [1, "x"]]
    assert items.values.tolist() == [[3, 2], [1, 0]]
