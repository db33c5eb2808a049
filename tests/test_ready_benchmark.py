"""`benchmarks/ready_peers.py` compares the ready-made models with classic methods, where these are installed."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

READY_PEERS = Path(__file__).parents[1] / "benchmarks" / "ready_peers.py"


@pytest.fixture
def compare(tmp_path):
    """Run the benchmark on two small photographs, and return what it printed, and the figures of a part."""
    for package in ("bm3d", "cv2", "pywt", "skimage"):
        pytest.importorskip(package)
    rows, columns = np.mgrid[:64, :64]
    grey = np.stack([128 + 100 * np.sin(rows / 9 + columns / period) for period in (7, 11)]).astype(np.uint8)
    np.save(tmp_path / "grey.npy", grey)
    np.save(tmp_path / "colour.npy", np.stack([grey, grey // 2, 255 - grey], axis=-1))

    def compare(part, *options):
        command = [sys.executable, READY_PEERS, "grey.npy", "colour.npy", "--only", part, "--json", "f.json", *options]
        ran = subprocess.run(list(map(str, command)), cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout, json.loads((tmp_path / "f.json").read_text())[part]

    return compare


def test_denoised_photographs(compare):
    printed, results = compare("denoising", "--items", 1)
    assert "| grey | Gaussian, σ = 25 | 1 | 20." in printed
    assert len(results) == 8
    for result in results:
        noisy, *restored = result["psnr"].values()
        assert all(psnr > noisy for psnr in restored)


def test_filled_photographs_and_their_pictures(compare, tmp_path):
    printed, results = compare("filling", "--images", "images")
    assert "| colour | a square of 40x40, 39.1% | 2 |" in printed
    assert len(results) == 8
    for result in results:
        assert result["psnr"].keys() == result["hidden"].keys() == {"biharmonic", "Telea", "Navier-Stokes", "narrows"}
        for name, psnr in result["psnr"].items():  # only what is hidden has errors
            expected = np.mean(result["hidden"][name]) - 10 * np.log10(result["share"])
            assert np.mean(psnr) == pytest.approx(expected, abs=0.1)
    sizes = {path.name: Image.open(path).size for path in (tmp_path / "images").iterdir()}
    size = 5 * 64 + 4 * 4, 22 + 2 * 64 + 4  # of five pieces in a row, below their titles
    assert sizes == {f"comparison-{name}.jpg": size for name in ("hole", "strokes", "text")}
