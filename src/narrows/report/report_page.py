"""The page of a report: sections of text, tables, plots and cards of pictures, all of it inside one HTML file."""

import io
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from narrows import __version__
from narrows.data.formats import images as pictures
from narrows.render.summaries import Summary
from narrows.report.html_page import document

SMALL = 64  # pixels: pictures up to this are magnified without smoothing
STYLES = """
main { max-width: 1000px }
section > p, figcaption, .note, .lead, .plot img { max-width: 40rem }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 18rem), 1fr)); gap: 1.2rem 1.6rem }
.cards:not(.wide):has(.strip > :nth-child(4)) {
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 27rem), 1fr))
}
.wide { grid-template-columns: 1fr }
.wide .strip { flex-wrap: wrap }
.wide .strip div { flex-basis: 8rem }
.card { break-inside: avoid; border-top: 1px solid var(--line); padding-top: .4rem }
.card b { font-weight: 600; font-size: .9rem }
.strip { display: flex; gap: .5rem; margin-top: .4rem }
.strip div { flex: 1 1 0; min-width: 0; max-width: 12rem; font-size: .8rem; color: var(--soft) }
.strip span { display: block; overflow-wrap: anywhere; line-height: 1.3; margin-top: .2rem }
.true img { filter: none; background: #fff; border-radius: 6px }
.strip img { filter: none; width: 100%; border: 1px solid var(--line) }
.crisp { image-rendering: pixelated }
.facts { margin: .8rem 0 }
.facts tbody { border: 0 }
.facts td:first-child { white-space: nowrap; color: var(--soft); padding-right: 1.5rem; vertical-align: top }
.facts td { text-align: left; white-space: normal; overflow-wrap: anywhere }
.summary { width: auto; min-width: min(100%, 24rem) }
@media (max-width: 520px) {
  .summary th { white-space: normal; vertical-align: bottom }
  .summary td, .summary th { padding: .3rem .25rem }
}
@media print {
  :root { color-scheme: light; --page: #fff; --ink: #000; --soft: #444; --line: #bbb; --code: #fff; --link: #000 }
  html { font-size: 11px }
  body { font-size: 11.5px }
  main { max-width: none; padding: 0 }
  h2, section > p { break-after: avoid }
  h2 { margin-top: 1.6rem }
  figure, tr { break-inside: avoid }
  .plot img { filter: none; max-width: 11.5cm }
}
"""


@dataclass(frozen=True)
class Plot:
    """A figure, what it is in few words, and a sentence on what to see in it.

    true: whether its colours are those of pictures, and stay as they are on a dark page.
    """

    figure: Figure
    title: str
    says: str
    true: bool = False


@dataclass(frozen=True)
class Card:
    """Pictures side by side, uint8 (Y, X) or (Y, X, 3), each with a label, under a common title."""

    title: str
    pictures: Sequence[tuple[str, np.ndarray]]


@dataclass(frozen=True)
class Cards:
    """Cards, and a sentence on what to see in them; wide: at least a line each. scales: of colours."""

    cards: Sequence[Card]
    says: str
    wide: bool = False
    scales: Sequence[Figure] = ()


Block = str | Summary | Plot | Cards


@dataclass(frozen=True)
class Section:
    title: str
    blocks: Sequence[Block]


def write(title: str, lead: str, facts: Sequence[tuple[str, str]], sections: Sequence[Section]) -> str:
    """The whole page."""
    parts = "\n".join(
        f"<section>\n<h2>{escape(section.title)}</h2>\n{''.join(map(block_html, section.blocks))}</section>"
        for section in sections
    )
    return document(
        title,
        f"""
<h1>{escape(title)}</h1>
<p class="lead">{escape(lead)}</p>
{facts_html(facts)}
{parts}
<footer>Made by <code>narrows report</code>, narrows {escape(__version__)}.</footer>""",
        STYLES,
    )


def block_html(block: Block) -> str:
    if isinstance(block, str):
        return f"<p>{escape(block)}</p>\n"
    if isinstance(block, Summary):
        return f'{facts_html(block.facts)}{rows_html(block.rows)}<p class="note">{escape(block.note)}.</p>\n'
    if isinstance(block, Plot):
        return plot_html(block)
    return cards_html(block)


def facts_html(facts: Sequence[tuple[str, str]]) -> str:
    rows = "".join(f"<tr><td>{escape(what)}</td><td>{escape(how)}</td></tr>" for what, how in facts)
    return f'<table class="facts"><tbody>{rows}</tbody></table>\n' if facts else ""


def rows_html(rows: Sequence[tuple[str, ...]]) -> str:
    head, *body = (
        "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row) + "</tr>"
        for tag, row in zip(("th", *["td"] * len(rows)), rows, strict=False)
    )
    table = f'<table class="summary"><thead>{head}</thead><tbody>{"".join(body)}</tbody></table>'
    return f'<div class="scroll">{table}</div>\n'


def cards_html(cards: Cards) -> str:
    scales = "".join(plot_html(Plot(scale, "scale of colours", "", true=True)) for scale in cards.scales)
    shown = "\n".join(map(card_html, cards.cards))
    kind = "cards wide" if cards.wide else "cards"
    return f'<p class="note">{escape(cards.says)}</p>\n{scales}<div class="{kind}">\n{shown}\n</div>\n'


def card_html(card: Card) -> str:
    strip = "".join(
        f"<div>{picture_html(picture, f'{card.title}: {label}')}<span>{escape(label)}</span></div>"
        for label, picture in card.pictures
    )
    return f'<div class="card"><b>{escape(card.title)}</b><div class="strip">{strip}</div></div>'


def picture_html(picture: np.ndarray, alt: str) -> str:
    height, width = picture.shape[:2]
    crisp = " class=crisp" * (max(height, width) <= SMALL)
    source = inline("image/png", pictures.encode(picture, "PNG"))
    return f'<img{crisp} src="{source}" width="{width}" height="{height}" alt="{escape(alt)}">'


def plot_html(plot: Plot) -> str:
    """A figure as SVG in an img of its own, so that its names meet no others; the same bytes each time."""
    content = io.BytesIO()
    with rc_context({"svg.hashsalt": "narrows"}):
        plot.figure.savefig(content, format="svg", metadata={"Date": None})
    width, height = (round(96 * inches) for inches in plot.figure.get_size_inches())
    source = inline("image/svg+xml", content.getvalue())
    image = f'<img src="{source}" width="{width}" height="{height}" alt="{escape(plot.title)}">'
    says = f"<figcaption>{escape(plot.says)}</figcaption>" if plot.says else ""
    return f'<figure class="plot{" true" * plot.true}">{image}{says}</figure>\n'


def inline(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{b64encode(content).decode()}"
