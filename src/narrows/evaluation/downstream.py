"""How well labels can be predicted from codes, compared with PCA of the same size and with the raw data."""

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
from narrows.evaluation import peers, trained_model
from narrows.evaluation.summary import Summary
from narrows.models.autoencoder_model import AutoencoderModel

MAX_ITEMS = 10_000
MAX_VALUES = 2**26  # of codes and raw data of all items together
NEIGHBOURS = 5
SQUARED_NORM = 10.0
MAX_ITERATIONS = 300


@dataclass(frozen=True)
class Accuracy:
    """Share of correctly predicted labels, by a linear classifier and by the 5 nearest neighbours."""

    linear: float
    neighbours: float


@dataclass(frozen=True)
class DownstreamEvaluation:
    """Accuracy of predicted labels; None where items are too large for it.

    Parameters
    ----------
    items : int
        Number of classified items, drawn at random if there were more than 10,000 or than fit in memory.
    classes : int
        Number of different labels.
    majority : float
        Share of the most frequent label: the accuracy of always predicting it.
    codes, raw, pca : Accuracy or None
        Accuracy with codes, with the items' own values, and with PCA.
    components : int
        Number of components of the PCA, as many as a code has numbers.
    no_pca : str or None
        Why there is no PCA.
    """

    items: int
    classes: int
    majority: float
    codes: Accuracy
    raw: Accuracy | None
    pca: Accuracy | None
    components: int
    no_pca: str | None

    def summary(self) -> Summary:
        """Return the figures as tables."""
        columns = {"codes": self.codes, f"PCA-{self.components}": self.pca, "raw data": self.raw}
        shown = {name: column for name, column in columns.items() if column is not None}
        kinds = (("linear", "linear classifier"), ("neighbours", "5 nearest"))
        rows = [
            ("right labels", *shown, "most frequent"),
            *(
                (name, *(f"{getattr(column, kind):.2%}" for column in shown.values()), f"{self.majority:.2%}")
                for kind, name in kinds
            ),
        ]
        note = f"{self.classes} labels of {self.items:,} items; trained on one half, tested on the other"
        return Summary([], rows, note)


def evaluate_downstream(model: AutoencoderModel, items: Items, labels: Any) -> DownstreamEvaluation:
    """Predict the labels of items from their codes, from PCA of the same size and from raw data.

    The items are divided into two halves with the labels in equal shares. Classifiers and PCA are fitted to each half
    and tested on the other.

    Parameters
    ----------
    model : AutoencoderModel or fitted Autoencoder
        The model.
    items : Items
        N items of one size.
    labels : array-like of shape (N,)
        Integers or text.

    Returns
    -------
    DownstreamEvaluation
        The accuracies.

    Raises
    ------
    DataError
        If the items have different sizes, labels are missing or do not fit the items, all labels are equal, or a label
        has fewer than 5 items.
    """
    model = trained_model(model)
    if not items.uniform:
        raise DataError(
            "its items have different sizes, and so have their codes; classifiers need as many numbers of each item",
            source=items.source,
        )
    checked = check_labels(items, labels)
    first = items.select([0])
    values, size = math.prod(model.network_inputs(first).item_shape), np.asarray(model.encode(first)).shape[1]
    with_raw = values <= peers.LARGEST_PCA
    count = max(1, min(len(items), MAX_ITEMS, MAX_VALUES // (size + values * with_raw)))
    chosen = np.sort(np.random.default_rng(0).permutation(len(items))[:count])
    names, classes, counts = np.unique(checked[chosen], return_inverse=True, return_counts=True)
    check_classes(items, names, counts)
    items = items.select(chosen)
    inputs = model.network_inputs(items)
    halves = list(StratifiedKFold(2, shuffle=True, random_state=0).split(classes, classes))
    no_pca = peers.pca_obstacle(inputs, size, count)
    codes, raw, pca = [], [], []
    rows = np.asarray(model.encode(items))
    pixels = model.scaling.forward(inputs.values).reshape(count, values) if with_raw else None
    for train, test in halves:
        task = classes[train], classes[test]
        codes.append(accuracy(rows[train], rows[test], *task))
        if pixels is not None:
            raw.append(accuracy(pixels[train], pixels[test], *task))
            if no_pca is None:
                fitted = peers.fit_pca(pixels[train], size)
                pca.append(accuracy(fitted.transform(pixels[train]), fitted.transform(pixels[test]), *task))
    shares = [len(test) / count for _, test in halves]
    return DownstreamEvaluation(
        items=count,
        classes=len(names),
        majority=float(counts.max() / count),
        codes=weighted_mean(codes, shares),
        raw=weighted_mean(raw, shares) if raw else None,
        pca=weighted_mean(pca, shares) if pca else None,
        components=size,
        no_pca=no_pca,
    )


def check_labels(items: Items, labels: Any) -> np.ndarray:
    """Return the labels as an array (N,); DataError if there is not one for each item."""
    labels = np.asarray(labels)
    if labels.shape != (len(items),):
        skipped = f" ({len(items.skipped)} more could not be read)" * bool(items.skipped)
        found = f"{len(labels)} labels" if labels.ndim == 1 else f"labels of shape {labels.shape}"
        raise DataError(f"{found} for {len(items)} items{skipped}; expected one for each", source=items.source)
    for index, label in enumerate(labels.tolist()):
        if label is None or label != label or label == "":
            raise DataError(f"the label of item {index} is missing; leave such items out", source=items.source)
    checked: np.ndarray = labels.astype(str) if labels.dtype.kind == "O" else labels
    return checked


def check_classes(items: Items, names: np.ndarray, counts: np.ndarray) -> None:
    """Raise DataError if labels, each of so many items, leave nothing to learn."""
    if len(names) == 1:
        raise DataError(f"all items have the label {names[0]}; classifiers need two or more", source=items.source)
    rarest = counts.argmin()
    if counts[rarest] < NEIGHBOURS:
        raise DataError(
            f"the label {names[rarest]} is on {counts[rarest]} of {counts.sum()} items; "
            f"expected at least {NEIGHBOURS} of each label",
            source=items.source,
        )


def accuracy(train: np.ndarray, test: np.ndarray, train_labels: np.ndarray, test_labels: np.ndarray) -> Accuracy:
    """Return the accuracy of classifiers trained on features (N, F) and tested on features (M, F).

    The features are centred and divided by one number, so that their relative scales stay. The number gives them a
    mean squared norm at which scikit-learn's penalty on large weights costs little accuracy on digits, whether from
    codes, PCA or pixels.
    """
    centre = train.mean(axis=0)
    squared_norm = float(np.square(train - centre).sum(axis=1).mean())
    scale = math.sqrt(SQUARED_NORM / squared_norm) if squared_norm else 1.0
    train, test = (train - centre) * scale, (test - centre) * scale
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # further iterations do not change the accuracy
        linear = LogisticRegression(max_iter=MAX_ITERATIONS, tol=1e-3).fit(train, train_labels)
    neighbours = KNeighborsClassifier(NEIGHBOURS).fit(train, train_labels)
    return Accuracy(float(linear.score(test, test_labels)), float(neighbours.score(test, test_labels)))


def weighted_mean(accuracies: list[Accuracy], shares: list[float]) -> Accuracy:
    """Return the accuracy over parts of the items, each with its share of them."""
    pairs = list(zip(accuracies, shares, strict=True))
    return Accuracy(sum(a.linear * share for a, share in pairs), sum(a.neighbours * share for a, share in pairs))
