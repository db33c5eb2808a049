"""Model files hold numbers and one document, name themselves by their content, and notice every damage."""

import json
import pickle
import random
from functools import cache

import numpy as np
import pytest
import safetensors.numpy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import narrows
from narrows import Autoencoder, FormatError
from narrows.artifacts import model_file
from narrows.artifacts.model_file import FORMAT, PACKED_FORMAT, fingerprint
from narrows.training import threads

from .made_up import table, waves
from .model_files import read_model, write_model

MODELS = {
    "linear": lambda: Autoencoder("linear", code=4, epochs=20).fit(waves(60, 12, 12)),
    "colour": lambda: Autoencoder("conv", code="4x3x3", epochs=10).fit(waves(60, 12, 11, channels=3)),
    "unpool": lambda: Autoencoder("conv", code="2x8", upsampling="unpool", axes="NT", epochs=10).fit(waves(60, 32)),
    "lesson": lambda: Autoencoder("conv", code=6, preset="lesson", epochs=30).fit(waves(80, 9, 9, dtype=np.float32)),
    "table": lambda: Autoencoder(code=3, epochs=15).fit(table(80)),
    "volumes": lambda: Autoencoder("conv", code=5, axes="NZYX", epochs=20).fit(waves(40, 5, 6, 7)),
}
DATA = {
    "linear": lambda: waves(9, 12, 12, seed=1),
    "colour": lambda: waves(9, 12, 11, channels=3, seed=1),
    "unpool": lambda: waves(9, 32, seed=1),
    "lesson": lambda: waves(9, 9, 9, dtype=np.float32, seed=1),
    "table": lambda: table(9, seed=1),
    "volumes": lambda: waves(9, 5, 6, 7, seed=1),
}


@cache
def fitted(name):
    return MODELS[name]()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "m.safetensors"
    fitted("linear").save(path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """For tests that hypothesis runs many times."""
    return tmp_path_factory.mktemp("folder")


def contents(path):
    tensors, document = read_model(path)
    return {name: tensor.tobytes() for name, tensor in tensors.items()}, document


def one_line_about(error, path):
    text = str(error.value)
    return text.startswith(f"{path}: ") and "\n" not in text


@pytest.mark.parametrize("name", MODELS)
def test_a_loaded_model_does_the_same_to_the_last_bit(name, tmp_path, monkeypatch):
    monkeypatch.setattr(threads, "running_threads", lambda own: 0)  # sums depend on the number of threads
    model, X = fitted(name), DATA[name]()
    model.save(tmp_path / "m.safetensors")
    loaded = narrows.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(loaded.transform(X), model.transform(X))
    np.testing.assert_array_equal(loaded.reconstruct(X), model.reconstruct(X))
    np.testing.assert_array_equal(
        loaded.inverse_transform(model.transform(X)), model.inverse_transform(model.transform(X))
    )
    assert loaded.score(X) == model.score(X)
    assert loaded.reconstruct(X).dtype == X.dtype
    assert loaded.history_ == model.history_
    assert loaded.training_ == model.training_
    assert loaded.code_shape_ == model.code_shape_
    assert loaded.n_features_in_ == model.n_features_in_


@pytest.mark.parametrize("name", MODELS)
def test_a_loaded_model_is_saved_as_it_was(name, tmp_path):
    fitted(name).save(tmp_path / "one.safetensors")
    narrows.load(tmp_path / "one.safetensors").save(str(tmp_path / "other.safetensors"))
    assert contents(tmp_path / "one.safetensors") == contents(tmp_path / "other.safetensors")


def test_a_loaded_model_can_be_trained_again_the_same_way(tmp_path):
    X = waves(60, 6, 12, channels=2).transpose(0, 3, 1, 2)
    model = Autoencoder("conv", code=4, axes="NCYX", epochs=12, loss="mae", random_state=3).fit(X)
    model.save(tmp_path / "m.safetensors")
    loaded = narrows.load(tmp_path / "m.safetensors")
    again = narrows.load(tmp_path / "m.safetensors").fit(X)
    np.testing.assert_array_equal(again.transform(X), loaded.transform(X))


def test_a_file_is_a_header_and_numbers(tmp_path):
    """Nothing that a reader would have to execute: JSON, and behind it the tensors' bytes, to the last one."""
    for name in MODELS:
        path = tmp_path / f"{name}.safetensors"
        fitted(name).save(path)
        content = path.read_bytes()
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        document = json.loads(header.pop("__metadata__")["narrows.model"])
        assert document["format"] == FORMAT
        assert document["tool"] == "autoencoder"
        about = {"architecture", "scaling", "axes", "features", "columns", "table"}
        assert set(document) == {"format", "narrows", "tool", "training", *about}
        end = 0
        for entry in sorted(header.values(), key=lambda entry: entry["data_offsets"]):
            assert entry["dtype"] == "F32"
            assert entry["data_offsets"] == [end, end + 4 * int(np.prod(entry["shape"]))]
            end = entry["data_offsets"][1]
        assert len(content) == 8 + length + end


def test_nothing_is_pickled(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("pickle")

    for module, names in (
        (pickle, ("dump", "dumps", "load", "loads", "Pickler", "Unpickler")),
        (torch, ("save", "load")),
    ):
        for name in names:
            monkeypatch.setattr(module, name, refuse)
    fitted("linear").save(tmp_path / "m.safetensors")
    narrows.load(tmp_path / "m.safetensors")
    Autoencoder("linear", code=4, epochs=20).fit(waves(60, 12, 12), checkpoint=tmp_path / "run")


def changed_document(path, target, **changes):
    """The model with another document, told to be whole."""
    tensors, document = read_model(path)
    document = {name: value for name, value in document.items() if name != "fingerprint"} | changes
    with pytest.MonkeyPatch.context() as patch:
        if "format" in changes:
            patch.setattr(model_file, "FORMAT", changes["format"])
        write_model(target, tensors, document)
    return target


def test_the_fingerprint_names_what_a_model_does(saved, tmp_path):
    tensors, document = read_model(saved)
    original = document.pop("fingerprint")
    assert original == fingerprint(tensors, document)
    assert original == fingerprint(dict(reversed(tensors.items())), dict(reversed(document.items())))
    other_facts = {**document, "training": {**document["training"], "seconds": 1e6, "data": "elsewhere/"}}
    assert fingerprint(tensors, other_facts) == original
    assert fingerprint(tensors, {**document, "axes": "NYXC"}) != original
    for name, tensor in tensors.items():
        changed = tensor.copy()
        changed.flat[0] = np.nextafter(changed.flat[0], np.float32(9))
        assert fingerprint({**tensors, name: changed}, document) != original
        assert fingerprint({**tensors, name: tensor.reshape(-1, 1)}, document) != original
        assert fingerprint({**tensors, name: tensor.astype(np.float64)}, document) != original


def test_the_same_run_has_the_same_fingerprint(saved, tmp_path):
    again = tmp_path / "again.safetensors"
    MODELS["linear"]().save(again)
    assert read_model(again)[1]["fingerprint"] == read_model(saved)[1]["fingerprint"]


@settings(max_examples=60)
@given(
    st.dictionaries(
        st.text("ab.é0", min_size=1, max_size=8),
        st.tuples(
            st.sampled_from(["f4", "f8", "f2", "u1", "i8", "?"]), st.lists(st.integers(0, 4), max_size=3).map(tuple)
        ),
        max_size=4,
    ),
    st.dictionaries(
        st.text(max_size=5),
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=9),
        max_size=4,
    ),
)
def test_what_is_written_is_read(folder, specifications, facts):
    path = folder / "m.safetensors"
    rng = np.random.default_rng(0)
    tensors = {name: rng.integers(0, 2, shape).astype(dtype) for name, (dtype, shape) in specifications.items()}
    write_model(path, tensors, {"tool": "any", "training": facts})
    found, document = read_model(path)
    assert found.keys() == tensors.keys()
    for name in tensors:
        assert found[name].dtype == tensors[name].dtype
        np.testing.assert_array_equal(found[name], tensors[name])
    assert repr(document["training"]) == repr(facts)  # nan is not equal to itself


def test_a_flipped_byte_is_noticed_or_means_nothing(saved, tmp_path):
    """In the header's training facts, which are no part of the fingerprint, as well as in the weights."""
    content, whole = saved.read_bytes(), contents(saved)
    header = 8 + int.from_bytes(content[:8], "little")
    rng = random.Random(0)
    damaged = tmp_path / "damaged.safetensors"
    noticed = []
    for position in [*range(0, header, 3), *(rng.randrange(header, len(content)) for _ in range(100))]:
        change = bytes([content[position] ^ 1 << rng.randrange(8)])
        damaged.write_bytes(content[:position] + change + content[position + 1 :])
        try:
            assert contents(damaged) == whole
        except FormatError as error:
            noticed.append(str(error))
        else:
            assert content[position : position + 1] == b" "  # that fills up the header
    assert all(message.startswith(f"{damaged}: ") and "\n" not in message for message in noticed)
    assert len(noticed) > header / 3


def test_a_cut_file_is_noticed(saved, tmp_path):
    content = saved.read_bytes()
    damaged = tmp_path / "damaged.safetensors"
    rng = random.Random(0)
    lengths = [0, 1, 7, 8, 9, len(content) - 1, *(rng.randrange(len(content)) for _ in range(30))]
    for change in [*(content[:length] for length in lengths), content + b"\0", b"\0" * 100, b"\xff" * 100]:
        damaged.write_bytes(change)
        with pytest.raises(FormatError) as error:
            narrows.load(damaged)
        assert one_line_about(error, damaged)


@given(st.binary(max_size=200))
def test_anything_else_is_no_model(folder, content):
    path = folder / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(FormatError) as error:
        narrows.load(path)
    assert one_line_about(error, path)


def test_models_of_others(tmp_path):
    path = tmp_path / "theirs.safetensors"
    tensors = {"weight": np.zeros((2, 2), np.float32)}
    for metadata in (None, {"format": "pt"}):
        safetensors.numpy.save_file(tensors, path, metadata)
        with pytest.raises(FormatError, match="a safetensors file, but not a narrows model") as error:
            narrows.load(path)
        assert one_line_about(error, path)


def test_a_newer_format_names_both_versions(saved, tmp_path):
    newer = changed_document(saved, tmp_path / "newer.safetensors", format=FORMAT + 6, narrows="9.1")
    with pytest.raises(FormatError, match=f"of format {FORMAT + 6}, written by narrows 9.1") as error:
        narrows.load(newer)
    assert f"this is narrows {narrows.__version__}" in str(error.value)
    assert f"up to format {PACKED_FORMAT}; upgrade" in str(error.value)
    assert one_line_about(error, newer)


def test_an_unknown_tool(saved, tmp_path):
    other = changed_document(saved, tmp_path / "other.safetensors", tool="compressor")
    with pytest.raises(FormatError, match="unknown tool 'compressor'") as error:
        narrows.load(other)
    assert one_line_about(error, other)


@pytest.mark.parametrize(
    "changes",
    [
        {"architecture": {}},
        {"architecture": None},
        {"architecture": {"kind": "linear", "channels": 1, "shape": [12, 12], "code": 5}},
        {"architecture": {"kind": "linear", "channels": 1, "shape": [12, 13], "code": 4}},
        {"architecture": {"kind": "tree", "channels": 1, "shape": [12, 12], "code": 4}},
        {"architecture": {"kind": "conv", "channels": 1, "shape": [12, 12], "code": 4}},
        {"architecture": {"kind": "linear", "channels": -1, "shape": [12, 12], "code": 4}},
        {"architecture": {"kind": "linear", "channels": 1, "shape": [12, 12], "code": 10**13}},
        {"scaling": {"kind": "range"}},
        {"scaling": {"kind": "range", "dtype": "uint8", "low": 1, "high": 0, "mean": [], "scale": []}},
        {"scaling": {"kind": "range", "dtype": "tiny", "low": 0, "high": 1, "mean": [], "scale": []}},
        {"scaling": {"kind": "standard", "dtype": "f4", "low": 0, "high": 1, "mean": [0, 1], "scale": [1, 1]}},
        {"training": []},
        {"training": {}},
        {"axes": 7},
        {"axes": "NQ"},
        {"axes": "NZYX"},
        {"axes": "YX"},
        {"features": 3},
        {"tool": ["autoencoder"]},
    ],
    ids=str,
)
def test_documents_that_do_not_fit(changes, saved, tmp_path):
    """As nobody writes them who means well, with a fingerprint that fits."""
    other = changed_document(saved, tmp_path / "other.safetensors", **changes)
    with pytest.raises(FormatError) as error:
        narrows.load(other)
    assert one_line_about(error, other)


@pytest.mark.parametrize("text", ["[]", "7", "null", "{}", '{"format": "1"}', "[" * 100_000, "{", ""])
def test_metadata_that_is_no_document(text, tmp_path):
    path = tmp_path / "m.safetensors"
    safetensors.numpy.save_file({"weight": np.zeros(2, np.float32)}, path, {"narrows.model": text})
    with pytest.raises(FormatError) as error:
        narrows.load(path)
    assert one_line_about(error, path)


def test_a_file_that_cannot_be_opened_is_no_damaged_model(tmp_path):
    with pytest.raises(FileNotFoundError):
        narrows.load(tmp_path / "nowhere.safetensors")
    with pytest.raises(IsADirectoryError):
        narrows.load(tmp_path)


def test_an_unfitted_model_is_not_saved(tmp_path):
    with pytest.raises(ValueError, match="not fitted"):
        Autoencoder().save(tmp_path / "m.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_names_of_features_survive(tmp_path):
    pandas = pytest.importorskip("pandas")
    X = table(80)
    names = [f"länge {number}" for number in range(X.shape[1])]
    model = Autoencoder("linear", code=2, epochs=10).fit(pandas.DataFrame(X, columns=names))
    model.save(tmp_path / "m.safetensors")
    loaded = narrows.load(tmp_path / "m.safetensors")
    assert loaded.feature_names_in_.tolist() == names
    with pytest.raises(ValueError, match="feature names"):
        loaded.transform(pandas.DataFrame(X, columns=names[::-1]))


def test_a_model_needs_a_name():
    with pytest.raises(narrows.ParameterError, match=r"path='': the name of the file is empty"):
        fitted("linear").save("")
