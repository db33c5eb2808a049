"""What runs where neither torch nor scikit-learn is installed: everything that reads archives, and compressing."""

import lzma
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FIXTURES = Path(__file__).parent / "codec" / "fixtures"
WITHOUT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "sklearn", "scipy", "pandas"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
"""


@pytest.fixture
def folder(tmp_path):
    """Archives with their models."""
    for name in ("digits", "signals"):
        packed = (FIXTURES / f"{name}.safetensors.xz").read_bytes()
        (tmp_path / f"{name}.safetensors").write_bytes(lzma.decompress(packed))
    for file in FIXTURES.glob("*.narrow"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def run(folder, code):
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + code], cwd=folder, capture_output=True, text=True, timeout=120
    )


def verb(folder, line):
    ran = run(folder, f"from narrows.cli import main; main({line.split()!r})")
    return ran.returncode, ran.stdout + ran.stderr


@pytest.mark.parametrize("name", sorted(file.stem for file in FIXTURES.glob("*.narrow")))
def test_archives_are_read(name, folder):
    assert verb(folder, f"decompress {name}.narrow -o out.npy")[0] == 0
    expected = np.load(FIXTURES / f"{name}.npy")
    if "quality" in name:
        np.testing.assert_allclose(
            np.load(folder / "out.npy"), expected, atol=1 if expected.dtype.kind == "u" else 1e-5
        )
    else:
        np.testing.assert_array_equal(np.load(folder / "out.npy"), expected)


def test_archives_are_described_and_shown(folder):
    status, said = verb(folder, "info digits-lossless.narrow")
    assert (status, "lossless" in said) == (0, True)
    assert verb(folder, "preview digits-lossless.narrow -o sheet.png")[0] == 0
    assert verb(folder, "info digits.safetensors")[0] == 0
    ran = run(folder, 'import narrows\nwith narrows.open("digits-lossless.narrow") as archive: print(archive[0].shape)')
    assert ran.stdout.strip() == "(9, 8)"


def test_items_are_compressed(folder):
    np.save(folder / "digits.npy", np.load(FIXTURES / "digits-lossless.npy"))
    for mode in ("--lossless", "--psnr 30", "--max-error 2"):
        assert verb(folder, f"compress digits.safetensors digits.npy -o x.narrow {mode} --force")[0] == 0
    assert verb(folder, "decompress x.narrow -o y.npy")[0] == 0
    error = np.abs(np.load(folder / "y.npy").astype(int) - np.load(folder / "digits.npy"))
    assert error.max() <= 2


def test_what_learns_says_what_it_needs(folder):
    np.save(folder / "x.npy", np.zeros((30, 8, 8), np.uint8))
    status, said = verb(folder, "train codec x.npy -o y.safetensors")
    assert (status, said) == (1, "narrows: error: this needs scikit-learn; pip install 'narrows[torch]'\n")
    status, said = verb(folder, "pack x.npy -o y.narrow")
    assert (status, said) == (1, "narrows: error: this needs torch; pip install 'narrows[torch]'\n")
    ran = run(folder, "import narrows; narrows.Codec")
    assert "narrows.Codec needs scikit-learn; pip install 'narrows[torch]'" in ran.stderr
