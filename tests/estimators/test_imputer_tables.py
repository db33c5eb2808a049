"""The imputer on tables: arrays and data frames with columns of any type."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import KNNImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import narrows
from narrows import DataError, Imputer
from narrows.data import Items

from ..made_up_tables import every_type, people

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def holed(complete: pd.DataFrame, share: float = 0.2, seed: int = 1) -> pd.DataFrame:
    """The table with cells missing; integers and booleans in types that have room for it."""
    frame = complete.astype({"age": "Int64", "smoker": "boolean"})
    return frame.mask(np.random.default_rng(seed).random(frame.shape) < share)


def linear(count: int = 300, seed: int = 0) -> np.ndarray:
    """Three columns that tell one another, and one that tells nothing."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=count)
    return np.column_stack([z, 3 - 2 * z + 0.1 * rng.normal(size=count), np.exp(z), rng.normal(size=count)])


@pytest.fixture(scope="module")
def complete() -> pd.DataFrame:
    return people(200)


@pytest.fixture(scope="module")
def table(complete) -> pd.DataFrame:
    return holed(complete)


@pytest.fixture(scope="module")
def imputer(table) -> Imputer:
    return Imputer(epochs=60).fit(table)


def test_a_frame_comes_back_complete_with_its_types_order_and_index(imputer, table):
    filled = imputer.transform(table)
    assert not filled.isna().any(axis=None)
    pd.testing.assert_series_equal(filled.dtypes, table.dtypes)
    pd.testing.assert_index_equal(filled.index, table.index)
    assert list(filled.columns) == list(table.columns)


def test_known_cells_are_as_they_were(imputer, table):
    filled = imputer.transform(table)
    for name in table:
        known = table[name].notna()
        pd.testing.assert_series_equal(filled[name][known], table[name][known])


def test_columns_of_every_type_pandas_has():
    table = every_type()
    filled = Imputer(epochs=2).fit_transform(table)
    pd.testing.assert_series_equal(filled.dtypes, table.dtypes)
    for name in table:
        known = table[name].notna()
        pd.testing.assert_series_equal(filled[name][known], table[name][known])


def test_filled_cells_are_such_as_were_seen(imputer, table):
    drawn = imputer.sample(table, 3)
    for filled in (imputer.transform(table), *drawn):
        for name in ("age", "income", "born"):
            assert filled[name].min() >= table[name].min()
            assert filled[name].max() <= table[name].max()
        for name in ("sex", "town"):
            assert set(filled[name]) <= set(table[name].dropna())


def test_fillings_are_better_than_the_mean_and_the_most_frequent(imputer, table, complete):
    filled = imputer.transform(table)
    missing = table.isna()
    age = complete["age"][missing["age"]]
    error = (filled["age"][missing["age"]].astype(float) - age).abs().mean()
    assert error < 0.7 * (complete["age"].mean() - age).abs().mean()
    town = missing["town"] & table["sex"].notna()  # the one follows from the other in part
    wrong = (filled["town"][town].astype(str) != complete["town"][town].astype(str)).mean()
    assert wrong < (complete["town"][town] != complete["town"].mode()[0]).mean()


def test_samples_differ_and_are_repeated_by_their_seed(imputer, table):
    first, second = imputer.sample(table, 2, random_state=3)
    assert not first["income"].equals(second["income"])
    pd.testing.assert_frame_equal(imputer.sample(table, 1, random_state=3)[0], first)


def test_samples_hold_what_is_right_about_as_often_as_they_should():
    X = linear(600)
    hidden = np.random.default_rng(2).random(X.shape) < 0.3
    seen = np.where(hidden, np.nan, X)
    drawn = np.stack(Imputer(epochs=60).fit(seen).sample(seen, 100))
    low, high = np.quantile(drawn, [0.05, 0.95], axis=0)
    covered = ((low <= X) & (high >= X))[hidden].mean()
    assert 0.8 < covered < 0.97


def test_the_mode_of_a_skewed_column_lies_below_its_mean():
    rng = np.random.default_rng(0)
    X = np.column_stack([np.exp(1.5 * rng.normal(size=400)), rng.normal(size=400)])
    seen = X.copy()
    seen[:80, 0] = np.nan
    mean = Imputer(epochs=30).fit_transform(seen)[:80, 0]
    mode = Imputer(epochs=30, strategy="mode").fit_transform(seen)[:80, 0]
    assert np.median(mode) < 0.8 * np.median(mean)


def test_saved_and_loaded_it_fills_alike(imputer, table, tmp_path):
    imputer.save(tmp_path / "m.safetensors")
    loaded = narrows.load(tmp_path / "m.safetensors")
    pd.testing.assert_frame_equal(loaded.transform(table), imputer.transform(table))
    pd.testing.assert_frame_equal(loaded.uncertainty(table), imputer.uncertainty(table))


def test_a_row_is_filled_alike_whatever_is_beside_it(imputer, table):
    pd.testing.assert_frame_equal(imputer.transform(table.iloc[7:9]), imputer.transform(table).iloc[7:9])


def test_rows_and_columns_of_which_nothing_is_known(imputer, table):
    nothing = table.iloc[:3].copy()
    nothing.iloc[0] = None
    assert not imputer.transform(nothing.astype(table.dtypes)).isna().any(axis=None)
    empty = table.assign(unknown=np.nan)
    filled = Imputer(epochs=2).fit_transform(empty)
    assert filled["unknown"].isna().all()
    assert not filled.drop(columns="unknown").isna().any(axis=None)


def test_a_category_that_was_never_seen_stays_and_tells_nothing(imputer, table):
    changed = table.iloc[:2].copy()
    changed["town"] = changed["town"].cat.add_categories("Delft")
    changed.loc[changed.index[0], "town"] = "Delft"
    changed.loc[changed.index[0], "sex"] = None
    filled = imputer.transform(changed)
    assert filled["town"].iloc[0] == "Delft"
    assert filled["sex"].iloc[0] in ("m", "f")


def test_one_column_and_one_row():
    column = np.array([[1.0], [2.0], [np.nan], [4.0]] * 10)
    filled = Imputer(epochs=2).fit_transform(column)
    np.testing.assert_allclose(filled[2::4], np.nanmean(column), atol=0.5)
    with pytest.raises(DataError, match="one sample, no column varies"):
        Imputer().fit(np.array([[1.0, np.nan]]))


def test_what_marks_missing_cells():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 9, (100, 3))
    X[:10, 1] = -1
    filled = Imputer(missing_values=-1, epochs=5).fit_transform(X)
    assert filled.dtype == X.dtype
    assert filled.min() >= 0
    frame = pd.DataFrame({"a": rng.integers(0, 9, 100), "b": rng.choice(["u", "v", "?"], 100)})
    filled = Imputer(missing_values="?", epochs=5).fit_transform(frame)
    assert set(filled["b"]) == {"u", "v"}
    pd.testing.assert_series_equal(filled.dtypes, frame.dtypes)
    frame = pd.DataFrame({"a": X[:, 1], "b": X[:, 0]})
    filled = Imputer(missing_values=-1, epochs=5).fit_transform(frame)
    pd.testing.assert_series_equal(filled.dtypes, frame.dtypes)
    assert filled["a"].min() >= 0


def test_a_mask_marks_holes_too(imputer, complete, table):
    whole = complete.astype(table.dtypes)
    mask = np.zeros(whole.shape, bool)
    mask[4, 1] = True
    filled = imputer.transform(whole, mask=mask)
    assert filled["income"].iloc[4] != whole["income"].iloc[4]
    pd.testing.assert_frame_equal(filled.drop(index=filled.index[4]), whole.drop(index=whole.index[4]))


def test_uncertainty_is_about_what_is_missing_alone(imputer, table):
    doubts = imputer.uncertainty(table)
    missing = table.isna().to_numpy()
    varied = [name != "always" for name in table]
    assert (doubts.to_numpy()[~missing] == 0).all()
    assert (doubts.to_numpy()[missing & varied] > 0).all()
    assert doubts["sex"].max() <= 1
    np.testing.assert_array_less(doubts["age"][table["age"].isna()], 20)


def test_it_stands_where_the_nearest_neighbours_stood():
    X = linear()
    y = X @ [1.0, 2.0, 0.5, -1.0]
    X[np.random.default_rng(1).random(X.shape) < 0.2] = np.nan
    for way in (KNNImputer(add_indicator=True), Imputer(epochs=30, add_indicator=True)):
        model = make_pipeline(way, StandardScaler(), LinearRegression()).fit(X[:200], y[:200])
        assert model.score(X[200:], y[200:]) > 0.5
    pandas = Imputer(epochs=3, add_indicator=True).set_output(transform="pandas")
    names = KNNImputer(add_indicator=True).fit(X).get_feature_names_out()
    assert list(pandas.fit_transform(X).columns) == list(names)


def test_an_indicator_survives_the_file(tmp_path):
    X = linear(60)
    X[:5, 2] = np.nan
    imputer = Imputer(epochs=2, add_indicator=True).fit(X)
    imputer.save(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(narrows.load(tmp_path / "m.safetensors").transform(X), imputer.transform(X))


def test_a_column_that_nothing_tells_is_said():
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ConvergenceWarning)
        imputer = Imputer(epochs=30).fit(linear())
    assert any("'x3'" in str(each.message) and "'x0'" not in str(each.message) for each in said)
    seen = np.array([[0.5, 2.0, np.nan, np.nan]])
    np.testing.assert_allclose(imputer.transform(seen)[0, 3], linear()[:, 3].mean(), atol=1e-6)


def test_what_cannot_be_filled_is_said_in_a_line(imputer, table):
    with pytest.raises(ValueError, match="town"):
        imputer.transform(table.drop(columns="town"))
    with pytest.raises(DataError, match="infinit"):
        Imputer().fit(table.assign(income=np.inf))
    with pytest.raises(ValueError, match="infinity"):
        Imputer().fit(np.array([[1.0, np.inf], [2.0, 3.0]]))
    with pytest.raises(ValueError, match="for tables, expected mixed or pixels"):
        Imputer(holes="blocks:0.2").fit(table)
    with pytest.raises(ValueError, match="strategy"):
        Imputer(strategy="median").fit(table)
    with pytest.raises(DataError, match="no column varies"):
        Imputer().fit(pd.DataFrame({"a": [None, None], "b": [1.0, 1.0]}))


def test_items_give_items(imputer, table):
    items = imputer.with_mask(table)
    filled = imputer.transform(items)
    assert isinstance(filled, Items)
    pd.testing.assert_frame_equal(filled.frame, imputer.transform(table))


def test_training_is_repeated_by_its_seed(table):
    once = Imputer(epochs=6).fit(table)
    again = Imputer(epochs=6).fit(table)
    pd.testing.assert_frame_equal(once.transform(table), again.transform(table))


def test_the_score_is_better_where_columns_tell_one_another():
    X = linear()
    noise = np.random.default_rng(5).normal(size=X.shape)
    assert Imputer(epochs=30).fit(X).score(X) > Imputer(epochs=30).fit(noise).score(noise) + 0.2
