"""A file that is written through `atomic.replacing` is whole, or is what it was before."""

import os
import stat
import subprocess
import sys

import pytest

from narrows.artifacts import atomic

KILLED = """
import os, random, signal, sys, time
from pathlib import Path
import numpy as np
from narrows.artifacts.model_file import ModelFile

path = Path(sys.argv[1])

def save(number):
    ModelFile.create({"weights": np.full(2**20, number, np.float32)}, {"number": number, "training": {}}).write(path)

began = time.monotonic()
save(0)
one_save = time.monotonic() - began
rng = random.Random(0)
for round in range(100):
    if round >= 12 and len(os.listdir(path.parent)) > 1:  # often enough, and once or more in the middle of a file
        break
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        for number in range(1, 10**9):
            os.write(writer, b".")
            save(number)
    for _ in range(1 + round % 3):  # the last of these saves has begun
        os.read(reader, 1)
    time.sleep(rng.uniform(0, one_save))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    file = ModelFile.from_path(path)
    tensors, document = file.tensors, file.document
    assert (tensors["weights"] == document["number"]).all()
    print(document["number"])
"""


def test_the_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "a.bin"
    with atomic.replacing(path) as temporary:
        temporary.write_bytes(b"all of it")
        assert not path.exists()
        assert temporary.parent == tmp_path
    assert path.read_bytes() == b"all of it"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("before", [None, b"the old one"])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_happens_where_the_block_fails(error, before, tmp_path):
    path = tmp_path / "a.bin"
    if before is not None:
        path.write_bytes(before)

    def write_half():
        with atomic.replacing(path) as temporary:
            temporary.write_bytes(b"half")
            raise error

    with pytest.raises(error):
        write_half()
    assert [each.read_bytes() for each in tmp_path.iterdir()] == ([] if before is None else [before])


def test_a_name_as_a_string_in_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with atomic.replacing("a.bin") as temporary:
        temporary.write_bytes(b"1")
    assert (tmp_path / "a.bin").read_bytes() == b"1"


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_a_file_has_the_permissions_that_the_mask_gives(mask, tmp_path):
    before = os.umask(mask)
    try:
        with atomic.replacing(tmp_path / "a.bin") as temporary:
            temporary.write_bytes(b"1")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.bin").stat().st_mode) == 0o666 & ~mask


def test_there_is_no_folder(tmp_path):
    with (
        pytest.raises(FileNotFoundError, match="there is no such folder"),
        atomic.replacing(tmp_path / "no" / "a.bin") as temporary,
    ):
        temporary.write_bytes(b"1")


def test_killed_in_the_middle_of_a_save(tmp_path):
    """What stands under the name is always a whole model, the one before or the next."""
    path = tmp_path / "m.safetensors"
    ran = subprocess.run([sys.executable, "-c", KILLED, path], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert len(ran.stdout.split()) >= 12
    assert len(set(ran.stdout.split())) > 1
    interrupted = [each.name for each in tmp_path.iterdir() if each != path]
    assert interrupted
    assert all(name.startswith(".m.safetensors.") and name.endswith(".partial") for name in interrupted)
