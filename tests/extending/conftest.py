"""The program with the examples of this folder installed as plugins."""

import lzma
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PLUGINS = ("starfield", "atlas", "anomaly", "factorisation", "stripes", "smoothing")


@pytest.fixture
def narrows(tmp_path: Path) -> Callable[..., str]:
    """Run a command line, or a program, in `tmp_path`; return what it prints, or its error where it should fail."""
    metadata = tmp_path / "site" / "examples-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: examples\nVersion: 1.0\n")
    points = "".join(f"{name} = {name}:register\n" for name in PLUGINS)
    (metadata / "entry_points.txt").write_text(f"[narrows.plugins]\n{points}")
    path = os.pathsep.join([str(metadata.parent), str(HERE), os.environ.get("PYTHONPATH", "")])

    def run(line: str, fails: bool = False, program: str | None = None) -> str:
        start = ["-m", "narrows"] if program is None else ["-c", program]
        command = [sys.executable, *start, *shlex.split(line)]
        done = subprocess.run(
            command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False
        )
        assert (done.returncode != 0) == fails, done.stderr
        return done.stderr if fails else done.stdout

    return run


@pytest.fixture
def model(tmp_path: Path) -> str:
    """The name of a file with a small autoencoder of 8x8 digits."""
    stored = HERE.parent / "fixtures" / "autoencoder-conv.safetensors.xz"
    (tmp_path / "model.safetensors").write_bytes(lzma.decompress(stored.read_bytes()))
    return "model.safetensors"
