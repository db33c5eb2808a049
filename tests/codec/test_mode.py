"""Exactly one demand is made, of a number that can be met."""

import pytest

from narrows.codec.container.mode import Mode
from narrows.errors import ParameterError


@pytest.mark.parametrize(
    ("demand", "words", "bound"),
    [
        ({"lossless": True}, "lossless", 0),
        ({"max_error": 8}, "max error 8", 8),
        ({"max_error": 0}, "max error 0", 0),
        ({"quality": 0}, "quality 0", None),
        ({"psnr": 30.5}, "30.5 dB", None),
    ],
)
def test_one_demand(demand, words, bound):
    mode = Mode.choose(**demand)
    assert (str(mode), mode.max_error) == (words, bound)
    assert mode.to_header() == demand
    assert Mode.from_header(mode.to_header()) == mode


@pytest.mark.parametrize(
    ("demands", "words"),
    [
        ({}, "expected one of lossless, .*; found 0"),
        ({"lossless": True, "psnr": 30}, "found 2"),
        ({"max_error": -1}, "max_error=-1: expected a number from 0"),
        ({"psnr": float("nan")}, "psnr=nan"),
        ({"quality": 101}, "quality=101: expected a number from 0 to 100"),
    ],
)
def test_other_demands_are_refused(demands, words):
    with pytest.raises(ParameterError, match=words):
        Mode.choose(**demands)
