"""Masks of tables, which depend only on the table, the mechanism and the seed.

`mcar`: every cell with the same probability. `mar`, as Muzellec et al. 2020 (https://arxiv.org/abs/2002.03860) do:
three tenths of the columns, at random, stay visible; a cell of another column is hidden with a probability that is
logistic in a random linear combination of the visible columns of its row, another one for each column, whose standard
deviation is 1. Its intercept is set so that 30 % of all cells of the table are hidden, too.
"""

import zlib
from typing import Literal, get_args

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit

Mechanism = Literal["mcar", "mar"]
MECHANISMS: tuple[Mechanism, ...] = get_args(Mechanism)
SHARE = 0.3  # of all cells
VISIBLE = 0.3  # of the columns, at least one


def hidden_cells(table: pd.DataFrame, mechanism: Mechanism, seed: int) -> np.ndarray:
    """bool (rows, columns), True where hidden; some cell of each row and of each column stays visible."""
    names = "/".join(map(str, table.columns))
    generator = np.random.default_rng([seed, MECHANISMS.index(mechanism), zlib.crc32(names.encode())])
    hidden = generator.random(table.shape) < SHARE if mechanism == "mcar" else _depending(table, generator)
    for axis in (0, 1):
        for place in np.flatnonzero(hidden.all(axis=axis)):
            spared = generator.integers(hidden.shape[axis])
            hidden[(spared, place) if axis == 0 else (place, spared)] = False
    return hidden


def _depending(table: pd.DataFrame, generator: np.random.Generator) -> np.ndarray:
    rows, columns = table.shape
    visible = generator.permutation(columns)[: max(1, int(VISIBLE * columns))]
    causes = pd.get_dummies(table.iloc[:, visible]).to_numpy(float)
    causes = (causes - causes.mean(axis=0)) / causes.std(axis=0)
    share = SHARE * columns / (columns - len(visible))
    hidden = np.zeros(table.shape, bool)
    for column in np.setdiff1d(np.arange(columns), visible):
        logits = causes @ generator.standard_normal(causes.shape[1])
        logits /= logits.std()
        intercept = brentq(lambda shift, logits=logits: expit(logits + shift).mean() - share, -50, 50)
        hidden[:, column] = generator.random(rows) < expit(logits + intercept)
    return hidden
