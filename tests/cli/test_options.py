"""Options that every verb has, options from constructors, and completion in the shell."""

import inspect
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import narrows as package
from narrows import __version__
from narrows.cli.tool_options import Constructor, Parameter, parse_parameters, read_constructor
from narrows.registry import tools

from .conftest import begin, narrows, rest_of, spawned

FAST = ("--learning-rate", 4e-3, "--holes", "pixels:0.5")
VERBS = (
    *("datasets", "models", "train", *(f"train {tool}" for tool in ("autoencoder", "codec", "denoiser", "imputer"))),
    *("encode", "decode", "compress", "decompress", "preview", "denoise", "fill"),
    *("evaluate", "export", "report", "view", "info", "demo"),
)
WRITING = (
    *("train autoencoder", "train codec", "train denoiser", "train imputer", "encode", "decode", "compress"),
    *("decompress", "preview", "denoise", "fill", "export", "report", "demo"),
)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_short_help_with_an_example(verb):
    ran, long = narrows(*verb.split(), "-h"), narrows(*verb.split(), "--help")
    assert (ran.code, ran.out, ran.err) == (0, long.out, "")
    assert f"narrows {verb}".encode() in ran.out.partition(b"Example")[2]
    for option in (b"-q, --quiet", b"-v, --verbose", b"--debug")[: 0 if verb == "train" else 3]:
        assert option in ran.out
    assert (b"-f, --force" in ran.out) == (verb in WRITING)


def test_the_summaries_of_verbs_fit_their_lines():
    assert b"..." not in narrows("-h").out.partition(b"Commands:")[2]


def test_version():
    assert narrows("-V").out == narrows("--version").out == f"narrows {__version__}\n".encode()


@pytest.mark.parametrize("line", ["-q {0}", "{0} -q", "--quiet {0}", "{0} --quiet"])
def test_quiet_leaves_out_notes(line, digits_model, tmp_path):
    items = tmp_path / "x.npz"
    np.savez(items, a=np.zeros((8, 8), np.uint8), b=np.zeros((8, 8), np.uint8))
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "z.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert narrows("decode", digits_model, _codes(tmp_path), "-o", f"{folder}/").code == 0
    encode = f"encode {digits_model} {folder} --errors {tmp_path / 'e.csv'} --force"
    assert "skipped z.png" in narrows(*encode.split()).err
    ran = narrows(*line.format(encode).split())
    assert (ran.code, ran.out, ran.err) == (0, b"", "")
    ran = narrows(*line.format(f"info {tmp_path / 'none'}").split())
    assert (ran.code, ran.err) == (1, f"narrows: error: {tmp_path / 'none'}: No such file or directory\n")


def _codes(folder: Path) -> Path:
    np.save(folder / "codes.npy", np.zeros((3, 12), np.float32))
    return folder / "codes.npy"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal of POSIX")
def test_quiet_shows_no_progress(tmp_path):
    train = ("train", "autoencoder", "digits", "-o", tmp_path / "m.safetensors", "--architecture", "linear")
    process, terminal = begin("", *train, "--epochs", 5, "-q")
    assert rest_of(terminal) == ""
    assert process.wait(60) == 0
    assert b"899 items" in process.stdout.read()


@pytest.mark.parametrize("line", ["-v {0}", "{0} --verbose"])
def test_verbose_tells_more(line, tmp_path):
    model = tmp_path / "m.safetensors"
    train = f"train autoencoder digits -o {model} --architecture linear --epochs 2 --batch-size 50"
    ran = narrows(*line.format(train).split())
    assert ran.code == 0
    assert re.search(r"narrows: digits: 899 items of 8x8, axes NYX, uint8; read in [\d.]+ s\n", ran.err)
    assert re.search(r"narrows: trained in [\d.]+ s; device \w+, epochs 2, batch_size 50, learning_rate 0\.", ran.err)
    ran = narrows(*line.format(f"encode {model} digits:test -o {tmp_path / 'codes.npy'}").split())
    assert re.search(r"m\.safetensors: an autoencoder, loaded in [\d.]+ s\n", ran.err)
    assert re.search(r"narrows: done in [\d.]+ s\n$", ran.err)
    assert (ran.code, ran.out) == (0, b"")


def test_verbosity_lasts_for_one_command_line(digits_model, tmp_path):
    narrows("-v", "info", digits_model)
    assert narrows("info", digits_model).err == ""


@pytest.mark.parametrize("tool", list(tools()))
def test_options_of_train_are_those_of_the_constructor(tool):
    spec = tools()[tool]
    shown = narrows("train", tool, "-h").out.decode()
    estimator = getattr(package, tool.capitalize())
    renamed = {"random_state": "seed", "missing_values": "missing"}
    parameters = set(inspect.signature(estimator).parameters) - {"verbose"}  # that of the command line is another
    for name in parameters:
        option = f"--{renamed.get(name, name.replace('_', '-'))} "
        assert (option in shown) == (name not in spec.python_only), name
    assert ("--target " in shown) == (tool == "denoiser")
    assert read_constructor(spec.estimator).parameters[-1].name == "verbose"


def test_the_strategy_of_an_imputer_is_an_option(tmp_path):
    model = tmp_path / "m.safetensors"
    ran = narrows("train", "imputer", "digits", "-o", model, "--strategy", "mode", "--epochs", 6, *FAST)
    assert (ran.code, ran.err) == (0, "")
    assert package.load(model).strategy == "mode"
    ran = narrows("train", "imputer", "digits", "-o", model, "--strategy", "median")
    assert (ran.code, "--strategy" in ran.err) == (2, True)


class Inherits(package.Codec):
    """Learn nothing new."""


def test_a_constructor_that_is_inherited_is_found_by_import(monkeypatch):
    monkeypatch.setitem(sys.modules, "elsewhere", sys.modules[__name__])
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    found = read_constructor("elsewhere:Inherits")
    assert found.summary == "Learn nothing new"
    assert [each.name for each in found.parameters] == list(inspect.signature(package.Codec).parameters)


def test_parameters_from_a_docstring():
    found = parse_parameters(
        """Do it.

        Parameters
        ----------
        size, width : int or "CxYxX", optional
            How `large` it is, e.g. 4x7x7 or 3.5. More words.
        kind : {"a", "b"}, default="a"
            Which of them.

        Returns
        -------
        x : int
            Nothing.
        """
    )
    assert list(found) == ["size", "width", "kind"]
    assert found["width"] == ('int or "CxYxX", optional', "How large it is, e.g. 4x7x7 or 3.5.")
    kind = Parameter("kind", *found["kind"], default="a")
    assert (kind.choices, kind.help) == (("a", "b"), "Which of them.")
    size = Parameter("size", *found["size"])
    assert [size.convert(text) for text in ("32", "4x7x7", None, 8)] == [32, "4x7x7", None, 8]
    assert isinstance(read_constructor("narrows.estimators.codec:Codec"), Constructor)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("narrows dec", {"decode", "decompress"}),
        ("narrows train ", {"autoencoder", "codec", "denoiser", "imputer"}),
        ("narrows train imputer --strat", {"--strategy"}),
        ("narrows train autoencoder --loss ", {"mse", "mae", "bce"}),
    ],
)
def test_completion(words, expected):
    environment = {
        **os.environ,
        "_NARROWS_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    ran = spawned(env=environment)
    assert (ran.code, ran.err) == (0, "")
    assert set(ran.out.decode().split()) == expected


def test_a_plugin_that_fails_is_named_and_everything_else_works(digits_model, tmp_path):
    metadata = tmp_path / "broken-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[narrows.plugins]\nbroken = nowhere_at_all:register\n")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}
    ran = spawned("info", digits_model, env=environment)
    assert ran.code == 0
    assert b"autoencoder" in ran.out
    assert ran.err == (
        "narrows: plugin broken (nowhere_at_all:register): ModuleNotFoundError: No module named 'nowhere_at_all'\n"
    )
