"""Tables in CSV and Parquet files."""

import gzip
import io
import subprocess
import sys

import numpy as np
import pytest

from narrows import data
from narrows.data.conversion import convert, open_table
from narrows.data.formats import ReadOptions, read_content, table_files
from narrows.data.tables import frames as tables
from narrows.errors import DataError

from ..made_up_tables import every_type

pd = pytest.importorskip("pandas")
pq = pytest.importorskip("pyarrow.parquet")

TEXT = (
    "id;age;weight;name;married;born;nothing;seen\n"
    "007;1;1.50;Ann;TRUE;2020-01-05;;2020-01-01T10:00:00Z\n"
    '008;;2;"O;""Neil""";;;NA;\n'
    "009;+3;;NaN;FALSE;2021-02-03;null;2020-01-01T10:00:00+02:00\n"
)


@pytest.fixture
def small_parts(monkeypatch):
    """Files are worked on a few rows at a time."""
    monkeypatch.setattr(table_files, "CELLS_AT_ONCE", 1)
    monkeypatch.setattr(table_files, "FEWEST_ROWS_AT_ONCE", 7)


def filler(columns):
    return lambda frame: tables.fill_frame(frame, np.nan_to_num(tables.encode_frame(frame, columns), nan=1.0), columns)


def written(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def test_types_of_a_csv(tmp_path):
    items = data.read(written(tmp_path / "a.csv", TEXT))
    assert [column.kind for column in items.columns] == [
        *("category", "integer", "number", "category", "boolean", "date", "number", "date")
    ]
    frame = items.frame
    assert frame["id"].tolist() == ["007", "008", "009"]
    assert frame["age"].tolist() == [1, pd.NA, 3]
    assert (str(frame["age"].dtype), str(frame["married"].dtype)) == ("Int64", "boolean")
    assert frame["name"].dropna().tolist() == ["Ann", 'O;"Neil"']
    assert frame["seen"][2] == pd.Timestamp("2020-01-01T08:00Z")
    assert items.columns[5].date_only
    assert "column 'nothing' has no known value" in items.notes[0]


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "2"], "integer"),
        (["1.0", "2.5"], "number"),
        (["1e3", "-.5", "3."], "number"),
        (["1", "x"], "category"),
        (["007", "12"], "category"),
        (["1234567890123456789", "1"], "category"),
        (["true", "False"], "boolean"),
        (["2020-02-29", "1999-12-31"], "date"),
        (["2020-02-30", "1999-12-31"], "category"),
        (["2020-02-29 10:30", "1999-12-31T23:59:59.5"], "date"),
        (["2020-02-29T10:30Z", "1999-12-31T23:59:59"], "category"),
    ],
)
def test_types_of_cells(tmp_path, cells, kind):
    path = written(tmp_path / "a.csv", "x,y\n" + "".join(f"{cell},1\n" for cell in cells))
    assert data.read(path).columns[0].kind == kind


@pytest.mark.parametrize("separator", list(",;\t|"))
@pytest.mark.parametrize(("bom", "end"), [("", "\n"), ("\ufeff", "\r\n")])
def test_separators_marks_and_ends_of_lines(tmp_path, separator, bom, end):
    rows = [["a b", "c", "d"], ["1", "x,y;z", "2.5"], ["", '"q"', ""]]
    quoted = [
        ['"' + cell.replace('"', '""') + '"' if '"' in cell or "," in cell else cell for cell in row] for row in rows
    ]
    path = written(tmp_path / "a.csv", bom + end.join(separator.join(row) for row in quoted) + end)
    items = data.read(path)
    assert items.columns.names == rows[0]
    assert items.frame["c"].tolist() == ["x,y;z", '"q"']
    assert items.values[0].tolist() == [1, 1, 2.5]


def test_packed_and_from_standard_input(tmp_path):
    plain = data.read(written(tmp_path / "a.csv", TEXT)).frame
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(TEXT.encode()))
    pd.testing.assert_frame_equal(data.read(tmp_path / "b.csv.gz").frame, plain)
    pd.testing.assert_frame_equal(data.read("-", stdin=io.BytesIO(TEXT.encode())).frame, plain)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\n \n", "empty, without a line of names"),
        (b"a,b\n", "holds no rows"),
        (b"a,b\n1,2\n\n3\n", "line 4 has 1 cell; line 1 names 2 columns"),
        (b"a,b\n1,2\n1,2,3\n", "line 3 has 3 cells; line 1 names 2 columns"),
        (b'a,b\n1,"2\n2"\n1\n', "line 4 has 1 cell;"),
        (b"a,b,a\n1,2,3\n", "line 1 names column 'a' twice"),
        (b"1,2.5\n3,4\n", "line 1 holds numbers alone"),
        ("a,b\nä,1\n".encode("latin-1"), "byte 4 is not UTF-8; save the file as UTF-8"),
        (b"a,b\n" + b"1,2\n" * 2_000_000 + b"\xe4,2\n", "byte 8000004 is not UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), "byte 0 is not UTF-8"),
        ("a,b\n1,2\n".encode("utf-16-le"), "byte 1 is 0"),
        (b"a,b\r1,2\r3,4\r", "its lines end in CR alone; save it with line ends of LF or CRLF"),
        (b"sep=;\na;b\n1;2\n", "line 1 is 'sep=;', an instruction to Excel; remove it"),
        (b"a;b\n1,5;2\n2,25;3\n", "column 'a' holds numbers with other decimal or thousands"),
        (b"a,b\n1.5,2\ninf,3\n", "column 'a' holds infinity"),
    ],
)
def test_a_csv_that_is_no_table(tmp_path, content, message):
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        data.read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_csv_is_read_by_the_columns_of_a_model(tmp_path):
    columns = data.read(written(tmp_path / "a.csv", "zip,n,day\n007,1,2020-01-01\n123,2,2021-01-01\n")).columns
    other = data.read(written(tmp_path / "b.csv", "zip,n,day\n123,2.5,2021-01-01 10:00\n"), columns=columns)
    assert other.values.tolist() == [[1, 2.5, 18628 + 10 / 24]]
    with pytest.raises(DataError, match="row 2 of column 'n' is 'x', but the model was trained on integer cells"):
        data.read(written(tmp_path / "c.csv", "zip,n,day\n123,2,\n123,x,\n"), columns=columns)
    with pytest.raises(DataError, match="has no column 'day'"):
        data.read(written(tmp_path / "d.csv", "zip,n\n123,2\n"), columns=columns)


@pytest.mark.parametrize("name", ["x.csv", "x.tsv", "x.csv.gz"])
def test_csv_keeps_values(tmp_path, name):
    frame = pd.DataFrame(
        {
            "x": [0.1 + 0.2, None, 1e-300, 1e300, -0.0],
            "whole": [1.0, 2.0, 3.0, 4.0, 1e20],
            "n": pd.array([1, None, 3, 4, 2**53 + 1], "Int64"),
            "text": ['a "b"', "c,d\te;f", " blank ", "two\nlines", None],
            "one": ["x", "", "x", "x", "x"],
            "day": pd.to_datetime(["2020-01-01", None, "2021-01-01", "1950-06-07", "2020-01-01"]).as_unit("us"),
            "time": pd.to_datetime(["2020-01-01 10:11:12.5", None, *["2021-01-01 00:00:00.0"] * 3]).as_unit("us"),
        }
    )
    data.write(tables.frame_to_items(frame), tmp_path / name)
    back = data.read(tmp_path / name).frame
    frame.loc[1, "one"] = None
    frame.loc[2, "text"] = "blank"  # without the blanks around it
    pd.testing.assert_frame_equal(back, frame, check_exact=True)


def test_a_filled_csv_keeps_the_text_of_known_cells(tmp_path):
    source, target = written(tmp_path / "a.csv", TEXT), tmp_path / "b.csv"
    columns = data.read(source).columns
    convert(open_table(source, str(source), columns), str(target), filler(columns), fills=True)
    before = [line.split(";") for line in TEXT.replace(';""Neil""', "").splitlines()]
    after = [line.split(";") for line in target.read_text().replace(';""Neil""', "").splitlines()]
    missing = {"", "NA", "NaN", "null"}
    for old, new in zip(before, after, strict=True):
        assert [cell for cell in old if cell not in missing] == [
            cell for cell, was in zip(new, old, strict=True) if was not in missing
        ]
    assert after[2] == ["008", "1", "2", '"O"', "TRUE", "2020-01-05", "NA", "2020-01-01T10:00:00+02:00"]
    assert after[3][:4] == ["009", "+3", "1.0", '"O"']


def test_a_csv_of_one_column_keeps_its_empty_lines(tmp_path):
    source, target = written(tmp_path / "a.csv", "x\n1\n\n3\n"), tmp_path / "b.csv"
    items = data.read(source)
    assert items.frame["x"].tolist() == [1, pd.NA, 3]
    data.write(items, target)
    assert data.read(target).frame.equals(items.frame)


def test_parquet_keeps_types_order_and_index(tmp_path, small_parts):
    frame = every_type().drop(
        columns=["intervals", "integers as categories", "numbers in objects", "booleans in objects"]
    )
    frame.to_parquet(tmp_path / "a.parquet")
    before = pd.read_parquet(tmp_path / "a.parquet")
    items = data.read(tmp_path / "a.parquet")
    data.write(items, tmp_path / "b.parquet")
    reader = open_table(tmp_path / "a.parquet", "a.parquet", items.columns)
    convert(reader, str(tmp_path / "c.parquet"), filler(items.columns), fills=True)
    filled = pd.read_parquet(tmp_path / "c.parquet")
    assert (filled.dtypes == before.dtypes).all()
    assert filled.index.equals(before.index)
    assert filled.columns[filled.isna().any()].tolist() == ["nothing", "None"]
    for name in before:
        known = before[name].notna()
        pd.testing.assert_series_equal(filled[name][known], before[name][known])
    schemas = [pq.read_schema(tmp_path / name) for name in ("a.parquet", "c.parquet")]
    assert schemas[0].equals(schemas[1], check_metadata=True)


def test_whole_numbers_with_holes_stay_whole_without_notes_of_pandas(tmp_path):
    pa = pytest.importorskip("pyarrow")
    table = pa.table(
        {"n": pa.array([1, None, 3], pa.int32()), "b": [True, None, False], "d": pa.array([1, 2, None], pa.date32())}
    )
    pq.write_table(table, tmp_path / "a.parquet")
    items = data.read(tmp_path / "a.parquet")
    assert [column.kind for column in items.columns] == ["integer", "boolean", "date"]
    reader = open_table(tmp_path / "a.parquet", "a.parquet", items.columns)
    convert(reader, str(tmp_path / "b.parquet"), filler(items.columns), fills=True)
    filled = pq.read_table(tmp_path / "b.parquet")
    assert filled.schema.equals(table.schema)
    assert filled.to_pylist()[1] | {"d": None} == {"n": 1, "b": True, "d": None}


def test_an_index_that_counts_goes_on_counting(tmp_path, small_parts):
    index = pd.RangeIndex(10, 160, 3, name="id")
    pd.DataFrame({"x": np.arange(50.0)}, index=index).to_parquet(tmp_path / "a.parquet")
    reader = open_table(tmp_path / "a.parquet", "a.parquet")
    convert(reader, str(tmp_path / "b.parquet"), lambda frame: pd.DataFrame({"y": -frame["x"]}))
    back = pd.read_parquet(tmp_path / "b.parquet")
    assert back.index.equals(index)
    assert back["y"].tolist() == [-number for number in range(50)]


def test_of_large_tables_a_sample_is_read_and_columns_of_all_rows(tmp_path, small_parts):
    frame = pd.DataFrame({"x": np.arange(1000.0), "c": pd.Categorical(["a", "b"] * 500), "s": ["u", "v"] * 500})
    frame.to_parquet(tmp_path / "a.parquet", row_group_size=100)
    few = ReadOptions(most_cells=60)
    items = read_content(tmp_path / "a.parquet", "a.parquet", few)
    assert len(items) == len(items.frame) == 20
    assert (items.columns[0].low, items.columns[0].high) == (0, 999)
    assert items.columns[1].categories == ("a", "b")
    assert (np.diff(items.values[:, 0]) > 0).all()
    assert 300 < items.values[:, 0].mean() < 700
    assert items.notes == ["a.parquet: 20 of its 1,000 rows are used, drawn at random"]
    frame.to_csv(tmp_path / "a.csv", index=False)
    assert len(read_content(tmp_path / "a.csv", "a.csv", few)) == 20


def test_a_damaged_parquet_file(tmp_path):
    pd.DataFrame({"x": np.arange(1000.0)}).to_parquet(tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    for content in (whole[:-100], whole[: len(whole) // 2], b"PAR1"):
        (tmp_path / "bad.parquet").write_bytes(content)
        with pytest.raises(DataError, match=r"bad\.parquet: ") as caught:
            data.read(tmp_path / "bad.parquet")
        assert "\n" not in str(caught.value)


def test_text_in_parquet_that_is_not_utf8(tmp_path):
    table = pd.DataFrame({"name": ["Oslo", "Köln"] * 9, "x": np.arange(18.0)})
    for options in ({}, {"use_dictionary": False}):
        table.to_parquet(tmp_path / "a.parquet", compression=None, **options)
        content = (tmp_path / "a.parquet").read_bytes().replace("Köln".encode(), b"K\xf6\xf6ln")
        (tmp_path / "a.parquet").write_bytes(content)
        with pytest.raises(DataError, match=r"a\.parquet: damaged \(.*UTF8"):
            data.read(tmp_path / "a.parquet")


def test_damaged_metadata_of_pandas_in_a_parquet_file(tmp_path):
    pd.DataFrame({"x": np.arange(9.0)}).to_parquet(tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    for good in (b'{"index', b'"numpy_type"', b'"pandas_type"', b'"start"', b'"step"'):
        bad = b"\xff" + good[1:]
        assert good in whole
        (tmp_path / "bad.parquet").write_bytes(whole.replace(good, bad))
        with pytest.raises(DataError, match=r"bad\.parquet: ") as caught:
            data.read(tmp_path / "bad.parquet")
        assert "\n" not in str(caught.value)


def test_a_damaged_packed_csv(tmp_path):
    rng, path = np.random.default_rng(0), tmp_path / "bad.csv.gz"
    whole = gzip.compress("\n".join(["a,b", *(f"{x},{x / 7}" for x in range(200_000))]).encode())
    damaged = [whole[:cut] for cut in (len(whole) // 2, 30, len(whole) - 4)]
    for place in [*rng.integers(10, len(whole), 20), *range(10, 40, 3)]:
        damaged.append(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"bad\.csv\.gz: ") as caught:
            data.read(path)
        assert "\n" not in str(caught.value)


def test_arrays_as_tables(tmp_path):
    data.write(data.Items.from_array(np.array([[1.5, 2], [3, 4]])), tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == "c0,c1\n1.5,2.0\n3.0,4.0\n"
    with pytest.raises(DataError, match="no rows of a table"):
        data.write(data.Items.from_array(np.zeros((2, 3, 4))), tmp_path / "b.csv")
    with pytest.raises(DataError, match="column 'c', of category cells"):
        data.write(tables.frame_to_items(pd.DataFrame({"c": ["a", "b"]})), tmp_path / "b.npy")
    assert not (tmp_path / "b.npy").exists()


def test_nothing_stands_under_the_name_where_work_fails(tmp_path):
    source = written(tmp_path / "a.csv", "x\n1\n")

    def fail(frame):
        raise DataError("no")

    with pytest.raises(DataError, match="no"):
        convert(open_table(source, "a.csv"), str(tmp_path / "b.parquet"), fail)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    with pytest.raises(DataError, match="there is no such folder"):
        convert(open_table(source, "a.csv"), str(tmp_path / "no" / "b.csv"), lambda frame: frame)


LARGE = """
import resource, sys
import numpy as np, pyarrow as pa, pyarrow.parquet as pq, pandas
from narrows.data.conversion import convert, open_table
from narrows.data.formats import ReadOptions, read_content
from narrows.data.tables import frames as tables
from pathlib import Path

source, target, groups = sys.argv[1], sys.argv[2], int(sys.argv[3])
x = np.random.default_rng(0).integers(0, 50, 25_000) / 4
x[::10] = np.nan
part = pa.table({f"x{n}": np.roll(x, n) for n in range(20)})
with pq.ParquetWriter(source, part.schema) as writer:
    for _ in range(groups):
        writer.write_table(part)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
columns = read_content(Path(source), source, ReadOptions(most_cells=2**16)).columns
work = lambda frame: tables.fill_frame(frame, np.nan_to_num(tables.encode_frame(frame, columns)), columns)
convert(open_table(Path(source), source, columns), target, work, fills=True)
assert pq.ParquetFile(target).metadata.num_rows == 25_000 * groups
print(1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
"""


def test_a_table_larger_than_the_memory_that_is_used(tmp_path):
    """It is read and filled in less memory than its values take."""
    groups = 80
    ran = subprocess.run(
        [sys.executable, "-c", LARGE, str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet"), str(groups)],
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) < 25_000 * 20 * 8 * groups * 0.75
