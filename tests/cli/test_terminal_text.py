"""What files say of themselves cannot steer the terminal."""

import pytest

from narrows.cli.messages import one_line


@pytest.mark.parametrize(
    "text", ["\x1b[2J", "\x9b31m", "\x85", "\u202e", "\u2066", "\u2028", "\r\n", "\x00", "\x7f", "\u200f"]
)
def test_control_characters_and_reversing_marks_are_not_printed(text):
    assert one_line(f"a{text}b") in ("a b", "a [2Jb", "a 31mb")
    assert one_line("Grüße, 数据 e\u0301") == "Grüße, 数据 e\u0301"
