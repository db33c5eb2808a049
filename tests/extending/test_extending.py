"""Extensions defined outside the package, registered through the public interface, used from the command line.

docs/extending.md shows the files beside this one.
"""

import lzma
import sys
from pathlib import Path

import numpy as np
import pytest

from narrows import data
from narrows.cli import main
from narrows.data.formats import unregister_format

FIXTURES = Path(__file__).parents[1] / "fixtures"
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def model(tmp_path):
    """The file of a small autoencoder of 8x8 digits."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(lzma.decompress((FIXTURES / "autoencoder-conv.safetensors.xz").read_bytes()))
    return path


@pytest.fixture
def starfield():
    """The example format, registered."""
    import starfield

    starfield.register()
    yield starfield
    unregister_format("starfield")


def test_a_format_is_read_and_written_by_the_command_line(starfield, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    digits = data.read("digits:test").select(slice(5))
    data.write(digits, "digits.star")
    np.testing.assert_array_equal(data.read("digits.star").values, digits.values)
    main(["encode", str(model), "digits.star", "-o", "codes.npy"])
    main(["decode", str(model), "codes.npy", "-o", "decoded.star"])
    assert data.read("decoded.star").values.shape == digits.values.shape


def test_errors_of_a_format_are_one_line(starfield, model, tmp_path, capsys):
    (tmp_path / "cut.star").write_bytes(b"STARFIELD 2 8 8\n1234")
    with pytest.raises(SystemExit) as ended:
        main(["encode", str(model), str(tmp_path / "cut.star"), "-o", str(tmp_path / "codes.npy")])
    assert ended.value.code == 1
    assert "cut.star: not a complete starfield file" in capsys.readouterr().err
