"""Damaged and hostile files end in FormatErrors; `benchmarks/fuzz.py` tries as many as asked."""

import subprocess
import sys
from pathlib import Path

import pytest

from narrows import data, load
from narrows.codec import chunk

FUZZ = Path(__file__).parents[2] / "benchmarks" / "fuzz.py"


@pytest.mark.parametrize(
    ("embed_model", "more"),
    [(False, ["--container", "--count", "4000"]), (False, ["--count", "400"]), (True, ["--count", "60"])],
    ids=["container", "all", "model"],
)
def test_thousands_of_damaged_files(embed_model, more, tmp_path, digits_codec, monkeypatch):
    monkeypatch.setattr(chunk, "MOST_ITEMS", 4)
    file = tmp_path / "x.narrow"
    items = data.read("digits:test").values[:12]
    items = data.Items.from_array(items, names=[f"{index}.png" for index in range(12)])
    file.write_bytes(load(digits_codec).compress(items, lossless=True, embed_model=embed_model))
    model = [] if embed_model else ["--model", str(digits_codec)]
    ran = subprocess.run(
        [sys.executable, str(FUZZ), str(file), *model, *more], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " 0 failures" in ran.stdout
