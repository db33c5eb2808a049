"""Damaged and hostile files are read or refused in one line; `benchmarks/fuzz.py` tries as many as asked."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from narrows import data, load
from narrows.codec import chunk

FUZZ = Path(__file__).parents[1] / "benchmarks" / "fuzz.py"


def fuzz(folder, *arguments):
    """Run the benchmark, and return how many files it read."""
    command = [sys.executable, str(FUZZ), *map(str, arguments)]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " 0 failures" in ran.stdout
    rows = re.findall(r"(?m)^(\S+\.\S+|\S+-ubyte)((?: +[\d,]+){4})$", ran.stdout)
    assert all(int(refused.replace(",", "")) > 0 for _, numbers in rows for refused in numbers.split()[:1])
    return len(rows)


def test_files_of_every_form(tmp_path):
    assert fuzz(tmp_path, "--count", 3000) > 40


@pytest.mark.parametrize(
    ("embed_model", "more"),
    [(False, ["--container", "--count", 4000]), (False, ["--count", 400]), (True, ["--count", 60])],
    ids=["container", "all", "model"],
)
def test_compressed_files(embed_model, more, tmp_path, digits_codec, monkeypatch):
    monkeypatch.setattr(chunk, "MOST_ITEMS", 4)
    file = tmp_path / "x.narrow"
    items = data.read("digits:test").values[:12]
    items = data.Items.from_array(items, names=[f"{index}.png" for index in range(12)])
    file.write_bytes(load(digits_codec).compress(items, lossless=True, embed_model=embed_model))
    assert fuzz(tmp_path, file, *([] if embed_model else ["--model", digits_codec]), *more) == 1
