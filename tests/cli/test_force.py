"""No verb replaces a file unless --force says so, and the checks come before the work."""

import shutil

import numpy as np
import pytest

from narrows import Codec, Denoiser, Imputer, data

from .conftest import narrows

REFUSED = "already exists"


@pytest.fixture(scope="module")
def models(tmp_path_factory, digits_model):
    """A model of each tool, a compressed file and codes."""
    folder = tmp_path_factory.mktemp("models")
    digits = data.read("digits")
    shutil.copy(digits_model, folder / "ae.safetensors")
    Denoiser("gaussian:0.5", learning_rate=4e-3, epochs=7).fit(digits).save(folder / "den.safetensors")
    Imputer("pixels:0.5", learning_rate=4e-3, epochs=6).fit(digits).save(folder / "fill.safetensors")
    Codec(epochs=5).fit(digits).save(folder / "codec.safetensors")
    np.save(folder / "x.npy", digits.values[:4])
    np.save(folder / "codes.npy", np.zeros((4, 12), np.float32))
    data.write(data.Items.from_array(digits.values[:4], names=[f"{n}.png" for n in "abcd"]), f"{folder}/images/")
    ran = narrows("compress", folder / "codec.safetensors", folder / "images", "-o", folder / "x.narrow", "--lossless")
    assert ran.code == 0
    return folder


@pytest.fixture
def place(models, tmp_path, monkeypatch):
    shutil.copytree(models, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


FILES = [
    ("train autoencoder digits -o {} --architecture linear --epochs 3 --code 12", "old.safetensors"),
    ("encode ae.safetensors x.npy -o {}", "old.npy"),
    ("encode ae.safetensors x.npy --errors {}", "old.csv"),
    ("decode ae.safetensors codes.npy -o {}", "old.npy"),
    ("compress codec.safetensors x.npy --lossless -o {}", "old.narrow"),
    ("decompress x.narrow -o {}", "old.npy"),
    ("preview x.narrow -o {}", "old.png"),
    ("denoise den.safetensors x.npy -o {}", "old.npy"),
    ("denoise den.safetensors x.npy -o new.npy --uncertainty {}", "old.npy"),
    ("fill fill.safetensors x.npy -o {}", "old.npy"),
    ("fill fill.safetensors x.npy -o new.npy --uncertainty {}", "old.npy"),
    ("fill fill.safetensors x.npy -o old.npy --samples 2 {}", "old-2.npy"),
    ("report ae.safetensors x.npy -o {}", "old.html"),
]


@pytest.mark.parametrize(("line", "old"), FILES)
def test_a_file_is_replaced_with_force_alone(line, old, place):
    (place / old).write_bytes(b"precious")
    words = line.format("" if "--samples" in line else old).split()
    ran = narrows(*words)
    assert (ran.code, ran.out) == (1, b"")
    assert ran.err.splitlines()[-1] == f"narrows: error: {old}: {REFUSED}; use --force to replace it"
    assert (place / old).read_bytes() == b"precious"
    assert not list(place.glob("new*"))
    assert narrows(*words, "-f").code == 0
    assert (place / old).read_bytes() != b"precious"


FOLDERS = [
    ("decode ae.safetensors codes.npz -o out/", "out/c.png"),
    ("decompress x.narrow -o out/", "out/c.png"),
    ("decompress x.narrow -o out/ --only c.png", "out/c.png"),
    ("denoise den.safetensors images -o out/", "out/c.png"),
    ("fill fill.safetensors images -o out/", "out/c.png"),
    ("fill fill.safetensors images -o out/ --samples 1", "out-1/c.png"),
]


@pytest.mark.parametrize(("line", "old"), FOLDERS)
def test_files_in_a_folder_are_checked_before_work_begins(line, old, place, monkeypatch):
    assert narrows("encode", "ae.safetensors", "images", "-o", "codes.npz").code == 0
    (place / old).parent.mkdir()
    (place / old).write_bytes(b"precious")
    with monkeypatch.context() as patch:
        for work in (
            "models.denoiser_model.DenoiserModel.denoise",
            "models.imputer_model.ImputerModel.fill",
            "models.autoencoder_model.AutoencoderModel.decode",
            "codec.archive.Archive.read",
        ):
            patch.setattr(f"narrows.{work}", None)
        ran = narrows(*line.split())
    assert (ran.code, ran.out) == (1, b"")
    assert ran.err.splitlines()[-1].startswith(f"narrows: error: {old}: {REFUSED}")
    assert (place / old).read_bytes() == b"precious"
    ran = narrows(*line.split(), "--force")
    assert (ran.code, ran.out) == (0, b"")
    assert (place / old).read_bytes() != b"precious"


def test_other_files_in_a_folder_do_not_matter(place):
    (place / "out").mkdir()
    (place / "out" / "notes.txt").write_text("mine")
    assert narrows("denoise", "den.safetensors", "images", "-o", "out/").code == 0
    assert sorted(path.name for path in (place / "out").iterdir()) == ["a.png", "b.png", "c.png", "d.png", "notes.txt"]


def test_several_files_are_counted(place):
    assert narrows("denoise", "den.safetensors", "images", "-o", "out/").code == 0
    ran = narrows("denoise", "den.safetensors", "images", "-o", "out/")
    assert "out/a.png: already exists, as do 4 of 4 outputs; use --force" in ran.err


def test_tables_are_checked_too(tmp_path, monkeypatch):
    pd = pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    pd.DataFrame(rng.normal(size=(60, 3)), columns=list("abc")).to_csv("x.csv", index=False)
    assert narrows("train", "imputer", "x.csv", "-o", "t.safetensors", "--epochs", 1).code == 0
    (tmp_path / "y-1.csv").write_text("mine")
    ran = narrows("fill", "t.safetensors", "x.csv", "-o", "y.csv", "--samples", 1)
    assert (ran.code, f"y-1.csv: {REFUSED}" in ran.err) == (1, True)
    assert not (tmp_path / "y.csv").exists()


def test_the_output_of_a_demo_is_an_empty_folder(tmp_path):
    (tmp_path / "index.html").write_text("mine")
    ran = narrows("demo", "-o", tmp_path)
    assert (ran.code, ran.out) == (1, b"")
    assert ran.err == f"narrows: error: {tmp_path}: is not empty; to replace files in it, use --force\n"


def test_standard_deviations_do_not_replace_the_output(place):
    ran = narrows("denoise", "den.safetensors", "x.npy", "-o", "y.npy", "--uncertainty", "y.npy")
    assert (ran.code, "--uncertainty y.npy: is the output as well" in ran.err) == (2, True)
    assert not (place / "y.npy").exists()
