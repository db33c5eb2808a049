"""The package is a table of contents: what is heavy comes when it is used."""

import subprocess
import sys

import pytest

import narrows

HEAVY = ("torch", "sklearn", "numpy", "scipy", "PIL", "rich", "typer", "safetensors", "matplotlib")


def modules_after(code):
    """The top-level modules that a fresh Python has loaded after `code`."""
    code += "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return set(ran.stdout.split())


def test_importing_costs_nothing():
    code = "import narrows; narrows.__version__; narrows.FormatError; narrows.DataError; dir(narrows)"
    assert not modules_after(code) & set(HEAVY)


def test_data_and_model_files_need_no_torch():
    loaded = modules_after("from narrows import data, model_file")
    assert "numpy" in loaded
    assert not loaded & {"torch", "sklearn"}


def test_the_names_are_there():
    for name in narrows.__all__:
        assert getattr(narrows, name) is not None
    assert set(narrows.__all__) <= set(dir(narrows))
    assert issubclass(narrows.DataError, narrows.NarrowsError)
    assert issubclass(narrows.DataError, ValueError)
    assert issubclass(narrows.FormatError, (narrows.NarrowsError, ValueError))
    assert issubclass(narrows.TrainingError, narrows.NarrowsError)
    with pytest.raises(AttributeError, match="module 'narrows' has no attribute 'Autoencode'"):
        narrows.Autoencode  # noqa: B018
