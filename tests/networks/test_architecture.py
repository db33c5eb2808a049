"""Architectures check themselves, and go to JSON and back."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narrows.networks import Architecture, format_code, parse_code, upsampling_kinds

sizes = st.integers(1, 300)


@st.composite
def architectures(draw):
    shape = tuple(draw(st.lists(sizes, max_size=3)))
    kind = draw(st.sampled_from(["linear", "dense", "conv"] if shape else ["linear", "dense"]))
    code = draw(st.integers(1, 500))
    if kind == "conv" and draw(st.booleans()):
        code = (code, *(math.ceil(size / 2 ** draw(st.integers(0, size.bit_length()))) for size in shape))
    return Architecture(
        kind=kind,
        channels=draw(st.integers(1, 9)),
        shape=shape,
        code=code,
        upsampling=draw(st.sampled_from(sorted(upsampling_kinds()))),
        ranged=draw(st.booleans()),
    )


@given(st.integers(1, 10**6) | st.lists(st.integers(1, 10**4), min_size=2, max_size=4).map(tuple))
def test_a_code_is_read_as_it_was_written(code):
    assert parse_code(format_code(code)) == code
    assert parse_code(code) == code


@pytest.mark.parametrize(
    ("written", "meant"),
    [(32, 32), ("32", 32), ("4x7x7", (4, 7, 7)), ("4X7X7", (4, 7, 7)), ([4, 7], (4, 7)), ((9,), 9), ([9], 9)],
)
def test_ways_to_write_a_code(written, meant):
    assert parse_code(written) == meant


@pytest.mark.parametrize("written", ["", "x", "4x", "4x7.5", "many", "4,7,7", None, 3.5, [4, 3.5], [], {}, "1e3"])
def test_what_is_no_code(written):
    with pytest.raises(ValueError, match="expected a number like 32, or channels and grid like 4x7x7") as error:
        parse_code(written)
    assert f"code={written!r}" in str(error.value)


@given(architectures())
def test_json(architecture):
    assert Architecture.from_dict(json.loads(json.dumps(architecture.to_dict()))) == architecture


@given(architectures())
def test_halvings_lead_to_the_grid(architecture):
    if architecture.kind != "conv":
        return
    halvings, factors = architecture.halvings(), architecture.factors()
    assert len(factors) == max(1, *halvings)
    for axis, (size, halving) in enumerate(zip(architecture.shape, halvings, strict=True)):
        assert math.prod(factor[axis] for factor in factors) == 2**halving
        grid = math.ceil(size / 2**halving)
        assert grid <= 8 if architecture.flat else grid == architecture.code[1 + axis]


def test_values():
    assert Architecture("linear", 7, (), 3).values == 7
    assert Architecture("conv", 3, (5, 4), 3).values == 60


PICTURES = Architecture("conv", 1, (28, 28), (4, 7, 7))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "tree"}, "architecture='tree': expected one of linear, dense, conv"),
        (
            {"upsampling": "cubic"},
            "upsampling='cubic': expected one of nearest, bilinear, transpose, pixelshuffle, unpool",
        ),
        ({"preset": "tiny"}, "preset='tiny': expected one of default, lesson"),
        ({"preset": "lesson", "kind": "dense", "code": 9}, "preset='lesson': has no dense network"),
        ({"shape": ()}, "architecture='conv': needs items with spatial axes; for tables, use dense or linear"),
        ({"shape": (4, 4, 4, 4), "code": 3}, "items with 4 spatial axes: at most 3 are supported"),
        ({"code": 0}, "code=0: expected a whole number from 1, or channels and grid like 4x7x7"),
        ({"code": -2}, "code=-2: expected a whole number from 1"),
        ({"code": (4, 0, 7)}, "code=(4, 0, 7): expected a whole number from 1"),
        ({"code": 2.5}, "code=2.5: expected a whole number from 1"),
        ({"kind": "dense"}, "code=(4, 7, 7): a dense code is one number, like 32"),
        ({"code": (4, 7)}, "code=(4, 7): expected channels and 2 grid sizes for items of shape (28, 28)"),
        ({"code": (4, 7, 6)}, "code=(4, 7, 6): a grid of 6 is not 28 halved; it can be 28, 14, 7, 4, 2, 1"),
        ({"code": (4, 29, 7)}, "code=(4, 29, 7): a grid of 29 is not 28 halved"),
        ({"code": (4, 14, 14), "preset": "lesson"}, "code=(4, 14, 14): the lesson's network halves every axis twice"),
    ],
)
def test_what_is_wrong_is_said(change, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        replace(PICTURES, **change)
    assert str(error.value).startswith(message)
