"""The workshop of the tour: the digits, and what the chapters do with them: train, compare, draw."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.decomposition import PCA

from narrows import atomic
from narrows.data import Items
from narrows.progress import training_bar
from narrows.show.chapter import Picture, Result
from narrows.show.figures import DPI, Figure
from narrows.tools.autoencoder import Autoencoder

MOST_COMPONENTS = 196


class Workshop:
    """What the chapters of a tour share.

    training, test: digits of 0..255, with labels. folder: where pictures and models go. say: takes a line on each step
    that is finished. progress: whether to show progress bars. pace: times the seconds of every training.
    """

    def __init__(
        self, training: Items, test: Items, folder: Path, say: Callable[[str], None], progress: bool, pace: float = 1.0
    ) -> None:
        self.training, self.test, self.folder = training, test, folder
        self.say, self.progress, self.pace = say, progress, pace
        assert test.labels is not None
        shown = [int(np.argmax(test.labels == label)) for label in np.unique(test.labels)]
        self.examples = test.select(shown)
        self.originals = self.examples.values / 255
        self.results: dict[str, Result] = {}
        self._pca: PCA | None = None

    def train(self, key: str, name: str, seconds: float, **options: Any) -> Result:
        """The result of an autoencoder that was trained for so long, with its model saved as `key`.safetensors."""
        model = Autoencoder(minutes=self.pace * seconds / 60, **options)
        with training_bar(self.progress, name) as report:
            model.fit(self.training, report=report)
        file = f"{key}.safetensors"
        model.save(self.folder / file)
        self.results[key] = Result(
            name=name,
            code=math.prod(model.code_shape_),
            mse=-model.score(self.test),
            seconds=model.training_["seconds"],
            examples=model.reconstruct(self.examples) / 255,
            model=model,
            file=file,
        )
        self._say(self.results[key])
        return self.results[key]

    def compare_pca(self, components: int) -> tuple[Result, Result]:
        """The results of PCA with so many components: as it is, and with its values clipped to 0..1."""
        if self._pca is None:
            # The components of a smaller PCA are the first of a larger one.
            self._pca = PCA(MOST_COMPONENTS, svd_solver="covariance_eigh").fit(flat(self.training))
        mean, axes = self._pca.mean_, self._pca.components_[:components]
        x = flat(self.test)
        rebuilt = (x - mean) @ axes.T @ axes + mean
        examples = ((flat(self.examples) - mean) @ axes.T @ axes + mean).reshape(self.originals.shape)
        plain = Result("PCA", components, float(((rebuilt - x) ** 2).mean()), 0.0, examples)
        error = float(((rebuilt.clip(0, 1) - x) ** 2).mean())
        clipped = Result("PCA, clipped", components, error, 0.0, examples.clip(0, 1))
        self.results[f"pca-{components}"] = clipped
        for result in (plain, clipped):
            self._say(result)
        return plain, clipped

    def save(self, name: str, figure: Figure, alt: str, caption: str) -> Picture:
        """The picture of a figure, saved as `name`.png."""
        file = f"{name}.png"
        with atomic.replacing(self.folder / file) as temporary:
            figure.savefig(temporary, format="png", dpi=DPI)
        width, height = (figure.get_size_inches() * DPI).astype(int)
        return Picture(file, (int(width), int(height)), alt, caption)

    def _say(self, result: Result) -> None:
        trained = f"  trained for {result.trained}" if result.file else ""
        self.say(f"{result.name + f', code {result.code}':32}  test MSE {result.mse:.4f}{trained}")


def flat(items: Items) -> np.ndarray:
    """Pixels of 0..255 as rows of 0..1, (N, Y * X) float32."""
    return items.values.reshape(len(items), -1).astype(np.float32) / 255


def label(result: Result) -> str:
    """What stands beside a row of digits."""
    return f"{result.name}\n{result.code} numbers\nMSE {result.mse:.4f}"
