"""Every mistake ends in one line that names it, and in the exit code that says whose it was."""

import json
import os
import struct

import numpy as np
import pytest

from narrows.cli.messages import as_flag, say
from narrows.errors import DataError, ParameterError

from ..model_files import write_model
from .conftest import narrows


@pytest.fixture
def place(tmp_path, digits_model):
    """A folder with a model and things that are none."""
    (tmp_path / "m.safetensors").write_bytes(digits_model.read_bytes())
    (tmp_path / "folder.safetensors").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.npy").write_text("no array")
    (tmp_path / "nothing.png").write_bytes(b"")
    damaged = bytearray(digits_model.read_bytes())
    damaged[-3] ^= 0xFF
    (tmp_path / "damaged.safetensors").write_bytes(damaged)
    (tmp_path / "short.safetensors").write_bytes(damaged[:500])
    (tmp_path / "short.narrow").write_bytes(b"NRW\1\x20half a header")
    other = json.dumps({"__metadata__": {"made": "elsewhere"}}).encode()
    (tmp_path / "other.safetensors").write_bytes(struct.pack("<Q", len(other)) + other)
    write_model(tmp_path / "bare.safetensors", {}, {"tool": "autoencoder"})
    np.save(tmp_path / "five.npy", np.zeros((5, 2, 2, 2, 2)))
    np.save(tmp_path / "codes.npy", np.zeros((5, 7), np.float32))
    np.save(tmp_path / "nan.npy", np.full((5, 12), np.nan, np.float32))
    np.save(tmp_path / "pictures.npy", np.zeros((5, 9, 9), np.uint8))
    np.savez(tmp_path / "foreign.npz", a=np.zeros(3), b=np.zeros(4))
    np.savez(tmp_path / "unfit.npz", codes=np.zeros(5), lengths=[12], shapes=[[8, 8]])
    return tmp_path


TRAIN = "train autoencoder digits -o new.safetensors --epochs 1"

USAGE = [
    ("nonsense", "nonsense"),
    ("train", "Missing command"),
    ("train autoencoder", "DATA"),
    ("train autoencoder digits", "--output"),
    ("train sorcerer digits", "sorcerer"),
    (f"{TRAIN} --minutes 1", "either in minutes or in epochs"),
    (f"{TRAIN} --frobnicate", "--frobnicate"),
    (f"{TRAIN} --architecture round", "--architecture"),
    (f"{TRAIN} --code many", "--code many"),
    (f"{TRAIN} --code 0", "--code 0"),
    (f"{TRAIN} --code 4x5x5", "--code 4x5x5"),
    (f"{TRAIN} --batch-size 0", "--batch-size 0"),
    (f"{TRAIN} --learning-rate -1", "--learning-rate -1"),
    (f"{TRAIN} --seed -1", "--seed"),
    (f"{TRAIN} --device tpu", "--device"),
    ("train autoencoder digits -o new.safetensors --epochs 0", "--epochs 0"),
    ("train autoencoder digits -o new.safetensors --minutes many", "--minutes"),
    ("train autoencoder digits -o new.safetensors --axes NQ", "--axes NQ"),
    ("train autoencoder digits -o new.pt", ".safetensors"),
    ("train autoencoder digits -o -", ".safetensors"),
    ("encode m.safetensors digits -o codes.txt", ".npy, .npz, "),
    ("info", "FILE"),
    ("info m.safetensors --verify", "--verify"),
    ("train codec digits -o new.safetensors --minutes 1 --epochs 2", "either in minutes or in epochs"),
    ("compress m.safetensors digits --lossless", "--output"),
    ("compress m.safetensors digits -o new.narrow", "give one of --lossless"),
    ("compress m.safetensors digits -o new.narrow --lossless --psnr 30", "give one of --lossless"),
    ("compress m.safetensors digits -o new.narrow --quality 101", "--quality"),
    ("compress m.safetensors digits -o new.narrow --max-error -1", "--max-error"),
    ("compress m.safetensors digits -o new.narrow --max-error nan", "--max-error"),
    ("compress m.safetensors digits -o new.zip --lossless", ".narrow"),
]

FAILURES = [
    ("train autoencoder digits -o no/where/m.safetensors", "there is no folder no/where"),
    ("train autoencoder digits -o folder.safetensors", "is a folder"),
    ("train autoencoder digits -o m.safetensors --resume", "m.safetensors.checkpoint"),
    ("train autoencoder missing -o new.safetensors", "missing"),
    ("train autoencoder empty -o new.safetensors", "empty"),
    ("train autoencoder digits:middle -o new.safetensors", "middle"),
    ("train autoencoder five.npy -o new.safetensors", "--axes"),
    ("train autoencoder nothing.png -o new.safetensors", "nothing.png"),
    ("train autoencoder text.npy -o new.safetensors", "text.npy"),
    (f"train autoencoder digits -o {'m' * 240}.safetensors", "cannot be written"),
    ("info missing.safetensors", "missing.safetensors: No such file"),
    ("info empty", "empty: Is a directory"),
    ("info damaged.safetensors", "damaged.safetensors"),
    ("info short.safetensors", "short.safetensors"),
    ("info other.safetensors", "other.safetensors"),
    ("info bare.safetensors", "bare.safetensors"),
    ("evaluate bare.safetensors digits", "bare.safetensors"),
    ("info codes.npy", "codes.npy"),
    ("evaluate codes.npy digits", "codes.npy"),
    ("evaluate m.safetensors pictures.npy", "pictures.npy"),
    ("encode missing.safetensors digits -o new.npy", "missing.safetensors"),
    ("encode m.safetensors digits -o no/where/codes.npy", "there is no folder no/where"),
    ("decode m.safetensors missing.npy -o out/", "missing.npy: No such file"),
    ("decode m.safetensors codes.npy -o out/", "codes.npy: codes of 7 values"),
    ("decode m.safetensors nan.npy -o out/", "nan.npy"),
    ("decode m.safetensors pictures.npy -o out/", "pictures.npy"),
    ("decode m.safetensors text.npy -o out/", "text.npy"),
    ("decode m.safetensors foreign.npz -o out/", "foreign.npz"),
    ("decode m.safetensors unfit.npz -o out/", "unfit.npz"),
    ("compress missing.safetensors digits -o new.narrow --lossless", "missing.safetensors: No such file"),
    ("compress m.safetensors digits -o no/where/new.narrow --lossless", "there is no folder no/where"),
    ("decompress missing.narrow -o out/", "missing.narrow: No such file"),
    ("decompress text.npy -o out/", "text.npy: not a .narrow file"),
    ("preview text.npy -o new.png", "text.npy: not a .narrow file"),
    ("info short.narrow", "short.narrow: truncated"),
]


@pytest.mark.parametrize(("line", "words"), USAGE)
def test_wrong_usage(line, words, place, monkeypatch):
    monkeypatch.chdir(place)
    ran = narrows(*line.split())
    assert ran.code == 2
    assert words in ran.err
    assert_one_line(ran)
    assert not list(place.glob("new*"))


@pytest.mark.parametrize(("line", "words"), FAILURES)
def test_failures(line, words, place, monkeypatch):
    monkeypatch.chdir(place)
    ran = narrows(*line.split())
    assert ran.code == 1
    assert words in ran.err
    assert_one_line(ran)
    assert not list(place.glob("new*"))


def assert_one_line(ran):
    assert ran.err.count("\n") == 1
    assert ran.err.startswith("narrows: error: ")
    assert "Traceback" not in ran.err
    assert "unexpected" not in ran.err
    assert ran.out == b""


def test_codes_of_different_sizes_need_npz(ragged_model, ragged, tmp_path):
    ran = narrows("encode", ragged_model, ragged, "-o", tmp_path / "codes.npy")
    assert ran.code == 1
    assert ".npz" in ran.err
    assert not list(tmp_path.iterdir())


def test_a_collapse_is_not_handed_over(tmp_path):
    model = tmp_path / "m.safetensors"
    options = ("--architecture", "dense", "--learning-rate", 1e6, "--epochs", 4)
    ran = narrows("train", "autoencoder", "digits", "-o", model, *options)
    assert ran.code == 1
    assert "mean of the data" in ran.err
    assert not model.exists()


@pytest.mark.parametrize("line", ["--debug info missing.safetensors", "info missing.safetensors --debug"])
def test_debug_shows_where(line):
    ran = narrows(*line.split())
    assert ran.code == 1
    assert ran.err.startswith("Traceback")
    assert ran.err.splitlines()[-1].startswith("narrows: error: missing.safetensors")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to(tmp_path):
    tmp_path.chmod(0o500)
    ran = narrows("train", "autoencoder", "digits", "-o", tmp_path / "m.safetensors")
    assert ran.code == 1
    assert "Permission denied" in ran.err


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("code", 32, "--code 32"),
        ("code", (4, 7, 7), "--code 4x7x7"),
        ("random_state", 1, "--seed 1"),
        ("learning_rate", 1e-05, "--learning-rate 1e-05"),
        ("missing_values", "alpha", "--missing alpha"),
        ("keep_going", True, "--keep-going"),
        ("clip", False, "--no-clip"),
        ("noise", None, "--noise"),
    ],
)
def test_parameters_are_options_on_the_command_line(name, value, shown):
    assert as_flag(name, value) == shown


def test_an_error_names_options_or_keyword_arguments():
    error = DataError("3 axes", source="code=4.npy", hint="specify which axis is which", suggestion={"axes": "NYX"})
    assert str(error) == "code=4.npy: 3 axes; specify which axis is which: axes='NYX'"
    assert error.describe(as_flag) == "code=4.npy: 3 axes; specify which axis is which: --axes NYX"
    error = ParameterError("expected a whole number from 0", parameter="random_state", value=-1)
    assert str(error) == "random_state=-1: expected a whole number from 0"
    assert error.describe(as_flag) == "--seed -1: expected a whole number from 0"


def test_messages_are_single_lines_without_control_characters(capsys):
    say("two\nlines\x1b[31m")
    assert capsys.readouterr().err == "narrows: two lines [31m\n"
