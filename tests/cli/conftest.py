"""The command line in this process for what it says, and in its own for pipes, signals and exit codes."""

import contextlib
import io
import os
import pty
import signal
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from narrows import data
from narrows.cli import main

NARROWS = [sys.executable, "-m", "narrows"]


@dataclass(frozen=True)
class Ran:
    code: int
    out: bytes
    err: str


def narrows(*arguments: object) -> Ran:
    """One command line in this process, as if it came from a pipe and went to pipes."""
    out, err = io.TextIOWrapper(io.BytesIO()), io.TextIOWrapper(io.BytesIO())
    code: Any = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as exit:
            code = exit.code
        out.flush()
        err.flush()
    return Ran(code, out.buffer.getvalue(), err.buffer.getvalue().decode())  # type: ignore[attr-defined]


def spawned(*arguments: object, stdin: bytes = b"", **options: Any) -> Ran:
    """One command line in a process of its own."""
    done = subprocess.run([*NARROWS, *map(str, arguments)], input=stdin, capture_output=True, timeout=120, **options)
    return Ran(done.returncode, done.stdout, done.stderr.decode())


def begin(words: str, *arguments: object) -> tuple[subprocess.Popen[bytes], int]:
    """One command line in a process with a terminal for its standard error, once that shows `words`."""
    terminal, end = pty.openpty()
    heeded = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # what runs in the background of a shell ignores it
    process = subprocess.Popen([*NARROWS, *map(str, arguments)], stdout=subprocess.PIPE, stderr=end, preexec_fn=heeded)
    os.close(end)
    shown = b""
    while words.encode() not in shown:
        assert process.poll() is None, shown
        shown += os.read(terminal, 4096)
    return process, terminal


def rest_of(terminal: int) -> str:
    """What is still written to a terminal until its other end is closed, as the screen's last lines show it."""
    shown = b""
    while True:
        try:
            shown += os.read(terminal, 4096)
        except OSError:
            return shown.decode().replace("\r\n", "\n")


def smooth_pictures(sizes: list[tuple[int, int]], seed: int = 0) -> list[np.ndarray]:
    """Pictures of a few slow waves, uint8: easy to learn."""
    rng = np.random.default_rng(seed)
    pictures = []
    for height, width in sizes:
        y, x = np.mgrid[:height, :width] / 24
        waves = sum(np.sin(a * x + b * y + c) for a, b, c in rng.uniform(-4, 4, (3, 3)))
        pictures.append((127 + 42 * waves).astype(np.uint8))
    return pictures


def write_pictures(folder: Path, sizes: list[tuple[int, int]], seed: int = 0) -> Path:
    names = [f"{'ab'[index % 2]}/{index}.png" for index in range(len(sizes))]
    data.write(data.Items.from_list(smooth_pictures(sizes, seed), "YX", names=names), f"{folder}/")
    return folder


@pytest.fixture
def unguarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few steps are enough: the guard is for users, and what is tested holds for any weights."""
    monkeypatch.setattr("narrows.training.loop.MUST_BEAT", 1e6)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 40 grey pictures of 24x24."""
    return write_pictures(tmp_path_factory.mktemp("one size") / "photos", [(24, 24)] * 40)


@pytest.fixture(scope="session")
def ragged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 24 grey pictures of different sizes, odd ones among them."""
    sizes = [(20 + index % 7, 31 - index % 5) for index in range(24)]
    return write_pictures(tmp_path_factory.mktemp("sizes") / "ragged", sizes)


@pytest.fixture(scope="session")
def digits_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of digits with a code of 12."""
    model = tmp_path_factory.mktemp("models") / "digits.safetensors"
    ran = narrows(
        "train", "autoencoder", "digits", "-o", model, "--architecture", "linear", "--code", 12, "--epochs", 10
    )
    assert (ran.code, ran.err) == (0, "")
    return model


@pytest.fixture(scope="session")
def ragged_model(tmp_path_factory: pytest.TempPathFactory, ragged: Path) -> Path:
    """A model of pictures of any size."""
    model = tmp_path_factory.mktemp("models") / "ragged.safetensors"
    ran = narrows("train", "autoencoder", ragged, "-o", model, "--code", "4x7x8", "--epochs", 30, "--preset", "lesson")
    assert (ran.code, ran.err) == (0, "")
    return model
