"""Extensions defined outside the package, found by their entry points and used from the command line.

docs/extending.md shows the files beside this one.
"""

import json

import numpy as np

from narrows import data


def starfield_of(digits: data.Items) -> bytes:
    return b"STARFIELD %d 8 8\n" % len(digits) + digits.values.tobytes()


def test_a_format_is_read_and_written(narrows, model, tmp_path):
    digits = data.read("digits:test").select(slice(5))
    (tmp_path / "digits.star").write_bytes(starfield_of(digits))
    narrows("encode", model, "digits.star", "-o", "codes.npy")
    narrows("decode", model, "codes.npy", "-o", "decoded.star")
    assert len(np.load(tmp_path / "codes.npy")) == 5
    assert (tmp_path / "decoded.star").read_bytes().startswith(b"STARFIELD 5 8 8\n")
    narrows("encode", model, "decoded.star", "-o", "again.npy")


def test_errors_of_a_format_are_one_line(narrows, model, tmp_path):
    (tmp_path / "cut.star").write_bytes(b"STARFIELD 2 8 8\n1234")
    said = narrows("encode", model, "cut.star", "-o", "codes.npy", fails=True)
    assert "cut.star: not a complete starfield file" in said
    assert said.count("\n") == 1


def test_a_peer_is_compared_with(narrows, model):
    found = json.loads(narrows("evaluate", model, "digits:test", "--json"))
    assert 0 < found["nmf"]["mse"] < 1
    assert found["nmf"]["components"] == found["pca"]["components"]
    assert "NMF-" in narrows("evaluate", model, "digits:test")


def test_plugins_are_found_from_python_too(narrows, tmp_path):
    (tmp_path / "digits.star").write_bytes(starfield_of(data.read("digits:test").select(slice(2))))
    assert narrows("digits.star", program="from narrows import data; import sys; print(data.read(sys.argv[1]))")
