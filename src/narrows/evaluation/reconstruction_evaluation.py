"""How well an autoencoder reconstructs items, compared with PCA of the same size."""

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from narrows.data import Items, Scaling
from narrows.evaluation import trained_model
from narrows.evaluation.metrics import QualitySum, has_ssim, psnr, scaled_unit, ssim
from narrows.evaluation.peers import ReconstructionPeer, peers
from narrows.evaluation.summary import Evaluation, Summary, data_facts, quality_rows
from narrows.evaluation.table_evaluation import is_categorical
from narrows.models.autoencoder_model import AutoencoderModel
from narrows.models.item_checks import missing_cells

if TYPE_CHECKING:
    from narrows.evaluation.downstream import DownstreamEvaluation

PEER_VALUES = 2**26  # of all items together


@dataclass(frozen=True)
class PeerReconstruction:
    """Figures of a peer on the same items.

    Parameters
    ----------
    components : int
        Number of components, as many as the code has numbers.
    items : int
        How many of the items were used.
    mse : float
        Mean squared error in scaled units.
    psnr : float or None
        In dB; None without a range.
    """

    components: int
    items: int
    mse: float
    psnr: float | None


@dataclass(frozen=True)
class ReconstructionEvaluation(Evaluation):
    """Figures of an autoencoder on items; None where one does not apply.

    Parameters
    ----------
    data, items, seconds
        See `Evaluation`.
    skipped : int
        Number of items that could not be read.
    values, code, positions : float
        Numbers in an item and in its code, and how many of the code are positions of maxima (of unpooling); means
        over the items if their sizes differ.
    unit : str
        What the scaled units are in which `mse` is.
    mse, psnr, ssim : float or None
        Over all values; see `narrows.evaluation.metrics.Quality`.
    wrong : mapping of str to float
        Of a table, for each column of categories or booleans, the share of known cells that come back as another.
    peers : mapping of str to PeerReconstruction or str
        The figures of each peer, or why there are none.
    downstream : DownstreamEvaluation or None
        How well labels can be predicted from the codes; None without labels.
    """

    skipped: int
    values: float
    code: float
    positions: float
    unit: str
    mse: float
    psnr: float | None
    ssim: float | None
    wrong: Mapping[str, float]
    peers: Mapping[str, PeerReconstruction | str]
    downstream: "DownstreamEvaluation | None"

    def summary(self) -> Summary:
        """Return the figures as tables."""
        positions = f", {self.positions:,.0f} of them positions" if self.positions else ""
        facts = data_facts(self.data, self.items, self.seconds, self.skipped)
        facts.append(("code", f"{self.code:,.0f} numbers{positions} for {self.values:,.0f} values"))
        columns: dict[str, Any] = {"model": self}
        for name, found in self.peers.items():
            if isinstance(found, str):
                facts.append((name, f"none: {found}"))
            else:
                columns[f"{name}-{found.components}"] = found
        if self.wrong:
            each = ", ".join(f"{name} {share:.1%}" for name, share in self.wrong.items())
            facts.append(("wrong categories", f"{sum(self.wrong.values()) / len(self.wrong):.1%} ({each})"))
        return Summary(facts, quality_rows(columns), f"mse in scaled units: {self.unit}")

    def summaries(self) -> list[Summary]:
        """Return all figures, a summary for each task."""
        return [self.summary()] + ([] if self.downstream is None else [self.downstream.summary()])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON: for each peer such as PCA its figures, "pca", and why it has none, "no_pca"."""
        document = asdict(self)
        if self.downstream is None:
            del document["downstream"]
        del document["peers"]
        for name, found in self.peers.items():
            reason = found if isinstance(found, str) else None
            document |= {name.lower(): None if isinstance(found, str) else asdict(found), f"no_{name.lower()}": reason}
        return document


def evaluate(model: AutoencoderModel, items: Items, labels: Any = None) -> ReconstructionEvaluation:
    """Encode and decode items and compare.

    Parameters
    ----------
    model : AutoencoderModel or fitted Autoencoder
        The model.
    items : Items
        Items that the model was not trained on.
    labels : array-like of shape (N,), optional
        Labels to predict from the codes, integers or text.

    Returns
    -------
    ReconstructionEvaluation
        The figures of the model and of each `ReconstructionPeer`.

    Raises
    ------
    DataError
        If the items do not fit the model, or the labels the items.
    """
    model, downstream = trained_model(model), None
    items = model.check(items)
    if labels is not None:
        from narrows.evaluation.downstream import evaluate_downstream

        downstream = evaluate_downstream(model, items, labels)
    scaling = model.scaling
    with_ssim = has_ssim(items, scaling)
    squares, similarity, n_values, seconds = 0.0, 0.0, 0, 0.0
    began = time.perf_counter()
    for x, reconstruction in model.reconstruction_pairs(items):
        x, reconstruction = x.cpu(), reconstruction.cpu()
        seconds += time.perf_counter() - began
        squares += float(((reconstruction - x).double() ** 2).nansum())
        n_values += int(x.isfinite().sum())
        if with_ssim:
            similarity += float(ssim(x, reconstruction).double().sum())
        began = time.perf_counter()
    code, positions = code_sizes(model, items)
    mse, inputs = squares / n_values, model.network_inputs(items)
    return ReconstructionEvaluation(
        data=items.source,
        items=len(items),
        seconds=round(seconds, 3),
        skipped=len(items.skipped),
        values=math.prod(inputs.item_shape) if inputs.uniform else n_values / len(items),
        code=code,
        positions=positions,
        unit=scaled_unit(scaling),
        mse=mse,
        psnr=psnr(mse, scaling),
        ssim=similarity / len(items) if with_ssim else None,
        wrong=wrong_categories(model, items),
        peers={
            name: evaluate_peer(peer, inputs, scaling, round(code)) for name, peer in peers(ReconstructionPeer).items()
        },
        downstream=downstream,
    )


def wrong_categories(model: AutoencoderModel, items: Items) -> dict[str, float]:
    """Return for each categorical column of a table the share of known cells that are reconstructed as another."""
    if items.columns is None or not any(map(is_categorical, items.columns)):
        return {}
    found, known = model.reconstruct(items).values, ~missing_cells(items)
    return {
        column.name: float((found[:, place] != items.values[:, place])[known[:, place]].mean())
        for place, column in enumerate(items.columns)
        if is_categorical(column) and known[:, place].any()
    }


def code_sizes(model: AutoencoderModel, items: Items) -> tuple[float, float]:
    """Return how many numbers the code of an item has, and how many are positions; means over the items."""
    if items.shapes is None:
        shapes, counts = np.array([items.item_shape]), np.array([len(items)])
    else:
        shapes, counts = np.unique(items.shapes, axis=0, return_counts=True)
    parts = [model.network.code_shapes(tuple(shape.tolist())) for shape in shapes[:, : items.spatial_dims]]
    sizes = np.array([[sum(map(math.prod, part)), sum(map(math.prod, part[1:]))] for part in parts])
    code, positions = (counts @ sizes / counts.sum()).tolist()
    return code, positions


def evaluate_peer(
    peer: ReconstructionPeer, items: Items, scaling: Scaling, components: int
) -> PeerReconstruction | str:
    """Return the figures of a peer with so many components, or why there are none.

    Each half of the items is reconstructed by the peer fitted to the other half, which like the model has not seen
    them, and clipped to the range if there is one.
    """
    values = math.prod(items.item_shape) if items.uniform else 0
    n_items = min(len(items), PEER_VALUES // max(1, values))
    obstacle = peer.obstacle(items, components, n_items)
    if obstacle is not None:
        return obstacle
    chosen = np.linspace(0, len(items) - 1, n_items).round().astype(int)
    rows = scaling.forward(items.batch(chosen)).reshape(n_items, values)
    quality = QualitySum(scaling, with_ssim=False)
    for training, test in ((rows[::2], rows[1::2]), (rows[1::2], rows[::2])):
        fitted = peer.fit(training, components)
        reconstruction = fitted.inverse_transform(fitted.transform(test))
        quality.add(reconstruction.clip(0, 1) if scaling.is_range else reconstruction, test)
    mse = quality.squares / rows.size
    return PeerReconstruction(components, n_items, mse, psnr(mse, scaling))
