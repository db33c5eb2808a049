"""Labels are predicted from codes as accurately as by scikit-learn; errors say why they cannot be."""

import dataclasses

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from narrows import Autoencoder, DataError, data
from narrows.data import Items
from narrows.evaluation import downstream
from narrows.evaluation.downstream import evaluate_downstream

from ..made_up import table, waves


@pytest.fixture(scope="module")
def digits():
    return data.read("digits:test")


@pytest.fixture(scope="module")
def model():
    return Autoencoder("linear", code=8, epochs=20).fit(data.read("digits"))


def test_accuracies_are_those_of_scikit_learn(model, digits):
    found = evaluate_downstream(model, digits, digits.labels)
    assert (found.items, found.classes, found.components, found.no_pca) == (898, 10, 8, None)
    assert found.majority == np.bincount(digits.labels).max() / 898
    halves = StratifiedKFold(2, shuffle=True, random_state=1)
    codes, pixels = model.transform(digits), digits.values.reshape(898, -1) / 31
    for features, accuracy in ((codes, found.codes), (pixels, found.raw)):
        for classifier, share in (
            (LogisticRegression(max_iter=5000), accuracy.linear),
            (KNeighborsClassifier(5), accuracy.neighbours),
        ):
            expected = cross_val_score(classifier, features, digits.labels, cv=halves).mean()
            assert share == pytest.approx(expected, abs=0.03)  # of other halves
    assert found.majority < 0.2 < 0.7 < found.pca.linear < found.raw.linear


def test_labels_that_have_nothing_to_do_with_items_are_not_told(model, digits):
    """No classifier has seen the labels that it predicts."""
    found = evaluate_downstream(model, digits, np.random.default_rng(0).integers(0, 2, len(digits)))
    for accuracy in (found.codes, found.raw, found.pca):
        assert 0.4 < accuracy.linear < 0.6
        assert 0.4 < accuracy.neighbours < 0.6


def test_labels_are_integers_or_text_in_any_order(model, digits):
    expected = evaluate_downstream(model, digits, digits.labels)
    words = np.array([f"label {number}" for number in digits.labels])
    for labels in (words, words.astype(object), list(words), digits.labels.astype(float)):
        assert evaluate_downstream(model, digits, labels) == expected


def test_rows_of_a_table():
    X = table(200)
    model = Autoencoder("linear", code=3, epochs=40).fit(X)
    found = evaluate_downstream(model, Items.from_array(X), X[:, 0] > X[:, 0].mean())
    assert min(found.codes.linear, found.raw.linear, found.pca.linear) > 0.8 > found.majority


def test_cells_that_are_no_numbers(tmp_path):
    """Text is a feature; names, which occur once each, are not."""
    pytest.importorskip("pandas")
    file = tmp_path / "people.csv"
    file.write_text("\n".join(["name,place,age", *(f"p{i},{'ab'[i % 2]},{20 + i}" for i in range(60))]))
    items = data.read(str(file))
    found = evaluate_downstream(Autoencoder(code=2, epochs=100).fit(items), items, np.arange(60) % 2)
    assert found.raw.linear == 1.0


def test_more_items_than_are_needed(model, digits, monkeypatch):
    """In whatever order they come: here by label."""
    monkeypatch.setattr(downstream, "MAX_ITEMS", 300)
    order = np.argsort(digits.labels, kind="stable")
    found = evaluate_downstream(model, digits.select(order), digits.labels[order])
    assert (found.items, found.classes) == (300, 10)
    assert found.codes.linear > 0.6


def test_items_too_large_for_all_but_their_codes(model, digits, monkeypatch):
    monkeypatch.setattr("narrows.evaluation.peers.LARGEST_PCA", 63)
    found = evaluate_downstream(model, digits, digits.labels)
    assert found.raw is found.pca is None
    assert found.no_pca == "items of 64 values are too large for it (at most 63)"
    assert found.codes.linear > 0.6


def test_too_few_items_for_pca(model, digits):
    few = digits.select(digits.labels < 2).select(slice(0, 14))
    assert min(np.bincount(few.labels)) >= 5
    found = evaluate_downstream(model, few, few.labels)
    assert found.pca is None
    assert found.no_pca == "half of 14 items are fewer than the code's 8 components"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda labels: labels[:-1], "digits:test: 897 labels for 898 items; expected one for each"),
        (lambda labels: labels[:, None], "labels of shape (898, 1) for 898 items"),
        (lambda labels: labels * 0, "all items have the label 0"),
        (
            lambda labels: np.where(np.arange(898) < 4, 10, labels),
            "the label 10 is on 4 of 898 items; expected at least 5",
        ),
        (lambda labels: np.where(np.arange(898) == 3, np.nan, labels), "the label of item 3 is missing"),
        (lambda labels: np.where(np.arange(898) == 3, "", labels), "the label of item 3 is missing"),
        (lambda labels: [*labels.tolist()[:-1], None], "the label of item 897 is missing"),
    ],
)
def test_labels_that_do_not_fit(change, words, model, digits):
    with pytest.raises(DataError) as raised:
        evaluate_downstream(model, digits, change(digits.labels.astype(int)))
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_skipped_items_explain_labels_that_are_too_many(model, digits):
    with pytest.raises(DataError, match=r"900 labels for 898 items \(2 more could not be read\)"):
        evaluate_downstream(model, dataclasses.replace(digits, skipped=[("a", ""), ("b", "")]), np.zeros(900))


def test_items_of_different_sizes_have_no_common_code():
    model = Autoencoder("conv", "2x4x4", preset="lesson", epochs=5).fit(waves(40, 16, 16))
    ragged = [*waves(10, 12, 16), *waves(10, 16, 12)]
    with pytest.raises(DataError, match="its items have different sizes"):
        evaluate_downstream(model, Items.from_list(ragged, "YX"), np.arange(20) % 2)
