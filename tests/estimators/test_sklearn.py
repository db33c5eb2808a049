"""The autoencoder, and the imputer of tables, are scikit-learn transformers among others."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from narrows import Autoencoder, NarrowsError, TrainingError

from ..made_up import table, waves

CHECKS = """
from collections import Counter
from sklearn.utils.estimator_checks import check_estimator
from narrows import Autoencoder, Imputer

results = check_estimator({"autoencoder": Autoencoder(epochs=20), "imputer": Imputer(epochs=2)}[NAME], on_fail=None)
for result in results:
    if result["status"] != "passed":
        print(result["check_name"], result["status"], result["exception"])
print(len(results), "checks")
"""


@pytest.mark.parametrize("name", ["autoencoder", "imputer"])
def test_all_checks_of_an_estimator_pass_and_none_is_skipped(name):
    environment = {**os.environ, "SCIPY_ARRAY_API": "1"}  # read when SciPy is imported
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"NAME = {name!r}\n{CHECKS}"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert ran.returncode == 0, ran.stderr
    (line,) = ran.stdout.splitlines()
    assert int(line.removesuffix(" checks")) > 40


def test_in_a_pipeline(mnist):
    """Features of digits serve a classifier, through arrays of three axes."""
    train, test = mnist
    X, y = train.values[:1500], train.labels[:1500]
    features = Autoencoder("linear", code=24, epochs=15)
    pipeline = make_pipeline(features, StandardScaler(), LogisticRegression(max_iter=300)).fit(X, y)
    assert pipeline.score(test.values[:500], test.labels[:500]) > 0.75
    assert pipeline[:2].get_feature_names_out().tolist() == [f"autoencoder{number}" for number in range(24)]


def test_under_grid_search():
    """The score, without any y, prefers the code that is large enough."""
    search = GridSearchCV(Autoencoder("linear", epochs=40), {"code": [1, 3]}, cv=3).fit(table(150))
    assert search.best_params_ == {"code": 3}
    assert -1 < search.best_score_ < 0
    assert search.cv_results_["mean_test_score"][0] < search.best_score_
    ways = {"code": ["4x2x2", (4, 2, 2), np.int64(4)]}
    pictures = GridSearchCV(Autoencoder("conv", epochs=12), ways, cv=2).fit(waves(60, 8, 8))
    assert np.isfinite(pictures.cv_results_["mean_test_score"]).all()
    assert pictures.cv_results_["mean_test_score"][0] == pictures.cv_results_["mean_test_score"][1]


def test_under_cross_validation_with_a_failure():
    noise = np.random.default_rng(0).normal(size=(60, 200))
    with pytest.raises(TrainingError):
        cross_val_score(Autoencoder("linear", code=1, epochs=3), noise, cv=2, error_score="raise")


def test_among_columns():
    X = np.hstack([table(80), np.arange(80.0)[:, None]])
    columns = ColumnTransformer(
        [("codes", Autoencoder("linear", code=3, epochs=20), slice(0, 8))], remainder="passthrough"
    )
    assert columns.fit_transform(X).shape == (80, 4)
    assert columns.get_feature_names_out().tolist() == [
        "codes__autoencoder0",
        "codes__autoencoder1",
        "codes__autoencoder2",
        "remainder__x8",
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_stay_what_they_are(dtype):
    X = table(80, dtype=dtype)
    model = Autoencoder("linear", code=3, epochs=20)
    Z = model.fit_transform(X)
    assert Z.dtype == dtype
    assert model.inverse_transform(Z).dtype == dtype
    np.testing.assert_array_equal(model.transform(X), Z)


def test_a_row_does_not_depend_on_the_rows_beside_it():
    X = table(300)
    model = Autoencoder(code=3, epochs=10).fit(X)
    Z = model.transform(X)
    for rows in ([7], [3, 7], list(range(300))[::-1]):
        np.testing.assert_allclose(model.transform(X[rows]), Z[rows], rtol=1e-10)


@pytest.mark.parametrize(
    "parameters", [{}, {"code": "4x3x3", "architecture": "conv", "axes": "NYX", "random_state": 3}]
)
def test_parameters(parameters):
    model = Autoencoder(**parameters)
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert {**Autoencoder().get_params(), **parameters} == model.get_params()
    assert eval(repr(model), {"Autoencoder": Autoencoder}).get_params() == model.get_params()
    assert not hasattr(copy, "network_")


def test_a_clone_of_a_fitted_model_is_not_fitted():
    model = Autoencoder("linear", code=2, epochs=10).fit(table(60))
    with pytest.raises(NotFittedError):
        clone(model).transform(table(5))


@pytest.mark.parametrize("X", [table(60), waves(60, 12, 12), waves(60, 12, 12, channels=3)], ids=["NF", "NYX", "NYXC"])
def test_pickles(X):
    model = Autoencoder(epochs=12, code=4).fit(X)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(model, protocol))
        np.testing.assert_array_equal(again.transform(X), model.transform(X))
        assert again.history_ == model.history_
        assert again.get_params() == model.get_params()
    assert pickle.loads(pickle.dumps(Autoencoder(code=7))).code == 7


@pytest.mark.parametrize(
    ("model", "X"),
    [
        (Autoencoder("linear", code=3, epochs=20), table(60)),
        (Autoencoder("linear", code=3, epochs=20), waves(60, 8, 8)),
        (Autoencoder("conv", code="2x4x4", epochs=12, upsampling="unpool"), waves(60, 8, 8)),
    ],
)
def test_names_of_features(model, X):
    Z = clone(model).fit_transform(X)
    names = clone(model).fit(X).get_feature_names_out()
    assert len(names) == len(set(names)) == Z.shape[1]


def test_random_states():
    X = table(60)
    one, same, other = (
        Autoencoder("linear", code=3, epochs=10, random_state=seed).fit_transform(X) for seed in (5, np.int64(5), 6)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    drawn = [
        Autoencoder("linear", code=3, epochs=10, random_state=np.random.RandomState(7)).fit_transform(X)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*drawn)
    model = Autoencoder("linear", code=3, epochs=10, random_state=None).fit(X)
    assert 0 <= model.training_["seed"] < 2**31


def test_fitting_again_forgets_the_first_time():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(table(60), columns=list("abcdefgh"))
    model = Autoencoder("linear", code=3, epochs=20).fit(frame)
    assert model.feature_names_in_.tolist() == list("abcdefgh")
    model.fit(waves(60, 8, 8))
    assert not hasattr(model, "feature_names_in_")
    assert model.n_features_in_ == 64
    assert model.transform(waves(3, 8, 8)).shape == (3, 3)
    with pytest.raises(NarrowsError):
        model.transform(table(3))


def test_frames_in_and_out():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(table(60), columns=list("abcdefgh"), index=[f"row {number}" for number in range(60)])
    model = Autoencoder("linear", code=3, epochs=20).set_output(transform="pandas").fit(frame)
    codes = model.transform(frame)
    assert isinstance(codes, pandas.DataFrame)
    assert codes.columns.tolist() == ["autoencoder0", "autoencoder1", "autoencoder2"]
    assert codes.index.equals(frame.index)
    assert model.reconstruct(frame).shape == frame.shape
    pictures = Autoencoder("linear", code=3, epochs=20).set_output(transform="pandas").fit_transform(waves(60, 8, 8))
    assert isinstance(pictures, pandas.DataFrame)


def test_the_wrong_number_of_features():
    model = Autoencoder("linear", code=3, epochs=20).fit(table(60))
    with pytest.raises(ValueError, match="X has 5 features, but Autoencoder is expecting 8 features"):
        model.transform(table(4)[:, :5])
    assert model.n_features_in_ == 8


def test_the_score_is_minus_the_squared_error():
    X = table(100)
    model = Autoencoder("linear", code=3, epochs=40).fit(X)
    scaled = (model.reconstruct(X) - X) / X.std(axis=0)
    assert model.score(X) == pytest.approx(-(scaled**2).mean(), rel=1e-6)
    assert model.score(X, y=np.zeros(100)) == model.score(X)
