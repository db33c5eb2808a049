"""The package is a table of contents: what is heavy comes when it is used."""

import subprocess
import sys

import pytest

import narrows

HEAVY = ("torch", "sklearn", "numpy", "scipy", "PIL", "rich", "typer", "safetensors", "matplotlib", "pandas", "pyarrow")


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
    loaded = modules_after("from narrows import data; from narrows.artifacts import model_file")
    assert "numpy" in loaded
    assert not loaded & {"torch", "sklearn", "pandas", "pyarrow"}


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


def test_tables_say_what_they_need(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    code = f"""
import sys
sys.modules["pandas"] = sys.modules["pyarrow"] = None
from narrows import data, DataError
try:
    data.read({str(tmp_path / "x.csv")!r})
except DataError as error:
    assert "pip install 'narrows[tables]'" in str(error), error
else:
    raise AssertionError("read without pandas")
"""
    modules_after(code)
