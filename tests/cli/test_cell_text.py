"""Marks of missing cells, decimal and thousands separators, and cells that are no numbers, through the command line."""

import csv
import io

import numpy as np
import pytest

from narrows import data
from narrows.data.tables.cell_text import NA_TEXTS, CellText, MissingMarks
from narrows.errors import DataError, ParameterError

from .conftest import narrows

ROWS = 60
X = np.random.default_rng(0).normal(size=ROWS).round(3)


def table(path, cells, separator=",", write="{:.4f}".format):
    """Write columns a, b and c; cells: of column a, by row, in place of numbers. write: a number as text."""
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, delimiter=separator)
        writer.writerow(("a", "b", "c"))
        for row, x in enumerate(X):
            writer.writerow((cells.get(row, f"{x}"), write(2 * x + 0.01), "low" if x < 0 else "high"))
    return path


def cells_of(text):
    return list(csv.reader(io.StringIO(text)))


def trained(tmp_path, source, *options):
    model = tmp_path / "m.safetensors"
    ran = narrows("train", "imputer", source, "-o", model, "--epochs", 2, "--force", *options)
    assert ran.code == 0, ran.err
    return model, ran.err


@pytest.mark.parametrize("mark", ["?", "-", ".", "*", "na", "Null", "NAN", r"\N", "#DIV/0!", "unknown"])
def test_cells_that_are_no_numbers_are_named_and_left_or_marked(mark, tmp_path):
    source = table(tmp_path / "x.csv", dict.fromkeys((3, 17, 40), mark))
    items = data.read(source)
    assert (items.columns[0].kind, np.isnan(items.values[:, 0]).sum()) == ("number", 3)
    (note,) = items.notes
    assert f"column 'a' holds numbers, but 3 of its cells do not, the first {mark!r} in row 4" in note
    model, _ = trained(tmp_path, source)
    ran = narrows("fill", model, source, "-o", tmp_path / "y.csv")
    assert "0 of 3 missing cells filled; left: 3 in 'a' (not numbers)" in ran.err
    assert (tmp_path / "y.csv").read_text() == source.read_text()
    assert narrows("fill", model, source, "-o", tmp_path / "y.csv", "--strict", "--force").code == 1

    model, said = trained(tmp_path, source, "--missing", mark)
    assert "not numbers" not in said
    ran = narrows("fill", model, source, "-o", tmp_path / "y.csv", "--force", "--strict")
    assert (ran.code, "3 of 3 missing cells filled" in ran.err) == (0, True)
    assert mark not in [row[0] for row in cells_of((tmp_path / "y.csv").read_text())]


@pytest.mark.parametrize("mark", NA_TEXTS)
def test_the_marks_of_pandas_are_known(mark, tmp_path):
    items = data.read(table(tmp_path / "x.csv", {5: mark}))
    assert (items.notes, np.isnan(items.values[:, 0]).sum()) == ([], 1)


@pytest.mark.parametrize(
    ("options", "filled"),
    [
        (("--missing", -999), {2, 9}),
        (("--missing", "a=-999"), {2, 9}),
        (("--missing", "b=-999"), set()),
        (("--missing", "?", "--missing", -999), {2, 9, 30}),
        (("--missing", "a=?", "--missing", "a=-999"), {2, 9, 30}),
    ],
    ids=str,
)
@pytest.mark.parametrize("extra", ["none", "uncertainty", "mask"])
def test_marked_cells_are_filled_and_known_cells_keep_their_text(options, filled, extra, tmp_path):
    odd = {2: "-999", 9: "-999.0", 11: "1e0", 12: "+0.10", 30: "?"}
    source = table(tmp_path / "x.csv", odd)
    model, _ = trained(tmp_path, source, *options)
    more = ()
    if extra == "uncertainty":
        more = ("--uncertainty", tmp_path / "u.csv")
    elif extra == "mask":
        mask = np.zeros((ROWS, 3), bool)
        mask[20, 2] = True
        np.save(tmp_path / "mask.npy", mask)
        more = ("--mask", tmp_path / "mask.npy")
    ran = narrows("fill", model, source, "-o", "-", *more)
    assert ran.code == 0, ran.err
    before, after = cells_of(source.read_text()), cells_of(ran.out.decode())
    changed = {row - 1 for row in range(1, ROWS + 1) if before[row][0] != after[row][0]}
    assert changed == filled
    assert [row[1] for row in before] == [row[1] for row in after]


@pytest.mark.parametrize(
    ("write", "options", "suggested"),
    [
        (lambda x: f"{x}".replace(".", ","), ("--decimal", ","), "--decimal ,"),
        (lambda x: "3" if x > 0 else f"{x}".replace(".", ","), ("--decimal", ","), "--decimal ,"),
        (
            lambda x: f"{1000 * x + 9000:,.2f}".translate(str.maketrans(",.", ".,")),
            ("--decimal", ",", "--thousands", "."),
            "--decimal , --thousands .",
        ),
        (lambda x: f"{1e6 * x + 9e6:,.0f}", ("--thousands", ","), "--thousands ,"),
    ],
    ids=["decimal comma", "with whole numbers", "German", "English thousands"],
)
def test_separators_of_numbers(write, options, suggested, tmp_path):
    source = table(tmp_path / "x.tsv", {row: write(x) for row, x in enumerate(X)} | {7: ""}, "\t", write)
    with pytest.raises(DataError, match=f"column 'a' holds numbers with other decimal.*{suggested}$"):
        data.read(source)
    model, _ = trained(tmp_path, source, *options)
    ran = narrows("fill", model, source, "-o", tmp_path / "y.tsv")  # the model remembers how to read it
    assert ran.code == 0, ran.err
    before, after = (path.read_text().splitlines() for path in (source, tmp_path / "y.tsv"))
    assert [place for place, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]] == [8]
    decimal = options[1] if options[0] == "--decimal" else "."
    float(after[8].split("\t")[0].replace(decimal, "."))


def test_na_is_a_value_where_it_is_kept(tmp_path):
    source = tmp_path / "x.csv"
    codes = ["DE", "NA", "US", "FR"]
    rows = [f"{x},{'' if row % 9 == 0 else codes[row % 4]}" for row, x in enumerate(X)]
    source.write_text("x,country\n" + "\n".join(rows) + "\n")
    model, _ = trained(tmp_path, source, "--keep-na", "country")
    assert narrows("fill", model, source, "-o", tmp_path / "y.csv").code == 0
    after = [line.split(",")[1] for line in (tmp_path / "y.csv").read_text().splitlines()[1:]]
    assert all(cell == codes[row % 4] for row, cell in enumerate(after) if row % 9)
    assert all(cell in codes for cell in after)


def test_a_column_of_text_stays_one(tmp_path):
    mixed = {row: f"T{row}" for row in range(10)}
    assert data.read(table(tmp_path / "x.csv", mixed)).columns[0].kind == "category"
    ids = {row: str(1234567890123456789 + row) for row in range(ROWS)}
    items = data.read(table(tmp_path / "x.csv", ids))
    assert items.frame["a"][0] == "1234567890123456789"
    dates = {row: f"{1 + row % 12}/{1 + row % 28}/2020" for row in range(ROWS)}
    assert "write its dates as YYYY-MM-DD" in data.read(table(tmp_path / "x.csv", dates)).notes[0]


def test_tens_of_thousands_of_columns(tmp_path):
    source = tmp_path / "genes.csv"
    names = [f"gene{place}" for place in range(20_000)]
    source.write_text(",".join(names) + "\n" + "\n".join(",".join(["0.25"] * 20_000) for _ in range(3)) + "\n")
    items = data.read(source)
    assert items.values.shape == (3, 20_000)


@pytest.mark.parametrize("wrong", [{"decimal": ""}, {"decimal": "1"}, {"thousands": "."}, {"thousands": "ab"}], ids=str)
def test_separators_that_cannot_be(wrong):
    with pytest.raises(ParameterError):
        CellText(**wrong)


def test_marks_that_cannot_be():
    with pytest.raises(ParameterError, match="missing_values"):
        MissingMarks.parse([b"?"])


def test_known_cells_that_parquet_cannot_hold_stop_the_filling(tmp_path):
    source = table(tmp_path / "x.csv", {3: "?", 8: ""})
    model, _ = trained(tmp_path, source)
    ran = narrows("fill", model, source, "-o", tmp_path / "y.parquet")
    assert ran.code == 1
    assert "column 'a' has numbers and 1 other known cells, which .parquet cannot hold together" in ran.err
    assert not (tmp_path / "y.parquet").exists()
    assert narrows("fill", model, source, "-o", tmp_path / "y.parquet", "--missing", "?").code == 0


@pytest.mark.parametrize(("share", "kind"), [(0.1, "text"), (0.02, "text"), (0.004, "integer")])
def test_a_column_with_leading_zeros_holds_names(share, kind, tmp_path):
    rows = 1000
    codes = [f"{4000 + row}" if row >= share * rows else f"0{400 + row}" for row in range(rows)]
    (tmp_path / "x.csv").write_text("code,x\n" + "".join(f"{code},{row}.5\n" for row, code in enumerate(codes)))
    items = data.read(tmp_path / "x.csv")
    assert items.columns[0].kind == ("category" if kind == "text" else kind)
    assert len(items.notes) == (kind != "text")


@pytest.mark.parametrize("day", ["24.06.2022", "6/24/2022", "24-06-2022 10:30"])
def test_dates_in_other_orders_are_named(day, tmp_path):
    (tmp_path / "x.csv").write_text("day,x\n" + "".join(f"{day},{row}.5\n" for row in range(30)))
    assert "column 'day' is read as text; write its dates as YYYY-MM-DD" in data.read(tmp_path / "x.csv").notes[0]
