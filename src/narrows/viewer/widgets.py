"""What the viewer's page is made of: Gradio's slider, held to its ends, and a grid and a pad of our own."""

import base64
import json
import os
from html import escape
from typing import Any

import numpy as np

from narrows.errors import NarrowsError
from narrows.render.blocks import Card, Cards
from narrows.render.html import block_html, png_uri
from narrows.viewer.session import Workbench

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when Gradio is imported
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

try:
    import gradio as gr
except ModuleNotFoundError:
    raise NarrowsError("the viewer needs Gradio, which is not installed: pip install 'narrows[view]'") from None

PAGE = 60  # items of the grid

STYLES = """
:root { --line: var(--border-color-primary); --soft: var(--body-text-color-subdued) }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(44px, 1fr)); gap: 4px }
.grid { max-height: 420px; overflow-y: auto; padding: 3px }
.grid [aria-pressed=true] { outline: 3px solid var(--color-accent); outline-offset: -1px }
.grid.large { grid-template-columns: repeat(auto-fill, minmax(96px, 1fr)) }
.grid button { padding: 0; border: 2px solid transparent; border-radius: 3px; cursor: pointer; line-height: 0 }
.grid button { margin: 0 !important; background: none }
.grid button:hover, .grid button:focus-visible { border-color: #D55E00 }
.grid img { width: 100%; height: auto }
@media (max-width: 720px) { .grid { max-height: 200px } }
.crisp { image-rendering: pixelated }
.card b { font-weight: 600 }
.strip { display: grid; grid-template-columns: repeat(auto-fit, minmax(100px, 1fr)); gap: .6rem; margin-top: .5rem }
.strip div { min-width: 0; max-width: 240px; font-size: .85rem; color: var(--soft) }
.strip span { display: block; line-height: 1.3; margin-top: .2rem }
.strip img { width: 100%; height: auto; border: 1px solid var(--line) }
.note:empty { display: none }
.warning { color: #b3261e; font-weight: 600 }
.dark .warning { color: #ff8a80 }
.pad canvas { width: 100%; max-width: 280px; display: block; border: 1px solid var(--line) }
.pad canvas { touch-action: none; cursor: crosshair; image-rendering: pixelated }
.pad button { margin-top: .5rem; padding: .3rem .9rem; border: 1px solid var(--line); border-radius: 4px }
.pad button { font: inherit }
.unit input[type=number] { max-width: 5rem }
.unit .min_value, .unit .max_value { display: none }
footer { display: none !important }
"""

GRID_SCRIPT = """
function mark() {
  for (const button of element.querySelectorAll('button[data-item]'))
    button.setAttribute('aria-pressed', Number(button.dataset.item) === props.chosen);
}
watch(['chosen', 'value'], mark);
mark();
element.addEventListener('click', event => {
  const button = event.target.closest('button[data-item]');
  if (button) trigger('select', {index: Number(button.dataset.item)});
});
"""

# Strokes are kept as they are painted, a byte for each pixel of the item; `over` is a picture below them.
PAD_SCRIPT = """
const canvas = element.querySelector('canvas'), context = canvas.getContext('2d', {willReadFrequently: true});
const {soft, radius: size, colour} = SETTINGS;
let strokes = new Float32Array(0), under = null, last = null, shown = '';
function draw() {
  context.fillStyle = '#000';
  context.fillRect(0, 0, canvas.width, canvas.height);
  if (under) context.drawImage(under, 0, 0, canvas.width, canvas.height);
  const image = context.getImageData(0, 0, canvas.width, canvas.height);
  strokes.forEach((stroke, place) => {
    for (let band = 0; band < 3; band++) {
      const at = 4 * place + band;
      image.data[at] = image.data[at] * (1 - stroke) + colour[band] * stroke;
    }
  });
  context.putImageData(image, 0, 0);
}
function load() {
  const {width, height, over} = props;
  if (shown === width + 'x' + height + over) return;
  shown = width + 'x' + height + over;
  canvas.width = width; canvas.height = height;
  strokes = new Float32Array(width * height);
  under = null;
  draw();
  if (over) { const image = new Image(); image.onload = () => { under = image; draw(); }; image.src = over; }
}
function stamp(x, y) {
  const radius = size * Math.max(canvas.width, canvas.height);
  for (let row = Math.floor(y - radius - 1); row <= y + radius + 1; row++)
    for (let column = Math.floor(x - radius - 1); column <= x + radius + 1; column++)
      if (row >= 0 && column >= 0 && row < canvas.height && column < canvas.width) {
        const far = Math.hypot(column + 0.5 - x, row + 0.5 - y), place = row * canvas.width + column;
        const ink = Math.min(1, Math.max(0, radius + 0.5 - far));
        strokes[place] = Math.max(strokes[place], soft ? ink : Math.round(ink));
      }
}
function place(event) {
  const box = canvas.getBoundingClientRect();
  const across = (event.clientX - box.left) / box.width, down = (event.clientY - box.top) / box.height;
  return [across * canvas.width, down * canvas.height];
}
function send() {
  props.value = JSON.stringify({width: canvas.width, height: canvas.height, item: props.item,
    strokes: btoa(Array.from(strokes, each => String.fromCharCode(Math.round(255 * each))).join(''))});
  trigger('input');
}
canvas.addEventListener('pointerdown', event => {
  canvas.setPointerCapture(event.pointerId);
  last = place(event); stamp(...last); draw();
});
canvas.addEventListener('pointermove', event => {
  if (!last) return;
  const here = place(event), steps = Math.ceil(2 * Math.hypot(here[0] - last[0], here[1] - last[1])) || 1;
  for (let step = 1; step <= steps; step++)
    stamp(last[0] + (here[0] - last[0]) * step / steps, last[1] + (here[1] - last[1]) * step / steps);
  last = here; draw();
});
for (const end of ['pointerup', 'pointercancel'])
  canvas.addEventListener(end, () => { if (last) { last = null; send(); } });
element.querySelector('button').addEventListener('click', () => { strokes.fill(0); draw(); send(); });
watch(['over', 'width', 'height'], load);
load();
"""
PAD = '<div class="pad"><canvas width="28" height="28"></canvas><button type="button">Clear</button></div>'


def knob(low: float, high: float, value: float, step: float, label: str, **look: Any) -> Any:
    """A slider beside whose number anything may be typed: it is held to the ends, where Gradio would be in error."""
    slider = gr.Slider(low, high, value, step=step, label=label, **look)
    vars(slider)["preprocess"] = lambda typed: min(max(low if typed is None else typed, low), high)
    return slider


def on_slider(value: float, low: float, high: float, step: float) -> float:
    """The nearest value that a slider can take."""
    return round(low + round((min(max(value, low), high) - low) / step) * step, 9)


def drawing_pad(name: str, shape: tuple[int, ...], soft: bool, radius: float, colour: list[int]) -> Any:
    """Something to paint on, as many pixels wide and high as an item. radius: of the brush, in sides of the item."""
    return gr.HTML(
        "",
        html_template=PAD,
        js_on_load=PAD_SCRIPT.replace("SETTINGS", json.dumps({"soft": soft, "radius": radius, "colour": colour})),
        elem_id=name,
        width=shape[1],
        height=shape[0],
        over="",
        item=0,
    )


def read_strokes(text: str, item: int) -> np.ndarray | None:
    """What a pad sends, as (Y, X) of 0..1; None where it was not painted over this item."""
    sent: dict[str, Any] = json.loads(text) if text else {}
    if sent.get("item") != item:
        return None
    strokes = np.frombuffer(base64.b64decode(sent["strokes"]), np.uint8)
    return strokes.reshape(int(sent["height"]), int(sent["width"])) / 255


def grid_html(bench: Workbench, first: int) -> str:
    shown = bench.page(first, PAGE)
    large = max(max(picture.shape[:2]) for *_, picture in shown) > 64
    buttons = "".join(
        f'<button type="button" data-item="{index}" title="item {escape(name)}">'
        f'<img class="{"" if large else "crisp"}" src="{png(picture)}" alt="item {escape(name)}"></button>'
        for index, name, picture in shown
    )
    return f'<div class="grid {"large" if large else ""}">{buttons}</div>'


def png(picture: np.ndarray) -> str:
    return png_uri(picture)


def html(card: Card) -> str:
    return str(block_html(Cards([card])))


def warning(text: str) -> str:
    return f'<p class="warning" role="alert">{escape(text)}</p>'
