"""Peers: established methods that models are compared with.

`narrows evaluate`, the report, the viewer and the benchmarks take their peers from here, so that a peer is added in
one place: `register_peer`.
"""

import io
import lzma
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
from PIL import Image, features

from narrows.data import Items
from narrows.data.tables.columns import Column
from narrows.registry import load_plugins

LARGEST_EXACT_PCA = 2_000  # values of an item: above, the components are found by random projection
LARGEST_PCA = 20_000  # values of an item

Options = Mapping[str, Any]


class Projection(Protocol):
    """A fitted reconstruction peer; scikit-learn's transformers are such."""

    def transform(self, rows: np.ndarray) -> np.ndarray:
        """Return codes (N, K) of rows (N, V)."""

    def inverse_transform(self, codes: np.ndarray) -> np.ndarray:
        """Return rows (N, V) from codes (N, K)."""


@dataclass(frozen=True)
class ReconstructionPeer:
    """A method that encodes items in a number of components.

    Parameters
    ----------
    name : str
        Such as "PCA".
    fit : callable
        ``fit(rows, components) -> Projection``, of rows (N, V) in scaled units.
    obstacle : callable
        ``obstacle(items, components, n_items) -> str or None``: why the peer cannot be fitted to half of `n_items` of
        the items; None if it can.
    """

    name: str
    fit: Callable[[np.ndarray, int], Projection]
    obstacle: Callable[[Items, int, int], str | None]


@dataclass(frozen=True)
class ImputationPeer:
    """A method that fills missing values of signals, images and volumes.

    Parameters
    ----------
    name : str
        Such as "nearest".
    fill : callable
        ``fill(values, observed) -> filled``, all of them one channel of an item, (*S); at least one value is observed.
    """

    name: str
    fill: Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class TablePeer:
    """A method that fills a column of a table with one value.

    Parameters
    ----------
    name : str
        Such as "mean or most frequent".
    value : callable
        ``value(observed, column) -> float``, of the observed coded cells (M,) of a column.
    """

    name: str
    value: Callable[[np.ndarray, Column], float]


@dataclass(frozen=True)
class ImagePeer:
    """A codec for images, (Y, X) or (Y, X, 3) uint8.

    Parameters
    ----------
    name : str
        Such as "WebP".
    encode : callable
        ``encode(image, quality, **options) -> bytes``, the contents of a file; lossless if `quality` is None.
    decode : callable
        ``decode(content, shape) -> image``.
    lossless, lossy : tuple of mapping
        Variants of the options, of which the smallest file counts; empty if the codec has no such mode.
    qualities : tuple of float
        All lossy settings that differ, from the lowest to the highest quality.
    mosaic : {"square", "column"}
        How many small images are joined to one: to a square, or one below the other.
    interactive : bool
        Whether encoding is fast enough to wait for.
    available : callable
        Whether the libraries for it are installed.
    """

    name: str
    encode: Callable[..., bytes]
    decode: Callable[[bytes, tuple[int, ...]], np.ndarray]
    lossless: tuple[Options, ...] = ()
    lossy: tuple[Options, ...] = ()
    qualities: tuple[float, ...] = ()
    mosaic: Literal["square", "column"] = "square"
    interactive: bool = True
    available: Callable[[], bool] = field(default=lambda: True, repr=False)

    def lossless_size(self, image: np.ndarray) -> int:
        """Return the bytes of the smallest lossless file."""
        return min(len(self.encode(image, None, **options)) for options in self.lossless)

    def best_within(self, image: np.ndarray, size: int) -> bytes:
        """Return the file of the highest quality that has at most `size` bytes, or of the lowest if none has."""
        options, low, high = self.lossy[0], 0, len(self.qualities)
        best = self.encode(image, self.qualities[low], **options)
        while high - low > 1:
            middle = (low + high) // 2
            content = self.encode(image, self.qualities[middle], **options)
            if len(content) <= size:
                best, low = content, middle
            else:
                high = middle
        return best


@dataclass(frozen=True)
class BytesPeer:
    """A lossless compressor for bytes of any kind.

    Parameters
    ----------
    name : str
        Such as "xz".
    compress : callable
        From bytes to fewer bytes.
    """

    name: str
    compress: Callable[[bytes], bytes]


Peer = ReconstructionPeer | ImputationPeer | TablePeer | ImagePeer | BytesPeer
P = TypeVar("P", bound=Peer)

_PEERS: dict[tuple[type[Peer], str], Peer] = {}


def register_peer(peer: Peer) -> None:
    """Add a peer, or replace the one of that kind and name.

    Parameters
    ----------
    peer : ReconstructionPeer, ImputationPeer, TablePeer, ImagePeer or BytesPeer
        The peer. Its class says what it is compared with.

    Examples
    --------
    >>> import zlib
    >>> register_peer(BytesPeer("zlib", zlib.compress))  # doctest: +SKIP
    """
    _PEERS[type(peer), peer.name] = peer


def peers(kind: type[P]) -> dict[str, P]:
    """Return the peers of a kind by name, in the order of their registration.

    Parameters
    ----------
    kind : type
        One of the peers' classes.

    Returns
    -------
    dict of str to peer
        Without image codecs whose libraries are missing.

    Examples
    --------
    >>> "nearest" in peers(ImputationPeer)
    True
    """
    load_plugins()
    found = {name: peer for (_, name), peer in _PEERS.items() if isinstance(peer, kind)}
    return {name: peer for name, peer in found.items() if not isinstance(peer, ImagePeer) or peer.available()}


def fit_pca(rows: np.ndarray, components: int) -> Projection:
    """Return the PCA of rows (N, V), exact unless they are long."""
    from sklearn.decomposition import PCA

    solver = "covariance_eigh" if rows.shape[1] <= LARGEST_EXACT_PCA else "randomized"
    fitted: Projection = PCA(components, svd_solver=solver, random_state=0).fit(rows)
    return fitted


def pca_obstacle(items: Items, components: int, n_items: int) -> str | None:
    """Return why half of `n_items` of the items have no PCA of so many components; None if they have."""
    if not items.uniform:
        return "the items have different sizes"
    values = math.prod(items.item_shape)
    if values > LARGEST_PCA:
        return f"items of {values} values are too large for it (at most {LARGEST_PCA})"
    if values < components:
        return f"an item has {values} values, fewer than the code's {components}"
    if n_items // 2 < components:
        return f"half of {n_items} items are fewer than the code's {components} components"
    return None


def fill_with_mean(values: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Return values (*S), the missing ones replaced by the mean of the observed ones."""
    return np.where(observed, values, values[observed].mean())


def fill_with_nearest(values: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Return values (*S), the missing ones replaced by the nearest observed ones."""
    from scipy.ndimage import distance_transform_edt

    nearest: np.ndarray = values[tuple(distance_transform_edt(~observed, return_distances=False, return_indices=True))]
    return nearest


def mean_or_most_frequent(observed: np.ndarray, column: Column) -> float:
    """Return the most frequent of observed codes (M,) of a categorical or boolean column, else their mean."""
    if column.kind not in ("category", "boolean"):
        return float(observed.mean())
    values, counts = np.unique(observed, return_counts=True)
    return float(values[counts.argmax()])


def pillow_encode(image: np.ndarray, quality: float | None, format: str, **options: Any) -> bytes:
    """Return an image as a file of one of Pillow's formats."""
    content = io.BytesIO()
    if quality is not None:
        options["quality"] = int(quality)
    Image.fromarray(image).save(content, format, **options)
    return content.getvalue()


def pillow_decode(content: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """Return the image in a file of one of Pillow's formats."""
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("L" if len(shape) == 2 else "RGB"))


def pillow_peer(format: str, feature: str | None = None, **changes: Any) -> ImagePeer:
    """Return the peer for one of Pillow's formats, with a feature that Pillow may lack."""

    def encode(image: np.ndarray, quality: float | None, **options: Any) -> bytes:
        return pillow_encode(image, quality, format, **options)

    return ImagePeer(
        {"WEBP": "WebP"}.get(format, format),
        encode,
        pillow_decode,
        available=lambda: feature is None or bool(features.check(feature)),
        **changes,
    )


for _peer in (
    ReconstructionPeer("PCA", fit_pca, pca_obstacle),
    ImputationPeer("mean", fill_with_mean),
    ImputationPeer("nearest", fill_with_nearest),
    TablePeer("mean or most frequent", mean_or_most_frequent),
    pillow_peer("JPEG", lossy=({},), qualities=tuple(range(1, 101))),
    pillow_peer("WEBP", "webp", lossless=({"lossless": True},), lossy=({},), qualities=tuple(range(1, 101))),
    pillow_peer("AVIF", "avif", lossy=({},), qualities=tuple(range(1, 101)), interactive=False),
    pillow_peer("PNG", lossless=({"optimize": True},)),
    BytesPeer("xz", lambda content: lzma.compress(content, preset=9)),
):
    register_peer(_peer)
