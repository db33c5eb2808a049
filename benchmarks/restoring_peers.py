"""Peers for denoising and imputation, each with the settings that are tried.

An image is (Y, X) float32, in 0..1 apart from its noise, and NaN where values are missing. `restore` returns a complete
image. Imputation peers are registered with `narrows.evaluation.peers`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

import numpy as np

from narrows.evaluation.peers import ImputationPeer, peers, register_peer

Settings = Mapping[str, Any]
Family = Literal["digits", "photographs"]
PACKAGES = ("scikit-image", "PyWavelets", "bm3d", "scipy")


@dataclass(frozen=True, eq=False)
class Peer:
    """A method that restores images.

    choices: the values that each setting is tried at; the search starts from the first of each.
    tuning, tests: how many training items the search sees at most, and on how many test items the peer is measured.
    whole: further settings where a picture has all cores for itself. package: what it needs beside scikit-image.
    """

    name: str
    restore: Callable[..., np.ndarray]
    choices: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    tuning: int = 200
    tests: int = 10_000
    whole: Settings = field(default_factory=dict)
    package: str = "scikit-image"

    def shortened(self) -> "Peer":
        """Return the same peer with a minimal search and few items."""
        choices = {name: values[:2] for name, values in self.choices.items()}
        return replace(self, choices=choices, tuning=2, tests=4)


@dataclass(frozen=True, eq=False)
class Tuned:
    """A peer at its best settings; its pictures become slope * picture + shift, in 0..1."""

    peer: Peer
    settings: Settings
    slope: float = 1.0
    shift: float = 0.0

    def restored(self, given: np.ndarray, pool: Executor) -> np.ndarray:
        """(N, Y, X) as the peer restores them."""
        return self.corrected(restored(self.peer, self.settings, given, pool))

    def corrected(self, pictures: np.ndarray) -> np.ndarray:
        return np.clip(self.slope * pictures + self.shift, 0, 1)

    def __str__(self) -> str:
        settings = [f"{name} {value}" for name, value in self.settings.items()]
        if (self.slope, self.shift) != (1, 0):
            settings.append(f"then {self.slope:.3f} x {self.shift:+.3f}")
        return ", ".join(settings)


def tuned(peer: Peer, clean: np.ndarray, given: np.ndarray, affine: bool, pool: Executor) -> Tuned:
    """Return the peer with the settings of the lowest MSE on noisy training items.

    One setting after the other takes its best value, until none changes. With `affine`, what it gives is mapped by the
    line that suits the training items best.
    """
    places = spread(len(given), peer.tuning)
    clean, given = clean[places], given[places]
    tried: dict[tuple[Any, ...], tuple[float, Tuned]] = {}

    def attempt(settings: dict[str, Any]) -> tuple[float, Tuned]:
        key = tuple(settings.values())
        if key not in tried:
            pictures, slope, shift = restored(peer, settings, given, pool), 1.0, 0.0
            if affine:
                slope, shift = np.polyfit(pictures.ravel().astype(float), clean.ravel().astype(float), 1).tolist()
            result = Tuned(peer, settings, slope, shift)
            tried[key] = float(np.square(result.corrected(pictures) - clean, dtype=float).mean()), result
        return tried[key]

    best = attempt({name: values[0] for name, values in peer.choices.items()})
    while True:
        before = best
        for name, values in peer.choices.items():
            attempts = (attempt({**best[1].settings, name: value}) for value in values)
            best = min(attempts, key=lambda outcome: outcome[0])
        if best is before:
            return best[1]


def restored(peer: Peer, settings: Settings, given: np.ndarray, pool: Executor) -> np.ndarray:
    """Return the peer's output (N, Y, X), computed by all processes of the pool."""
    parts = np.array_split(given, min(len(given), 8))
    return np.concatenate(list(pool.map(partial(one_by_one, peer.restore, dict(settings)), parts)))


def one_by_one(restore: Callable[..., np.ndarray], settings: Settings, given: Iterable[np.ndarray]) -> np.ndarray:
    return np.stack([restore(picture, **settings) for picture in given]).astype(np.float32)


def spread(count: int, wanted: int) -> np.ndarray:
    """As many of `count` places, evenly spread, or all where there are no more."""
    return np.linspace(0, count - 1, min(count, wanted)).round().astype(int)


def library(package: str) -> str | None:
    """The version of an installed package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def bm3d(picture: np.ndarray, sigma: float, threads: int = 1) -> np.ndarray:
    """An image as BM3D denoises it; one of three channels, (Y, X, 3), as CBM3D does."""
    from bm3d import BM3DProfile, bm3d_rgb
    from bm3d import bm3d as bm3d_grey

    denoise = bm3d_grey if picture.ndim == 2 else bm3d_rgb
    profile = BM3DProfile()  # its default, 'np'
    profile.num_threads = threads
    return denoise(picture, sigma, profile)


def non_local_means(picture: np.ndarray, **settings: Any) -> np.ndarray:
    from skimage.restoration import denoise_nl_means

    return denoise_nl_means(picture, **settings)


def total_variation(picture: np.ndarray, weight: float) -> np.ndarray:
    from skimage.restoration import denoise_tv_chambolle

    return denoise_tv_chambolle(picture, weight)


def wavelets(picture: np.ndarray, shifts: int, **settings: Any) -> np.ndarray:
    """The mean over shifts of the picture by 0 to `shifts` pixels along each axis (Coifman & Donoho 1995)."""
    from skimage.restoration import cycle_spin, denoise_wavelet

    return cycle_spin(picture, denoise_wavelet, shifts, func_kw=settings, workers=1)


def fill_biharmonic(values: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Return an image filled by the biharmonic equation."""
    from skimage.restoration import inpaint_biharmonic

    return inpaint_biharmonic(np.nan_to_num(values), ~observed)


register_peer(ImputationPeer("biharmonic", fill_biharmonic))


def impute(picture: np.ndarray, name: str) -> np.ndarray:
    """Return an image filled by a registered imputation peer."""
    return peers(ImputationPeer)[name].fill(picture, ~np.isnan(picture))


def filled(picture: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(picture), values, picture)


def denoisers(sigma: float, family: Family) -> list[Peer]:
    """Return the denoising peers for Gaussian noise; each is given the standard deviation.

    Clipping reduces the noise of digits, so smaller standard deviations are tried as well.
    """
    digits = family == "digits"
    shares = (0.7, 1.0, 0.85, 0.6, 0.5, 0.4, 0.3, 0.2) if digits else (1.0, 0.9, 1.1, 1.2)
    sigmas = [round(share * sigma, 5) for share in shares]
    heights = [round(share * sigma, 5) for share in (0.6, 0.3, 0.4, 0.5, 0.7, 0.85, 1.0)]
    return [
        Peer(
            "non-local means",
            non_local_means,
            {
                "h": heights,
                "sigma": [*sigmas, 0.0],
                "patch_size": (5, 3, 7, 9),
                "patch_distance": (6, 4, 9, 13),
                "fast_mode": (True, False),
            },
            tuning=60 if digits else 4,
            tests=1000,
        ),
        Peer(
            "total variation",
            total_variation,
            {"weight": [round(share * sigma, 5) for share in (0.8, 0.4, 0.5, 0.6, 0.7, 0.9, 1.0, 1.2, 1.5)]},
            tuning=200 if digits else 8,
        ),
        Peer(
            "wavelets",
            wavelets,
            {
                "method": ("BayesShrink", "VisuShrink"),
                "mode": ("soft", "hard"),
                "sigma": [*sigmas, *(round(share * sigma, 5) for share in (() if digits else (0.85, 0.7, 0.5)))],
                "wavelet": ("sym4", "db1", "db2", "db3", "db4", "bior4.4"),
                "shifts": (0, 1, 3, 7),
            },
            tuning=100 if digits else 8,
            tests=1000,
            package="PyWavelets",
        ),
        Peer(
            "BM3D",
            bm3d,
            {"sigma": sigmas},
            tuning=40 if digits else 8,
            tests=200,
            whole={"threads": 0},
            package="bm3d",
        ),
    ]


def fillers(mean: np.ndarray | None) -> list[Peer]:
    """Return the imputation peers; `mean` (Y, X) is that of the training items, if they are aligned."""
    found = [
        Peer("biharmonic", partial(impute, name="biharmonic"), tests=1000),
        Peer("nearest value", partial(impute, name="nearest"), package="scipy"),
    ]
    return (
        found if mean is None else [*found, Peer("mean training digit", partial(filled, values=mean), package="numpy")]
    )
