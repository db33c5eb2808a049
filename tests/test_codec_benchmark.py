"""`benchmarks/codec.py` compares the codec with its peers, whatever of these is installed."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CODEC = Path(__file__).parents[1] / "benchmarks" / "codec.py"


def compared(folder, *arguments):
    """Run the benchmark, and return what it printed, what it said meanwhile, and its figures."""
    command = [sys.executable, str(CODEC), "--json", str(folder / "figures.json"), *map(str, arguments)]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout, ran.stderr, json.loads((folder / "figures.json").read_text())


@pytest.fixture
def icons(tmp_path):
    """A folder of icons of two colours."""
    folder = tmp_path / "icons"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for place in range(30):
        rows = np.sort(generator.integers(0, 16, 2))
        picture = np.zeros((16, 16, 3), np.uint8)
        picture[rows[0] : rows[1]] = generator.integers(0, 256, 3)
        Image.fromarray(picture).save(folder / f"{place:02d}.png")
    return folder


def rows_of(found, column):
    """Return a column of a set's table, by coder and files."""
    [name] = [name for name in found["rows"][0] if name.startswith(column)]
    return {(row["coder"], row["files"]): row[name] for row in found["rows"]}


def test_peers_of_folders(tmp_path, icons):
    printed, said, figures = compared(tmp_path, "--data", f"icons={icons}", "--data", "none=missing", "--peers-only")
    assert "none is left out: " in said
    [found] = figures["sets"]
    assert (found["name"], found["kind"], found["failures"]) == ("icons", "pictures", [])
    sizes = rows_of(found, "lossless")
    assert sizes["xz", "one"] < sizes["xz", "each"]
    assert "| xz " in printed
    [total] = figures["totals"]
    assert total["narrows"] is None
    assert total["peer"] < total["raw"] == 30 * 16 * 16 * 3


def test_narrows_beside_peers_with_and_without_its_model(tmp_path):
    grid = np.linspace(0, 6, 24)
    fields = np.stack([np.sin(grid + shift)[:, None] * np.cos(grid) for shift in np.linspace(0, 3, 20)])
    fields[:, :4, :4] = np.nan
    np.save(tmp_path / "fields.npy", fields.astype(np.float32))
    data = ["--only", "digits", "--data", f"waves={tmp_path / 'fields.npy'}"]
    printed, _, figures = compared(tmp_path, *data, "--items", 3, "--minutes", 0.01, "--parts", "ratio")
    digits, waves = figures["sets"]
    assert waves["kind"] == "fields"
    for sizes in (rows_of(digits, "lossless"), rows_of(waves, "within 0.001 of the range")):
        assert 0 < sizes["narrows", "one"] < sizes["narrows + model", "one"]
    assert not [failure for failure in waves["failures"] if failure["coder"] != "narrows"]
    assert "| digits: lossless, bits a value" in printed


def test_all_bytes_of_packed_items(tmp_path):
    data = ["--only", "digits", "--items", 60, "--minutes", 0.01, "--parts", "totals"]
    printed, _, figures = compared(tmp_path, *data)
    [total] = figures["totals"]
    assert total["failure"] == ""
    assert total["narrows"] == total["packed"]["bytes"] < total["raw"]
    assert "digits, lossless" in printed
