"""The workshop of the tour: the digits, and what the chapters do with them: train, compare, draw."""

import lzma
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.decomposition import PCA

from narrows.artifacts import atomic
from narrows.corruption.corruption import Noise
from narrows.data import Items
from narrows.data.formats import images as pictures
from narrows.demo.chapter import Picture, Rate, Restored, Result
from narrows.estimators.autoencoder import Autoencoder
from narrows.estimators.codec import Codec
from narrows.estimators.denoiser import Denoiser
from narrows.estimators.imputer import Imputer, missing
from narrows.progress import training_bar
from narrows.render.figures import DPI, Figure

MOST_COMPONENTS = 196
COMPRESSED = 1000  # test digits
CODEC = "codec.safetensors"
BLOCK = 14  # pixels of a side


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
        self.shown = [int(np.argmax(test.labels == label)) for label in np.unique(test.labels)]
        self.examples = test.select(self.shown)
        self.originals = self.examples.values / 255
        self.results: dict[str, Result] = {}
        self._pca: PCA | None = None

    def train(self, key: str, name: str, seconds: float, **options: Any) -> Result:
        """The result of an autoencoder that was trained for so long, with its model saved as `key`.safetensors."""
        model = Autoencoder(minutes=self._minutes(seconds), **options)
        file = self._learn(model, self.training, key, name)
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

    def train_codec(self, seconds: float) -> Codec:
        """A codec that was trained for so long, with its model saved."""
        codec = Codec(minutes=self._minutes(seconds))
        self._learn(codec, self.training, "codec", "codec")
        self.say(f"{'codec':32}  trained for {codec.training_['seconds']:.0f} s")
        return codec

    def compress(self, codec: Codec, name: str, **mode: Any) -> tuple[Rate, np.ndarray]:
        """What some of the test digits come to in one file, and the digits of the figures as they come back."""
        items = self.test.select(slice(0, COMPRESSED))
        blob = codec.compress(items, **mode)
        error = np.mean((codec.decompress(blob) / 255 - items.values / 255) ** 2)
        rate = Rate(name, len(blob) / len(items), None if error == 0 else float(-10 * np.log10(error)), CODEC)
        self.say(f"{name:32}  {rate.bytes:.1f} bytes a digit, {rate.quality}")
        examples = codec.decompress(codec.compress(self.examples, **mode))
        return rate, examples / 255

    def without_learning(self) -> list[Rate]:
        """The same digits as they are, and as general programs make files of them."""
        items = self.test.select(slice(0, COMPRESSED)).values
        pngs = sum(len(pictures.encode(item, "PNG")) for item in items)
        return [
            Rate("as they are", items[0].nbytes),
            Rate("PNG, a file each", pngs / len(items)),
            Rate("xz, all in one file", len(lzma.compress(items.tobytes(), preset=9)) / len(items)),
        ]

    def denoise(self, key: str, name: str, seconds: float, training: Items, noisy: Items, **options: Any) -> Restored:
        """What a denoiser that was trained for so long on these items, and saved, makes of the noisy test digits."""
        model = Denoiser(minutes=self._minutes(seconds), **options)
        file = self._learn(model, training, key, name)
        right, before = flat(self.test), flat(noisy)
        after = flat(model.transform(noisy))
        examples = after[self.shown].reshape(self.originals.shape)
        mse = [float(((values - right) ** 2).mean()) for values in (before, after)]
        restored = Restored(name, mse[0], mse[1], model.training_["seconds"], examples, file)
        self.say(f"{name:32}  test MSE {restored.after:.4f}  trained for {restored.seconds:.0f} s")
        return restored

    def train_imputer(self, key: str, seconds: float) -> Imputer:
        """An imputer that was trained for so long, with its model saved as `key`.safetensors."""
        model = Imputer(minutes=self._minutes(seconds))
        self._learn(model, self.training, key, "imputer")
        self.say(f"{'imputer':32}  trained for {model.training_['seconds']:.0f} s")
        return model

    def fill(self, key: str, name: str, imputer: Imputer, given: Items) -> Restored:
        """What an imputer makes of test digits with holes; before, the mean digit stands in them."""
        hidden = missing(given).reshape(len(given), -1)
        right, mean = flat(self.test), flat(self.training).mean(axis=0)
        filled = flat(imputer.transform(given))
        mse = [float(((values - right)[hidden] ** 2).mean()) for values in (mean, filled)]
        examples = filled[self.shown].reshape(self.originals.shape)
        seconds = imputer.training_["seconds"]
        restored = Restored(name, mse[0], mse[1], seconds, examples, f"{key}.safetensors")
        self.say(f"{'imputer, ' + name:32}  test MSE {restored.after:.4f} of what is hidden")
        return restored

    def save(self, name: str, figure: Figure, alt: str, caption: str) -> Picture:
        """The picture of a figure, saved as `name`.png."""
        file = f"{name}.png"
        with atomic.replacing(self.folder / file) as temporary:
            figure.savefig(temporary, format="png", dpi=DPI)
        width, height = (figure.get_size_inches() * DPI).astype(int)
        return Picture(file, (int(width), int(height)), alt, caption)

    def _minutes(self, seconds: float) -> float:
        return self.pace * seconds / 60

    def _learn(self, model: Any, items: Items, key: str, name: str) -> str:
        """The file in which the model is, once it has learnt from the items."""
        with training_bar(self.progress, name) as report:
            model.fit(items, report=report)
        model.save(self.folder / f"{key}.safetensors")
        return f"{key}.safetensors"

    def _say(self, result: Result) -> None:
        trained = f"  trained for {result.trained}" if result.file else ""
        self.say(f"{result.name + f', code {result.code}':32}  test MSE {result.mse:.4f}{trained}")


def flat(items: Items) -> np.ndarray:
    """Pixels of 0..255 as rows of 0..1, (N, Y * X) float32."""
    return items.values.reshape(len(items), -1).astype(np.float32) / 255


def with_noise(items: Items, noise: str, seed: int) -> Items:
    """Digits with noise, clipped to 0..255 and rounded, as a camera would have them."""
    noisy = Noise.parse(noise).add(torch.from_numpy(flat(items)), torch.Generator().manual_seed(seed), clip=True)
    return replace(items, values=noisy.mul_(255).round_().to(torch.uint8).numpy().reshape(items.values.shape))


def with_blocks(items: Items, seed: int) -> Items:
    """Digits with a square hole at a random place in each."""
    height, width = items.item_shape
    corners = np.random.default_rng(seed).integers(0, (height - BLOCK + 1, width - BLOCK + 1), (len(items), 2))
    rows, columns = (np.arange(size) - corners[:, axis, None] for axis, size in enumerate((height, width)))
    inside = [(along >= 0) & (along < BLOCK) for along in (rows, columns)]
    return replace(items, mask=inside[0][:, :, None] & inside[1][:, None, :])


def label(result: Result) -> str:
    """What stands beside a row of digits."""
    return f"{result.name}\n{result.code} numbers\nMSE {result.mse:.4f}"
