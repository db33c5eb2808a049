"""Marks of missing cells, decimal and thousands separators, and cells that are no numbers, through the command line."""

import csv
import io
import re

import numpy as np
import pandas as pd
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
        (lambda x: f"{1e6 * x + 9e6:,.2f}".replace(",", "’"), ("--thousands", "'"), """--thousands "'\""""),
        (
            lambda x: f"{1e6 * x + 9e6:,.2f}".translate(str.maketrans(",.", "\u202f,")),
            ("--decimal", ",", "--thousands", " "),
            '--decimal , --thousands " "',
        ),
        (lambda x: f"{1e6 * x + 9e6:,.0f}".replace(",", "\u00a0"), ("--thousands", "\u202f"), '--thousands " "'),
        (lambda x: f"1,{50 + 10 * x:.0f},{500 + 50 * x:.0f}.5", ("--thousands", ","), "--thousands ,"),
        (lambda x: "3" if x > -1 else f"{-1e6 * x:,.0f}", ("--thousands", ","), "--thousands ,"),
    ],
    ids=[
        *("decimal comma", "with whole numbers", "German", "English thousands", "Swiss", "French", "no-break spaces"),
        *("Indian", "few with thousands"),
    ],
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
    reading = CellText(
        **{name.removeprefix("--"): value for name, value in zip(options[::2], options[1::2], strict=True)}
    )
    assert re.match(reading.number, after[8].split("\t")[0])


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
    assert "column 'a' has 1 known cells of another type, which .parquet cannot hold" in ran.err
    assert not (tmp_path / "y.parquet").exists()
    assert narrows("fill", model, source, "-o", tmp_path / "y.parquet", "--missing", "?").code == 0


@pytest.mark.parametrize(("share", "kind"), [(0.1, "text"), (0.02, "text"), (0.004, "integer")])
def test_a_column_with_leading_zeros_holds_names(share, kind, tmp_path):
    rows = 1000
    codes = [f"{4000 + row}" if row >= share * rows else f"0{400 + row}" for row in range(rows)]
    (tmp_path / "x.csv").write_text("code,x\n" + "".join(f"{code},{row}.5\n" for row, code in enumerate(codes)))
    items = data.read(tmp_path / "x.csv")
    assert items.columns[0].kind == ("category" if kind == "text" else kind)
    (note,) = items.notes
    assert ("is ignored" if kind == "text" else "holds numbers, but") in note


@pytest.mark.parametrize(
    "day", ["24.06.2022", "6/24/2022", "24-06-2022 10:30", "24.06.22", "2022/06/24", "24 Jun 2022", "24-JUN-22"]
)
def test_dates_in_other_orders_are_named(day, tmp_path):
    (tmp_path / "x.csv").write_text("day,x\n" + "".join(f"{day},{row}.5\n" for row in range(30)))
    assert "column 'day' is read as text; write its dates as YYYY-MM-DD" in data.read(tmp_path / "x.csv").notes[0]


@pytest.mark.parametrize("amount", ["${}", "-$ {}", "{} €", "{}%", "({})", "{}-", "£{},000.50", "{} 000,00 €"])
def test_amounts_are_named(amount, tmp_path):
    rows = "".join(f'"{amount.format(row + 1)}";{row}.5\n' for row in range(30))
    (tmp_path / "x.csv").write_text("amount;x\n" + rows)
    first, second = data.read(tmp_path / "x.csv").notes
    assert "column 'amount' is read as text; write its numbers without signs of currency or percent" in first
    assert "column 'amount' is ignored, since none of its texts occurs twice" in second


def test_minus_signs_of_typography(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n" + "".join(f"−{row}.5,{row}\n" for row in range(30)))
    assert data.read(tmp_path / "x.csv").frame["a"].min() == -29.5


@pytest.mark.parametrize("mark", ["?", "0000-00-00", "2022-02-30", "24.06.2022"])
def test_cells_that_are_no_dates_are_named_and_left_or_marked(mark, tmp_path):
    source = table(tmp_path / "x.csv", {row: f"2022-06-{1 + row % 28:02d}" for row in range(ROWS)} | {3: mark, 7: ""})
    items = data.read(source)
    assert (items.columns[0].kind, np.isnan(items.values[:, 0]).sum()) == ("date", 2)
    assert f"column 'a' holds dates, but 1 of its cells do not, the first {mark!r} in row 4" in items.notes[0]
    model, _ = trained(tmp_path, source)
    ran = narrows("fill", model, source, "-o", tmp_path / "y.csv")
    assert "1 of 2 missing cells filled; left: 1 in 'a' (not dates)" in ran.err
    assert cells_of((tmp_path / "y.csv").read_text())[4][0] == mark
    assert narrows("fill", model, source, "-o", tmp_path / "y.csv", "-f", "--strict", "--missing", mark).code == 0


@pytest.mark.parametrize("share", [0.2, 0.4])
def test_marks_in_many_cells_are_named(share, tmp_path):
    source = table(tmp_path / "x.csv", dict.fromkeys(range(round(share * ROWS)), "?"))
    hint = f"column 'a' is read as text; {share:.0%} of its known cells, such as '?', are no numbers; --missing"
    assert hint in data.read(source).notes[0]
    _, said = trained(tmp_path, source, "--missing", "?")
    assert "read as text" not in said


def test_the_marks_of_a_column_are_named_together(tmp_path):
    source = table(tmp_path / "x.csv", {3: "?", 4: "n.a.", 5: "-", 6: "?"})
    assert "to mark them as missing: --missing '?' --missing n.a. --missing -" in data.read(source).notes[0]


def test_separators_are_suggested_that_read_all_columns(tmp_path):
    rows = "".join(f"{row},5;{row + 1}.234;{row}\n" for row in range(30))
    (tmp_path / "x.csv").write_text("a;b;c\n" + rows)
    with pytest.raises(
        DataError, match=r"column 'a' holds numbers with other.*; read them with --decimal , --thousands .$"
    ):
        data.read(tmp_path / "x.csv")


def test_marks_are_suggested_where_a_file_does_not_fit_the_model(tmp_path):
    model, _ = trained(tmp_path, table(tmp_path / "x.csv", {}))
    (tmp_path / "z.csv").write_text("a,b,c\n?,0.5,low\n0.25,0.5,high\n")
    ran = narrows("fill", model, tmp_path / "z.csv", "-o", "-")
    assert "row 1 of column 'a' is '?', but the model was trained on number cells" in ran.err
    assert "mark such cells as missing with --missing '?'" in ran.err
    assert narrows("fill", model, tmp_path / "z.csv", "-o", "-", "--missing", "?").code == 0


@pytest.mark.parametrize("separator", [" ", "    ", ":"])
def test_columns_that_are_separated_by_something_else_are_named(separator, tmp_path):
    rows = ["a", "b"], *([str(row), str(row % 7)] for row in range(30))
    (tmp_path / "x.csv").write_text("".join(separator.join(row) + "\n" for row in rows))
    assert f"is read as one column, 'a{separator}b'; columns are separated by" in data.read(tmp_path / "x.csv").notes[0]


def test_encode_names_cells_that_it_does_not_read(tmp_path):
    source, model = table(tmp_path / "x.csv", {3: "?"}), tmp_path / "m.safetensors"
    assert narrows("train", "autoencoder", source, "-o", model, "--epochs", 30, "--code", 1).code == 0
    ran = narrows("encode", model, source, "-o", tmp_path / "codes.csv")
    assert "column 'a' holds numbers, but 1 of its cells do not" in ran.err


def test_texts_that_are_not_filled_have_a_reason(tmp_path):
    (tmp_path / "x.csv").write_text(
        "name,x\n" + "".join(f"{'' if row == 3 else f'n{row}'},{row}.5\n" for row in range(40))
    )
    model, _ = trained(tmp_path, tmp_path / "x.csv")
    ran = narrows("fill", model, tmp_path / "x.csv", "-o", "-")
    assert "0 of 1 missing cells filled; left: 1 in 'name' (training saw no value there that occurs twice)" in ran.err


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("marks", [("--missing", -999), ("--missing", "a=-999"), ("--missing", "?", "--missing", -999)])
def test_autoencoders_know_marks_too(form, marks, tmp_path):
    source, model = tmp_path / f"x.{form}", tmp_path / "m.safetensors"
    whole = pd.DataFrame({"a": X, "b": 2 * X, "c": np.where(X < 0, "low", "high")})
    blank, marked = whole.copy(), whole.copy()
    blank.loc[[3, 9], "a"], marked.loc[[3, 9], "a"] = np.nan, -999.0

    def codes(frame, *options):
        frame.to_csv(source, index=False) if form == "csv" else frame.to_parquet(source)
        train = ("train", "autoencoder", source, "-o", model, "--code", 1, "--epochs", 30, "--force", *options)
        assert narrows(*train).code == 0
        assert narrows("encode", model, source, "-o", tmp_path / "c.npy").code == 0
        assert (
            narrows("encode", model, source, "-o", tmp_path / "c.csv", "--errors", tmp_path / "e.csv", "-f").code == 0
        )
        found = np.load(tmp_path / "c.npy"), pd.read_csv(tmp_path / "c.csv"), pd.read_csv(tmp_path / "e.csv")
        (tmp_path / "c.npy").unlink()
        return [np.asarray(each) for each in found]

    for ours, theirs in zip(codes(marked, *marks), codes(blank), strict=True):
        np.testing.assert_allclose(ours, theirs)


def test_zero_may_mark_missing_cells(tmp_path):
    source = table(tmp_path / "x.csv", {3: "0", 9: "0.00"})
    model, _ = trained(tmp_path, source, "--missing", 0)
    ran = narrows("fill", model, source, "-o", tmp_path / "y.csv", "--strict")
    assert "2 of 2 missing cells filled" in ran.err
    before, after = (path.read_text().splitlines() for path in (source, tmp_path / "y.csv"))
    assert {row for row, (old, new) in enumerate(zip(before, after, strict=True)) if old != new} == {4, 10}


def test_options_change_what_a_model_remembers_one_by_one(tmp_path):
    source = table(
        tmp_path / "x.tsv", {row: f"{x}".replace(".", ",") for row, x in enumerate(X)}, "\t", "{:.0f}".format
    )
    model, _ = trained(tmp_path, source, "--decimal", ",")
    (tmp_path / "z.tsv").write_text("a\tb\tc\n?\t1\tlow\n0,25\t1\thigh\n")
    ran = narrows("fill", model, tmp_path / "z.tsv", "-o", "-", "--missing", "?")
    assert (ran.code, ran.out.splitlines()[2]) == (0, b"0,25\t1\thigh")


@pytest.mark.parametrize("verb", ["encode", "evaluate"])
def test_files_may_be_read_in_another_way_than_that_of_training(verb, tmp_path):
    model = tmp_path / "m.safetensors"
    train = ("train", "autoencoder", table(tmp_path / "x.csv", {}), "-o", model, "--epochs", 30, "--code", 1)
    assert narrows(*train).code == 0
    cells = {row: "?" if row % 4 else f"{x}".replace(".", ",") for row, x in enumerate(X)}
    source = table(tmp_path / "z.csv", cells, ";", lambda x: f"{x:.3f}".replace(".", ","))
    assert narrows(verb, model, source).code == 1
    assert narrows(verb, model, source, "--decimal", ",", "--missing", "?").code == 0


def test_the_first_cell_that_is_no_date_is_named(tmp_path):
    source = table(tmp_path / "x.csv", {row: f"2022-06-{1 + row % 28:02d}" for row in range(ROWS)})
    model, _ = trained(tmp_path, source)
    (tmp_path / "z.csv").write_text("a,b,c\n2022-06-03,0.5,low\n?,0.5,low\n")
    assert "row 2 of column 'a' is '?'" in narrows("fill", model, tmp_path / "z.csv", "-o", "-").err
