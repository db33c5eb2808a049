"""An example peer: reconstruct items by non-negative matrix factorisation."""

import numpy as np
from sklearn.decomposition import NMF

from narrows.data import Items
from narrows.evaluation.peers import ReconstructionPeer, pca_obstacle, register_peer


def fit(rows: np.ndarray, components: int) -> NMF:
    """Return the factorisation of rows (N, V), which `transform` and `inverse_transform` apply."""
    return NMF(components, init="nndsvda", max_iter=100, random_state=0).fit(rows)


def obstacle(items: Items, components: int, n_items: int) -> str | None:
    """Return why the items cannot be factorised; None if they can."""
    if items.dtype.kind != "u":
        return f"{items.dtype} values may be negative"
    return pca_obstacle(items, components, n_items)


def register() -> None:
    """Compare autoencoders with the factorisation in `narrows evaluate` and reports."""
    register_peer(ReconstructionPeer("NMF", fit, obstacle))
