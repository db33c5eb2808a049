"""Tables at the command line."""

import io
import json

import numpy as np
import pytest

from ..made_up_tables import people
from .conftest import narrows

pd = pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A table as Parquet and as CSV, and a model of it."""
    folder = tmp_path_factory.mktemp("tables")
    people(300).to_parquet(folder / "people.parquet")
    people(300).to_csv(folder / "people.csv", index=False)
    ran = narrows(
        *("train", "autoencoder", folder / "people.parquet", "-o", folder / "ae.safetensors"),
        *("--code", 4, "--epochs", 40),
    )
    assert (ran.code, ran.err) == (0, "")
    assert b"code 4 for 7 values; 300 items" in ran.out
    return folder


def test_parquet_there_and_back(folder, tmp_path):
    assert (
        narrows("encode", folder / "ae.safetensors", folder / "people.parquet", "-o", tmp_path / "f.parquet").code == 0
    )
    codes, before = pd.read_parquet(tmp_path / "f.parquet"), pd.read_parquet(folder / "people.parquet")
    assert codes.columns.tolist() == ["code0", "code1", "code2", "code3"]
    assert codes.index.equals(before.index)
    assert narrows("decode", folder / "ae.safetensors", tmp_path / "f.parquet", "-o", tmp_path / "b.parquet").code == 0
    back = pd.read_parquet(tmp_path / "b.parquet")
    assert (back.dtypes == before.dtypes).all()
    assert back.index.equals(before.index)
    assert (back["town"] == before["town"]).mean() > 0.9


def test_csv_there_and_back(folder, tmp_path):
    for source, names in (("people.csv", 7), ("people.parquet", 8)):
        assert (
            narrows("encode", folder / "ae.safetensors", folder / source, "-o", tmp_path / "f.csv", "--force").code == 0
        )
        assert (
            narrows("decode", folder / "ae.safetensors", tmp_path / "f.csv", "-o", tmp_path / "b.csv", "--force").code
            == 0
        )
        back = pd.read_csv(tmp_path / "b.csv")
        assert back.shape == (300, names)  # the index as well, where it has a name
        assert (back["town"].to_numpy() == people(300)["town"].to_numpy()).mean() > 0.9


def test_codes_in_arrays(folder, tmp_path):
    assert narrows("encode", folder / "ae.safetensors", folder / "people.csv", "-o", tmp_path / "f.npy").code == 0
    assert np.load(tmp_path / "f.npy").shape == (300, 4)
    ran = narrows("decode", folder / "ae.safetensors", tmp_path / "f.npy")
    assert pd.read_csv(io.BytesIO(ran.out)).columns.tolist() == people(1).columns.tolist()
    ran = narrows("decode", folder / "ae.safetensors", tmp_path / "f.npy", "-o", tmp_path / "b.npy")
    assert (ran.code, "of category cells; write .csv or .parquet" in ran.err) == (1, True)


def test_codes_of_other_items_in_tables(digits_model, tmp_path):
    assert narrows("encode", digits_model, "digits:test", "-o", tmp_path / "f.parquet").code == 0
    assert narrows("decode", digits_model, tmp_path / "f.parquet", "-o", tmp_path / "b.npy").code == 0
    assert np.load(tmp_path / "b.npy").shape == (898, 8, 8)


def test_evaluate_and_info(folder):
    ran = narrows("evaluate", folder / "ae.safetensors", folder / "people.csv", "--json")
    found = json.loads(ran.out)
    assert (found["items"], found["pca"]["components"]) == (300, 4)
    assert 0 < found["mse"] < 0.2
    ran = narrows("info", folder / "ae.safetensors")
    assert b"a table of 7 column(s): 1 integer, 1 number, 3 category, 1 boolean, 1 date" in ran.out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop(columns="age"), "has no column 'age'"),
        (lambda frame: frame.assign(more=1), "the model was not trained on column 'more'"),
        (lambda frame: frame[frame.columns[::-1]], "its columns are in another order"),
        (
            lambda frame: frame.assign(age="old"),
            "row 1 of column 'age' is 'old', but the model was trained on integer cells",
        ),
    ],
)
def test_mistakes(folder, tmp_path, change, message):
    source = tmp_path / "x.csv"
    change(people(300)).to_csv(source, index=False)
    ran = narrows("encode", folder / "ae.safetensors", source, "-o", tmp_path / "f.csv")
    assert ran.code == 1
    assert ran.err.startswith(f"narrows: error: {source}: ")
    assert message in ran.err
    assert ran.err.count("\n") == 1
    assert not (tmp_path / "f.csv").exists()


def test_text_cannot_be_compressed(folder, tmp_path):
    ran = narrows("train", "codec", folder / "people.csv", "-o", tmp_path / "c.safetensors")
    assert (ran.code, "column 'sex' holds category cells" in ran.err) == (1, True)
