"""Parts of the viewer's page: a slider that stays within its range, the grid of items, a drawing pad."""

import base64
import json
import os
from importlib.resources import files
from typing import Any

import numpy as np

from narrows.errors import cannot_import
from narrows.render.html import environment
from narrows.viewer.session import Session

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when Gradio is imported
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

try:
    import gradio
except ImportError as error:
    raise cannot_import("the viewer", "gradio", "view", error) from None

gr: Any = gradio
ITEMS_PER_PAGE = 60
SMALL = 64  # pixels: smaller images are magnified without smoothing


def static(name: str) -> str:
    """Return the text of a file in static/."""
    return (files("narrows.viewer") / "static" / name).read_text(encoding="utf-8")


def rendered(template: str, **values: Any) -> str:
    """Return the HTML of a template in templates/."""
    return environment("narrows.viewer").get_template(template).render(**values)


def slider(low: float, high: float, value: float, step: float, label: str, **options: Any) -> Any:
    """Return a slider; numbers that are typed beside it are clipped to its range, where Gradio would fail."""
    made = gr.Slider(low, high, value, step=step, label=label, **options)
    vars(made)["preprocess"] = lambda typed: min(max(low if typed is None else typed, low), high)
    return made


def drawing_pad(name: str, shape: tuple[int, ...], soft: bool, brush: float, colour: tuple[int, ...]) -> Any:
    """Return a pad to draw on, as wide and high as an item; the radius of the brush is a share of the longer side."""
    return gr.HTML(
        "",
        html_template=rendered("pad.html", soft=soft, brush=brush, colour=colour),
        js_on_load=static("pad.js"),
        elem_id=name,
        width=shape[1],
        height=shape[0],
        over="",
        item=0,
    )


def read_strokes(text: str, item: int) -> np.ndarray | None:
    """Return what a pad sent as an array (Y, X) of 0..1; None if it was not drawn over this item."""
    sent: dict[str, Any] = json.loads(text) if text else {}
    if sent.get("item") != item:
        return None
    strokes = np.frombuffer(base64.b64decode(sent["strokes"]), np.uint8)
    return strokes.reshape(int(sent["height"]), int(sent["width"])) / 255


def item_grid(first: int, session: Session) -> Any:
    """Return a grid of items, of which the first is chosen."""
    return gr.HTML(grid_html(session, first), js_on_load=static("grid.js"), elem_id="grid", chosen=first)


def grid_html(session: Session, first: int) -> str:
    """Return the HTML of a page of items."""
    items = session.page(first, ITEMS_PER_PAGE)
    return rendered("grid.html", items=items, large=max(max(image.shape[:2]) for *_, image in items) > SMALL)


def warning(text: str) -> str:
    """Return a message about what went wrong as HTML."""
    return rendered("warning.html", text=text)
