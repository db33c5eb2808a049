"""A trained codec: context models, dequantiser and latent networks, and what compresses items with them."""

import io
import math
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np

from narrows.artifacts.description import describe_model, full_document
from narrows.artifacts.manifest import InitModel, TrainingRecord
from narrows.artifacts.model_file import ModelFile
from narrows.codec.codec_manifest import CodecManifest
from narrows.codec.coder import Coder
from narrows.codec.container.archive_file import ArchiveReader, write_archive
from narrows.codec.container.metadata import ArchiveMetadata
from narrows.codec.container.mode import Mode
from narrows.codec.decoding import ArchiveDecoder
from narrows.codec.encoding import ItemEncoder
from narrows.codec.entropy.exact_predictor import part
from narrows.codec.entropy.interlaced import InterlacedCoder
from narrows.codec.rate_control import choose_plan
from narrows.codec.transforms.dequantiser import ExactDequantiser
from narrows.codec.transforms.latent import LatentArchitecture
from narrows.codec.transforms.latent_network import LatentNetwork
from narrows.codec.transforms.wavelet import WaveletCoder, WaveletTransform
from narrows.data import Items, Scaling
from narrows.data.masks import fill_value, without_fill
from narrows.data.units import check_unit
from narrows.errors import DataError, FormatError

Progress = Callable[[int, int], None]
"""Called with the number of items done and of all items."""

PREVIEW_QUALITY = 30


@dataclass(frozen=True, eq=False)
class CodecModel:
    """A trained codec; it never changes.

    It works on `narrows.data.Items` and needs no scikit-learn. `narrows.Codec` wraps one.

    Parameters
    ----------
    manifest : CodecManifest
        What the model file says besides the weights.
    tensors : mapping of str to ndarray
        The weights by name: integers for everything that decides a symbol, float32 for the latent networks.
    device : {"auto", "cpu", "cuda"}
        Where perceptrons are computed; "auto" is the CPU. The bytes do not depend on it.

    Examples
    --------
    >>> from narrows import Codec, data
    >>> digits = data.read("digits")
    >>> model = Codec(epochs=1).fit(digits.select(slice(200))).model_
    >>> target = io.BytesIO()
    >>> sizes = model.compress(digits.select(slice(5)), Mode("lossless"), target)
    >>> bool((model.decompress(target.getvalue()).values == digits.values[:5]).all())
    True
    """

    manifest: CodecManifest
    tensors: Mapping[str, np.ndarray]
    device: str = "auto"

    tool: ClassVar[str] = "codec"
    allows_missing: ClassVar[bool] = False
    columns: ClassVar[None] = None
    cell_text: ClassVar[None] = None
    only_shape: ClassVar[None] = None
    feature_names: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def from_tensors(
        cls, manifest: CodecManifest, tensors: Mapping[str, np.ndarray], device: str = "auto"
    ) -> "CodecModel":
        """Return the model of a manifest and weights; KeyError, TypeError or ValueError if they do not fit together."""
        model = cls(manifest, tensors, device)
        assert model.coder is not None  # building it checks the weights
        return model

    @classmethod
    def from_file(cls, file: ModelFile) -> "CodecModel":
        """Return the model in a file; FormatError where its parts do not fit together."""
        if file.tool != cls.tool:
            raise FormatError(f"a model of the tool {file.tool!r}, not a codec", source=file.source)
        try:
            return cls.from_tensors(CodecManifest.from_dict(file.document), file.tensors)
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, IndexError) as error:
            reason = " ".join(str(error).split())
            raise FormatError(
                f"its weights and its description do not fit together ({reason})", source=file.source
            ) from None

    @classmethod
    def from_bytes(cls, content: bytes, source: str = "model") -> "CodecModel":
        """Return the model in the contents of a file; FormatError where there is none."""
        return cls.from_file(ModelFile.from_bytes(content, source))

    @classmethod
    def load(cls, path: str | Path) -> "CodecModel":
        """Return the model in a file; FormatError where it is none, OSError where it cannot be opened."""
        return cls.from_file(ModelFile.from_path(path))

    def to_file(self) -> ModelFile:
        """Return the contents of the model's file; `from_file` is the inverse."""
        return ModelFile.create(dict(self.tensors), self.manifest.to_dict(), packed=True)

    def save(self, path: str | Path) -> None:
        """Write the model to a .safetensors file; `load` reads it."""
        self.to_file().write(path)

    def on(self, device: str) -> "CodecModel":
        """Return the same model with its inference on another device."""
        return self if device == self.device else replace(self, device=device)

    @property
    def axes(self) -> str:
        """Axes of the training data in the user's order, such as ``"NYX"``."""
        return self.manifest.axes

    @property
    def item_axes(self) -> str:
        """Axes in the order of `Items`: N first and C last."""
        return self.manifest.item_axes

    @property
    def channels(self) -> int:
        """Number of channels of an item."""
        return self.manifest.design.channels

    @property
    def n_features(self) -> int:
        """Number of values of one training item, or of one crop; of a position where neither is known."""
        architecture = self.manifest.design.architecture
        if isinstance(architecture, LatentArchitecture):
            return architecture.values
        return math.prod(self.item_shape or (self.channels,))

    @property
    def dtype(self) -> np.dtype:
        """Type of the values that the model was trained on."""
        return self.manifest.grid.dtype

    @property
    def item_shape(self) -> tuple[int, ...] | None:
        """Shape of the training items, which a file of such items need not state; None if they had several."""
        return self.manifest.item_shape

    @property
    def rate(self) -> int | None:
        """Sampling rate in Hz of the recordings that the model was trained on; None for other data."""
        return self.training.rate

    @property
    def scaling(self) -> Scaling:
        """How values are scaled on their way into the latent networks."""
        return self.manifest.scaling

    @property
    def training(self) -> TrainingRecord:
        """How the model was trained."""
        return self.manifest.training

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 that identifies the model, in hexadecimal."""
        return self.to_file().fingerprint

    def init_record(self) -> InitModel:
        """Return what is recorded of this model where a training starts from it."""
        return InitModel(self.fingerprint, self.training.data, self.training.items)

    @cached_property
    def coder(self) -> Coder:
        """What codes items of one shape."""
        design, device = self.manifest.design, "cuda" if self.device == "cuda" else "cpu"

        def weights(name: str) -> Mapping[str, np.ndarray]:
            return part(self.tensors, f"{name}.")

        pixels = {name: InterlacedCoder(each, weights(name), device) for name, each in design.pixels.items()}
        if design.lossless == design.lossy:
            pixels["lossless"] = pixels["lossy"]
        dequantiser = latents = None
        network: WaveletCoder | LatentNetwork | None = None
        if design.lossy is not None and design.dequantises:
            dequantiser = ExactDequantiser(design.lossy, weights("dequantiser"), device)
        if design.latent is not None and design.architecture is not None:
            latents = InterlacedCoder(design.latent, weights("latent"), device)
            if isinstance(design.architecture, WaveletTransform):
                network = WaveletCoder(design.architecture, weights("network"))
            else:
                network = LatentNetwork(design.architecture, weights("network"))
        return Coder(
            self.manifest.grid, self.scaling, self.item_axes, design.channels, pixels, dequantiser, latents, network
        )

    def check(self, items: Items) -> Items:
        """Return the items with their sampling rate; DataError where they do not fit the model."""
        sizes = f"shape {items.item_shape}" if items.uniform else "different sizes"
        if items.axes != self.item_axes or items.channels != self.channels:
            raise DataError(
                f"axes {items.axes}, items of {sizes}, {items.channels} channel(s); this model was trained on "
                f"axes {self.item_axes} with {self.channels} channel(s)",
                source=items.source,
            )
        if self.rate is not None and items.rate not in (None, self.rate):
            raise DataError(
                f"{items.rate} samples a second; this model was trained on {self.rate}: resample them",
                source=items.source,
            )
        check_not_masked(items)
        if (items.dtype.kind == "f") != (self.dtype.kind == "f"):
            raise DataError(f"{items.dtype} values; this model was trained on {self.dtype} ones", source=items.source)
        return items if items.rate is not None else replace(items, rate=self.rate)

    def compress(
        self,
        items: Items,
        mode: Mode,
        target: BinaryIO,
        embed_model: bool = False,
        progress: Progress | None = None,
    ) -> dict[str, int]:
        """Write items to a file; `decompress` and `narrows.open` read it.

        Parameters
        ----------
        items : Items
            Items that fit the model, of any sizes.
        mode : Mode
            What the compression has to keep.
        target : binary file
            Where to write. The bytes do not depend on the device or the number of threads.
        embed_model : bool
            Whether to put the model into the file too.
        progress : callable, optional
            Called with the number of items done and of all items.

        Returns
        -------
        dict of str to int
            Bytes of the "header", "model" and "payload", the "total", and "raw", those of the values.

        Raises
        ------
        DataError
            If the items do not fit the model or its unit, the mode cannot be had, or a name is not allowed in a file.
        """
        items = self.check(items)
        if mode.max_error is None and self.scaling.is_range and items.dtype != self.dtype:
            check_unit(without_fill(items), self.scaling)  # quality and PSNR are relative to the range
        encoder = ItemEncoder(self.coder.with_fill_value(fill_value(items)), items)
        plan = choose_plan(encoder, mode)
        as_the_model = (items.axes, items.dtype, items.uniform and items.item_shape) == (
            self.item_axes,
            self.dtype,
            self.item_shape,
        )

        def payloads() -> Generator[bytes, None, None]:
            with closing(encoder.chunks(plan)) as found:
                for run, payload in zip(encoder.runs, found, strict=True):
                    yield payload
                    if progress is not None:
                        progress(run.stop, len(items))

        with closing(payloads()) as chunks:
            sizes = write_archive(
                target,
                fingerprint=self.fingerprint,
                mode=mode.to_header(),
                chunk_items=[len(run) for run in encoder.runs],
                chunks=chunks,
                axes=None if as_the_model else items.axes,
                dtype=None if as_the_model else str(items.dtype),
                shapes=None if as_the_model else items.item_shape if items.shapes is None else items.shapes,
                names=items.names,
                metadata=ArchiveMetadata.of_items(items, self.axes, self.training.bits),
                parameters=plan.to_bytes(),
                model=self.to_file().to_condensed() if embed_model else None,
            )
        values = items.values.size if items.shapes is None else int(items.shapes.prod(axis=1).sum())
        return {**sizes, "raw": values * items.dtype.itemsize}

    def decompress(self, content: bytes, name: str = "the compressed data") -> Items:
        """Return the items in a file that `compress` wrote.

        Parameters
        ----------
        content : bytes
            The file.
        name : str
            What error messages call it.

        Raises
        ------
        FormatError
            If the file is damaged, or was compressed with another model.
        """
        return self.decoder(ArchiveReader(content, name), name).read()

    def decoder(self, reader: ArchiveReader, name: str) -> ArchiveDecoder:
        """Return what decodes a file called `name`; FormatError where it needs another model."""
        needed = reader.header.fingerprint
        if not self.fingerprint.startswith(needed):
            raise FormatError(f"{name}: needs the model {needed}; the one given is {self.fingerprint[:12]}")
        return ArchiveDecoder(reader, name, self)

    def describe(self) -> list[tuple[str, str]]:
        """Return rows for ``narrows info``: what is described, and how it is."""
        return describe_model(full_document(self.to_file()))

    def training_summary(self) -> str:
        """Return what came of the training, in one line."""
        training = self.training
        return f"{training.items} items in {training.seconds:.1f} s; held-out loss {training.held_out_loss:.4g}"

    def preview(self, items: Items, quality: float = PREVIEW_QUALITY, **options: Any) -> dict[str, Items]:
        """Return rows of items to show beside each other, by label: the originals, and what is left of them."""
        target = io.BytesIO()
        self.compress(items, Mode("quality", quality), target)
        return {"original": items, f"quality {quality:g}": self.decompress(target.getvalue())}

    def __getstate__(self) -> dict[str, Any]:
        """Return what defines the model, without what is computed from it."""
        return {"manifest": self.manifest, "tensors": self.tensors, "device": self.device}


def check_not_masked(items: Items) -> None:
    """Raise DataError for masked values, which a codec has no place for."""
    if items.mask is not None and items.mask.any():
        raise DataError("has missing values; codecs keep NaN, but no masks", source=items.source)
