import json

import numpy as np
import pytest

from narrows.data import Column, Columns
from narrows.data.tables.features import Features, needs_transform
from narrows.errors import FormatError

N = 4000
RNG = np.random.default_rng(0)
NORMAL = RNG.normal(10, 3, N)
INCOME = np.exp(RNG.normal(8, 1.5, N))
COUNTS = np.floor(np.exp(RNG.normal(1, 1.2, N)))
TOWN = RNG.choice(4, N, p=[0.7, 0.2, 0.1, 0]).astype(float)
VALUES = np.column_stack([NORMAL, INCOME, COUNTS, RNG.random(N) > 0.9, TOWN, np.full(N, 3.0), np.full(N, np.nan)])


def column(name, kind, values, **details):
    known = values[~np.isnan(values)]
    ends = (float(known.min()), float(known.max())) if len(known) else (None, None)
    return Column(name, kind, "float64", low=ends[0], high=ends[1], **details)


COLUMNS = Columns(
    (
        column("normal", "number", VALUES[:, 0]),
        column("income", "number", VALUES[:, 1]),
        column("counts", "integer", VALUES[:, 2]),
        column("rare", "boolean", VALUES[:, 3]),
        column("town", "category", VALUES[:, 4], categories=tuple("abcd")),
        column("constant", "number", VALUES[:, 5]),
        column("empty", "number", VALUES[:, 6]),
    )
)


def test_there_and_back():
    features = Features.learn(VALUES, COLUMNS)
    x = features.forward(VALUES)
    assert x.shape == (N, features.size) == (N, 8)
    np.testing.assert_allclose(features.inverse(x), VALUES, rtol=1e-6)


def test_features_are_of_one_size():
    """Each column has the variance 1, a category in all of its features together."""
    x = Features.learn(VALUES, COLUMNS).forward(VALUES)
    np.testing.assert_allclose(x.mean(0), 0, atol=1e-9)
    np.testing.assert_allclose(x[:, :4].var(0), 1, rtol=1e-6)
    assert x[:, 4:].var(0).sum() == pytest.approx(1)


def test_heavy_tails_are_bent():
    assert needs_transform(INCOME)
    assert needs_transform(-INCOME)
    assert needs_transform(RNG.standard_t(2, N))
    assert not needs_transform(NORMAL)
    assert not needs_transform(RNG.random(N))
    assert not needs_transform((RNG.random(N) > 0.99).astype(float))
    x = Features.learn(VALUES, COLUMNS).forward(VALUES)
    assert np.abs(x[:, 1]).max() < 5
    assert np.abs((INCOME - INCOME.mean()) / INCOME.std()).max() > 10


def test_the_way_back_stays_in_the_observed_range():
    features = Features.learn(VALUES, COLUMNS)
    far = np.tile([[100.0], [-100.0]], (1, features.size))
    values = features.inverse(far)
    assert values[:, 1].tolist() == [INCOME.max(), INCOME.min()]
    assert values[:, 2].tolist() == [COUNTS.max(), COUNTS.min()]


def test_a_cell_without_a_code_is_the_mean():
    features = Features.learn(VALUES, COLUMNS)
    assert not features.forward(np.full((1, 7), np.nan)).any()


def test_json_there_and_back():
    features = Features.learn(VALUES, COLUMNS)
    again = Features.from_dict(json.loads(json.dumps(features.to_dict())), COLUMNS)
    np.testing.assert_array_equal(again.forward(VALUES), features.forward(VALUES))


@pytest.mark.parametrize(
    ("place", "change"),
    [(0, {"scale": [0.0]}), (0, {"mean": []}), (4, {"mean": [0.5], "scale": [1.0]}), (1, {"bend": [[2, 1], [0, 1]]})],
)
def test_documents_that_are_no_features_are_refused(place, change):
    document = Features.learn(VALUES, COLUMNS).to_dict()
    document[place] |= change
    with pytest.raises(FormatError, match="features of the table"):
        Features.from_dict(document, COLUMNS)
    with pytest.raises(FormatError):
        Features.from_dict(document[1:], COLUMNS)
