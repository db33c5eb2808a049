"""Filled cells of CSV files are written as the known cells of their column are."""

import io
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from .conftest import narrows

ROWS = 60
RNG = np.random.default_rng(0)
X = RNG.normal(size=ROWS)
HOLES = {4, 17, 33, 50}


def filled(tmp_path, cells, *options, name="a"):
    """Return the text of cells that were filled, in a table of cells (ROWS,) and a number that goes with them."""
    source, out = tmp_path / "x.csv", tmp_path / "y.csv"
    rows = [
        f"{'' if row in HOLES else cell}\t{1000 * x:.0f}" for row, (cell, x) in enumerate(zip(cells, X, strict=True))
    ]
    source.write_text("\n".join([f"{name}\tb", *rows]) + "\n")
    model = tmp_path / "m.safetensors"
    assert narrows("train", "imputer", source, "-o", model, "--epochs", 2, *options).code == 0
    ran = narrows("fill", model, source, "-o", out, "--strict")
    assert (ran.code, f"{len(HOLES)} of {len(HOLES)} missing cells filled" in ran.err) == (0, True)
    before, after = ([line.split("\t")[0] for line in path.read_text().splitlines()[1:]] for path in (source, out))
    assert {row for row in range(ROWS) if before[row] != after[row]} == HOLES
    return [after[row] for row in sorted(HOLES)]


@pytest.mark.parametrize(
    ("write", "pattern", "options"),
    [
        ("{:.1f}".format, r"-?\d+\.\d", ()),
        ("{:.2f}".format, r"-?\d+\.\d\d", ()),
        (lambda x: f"{x:.2f}".rstrip("0"), r"-?\d+(\.\d{1,2})?", ()),
        (lambda x: f"{x:.1f}".replace(".", ","), r"-?\d+,\d", ("--decimal", ",")),
        (lambda x: f"{2e4 + 100 * x:,.1f}", r"\d\d,\d{3}\.\d", ("--thousands", ",")),
        (lambda x: f"{2e4 + 100 * x:,.0f}".replace(",", "\u202f"), r"\d\d\u202f\d{3}", ("--thousands", " ")),
        (lambda x: f"{2e4 + 100 * x:,.0f}".replace(",", "’"), r"\d\d’\d{3}", ("--thousands", "'")),
        (lambda x: f"{x:.3e}", r"-?\d.*", ()),
        (lambda x: f"{float(x)!r}", r"-?\d+\.\d{4,}", ()),
        (lambda x: f"{10 * x:.0f}", r"-?\d+", ()),
        (lambda x: f"{10 * x:.0f}.", r"-?\d+", ()),
        (lambda x: "0.00" if x < 1 else "-0.01", r"-?0\.0\d", ()),
    ],
)
def test_numbers(write, pattern, options, tmp_path):
    for cell in filled(tmp_path, map(write, X), *options):
        assert re.fullmatch(pattern, cell), cell
        assert not re.fullmatch(r"-0\.?0*", cell)


@pytest.mark.parametrize(
    ("form", "pattern"),
    [
        ("%Y-%m-%d", r"[\d-]{10}"),
        ("%Y-%m-%d %H:%M", r"[\d-]{10} \d\d:\d\d"),
        ("%Y-%m-%dT%H:%M:%S", r"[\d-]{10}T\d\d:\d\d:\d\d"),
        ("%Y-%m-%d %H:%M:%S.%f", r"[\d-]{10} \d\d:\d\d:\d\d\.\d{6}"),
        ("%Y-%m-%d 00:00:00", r"[\d-]{10} 00:00:00"),
        ("%Y-%m-%dT%H:%M:%SZ", r"[\d-]{10}T\d\d:\d\d:\d\dZ"),
        ("%Y-%m-%dT%H:%M:%S+02:00", r"[\d-]{10}T\d\d:\d\d:\d\d\+02:00"),
        ("%Y-%m-%d %H:%M-0530", r"[\d-]{10} \d\d:\d\d-0530"),
    ],
)
def test_dates(form, pattern, tmp_path):
    times = pd.Timestamp("2020-05-17 12:00:00") + pd.to_timedelta(100 * X, unit="D")
    cells = filled(tmp_path, times.strftime(form))
    assert all(re.fullmatch(pattern, cell) for cell in cells), cells
    known = pd.to_datetime(times.strftime(form), format="ISO8601", utc=True)
    assert all(known.min() <= pd.to_datetime(cell, utc=True) <= known.max() for cell in cells)


@pytest.mark.parametrize("words", [("true", "false"), ("TRUE", "FALSE"), ("True", "False")])
def test_booleans(words, tmp_path):
    assert set(filled(tmp_path, [words[int(x > 0)] for x in X])) <= set(words)


def test_few_known_numbers_say_nothing_of_decimals(tmp_path):
    filled(tmp_path, (f"{float(x)!r}" for x in X))
    (tmp_path / "z.csv").write_text("a,b\n3,500\n,100\n")
    ran = narrows("fill", tmp_path / "m.safetensors", tmp_path / "z.csv", "-o", "-")
    assert len(ran.out.decode().splitlines()[2]) > len("0.123,100")


def test_rows_have_no_mirror_images(tmp_path):
    filled(tmp_path, (f"{x:.2f}" for x in X))
    for words in (("fill", "m.safetensors", "x.csv", "-o", "new.csv"), ("evaluate", "m.safetensors", "x.csv")):
        verb, *rest = (tmp_path / word if "." in word else word for word in words)
        ran = narrows(verb, *rest, "--tta")
        assert (ran.code, ran.out) == (2, b"")
        assert ran.err == "narrows: error: --tta: rows of a table have no mirror images; leave it out\n"
    assert not (tmp_path / "new.csv").exists()


def test_from_standard_input_with_samples_and_standard_deviations(tmp_path):
    filled(tmp_path, (f"{x:.2f}" for x in X))
    command = [sys.executable, "-m", "narrows", "fill", tmp_path / "m.safetensors", "-", "-o", tmp_path / "out.csv"]
    more = ["--samples", "2", "--uncertainty", tmp_path / "u.csv"]
    content = (tmp_path / "x.csv").read_bytes()
    subprocess.run([*command, *more], input=content, check=True, capture_output=True)
    known = pd.read_csv(io.BytesIO(content), sep="\t", dtype=str)
    for name in ("out.csv", "out-1.csv", "out-2.csv"):
        found = pd.read_csv(tmp_path / name, sep="\t", dtype=str)
        assert (found == known).to_numpy()[known.notna()].all()
        assert found.notna().all(axis=None)
    deviations = pd.read_csv(tmp_path / "u.csv")
    assert ((deviations > 0).to_numpy() == known.isna().to_numpy()).all()


@pytest.mark.parametrize(
    "head",
    [
        b"\xef\xbb\xbfa,b\n",
        b"a,b\r\n",
        b"\xef\xbb\xbfa,b\r\n",
        b" a , b \n",
        b'"a",b\r\n',
        b'"a\nc","b"\n',
        b"\n\na,b\n",
    ],
)
def test_the_line_of_names_and_line_ends_stay(head, tmp_path):
    source, out = tmp_path / "x.csv", tmp_path / "y.csv"
    end = b"\r\n" if head.endswith(b"\r\n") else b"\n"
    rows = [f"{'' if row in HOLES else f'{x:.2f}'},{1000 * x:.0f}".encode() for row, x in enumerate(X)]
    source.write_bytes(head + end.join(rows) + end)
    model = tmp_path / "m.safetensors"
    assert narrows("train", "imputer", source, "-o", model, "--epochs", 2).code == 0
    assert narrows("fill", model, source, "-o", out).code == 0
    before, after = source.read_bytes(), out.read_bytes()
    assert after.startswith(head)
    lines = list(zip(before[len(head) :].split(end), after[len(head) :].split(end), strict=True))
    assert {row for row, (old, new) in enumerate(lines) if old != new} == HOLES
    assert narrows("fill", model, source, "-o", tmp_path / "y.tsv").code == 0
    assert (
        b"\t" in (tmp_path / "y.tsv").read_bytes().splitlines()[0] + (tmp_path / "y.tsv").read_bytes().splitlines()[1]
    )
