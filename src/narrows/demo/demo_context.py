"""What the demo's sections share: the digits, training, PCA, and files."""

import lzma
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.decomposition import PCA

from narrows.artifacts import atomic
from narrows.corruption import Noise
from narrows.data import Items
from narrows.data.formats import images
from narrows.estimators.autoencoder import Autoencoder
from narrows.estimators.codec import Codec
from narrows.estimators.denoiser import Denoiser
from narrows.estimators.imputer import Imputer
from narrows.progress import training_bar
from narrows.render.blocks import ImageFile, Link, Table
from narrows.render.item_rows import DPI
from narrows.render.style import Figure

# Seconds of training for each model; together they are the demo's time.
SECONDS = {
    "linear": 15.0,
    "conv-nearest": 45.0,
    "conv-transpose": 45.0,
    "lesson-transpose": 30.0,
    "conv-32": 35.0,
    "codec": 50.0,
    "denoiser": 45.0,
    "denoiser-lesson": 15.0,
    "denoiser-blind": 45.0,
    "imputer": 45.0,
}
MAX_COMPONENTS = 196
N_COMPRESSED = 1000  # test digits
BLOCK = 14  # pixels of a side


@dataclass(frozen=True)
class Result:
    """Reconstruction of the test digits by an autoencoder or by PCA.

    code: numbers in the code of one digit. mse: over all test digits, in pixel values of 0..1. examples: (N, Y, X) of
    0..1, the reconstructions to show. model, file: None for PCA.
    """

    name: str
    code: int
    mse: float
    examples: np.ndarray
    model: Autoencoder | None = None
    file: str | None = None

    @property
    def label(self) -> str:
        """What stands beside a row of digits."""
        return f"{self.name}\n{self.code} numbers\nMSE {self.mse:.4f}"

    @property
    def row(self) -> tuple[str | Link, ...]:
        """The row of a table."""
        trained = f"{self.model.training_['seconds']:.0f} s" if self.model is not None else "-"
        return linked(self.name, self.file), str(self.code), f"{self.mse:.4f}", trained


@dataclass(frozen=True)
class Restoration:
    """Test digits with noise or masked pixels, restored.

    before, after: mean squared error in pixel values of 0..1, over all pixels or the hidden ones. seconds: of training.
    examples: (N, Y, X) of 0..1, the restored digits to show.
    """

    name: str
    before: float
    after: float
    seconds: float
    examples: np.ndarray
    file: str

    @property
    def label(self) -> str:
        """What stands beside a row of digits."""
        return f"{self.name}\nMSE {self.after:.4f}"


@dataclass(frozen=True)
class DemoContext:
    """The digits and a folder for what is made of them.

    training, test: digits of 0..255 with labels. say: prints a line about each finished step. progress: whether to show
    progress bars. pace: factor of all training times. results: groups of results, in the order of the sections.
    """

    training: Items
    test: Items
    folder: Path
    say: Callable[[str], None]
    progress: bool = False
    pace: float = 1.0
    results: list[list[Result]] = field(default_factory=list)

    @cached_property
    def shown(self) -> list[int]:
        """Indices of the test digits that figures show, one for each label."""
        labels = self.test.labels
        assert labels is not None
        return [int(np.argmax(labels == label)) for label in np.unique(labels)]

    @cached_property
    def examples(self) -> Items:
        """The test digits that figures show."""
        return self.test.select(self.shown)

    @cached_property
    def originals(self) -> np.ndarray:
        """The test digits that figures show, (N, Y, X) of 0..1."""
        return self.examples.values / 255

    @cached_property
    def _pca(self) -> PCA:
        # The components of a smaller PCA are the first of a larger one.
        return PCA(MAX_COMPONENTS, svd_solver="covariance_eigh").fit(flat(self.training))

    def find(self, name: str, code: int) -> Result:
        """Return the result of that name and size of code."""
        return next(each for group in self.results for each in group if (each.name, each.code) == (name, code))

    def fit(self, key: str, name: str, model: Any, items: Items | None = None) -> str:
        """Fit a model for its seconds, to the training digits by default, save it, and return its file name."""
        model.set_params(minutes=self.pace * SECONDS[key] / 60)
        with training_bar(self.progress, name) as report:
            model.fit(self.training if items is None else items, report=report)
        model.save(self.folder / f"{key}.safetensors")
        return f"{key}.safetensors"

    def reconstruct(self, key: str, name: str, model: Autoencoder) -> Result:
        """Train an autoencoder and reconstruct the test digits."""
        file = self.fit(key, name, model)
        mse, examples = -model.score(self.test), model.reconstruct(self.examples) / 255
        result = Result(name, math.prod(model.code_shape_), mse, examples, model, file)
        self._say_mse(f"{name}, code {result.code}", mse, model.training_["seconds"])
        return result

    def compare_pca(self, n_components: int) -> tuple[Result, Result]:
        """Reconstruct the test digits by PCA: as it is, and with its values clipped to 0..1."""
        mean, axes = self._pca.mean_, self._pca.components_[:n_components]
        x = flat(self.test)
        back = (x - mean) @ axes.T @ axes + mean
        examples = back[self.shown].reshape(self.originals.shape)
        plain = Result("PCA", n_components, float(((back - x) ** 2).mean()), examples)
        mse = float(((back.clip(0, 1) - x) ** 2).mean())
        clipped = Result("PCA, clipped", n_components, mse, examples.clip(0, 1))
        for result in (plain, clipped):
            self._say_mse(f"{result.name}, code {result.code}", result.mse)
        return plain, clipped

    def compress(self, codec: Codec, quality: float | None) -> tuple[float, str, np.ndarray]:
        """Compress test digits at a quality, None for lossless: bytes per digit, fidelity, and the shown digits."""
        items = self.test.select(slice(0, N_COMPRESSED))
        blob, shown = (
            codec.compress(each, lossless=quality is None, quality=quality) for each in (items, self.examples)
        )
        error = np.mean((codec.decompress(blob) / 255 - items.values / 255) ** 2)
        fidelity = f"{-10 * np.log10(error):.1f} dB" if error else "exact"
        return len(blob) / len(items), fidelity, codec.decompress(shown) / 255

    def sizes_without_learning(self) -> dict[str, float]:
        """Return bytes per digit of the same digits uncompressed and in general formats."""
        items = self.test.select(slice(0, N_COMPRESSED)).values
        pngs = sum(len(images.encode(item, "PNG")) for item in items)
        return {
            "uncompressed": items[0].nbytes,
            "PNG, a file each": pngs / len(items),
            "xz, all in one file": len(lzma.compress(items.tobytes(), preset=9)) / len(items),
        }

    def denoise(self, key: str, name: str, model: Denoiser, training: Items, noisy: Items) -> Restoration:
        """Train a denoiser on some items and denoise the noisy test digits."""
        file = self.fit(key, name, model, training)
        clean, before, after = flat(self.test), flat(noisy), flat(model.transform(noisy))
        mse = [float(((values - clean) ** 2).mean()) for values in (before, after)]
        examples = after[self.shown].reshape(self.originals.shape)
        self._say_mse(name, mse[1], model.training_["seconds"])
        return Restoration(name, mse[0], mse[1], model.training_["seconds"], examples, file)

    def fill(self, name: str, model: Imputer, masked: Items, file: str) -> Restoration:
        """Fill masked test digits; before, the mean digit stands in their masks."""
        assert masked.mask is not None
        hidden = masked.mask.reshape(len(masked), -1)
        truth, mean, filled = flat(self.test), flat(self.training).mean(axis=0), flat(model.transform(masked))
        mse = [float(((values - truth)[hidden] ** 2).mean()) for values in (mean, filled)]
        examples = filled[self.shown].reshape(self.originals.shape)
        self._say_mse(f"imputer, {name}", mse[1], what="hidden pixels")
        return Restoration(name, mse[0], mse[1], model.training_["seconds"], examples, file)

    def save(self, name: str, figure: Figure, alt: str, caption: str) -> ImageFile:
        """Save a figure as `name`.png."""
        file = f"{name}.png"
        with atomic.replacing(self.folder / file) as temporary:
            figure.savefig(temporary, format="png", dpi=DPI)
        width, height = (figure.get_size_inches() * DPI).astype(int).tolist()
        return ImageFile(file, (width, height), alt, caption)

    def _say_mse(self, name: str, mse: float, seconds: float | None = None, what: str = "") -> None:
        trained = "" if seconds is None else f"  trained for {seconds:.0f} s"
        self.say(f"{name:32}  test MSE {mse:.4f}{f' of {what}' if what else ''}{trained}")


def restoration_table(restorations: list[Restoration]) -> Table:
    """Return errors before and after, side by side."""
    rows = [
        (linked(each.name, each.file), f"{each.before:.4f}", f"{each.after:.4f}", f"{each.seconds:.0f} s")
        for each in restorations
    ]
    return Table(("", "MSE before", "MSE after", "Training"), [rows])


def linked(name: str, file: str | None) -> str | Link:
    """Return a name, with a link to its file where it has one."""
    return name if file is None else Link(name, file)


def flat(items: Items) -> np.ndarray:
    """Return pixels of 0..255 as rows of 0..1, (N, Y * X) float32."""
    return items.values.reshape(len(items), -1).astype(np.float32) / 255


def with_noise(items: Items, noise: str, seed: int) -> Items:
    """Return digits with noise, clipped to 0..255 and rounded, as from a camera."""
    noisy = Noise.parse(noise).add(torch.from_numpy(flat(items)), torch.Generator().manual_seed(seed), clip=True)
    return replace(items, values=noisy.mul_(255).round_().to(torch.uint8).numpy().reshape(items.values.shape))


def with_blocks(items: Items, seed: int) -> Items:
    """Return digits with a square masked at a random place in each."""
    height, width = items.item_shape
    corners = np.random.default_rng(seed).integers(0, (height - BLOCK + 1, width - BLOCK + 1), (len(items), 2))
    rows, columns = (np.arange(size) - corners[:, axis, None] for axis, size in enumerate((height, width)))
    inside = [(along >= 0) & (along < BLOCK) for along in (rows, columns)]
    return replace(items, mask=inside[0][:, :, None] & inside[1][:, None, :])
