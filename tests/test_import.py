"""The package is a table of contents: what is heavy comes when it is used."""

import lzma
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import narrows
from narrows import data

HERE = Path(__file__).parent
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


@pytest.mark.parametrize(
    ("lines", "model", "largest"),
    [
        (["encode {} one.png -o c.npy", "decode {} c.npy -o back.png"], "fixtures/autoencoder-conv", 31),
        (["denoise {} one.png -o clean.png --uncertainty u.npy"], "fixtures/denoiser-lesson", 31),
        (["fill {} one.png --mask mask.png -o whole.png --samples 1"], "fixtures/imputer-images", 1),
        (
            ["compress {} one.png -o x.narrow --lossless", "decompress x.narrow -o back.png"],
            "codec/fixtures/digits",
            31,
        ),
    ],
)
def test_models_work_on_images_without_scikit_learn_and_pandas(lines, model, largest, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = f"{Path(model).name}.safetensors"
    Path(name).write_bytes(lzma.decompress((HERE / f"{model}.safetensors.xz").read_bytes()))
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) % (largest + 1)).save("one.png")
    Image.fromarray(np.eye(8, dtype=bool)).save("mask.png")
    for line in lines:
        program = (
            "import sys\nfrom narrows.cli import main\n"
            f"try: main({line.format(name).split()!r})\n"
            "except SystemExit as exit: assert not exit.code\n"
            "print(*sys.modules)"
        )
        ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert ("torch" in ran.stdout.split()) == ("codec" not in model)
        assert not {"sklearn", "scipy.stats", "pandas", "pyarrow", "matplotlib"} & set(ran.stdout.split())


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


@pytest.mark.parametrize(
    ("model", "verb", "output"),
    [
        ("fixtures/autoencoder-conv", "encode", "codes.npy"),
        ("fixtures/denoiser-lesson", "denoise", "clean.png"),
        ("fixtures/imputer-images", "fill", "filled.npy"),
        ("codec/fixtures/digits", "compress", "x.narrow"),
    ],
)
def test_trained_models_need_no_scikit_learn_or_pandas(model, verb, output, tmp_path):
    folder = Path(__file__).parent
    (tmp_path / "m.safetensors").write_bytes(lzma.decompress((folder / f"{model}.safetensors.xz").read_bytes()))
    source = "x.npy" if verb == "fill" else "x.png"
    values = np.full((1, 8, 8), 0.5, np.float32) if verb == "fill" else np.full((1, 8, 8), 9, np.uint8)
    data.write(data.Items(values, "NYX"), tmp_path / source)
    arguments = [verb, "m.safetensors", source, "-o", output, *(["--lossless"] if verb == "compress" else [])]
    code = f"import os; os.chdir({str(tmp_path)!r}); from narrows.cli import main; main({arguments!r})"
    assert not modules_after(code) & {"sklearn", "scipy", "pandas", "matplotlib"}
    assert (tmp_path / output).exists()
