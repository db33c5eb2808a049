"""Building blocks of pages. Each is rendered by the macro of its name in templates/blocks.html."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from narrows.evaluation.summary import Summary
from narrows.render.style import Figure


@dataclass(frozen=True)
class Plot:
    """A figure.

    Parameters
    ----------
    figure : Figure
        The matplotlib figure.
    title : str
        What it shows in a few words, for readers who cannot see it.
    caption : str
        A sentence on what to look at; may be empty.
    keep_colours : bool
        Whether its colours stay as they are on a dark page, because it contains images.
    """

    figure: Figure
    title: str
    caption: str = ""
    keep_colours: bool = False


@dataclass(frozen=True)
class Card:
    """Images side by side under a common title: (label, (Y, X) or (Y, X, 3) uint8)."""

    title: str
    images: Sequence[tuple[str, np.ndarray]]


@dataclass(frozen=True)
class Cards:
    """Cards in a grid, with a caption above; wide ones take a line each. colour_scales: legends of colour maps."""

    cards: Sequence[Card]
    caption: str = ""
    wide: bool = False
    colour_scales: Sequence[Figure] = ()


@dataclass(frozen=True)
class Facts:
    """A table of two columns: (name, value)."""

    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Link:
    """Text that links to a file beside the page."""

    text: str
    target: str


@dataclass(frozen=True)
class Table:
    """A table; its rows come in groups, with a line between them. note: what stands below it."""

    head: Sequence[str]
    groups: Sequence[Sequence[Sequence[str | Link]]]
    note: str = ""


@dataclass(frozen=True)
class ImageFile:
    """An image in a file beside the page. size: width and height in pixels. alt: what it shows, in words."""

    file: str
    size: tuple[int, int]
    alt: str
    caption: str


@dataclass(frozen=True)
class Definitions:
    """Terms and their explanations."""

    rows: Sequence[tuple[str, str]]


Block = str | Summary | Plot | Cards | Facts | Table | ImageFile | Definitions


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it; text is a block too, a paragraph."""

    title: str
    blocks: Sequence[Block]
