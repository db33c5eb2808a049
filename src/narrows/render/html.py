"""HTML from Jinja2 templates, with figures and images inlined."""

import io
from base64 import b64encode
from functools import cache
from typing import Any

import numpy as np
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from narrows.data.formats import images
from narrows.render.blocks import Block, Card
from narrows.render.style import Figure, rc_context


@cache
def environment(package: str = "narrows.render") -> Environment:
    """Return the environment of a package's templates directory, in which those of this package are found too.

    Values are escaped unless a template says otherwise. The filter ``html`` renders a block, ``png`` and ``svg`` turn
    images and figures into data URIs.
    """
    loaders = [PackageLoader(name) for name in dict.fromkeys((package, "narrows.report", "narrows.render"))]
    made = Environment(
        loader=ChoiceLoader(loaders),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"html": block_html, "png": png_uri, "svg": svg_uri, "css_size": css_size}
    return made


def block_html(block: Block | Card) -> Markup:
    """Return the HTML of a block, by the macro that is named like its class.

    Examples
    --------
    >>> print(block_html("1 < 2"))
    <p>1 &lt; 2</p>
    """
    macros: Any = environment().get_template("blocks.html").module
    return Markup(getattr(macros, type(block).__name__)(block).strip())


def png_uri(image: np.ndarray) -> str:
    """Return an image (Y, X) or (Y, X, 3) uint8 as the data URI of a PNG."""
    return data_uri("image/png", images.encode(image, "PNG"))


def svg_uri(figure: Figure) -> str:
    """Return a figure as the data URI of an SVG, the same bytes every time."""
    content = io.BytesIO()
    with rc_context({"svg.hashsalt": "narrows"}):
        figure.savefig(content, format="svg", metadata={"Date": None})
    return data_uri("image/svg+xml", content.getvalue())


def css_size(figure: Figure) -> tuple[int, int]:
    """Return width and height of a figure in CSS pixels."""
    width, height = (round(96 * inches) for inches in figure.get_size_inches())
    return width, height


def data_uri(kind: str, content: bytes) -> str:
    """Return a data URI of a media type."""
    return f"data:{kind};base64,{b64encode(content).decode()}"
