"""Files to damage: of each form that is read a small sample, how it is damaged, and how it is read."""

import contextlib
import gzip
import hashlib
import io
import lzma
import random
import struct
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

import narrows
from fuzz_changes import changed, changed_header, changed_inside
from narrows import data
from narrows.artifacts import checkpoint
from narrows.artifacts.description import describe_checkpoint
from narrows.codec import chunk
from narrows.codec.container.archive_file import FORMAT, MAGIC, ArchiveReader, write_archive
from narrows.codec.container.fields import pack_varint
from narrows.errors import FormatError, NarrowsError
from narrows.models.code_files import read_codes

FIXTURES = Path(__file__).parents[1] / "tests"
TIMES_MORE_VALUES = 10  # than a whole `.narrow` file has are allowed


class Subject:
    """A file, as its bytes, that is damaged in numbered ways and read.

    Parameters
    ----------
    path : Path
        The whole file. What is read has its name.
    """

    kinds: tuple[str, ...] = ("file", "header", "inside")
    has_checksums = False

    def __init__(self, path: Path) -> None:
        self.path, self.content = path, path.read_bytes()

    def damaged(self, seed: int, case: int) -> tuple[str, bytes]:
        """Return the kind of damage of a case, and the damaged file."""
        rng = random.Random(f"{self.path.name} {seed} {case}")
        kind = rng.choice(self.kinds)
        return kind, self.changed(kind, rng)

    def changed(self, kind: str, rng: random.Random) -> bytes:
        """Return the file with a kind of damage."""
        if kind == "inside":
            return changed_inside(self.path.name, self.content, rng)
        return {"file": changed, "header": changed_header}[kind](self.content, rng)

    def read(self, path: Path) -> dict[Any, bytes | None]:
        """Return digests of the parts of a file, None where they are damaged; NarrowsError where it is refused."""
        raise NotImplementedError


class DataFile(Subject):
    """Anything that `narrows.data.read` reads."""

    def read(self, path: Path) -> dict[Any, bytes | None]:
        """Read the items."""
        items = data.read(path)
        return {"items": digest(items[index] for index in range(len(items))), "names": repr(items.names).encode()}


class CodesFile(Subject):
    """Codes that `narrows encode` wrote."""

    def read(self, path: Path) -> dict[Any, bytes | None]:
        """Read the codes."""
        read_codes(str(path))
        return {}


class Model(Subject):
    """A model file. It is loaded, described, and used on the sample items beside it where they are at hand."""

    has_checksums = True

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        beside = FIXTURES / "fixtures" / f"{path.stem}.npz"
        self.x = codec_items(path.stem)
        if beside.exists():
            with np.load(beside) as arrays:
                self.x = arrays["x"][:3] if "x" in arrays else None

    def read(self, path: Path) -> dict[Any, bytes | None]:
        """Load the model, describe it and use it."""
        model = narrows.load(path).model_
        rows = model.describe()
        assert all(isinstance(text, str) for row in rows for text in row)
        if self.x is not None:
            with contextlib.suppress(NarrowsError):
                model.preview(data.Items.from_array(self.x, model.axes))
        return {"tensors": digest(tensor for _, tensor in sorted(model.to_file().tensors.items()))}


class Checkpoint(Subject):
    """The state of a training that was stopped."""

    has_checksums = True

    def read(self, path: Path) -> dict[Any, bytes | None]:
        """Read and describe the state."""
        import torch

        tensors, document = checkpoint.read_checkpoint(path, torch.device("cpu"))
        try:
            describe_checkpoint(document)
        except FormatError as error:
            raise FormatError(error.message, source=str(path)) from None
        return {"tensors": digest(tensor.numpy() for _, tensor in sorted(tensors.items()))}


class ArchiveFile(Subject):
    """A `.narrow` file of several chunks. model: its model, where it does not hold it."""

    has_checksums = True

    def __init__(self, path: Path, model: Path | None = None) -> None:
        super().__init__(path)
        self.reader = ArchiveReader(self.content, "original", max_pixels=2**99)
        self.model = narrows.load(model) if model else None
        self.kinds = ("file", "header", "parameters", "payload", *["model"] * (self.reader.header.model_length > 0))
        with narrows.open(path, model=self.model) as archive:
            self.values = sum(np.size(item) for item in archive)

    def changed(self, kind: str, rng: random.Random) -> bytes:
        """Return the file with a kind of damage: but for "file" all checksums of stored bytes fit."""
        header, model = self.reader.header, self.reader.model()
        if kind == "file":
            return changed(self.content, rng)
        if kind == "header":
            described = changed(header.to_bytes(), rng)
            start = MAGIC + bytes([FORMAT]) + pack_varint(len(described)) + described
            return start + zlib.crc32(start).to_bytes(4, "little") + self.content[self.reader.sizes()["header"] :]
        chunks, parameters = [self.reader.chunk(index) for index in range(len(header.chunk_items))], header.parameters
        if kind == "parameters":
            parameters = changed(parameters, rng)
        elif kind == "payload":
            index = rng.randrange(len(chunks))
            chunks[index] = changed(chunks[index], rng)
        else:
            model = changed(model or b"", rng)
        target = io.BytesIO()
        write_archive(
            target,
            fingerprint=header.fingerprint,
            mode=header.mode,
            chunk_items=header.chunk_items,
            chunks=chunks,
            axes=header.axes,
            dtype=header.dtype,
            shapes=header.shapes,
            names=header.names,
            metadata=header.metadata,
            parameters=parameters,
            model=model,
        )
        return target.getvalue()

    def read(self, path: Path) -> dict[Any, bytes | None]:
        """Decode chunk after chunk, and the preview."""
        with narrows.open(path, model=self.model, max_pixels=TIMES_MORE_VALUES * self.values) as archive:
            found: dict[Any, bytes | None] = {"header": archive.header.to_bytes()}
            start = 0
            for index, count in enumerate(archive.header.chunk_items):
                found[index] = digest_or_none(lambda part=slice(start, start + count): archive[part])
                start += count
            found["preview"] = digest_or_none(lambda: archive.read(level=1))
        return found


class Container(ArchiveFile):
    """The header and the chunks of a `.narrow` file as bytes, without decoding."""

    def read(self, path: Path) -> dict[Any, bytes | None]:
        """Read the header and the bytes of each chunk."""
        with open(path, "rb") as file:
            reader = ArchiveReader(file, path.name, TIMES_MORE_VALUES * self.values)
            found: dict[Any, bytes | None] = {"header": reader.header.to_bytes()}
            with contextlib.suppress(FormatError):
                reader.model()
            for index in range(len(reader.header.chunk_items)):
                found[index] = digest_or_none(lambda index=index: [np.frombuffer(reader.chunk(index), np.uint8)])
        return found


def codec_items(name: str) -> np.ndarray | None:
    """Return items for a codec of the fixtures, or None."""
    path = FIXTURES / "codec" / "fixtures" / f"{name}-bounded.npy"
    return np.load(path) if path.exists() else None


def digest_or_none(get: Any) -> bytes | None:
    """Return the digest of the arrays that `get` returns; None for a FormatError, whose message must be clear."""
    try:
        return digest(get())
    except FormatError as error:
        check_message(error, "")
        return None


def digest(arrays: Any) -> bytes:
    """Return the digest of arrays."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(f"{array.dtype} {array.shape} ".encode())
        total.update(np.ascontiguousarray(array).tobytes() if array.dtype.kind != "O" else repr(array).encode())
    return total.digest()


def check_message(error: Exception, name: str) -> None:
    """Raise AssertionError for a message that is not one line that names the file."""
    text = str(error)
    if "\n" in text or name not in text or len(text) > 1000:
        raise AssertionError(f"unclear: {text!r:.300}")


def subject_of(path: Path, model: Path | None = None, container: bool = False) -> Subject:
    """Return what a file is."""
    if path.suffix == ".narrow":
        return (Container if container else ArchiveFile)(path, model)
    if path.stem == "codes":
        return CodesFile(path)
    return {".safetensors": Model, ".checkpoint": Checkpoint}.get(path.suffix, DataFile)(path)


def write_samples(folder: Path) -> list[Path]:
    """Write a small file of each form into a folder, and return their paths."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for write in (_write_arrays, _write_images, _write_tables, _write_models, _write_archives):
            write(folder)
    return sorted(folder.iterdir())


def _write_arrays(folder: Path) -> None:
    digits = data.read("digits").values[:12]
    waves = np.sin(np.arange(600, dtype=np.float32) / 9).reshape(3, 200)
    np.save(folder / "digits.npy", digits)
    np.save(folder / "waves.npy", np.asfortranarray(waves))
    np.savez_compressed(folder / "one.npz", digits)
    idx = b"\0\0\x08\x03" + struct.pack(">3I", *digits.shape) + digits.tobytes()
    (folder / "digits-idx3-ubyte").write_bytes(idx)
    (folder / "digits.idx3-ubyte.gz").write_bytes(gzip.compress(idx))
    (folder / "codes.npz").write_bytes((FIXTURES / "fixtures" / "codes.npz").read_bytes())
    with contextlib.suppress(ImportError):
        import soundfile

        for subtype in ("PCM_16", "PCM_24", "FLOAT"):
            soundfile.write(folder / f"{subtype}.wav", waves.T, 8000, subtype=subtype)


def _write_images(folder: Path) -> None:
    import tifffile
    from PIL import Image

    grey = (np.add.outer(np.arange(24), np.arange(20)) * 5).astype(np.uint8)
    images = {
        "grey.png": Image.fromarray(grey),
        "palette.png": Image.fromarray(np.dstack([grey, grey.T[:20, :20].repeat(2, 0)[:24], grey])).quantize(16),
        "deep.png": Image.fromarray(grey.astype(np.uint16) * 200),
        "alpha.png": Image.fromarray(np.dstack([grey] * 4)),
        "grey.jpg": Image.fromarray(grey),
        "grey.webp": Image.fromarray(grey).convert("RGB"),
        "grey.bmp": Image.fromarray(grey),
    }
    for name, image in images.items():
        image.save(folder / name, **{"dpi": (300, 300)} if name.endswith(("png", "jpg")) else {})
    tifffile.imwrite(folder / "plain.tif", grey)
    tifffile.imwrite(folder / "packed.tif", np.stack([grey] * 4), compression="zlib", tile=(16, 16))
    stack = np.stack([grey.astype(np.uint16)] * 4)
    tifffile.imwrite(folder / "imagej.tif", stack, imagej=True, metadata={"axes": "ZYX", "unit": "um", "spacing": 2.0})
    tifffile.imwrite(folder / "scan.ome.tif", stack, metadata={"axes": "TYX", "PhysicalSizeX": 0.3})
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        for name in ("grey.png", "grey.jpg"):
            archive.writestr(f"folder/{name}", (folder / name).read_bytes())


def _write_tables(folder: Path) -> None:
    import pandas

    rng = np.random.default_rng(0)
    frame = pandas.DataFrame(
        {
            "length": rng.normal(size=40),
            "count": rng.integers(0, 9, 40),
            "city": rng.choice(["Oslo", "Bern", "Lima"], 40),
            "day": pandas.Timestamp("2024-01-01") + pandas.to_timedelta(rng.integers(0, 99, 40), "D"),
            "yes": rng.random(40) < 0.5,
        }
    )
    frame.loc[::7, "length"] = np.nan
    frame.to_csv(folder / "people.csv", index=False)
    frame.to_csv(folder / "people.tsv", index=False, sep="\t")
    frame.to_csv(folder / "people.csv.gz", index=False)
    frame.to_parquet(folder / "people.parquet")


def _write_models(folder: Path) -> None:
    for packed in [*(FIXTURES / "fixtures").glob("*.xz"), *(FIXTURES / "codec" / "fixtures").glob("*.xz")]:
        (folder / packed.stem).write_bytes(lzma.decompress(packed.read_bytes()))


def _write_archives(folder: Path) -> None:
    modes = {
        "digits": {"lossless": {"lossless": True}, "bounded": {"max_error": 2}, "psnr": {"psnr": 20}},
        "signals": {"bounded": {"max_error": 0.05}, "quality": {"quality": 30}},
    }
    with patch.object(chunk, "MOST_ITEMS", 2):
        for name, named_modes in modes.items():
            codec, x = narrows.load(folder / f"{name}.safetensors"), codec_items(name)
            items = data.Items.from_array(x, codec.model_.axes, names=[f"a/{index}.png" for index in range(len(x))])
            for mode, options in named_modes.items():
                blob = codec.compress(items, embed_model=True, **options)
                (folder / f"{name}-{mode}.narrow").write_bytes(blob)
