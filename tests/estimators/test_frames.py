"""Data frames of several libraries, names that are no texts, and masked arrays."""

import pickle
from datetime import date

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from narrows import Autoencoder, Codec, Denoiser, Imputer
from narrows.errors import DataError, ParameterError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3)).cumsum(axis=1)
HOLES = RNG.random(X.shape) < 0.15
HOLED = np.where(HOLES, np.nan, X)
PICTURES = (np.linspace(20, 200, 30)[:, None, None] * np.linspace(0.5, 1, 12)[:, None].repeat(12, 1)).astype(np.uint8)


def frames():
    floats = {"a": HOLED[:, 0], "b": HOLED[:, 1], "c": HOLED[:, 2]}
    texts = [None if hole else "high" if x > 0 else "low" for hole, x in zip(HOLES[:, 0], X[:, 1], strict=True)]
    whole = [None if hole else round(10 * x) for hole, x in zip(HOLES[:, 1], X[:, 2], strict=True)]
    days = [
        None if hole else date(2024, 1, 1 + round(abs(x)) % 28) for hole, x in zip(HOLES[:, 2], X[:, 1], strict=True)
    ]
    mixed = {**floats, "text": texts, "whole": whole}
    return {
        "polars": pl.DataFrame({**mixed, "day": pl.Series(days, dtype=pl.Date)}, nan_to_null=True),
        "polars categories": pl.DataFrame({**mixed}, nan_to_null=True).with_columns(
            pl.col("text").cast(pl.Categorical)
        ),
        "polars small types": pl.DataFrame({**mixed}, nan_to_null=True).with_columns(
            pl.col("whole").cast(pl.Int16), pl.col("a").cast(pl.Float32)
        ),
        "pyarrow": pa.table({name: pa.array(column, from_pandas=True) for name, column in mixed.items()}),
        "pandas": pd.DataFrame(mixed, index=pd.Index(range(5, 85), name="row")),
        "pandas texts of pyarrow": pd.DataFrame({"text": texts, "a": HOLED[:, 0]}).convert_dtypes(
            dtype_backend="pyarrow"
        ),
        "pandas numbered": pd.DataFrame(HOLED),
        "pandas numbered and mixed": pd.DataFrame({0: HOLED[:, 0], "b": HOLED[:, 1], 2: texts}),
        "pandas levels": pd.DataFrame(HOLED, columns=pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)])),
    }


def schema(frame):
    if isinstance(frame, pd.DataFrame):
        return type(frame), list(frame.columns), list(frame.dtypes), list(frame.index)
    return type(frame), frame.schema


def n_missing(frame):
    if isinstance(frame, pl.DataFrame):
        return sum(frame.null_count().row(0))
    return (
        sum(column.null_count for column in frame.columns)
        if isinstance(frame, pa.Table)
        else int(frame.isna().sum().sum())
    )


@pytest.mark.parametrize("name", frames())
def test_a_frame_comes_back_as_it_came_but_complete(name):
    frame = frames()[name]
    imputer = Imputer(epochs=2).fit(frame)
    filled = imputer.transform(frame)
    assert schema(filled) == schema(frame)
    assert (n_missing(frame) > 0, n_missing(filled)) == (True, 0)
    (sample,) = imputer.sample(frame, 1)
    assert schema(sample) == schema(frame)
    assert type(Imputer(epochs=2, add_indicator=True).fit_transform(frame)) is type(frame)
    autoencoder = Autoencoder(code=2, epochs=30).fit(filled)
    assert autoencoder.transform(filled).shape == (80, 2)
    again = autoencoder.reconstruct(filled)
    assert type(again) is type(frame)
    copied = pickle.loads(pickle.dumps(autoencoder))
    for codes in (autoencoder.transform(filled), autoencoder.transform(filled).tolist()):
        decoded = copied.inverse_transform(codes)
        assert schema(decoded)[:3] == schema(filled)[:3]
        assert len(decoded) == 80
    assert len(autoencoder.score_samples(filled)) == 80


def test_a_lazy_frame_is_to_be_collected():
    with pytest.raises(DataError, match="LazyFrame is no data frame in memory; collect it first"):
        Imputer(epochs=1).fit(frames()["polars"].lazy())


@pytest.mark.parametrize("kind", [np.float64, np.int32], ids=str)
def test_masked_cells_of_a_table_are_holes(kind):
    values = np.where(HOLES, -9999, 10 * X).astype(kind)
    masked = np.ma.array(values, mask=HOLES)
    filled = Imputer(epochs=2).fit_transform(masked)
    assert filled.dtype == kind
    assert not np.ma.isMaskedArray(filled)
    assert filled.min() > -100
    np.testing.assert_array_equal(filled[~HOLES], values[~HOLES])


@pytest.mark.parametrize("kind", [np.uint8, np.float32], ids=str)
@pytest.mark.parametrize("as_list", [False, True])
def test_masked_pixels_are_holes(kind, as_list):
    mask = RNG.random(PICTURES.shape) < 0.1
    masked = np.ma.array(np.where(mask, 255, PICTURES).astype(kind), mask=mask)
    given = list(masked) if as_list else masked
    imputer = Imputer(epochs=8).fit(given)
    filled = np.asarray(imputer.transform(given))
    np.testing.assert_array_equal(filled[~mask], PICTURES[~mask])
    assert filled[mask].mean() < 230


@pytest.mark.parametrize(
    "tool", [Autoencoder(epochs=1), Denoiser(epochs=1), Codec(epochs=1)], ids=lambda tool: tool.tool
)
def test_other_tools_refuse_masked_values(tool):
    with pytest.raises(DataError, match="missing values"):
        tool.fit(np.ma.masked_greater(PICTURES, 150))
    tool.fit(np.ma.array(PICTURES)) if tool.tool == "codec" else None


def test_other_tools_refuse_masked_values_later():
    codec = Codec(epochs=1).fit(PICTURES)
    with pytest.raises(DataError, match="missing values"):
        codec.compress(np.ma.masked_greater(PICTURES, 150), lossless=True)


@pytest.mark.parametrize("name", ["polars", "polars small types", "pyarrow"])
def test_uncertainty_is_of_real_numbers_in_every_column(name):
    frame = frames()[name]
    model = Imputer(epochs=2).fit(frame)
    found = model.uncertainty(frame)
    assert type(found) is type(frame)
    types = found.schema.types if name == "pyarrow" else found.dtypes
    assert {str(each).lower().replace("float32", "float") for each in types} == {"float"}


def test_frames_without_rows_are_refused():
    frame = frames()["pandas"]
    with pytest.raises(ValueError, match="has no rows"):
        Imputer(epochs=2).fit(frame).transform(frame.head(0))


def test_a_mask_as_y_is_refused():
    with pytest.raises(ParameterError, match="a mask as y would be ignored"):
        Imputer(epochs=2).fit_transform(X, HOLES)


@pytest.mark.parametrize("tool", [Imputer(epochs=1), Autoencoder(epochs=1)], ids=lambda tool: tool.tool)
@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame(X, columns=["a", "b", "a"]), "two columns have the name 'a'"),
        (pd.DataFrame(X, columns=[1, "1", 2]), "two columns have the name '1'"),
        (pl.DataFrame({"a": X[:, 0], "b": pl.Series([7] * 80, dtype=pl.Int128)}), "holds a type that pyarrow"),
        (pd.DataFrame({"a": pd.array(["x"] * 80, pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string())))}), "convert it"),
    ],
    ids=str,
)
def test_frames_that_cannot_be_read_are_refused_in_a_line(tool, frame, message):
    with pytest.raises(DataError, match=message):
        tool.fit(frame)


def test_one_column_has_deviations():
    frame = pd.DataFrame({"a": HOLED[:, 0]})
    deviations = Imputer(epochs=1).fit(frame).uncertainty(frame)
    assert ((deviations > 0) == frame.isna()).all(axis=None)


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame], ids=lambda library: library.__module__)
@pytest.mark.parametrize("way", ["mark", "mask"])
def test_whole_numbers_beyond_those_of_floats_stay(library, way):
    ids = 2**60 + 3 * np.arange(80)
    mask = np.zeros((80, 3), bool)
    mask[[3, 9], 0] = True
    frame = library({"id": np.where(mask[:, 0], -1, ids) if way == "mark" else ids, "a": X[:, 0], "b": X[:, 1]})
    imputer = Imputer(epochs=1, missing_values={"id": -1}).fit(frame)
    filled = imputer.transform(frame, mask if way == "mask" else None)
    assert filled["id"].dtype == frame["id"].dtype
    known = ~mask[:, 0]
    assert (filled["id"].to_numpy()[known] == ids[known]).all()
    assert (filled["id"].to_numpy()[~known] >= ids.min()).all()
