"""How much of a simple task survives the squeeze: labels told from codes, from PCA of the same size, from raw data."""

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier

from narrows.data import Items
from narrows.errors import DataError
from narrows.estimators.autoencoder import Autoencoder
from narrows.evaluation.reconstruction_evaluation import LARGEST_PCA, PCA_VALUES, fit_pca, why_no_pca

MOST_ITEMS = 10_000
NEIGHBOURS = 5
SQUARED_NORM = 10.0
STEPS = 300


@dataclass(frozen=True)
class Accuracy:
    """Share of the items whose label is told right by a linear classifier, and by the 5 nearest neighbours."""

    linear: float
    neighbours: float


@dataclass(frozen=True)
class Downstream:
    """How well labels are told; None where items are too large for it.

    items: how many were classified, drawn at random where there were more than 10,000, or than memory would hold.
    classes, majority: different labels, and the share of the most frequent one, which needs no look at an item.
    codes, raw: accuracy on codes, and on the items' own values.
    pca, components, no_pca: accuracy on PCA of so many components as a code has numbers, or the reason for none.
    """

    items: int
    classes: int
    majority: float
    codes: Accuracy
    raw: Accuracy | None
    pca: Accuracy | None
    components: int
    no_pca: str | None


def evaluate_downstream(model: Autoencoder, items: Items, labels: Any) -> Downstream:
    """Tell the labels (N,), integers or text, of the items from their codes, beside raw data and PCA.

    The items are cut into two halves with the labels in equal shares. Classifiers and PCA are fit on either half, and
    asked about the other. DataError where the items have different sizes, where labels do not fit them or are missing,
    and where there is one label alone or fewer than 5 items of one.
    """
    if not items.uniform:
        raise DataError(
            f"{items.source}: its items have different sizes, and so have their codes; "
            f"classifiers need as many numbers of each item"
        )
    checked = check_labels(items, labels)
    first = items.select([0])
    values, size = math.prod(model.seen(first).item_shape), model.transform(first).shape[1]
    with_raw = values <= LARGEST_PCA
    count = max(1, min(len(items), MOST_ITEMS, PCA_VALUES // (size + values * with_raw)))
    chosen = np.sort(np.random.default_rng(0).permutation(len(items))[:count])
    names, classes, counts = np.unique(checked[chosen], return_inverse=True, return_counts=True)
    check_classes(items, names, counts)
    items = items.select(chosen)
    seen = model.seen(items)
    halves = list(StratifiedKFold(2, shuffle=True, random_state=0).split(classes, classes))
    no_pca = why_no_pca(seen, size, count)
    codes, raw, pca = [], [], []
    rows = model.transform(items)
    pixels = model.scaling_.forward(seen.values).reshape(count, values) if with_raw else None
    for fit, test in halves:
        task = classes[fit], classes[test]
        codes.append(accuracy(rows[fit], rows[test], *task))
        if pixels is not None:
            raw.append(accuracy(pixels[fit], pixels[test], *task))
            if no_pca is None:
                components = fit_pca(pixels[fit], size)
                pca.append(accuracy(components.transform(pixels[fit]), components.transform(pixels[test]), *task))
    shares = [len(test) / count for _, test in halves]
    return Downstream(
        items=count,
        classes=len(names),
        majority=float(counts.max() / count),
        codes=mean(codes, shares),
        raw=mean(raw, shares) if raw else None,
        pca=mean(pca, shares) if pca else None,
        components=size,
        no_pca=no_pca,
    )


def check_labels(items: Items, labels: Any) -> np.ndarray:
    """The labels as an array (N,); DataError where there is not one for each item."""
    labels = np.asarray(labels)
    if labels.shape != (len(items),):
        skipped = f" ({len(items.skipped)} more could not be read)" * bool(items.skipped)
        found = f"{len(labels)} labels" if labels.ndim == 1 else f"labels of shape {labels.shape}"
        raise DataError(f"{items.source}: {found} for {len(items)} items{skipped}; expected one for each")
    for index, label in enumerate(labels.tolist()):
        if label is None or label != label or label == "":
            raise DataError(f"{items.source}: the label of item {index} is missing; leave such items out")
    return labels.astype(str) if labels.dtype.kind == "O" else labels


def check_classes(items: Items, names: np.ndarray, counts: np.ndarray) -> None:
    """DataError where labels, each on so many items, leave nothing to learn."""
    if len(names) == 1:
        raise DataError(f"{items.source}: all items have the label {names[0]}; telling labels takes two of them")
    rarest = counts.argmin()
    if counts[rarest] < NEIGHBOURS:
        raise DataError(
            f"{items.source}: the label {names[rarest]} is on {counts[rarest]} of {counts.sum()} items; "
            f"expected at least {NEIGHBOURS} of each label"
        )


def accuracy(fit: np.ndarray, test: np.ndarray, fit_labels: np.ndarray, test_labels: np.ndarray) -> Accuracy:
    """Of classifiers fit on the features `fit` (N, F) and their labels (N,), when asked about `test` (M, F).

    The features are centred and divided by one number, so that what one weighs beside another stays as it is. The
    number gives them a mean squared norm at which scikit-learn's penalty on large weights costs little accuracy on
    digits, be they codes, components of PCA or pixels.
    """
    centre = fit.mean(axis=0)
    squared_norm = float(np.square(fit - centre).sum(axis=1).mean())
    scale = math.sqrt(SQUARED_NORM / squared_norm) if squared_norm else 1.0
    fit, test = (fit - centre) * scale, (test - centre) * scale
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # after so many steps accuracy does not change
        linear = LogisticRegression(max_iter=STEPS, tol=1e-3).fit(fit, fit_labels)
    neighbours = KNeighborsClassifier(NEIGHBOURS).fit(fit, fit_labels)
    return Accuracy(float(linear.score(test, test_labels)), float(neighbours.score(test, test_labels)))


def mean(accuracies: list[Accuracy], shares: list[float]) -> Accuracy:
    """Over parts of the items, each with its share of them."""
    pairs = list(zip(accuracies, shares, strict=True))
    return Accuracy(sum(a.linear * share for a, share in pairs), sum(a.neighbours * share for a, share in pairs))
