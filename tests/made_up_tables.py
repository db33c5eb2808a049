"""Tables with cells of every type."""

import datetime

import numpy as np
import pandas as pd


def people(count: int = 60, seed: int = 0) -> pd.DataFrame:
    """A complete table whose columns depend on two hidden numbers, with an index of names."""
    rng = np.random.default_rng(seed)
    z, k = rng.normal(size=count), rng.integers(0, 3, count)
    return pd.DataFrame(
        {
            "age": (40 + 10 * z).round().astype(int),
            "income": np.exp(8 + 1.2 * z + 0.1 * rng.normal(size=count)),
            "sex": np.where(k == 0, "m", "f"),
            "town": pd.Categorical(np.array(["Aix", "Bonn", "Cork"])[k], categories=["Cork", "Aix", "Bonn"]),
            "smoker": z > 0,
            "born": pd.Timestamp("2000-01-01") - pd.to_timedelta((z * 3000).round(), unit="D"),
            "always": "x",
        },
        index=pd.Index([f"row {number}" for number in range(count)], name="who"),
    )


def every_type(count: int = 50, seed: int = 0) -> pd.DataFrame:
    """A column of each type that pandas has for what can be learnt; holes where the type has room for them."""
    rng = np.random.default_rng(seed)
    letters, numbers = rng.choice(["a", "b", "c"], count), rng.integers(0, 9, count)
    days = pd.Series(pd.date_range("2020-01-01", periods=count))
    dates = pd.Series([datetime.date(2020, 1, 1) + datetime.timedelta(int(n)) for n in numbers], dtype=object)

    def holes(cells: object) -> pd.Series:
        series = pd.Series(cells)  # type: ignore[call-overload]
        series[rng.random(count) < 0.3] = None
        return series

    return pd.DataFrame(
        {
            "float64": holes(rng.normal(size=count)),
            "float32": holes(rng.normal(size=count).astype(np.float32)),
            "Float64": holes(pd.array(rng.normal(size=count), "Float64")),
            "int64": numbers,
            "uint8": numbers.astype(np.uint8),
            "Int64": holes(pd.array(numbers, "Int64")),
            "UInt8": holes(pd.array(numbers, "UInt8")),
            "int64[pyarrow]": holes(pd.array(numbers, "int64[pyarrow]")),
            "bool": numbers > 4,
            "boolean": holes(pd.array(numbers > 4, "boolean")),
            "str": holes(pd.array(letters, "str" if pd.__version__ >= "3" else "string")),
            "string": holes(pd.array(letters, "string")),
            "text in objects": holes(pd.Series(letters, dtype=object)),
            "numbers in objects": holes(pd.Series([int(n) for n in numbers], dtype=object)),
            "booleans in objects": holes(pd.Series([bool(n > 4) for n in numbers], dtype=object)),
            "dates in objects": holes(dates),
            "ordered": holes(pd.Categorical(letters, categories=["c", "a", "never", "b"], ordered=True)),
            "integers as categories": holes(pd.Categorical(numbers)),
            "intervals": holes(pd.cut(rng.normal(size=count), 3)),
            "days": holes(days),
            "hours in Berlin": holes(pd.date_range("2020-01-01", periods=count, freq="h", tz="Europe/Berlin")),
            "timestamp[pyarrow]": holes(days.astype("timestamp[us][pyarrow]")),
            "nothing": np.full(count, np.nan),
            "None": pd.Series([None] * count, dtype=object),
        },
    ).set_index(pd.Index(2 * np.arange(count) + 5, name="id"))
