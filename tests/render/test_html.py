"""Blocks of pages become HTML that is escaped and loads nothing."""

from typing import get_args

import numpy as np

from narrows.render.blocks import Block, Card, Cards, Facts
from narrows.render.html import block_html, environment

from ..page_tags import Tags


def test_every_kind_of_block_has_a_macro() -> None:
    macros = environment().get_template("blocks.html").module
    for kind in get_args(Block):
        assert callable(getattr(macros, kind.__name__))


def test_text_is_escaped() -> None:
    nasty = '<i>&"'
    image = np.zeros((4, 5), np.uint8)
    for block in (nasty, Facts([(nasty, nasty)]), Cards([Card(nasty, [(nasty, image)])], nasty)):
        html = block_html(block)
        assert "<i>" not in html
        assert "&lt;i&gt;&amp;&#34;" in html


def test_images_are_inlined_and_small_ones_are_not_smoothed() -> None:
    sizes = {64: "crisp", 65: ""}
    for side, expected in sizes.items():
        tags = Tags(block_html(Card("title", [("label", np.zeros((side, 3), np.uint8))])))
        assert tags.values("img", "class") == [expected]
        assert tags.values("img", "alt") == ["title: label"]
        assert tags.values("img", "src")[0].startswith("data:image/png;base64,")
