"""The viewer behind `narrows view`: a page for the browser, served by this machine to itself alone."""

import base64
import json
import os
import signal
import socket
import tempfile
import time
import zlib
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from narrows.data import pictures
from narrows.errors import DataError, NarrowsError
from narrows.show.pictures import HOLE
from narrows.show.report_page import Card, Cards, cards_html, inline
from narrows.show.workbench import Workbench

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when Gradio is imported
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

try:
    import gradio as gr
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
except ModuleNotFoundError:
    raise NarrowsError("the viewer needs Gradio, which is not installed: pip install 'narrows[view]'") from None

PAGE = 60  # items of the grid
LARGEST_FILE = "64mb"

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


def view(bench: Workbench, host: str, port: int | None, open_browser: bool, say: Callable[[str], None]) -> None:
    """Serve the page until Ctrl-C; `say` is told its address. OSError where it cannot be served there."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    check_address(host)
    with tempfile.TemporaryDirectory(prefix="narrows-view-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder  # uploads live no longer than the viewer
        app = page(bench)
        _, address, _ = app.launch(
            server_name=host,
            server_port=port,
            inbrowser=open_browser,
            share=False,
            quiet=True,
            prevent_thread_lock=True,
            ssr_mode=False,
            max_file_size=LARGEST_FILE,
            footer_links=[],
            app_kwargs={"middleware": [Middleware(TrustedHostMiddleware, allowed_hosts=hosts_of(host))]},
            enable_monitoring=False,
            css=STYLES,
            theme=gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
        )
        say(f"{address} shows {bench.name}; Ctrl-C ends it")
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            app.close(verbose=False)


def check_address(host: str) -> None:
    """OSError where nothing on this machine can listen: Gradio would wait for ever."""
    family, _, _, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, socket.SOCK_STREAM) as tried:
        tried.bind(address)


def hosts_of(address: str) -> list[str]:
    """The names that a browser may call the viewer by where it listens at an address. On this machine alone, they are
    this machine's own, so that no page from elsewhere can pass for one of the viewer's by a name of its own for it.
    """
    here = ["127.0.0.1", "localhost", "[::1]"]
    return here if address in ("127.0.0.1", "localhost", "::1") else ["*"]


def page(bench: Workbench) -> Any:
    """The page: the item at the left, what the tools make of it at the right."""
    with gr.Blocks(title=f"narrows: {bench.name}", analytics_enabled=False) as app:
        gr.Markdown(f"## {bench.name}\n{bench.about} Choose one, or make your own, and see what becomes of it.")
        item = gr.State(bench.item(0))
        note = gr.HTML("", elem_id="note")
        with gr.Row():
            with gr.Column(scale=2, min_width=320):
                choose_item(bench, item, note)
            with gr.Column(scale=3, min_width=320), gr.Tabs():
                for name, tab in (
                    ("Squeeze", squeeze_tab if bench.autoencoder else None),
                    ("Compress", compress_tab if bench.codec else None),
                    ("Denoise", denoise_tab if bench.denoiser else None),
                    ("Fill", fill_tab if bench.imputer else None),
                ):
                    if tab is not None:
                        with gr.Tab(name):
                            tab(app, bench, item, note)
    return app


def knob(low: float, high: float, value: float, step: float, label: str, **look: Any) -> Any:
    """A slider beside whose number anything may be typed: it is held to the ends, where Gradio would be in error."""
    slider = gr.Slider(low, high, value, step=step, label=label, **look)
    vars(slider)["preprocess"] = lambda typed: min(max(low if typed is None else typed, low), high)
    return slider


def choose_item(bench: Workbench, item: Any, note: Any) -> None:
    """The ways to an item: from the grid, drawn, or from a file."""

    def chosen(event: gr.EventData) -> tuple[np.ndarray, str, Any]:
        index = int(event.index)
        return bench.item(index), f"<p>item {escape(bench.item_name(index))}</p>", gr.update(chosen=index)

    def drawn(text: str) -> tuple[np.ndarray, str, Any]:
        strokes = read_strokes(text, 0)
        assert strokes is not None
        return bench.from_drawing(strokes), "", gr.update(chosen=-1)

    def uploaded(path: str) -> tuple[Any, str, Any]:
        try:
            item = bench.from_file(path)
            return item, f"<p>{escape(Path(path).name)}, taken as {bench.in_words(item)}</p>", gr.update(chosen=-1)
        except (DataError, OSError, ValueError) as error:
            return gr.skip(), warning(str(error)), gr.skip()

    with gr.Tabs():
        with gr.Tab("Choose"):
            grid = gr.HTML(grid_html(bench, 0), js_on_load=GRID_SCRIPT, elem_id="grid", chosen=0)
            grid.select(chosen, None, [item, note, grid], show_progress="hidden")
            if bench.count > PAGE:
                first = knob(0, bench.count - 1, 0, PAGE, "from item", elem_id="first")
                first.input(
                    lambda at: grid_html(bench, int(at)),
                    first,
                    grid,
                    show_progress="hidden",
                    trigger_mode="always_last",
                )
        if bench.has_pictures:
            with gr.Tab("Draw"):
                pad = drawing_pad("draw", bench.shape, soft=True, radius=0.045, colour=[255, 255, 255])
                pad.input(drawn, pad, [item, note, grid], show_progress="hidden")
        with gr.Tab("Upload"):
            file = gr.File(label="a picture or an array such as the tools learnt from", type="filepath", elem_id="file")
            file.upload(uploaded, file, [item, note, grid])
            file.clear(lambda: "", None, note)


def squeeze_tab(app: Any, bench: Workbench, item: Any, note: Any) -> None:
    """The autoencoder: original, code, reconstruction, error; and sliders for its code."""
    shown = gr.HTML(elem_id="squeezed")
    code = gr.State()
    sliders = []
    if not bench.units:
        gr.Markdown("Items of different sizes have codes of different sizes, so there is no slider for each number.")
    else:
        gr.Markdown(
            f"The {len(bench.units)} numbers of the code that vary the most; move them, and see the decoder answer."
        )
        with gr.Row():
            for unit in bench.units:
                low, high, step = bench.ranges[unit]
                look: dict[str, Any] = {"min_width": 200, "elem_classes": "unit", "buttons": []}
                sliders.append(knob(low, high, low, step, f"number {unit}", **look))
    reset = gr.Button("Back to the item's own code", size="sm", visible=bool(sliders))

    def encoded(item: np.ndarray) -> list[Any]:
        own = bench.code(item)
        fits = own.shape == bench.code(bench.item(0)).shape
        values = [on_slider(own[unit], *bench.ranges[unit]) if fits else gr.skip() for unit in bench.units]
        return [html(bench.squeezed(item, own)), own, *values]

    def moved(item: np.ndarray, code: np.ndarray, *values: float) -> Any:
        changed = code.copy()
        if len(changed) > max(bench.units):
            changed[bench.units] = values
        return html(bench.squeezed(item, changed))

    for event in (app.load, item.change, reset.click):
        event(guarded(encoded, 2 + len(sliders)), item, [note, shown, code, *sliders], show_progress="hidden")
    for slider in sliders:
        slider.input(
            moved, [item, code, *sliders], shown, show_progress="hidden", trigger_mode="always_last", queue=True
        )


def on_slider(value: float, low: float, high: float, step: float) -> float:
    """The nearest value that a slider can take."""
    return round(low + round((min(max(value, low), high) - low) / step) * step, 9)


def compress_tab(app: Any, bench: Workbench, item: Any, note: Any) -> None:
    """The codec: quality, bytes and picture, beside WebP and JPEG."""
    quality = knob(1, 100, 50, 1, "quality", elem_id="quality")
    shown = gr.HTML(elem_id="compressed")
    gr.Markdown(
        "Each picture in a file of its own; WebP and JPEG at their best within as many bytes, or at their least."
    )
    live(app, [item, quality], note, shown, lambda item, quality: html(bench.compressed(item, quality)))


def denoise_tab(app: Any, bench: Workbench, item: Any, note: Any) -> None:
    """The denoiser: add noise, and take it away."""
    strength = knob(0, 1, 0.5, 0.05, "noise to add (1 is the whole range)", elem_id="strength")
    shown = gr.HTML(elem_id="denoised")
    live(app, [item, strength], note, shown, lambda item, strength: html(bench.denoised(item, strength)))


def fill_tab(app: Any, bench: Workbench, item: Any, note: Any) -> None:
    """The imputer: paint a hole, or hide a share, and fill it."""
    share = knob(0, 0.95, 0, 0.05, "share of the values to hide", elem_id="share")
    inputs = [item, share]
    with gr.Row():
        if bench.has_pictures:
            with gr.Column(scale=1, min_width=220):
                gr.Markdown("Paint over what is to be hidden.")
                pad = drawing_pad("hole", bench.shape, soft=False, radius=0.07, colour=list(HOLE))
                inputs.append(pad)
        with gr.Column(scale=2, min_width=260):
            shown = gr.HTML(elem_id="filled")

    def below(item: np.ndarray) -> Any:
        over = png(bench.pen.picture(item))
        return gr.update(width=item.shape[1], height=item.shape[0], over=over, item=zlib.crc32(item.tobytes()))

    if bench.has_pictures:
        for event in (app.load, item.change):
            event(below, item, pad, show_progress="hidden")

    def fill(item: np.ndarray, share: float, text: str = "") -> str:
        strokes = read_strokes(text, zlib.crc32(item.tobytes()))
        return html(bench.filled(item, None if strokes is None else strokes >= 0.5, share))

    live(app, inputs, note, shown, fill)


def live(app: Any, inputs: list[Any], note: Any, shown: Any, answer: Callable[..., Any]) -> None:
    """Answer at once, and whenever the item or another input changes."""
    item, *others = inputs
    events = [app.load, item.change, *(other.input for other in others)]
    for event in events:
        event(
            guarded(lambda *values: [answer(*values)], 1),
            inputs,
            [note, shown],
            show_progress="hidden",
            trigger_mode="always_last" if event != app.load else None,
        )


def guarded(answer: Callable[..., list[Any]], count: int) -> Callable[..., list[Any]]:
    """What answers in `count` values, with a note before them: what is wrong, where it cannot be done."""

    def answered(*values: Any) -> list[Any]:
        try:
            return [gr.skip(), *answer(*values)]
        except (NarrowsError, ValueError) as error:
            return [warning(str(error)), *[gr.skip()] * count]

    return answered


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
    return inline("image/png", pictures.encode(picture, "PNG"))


def html(card: Card) -> str:
    return cards_html(Cards([card], ""))


def warning(text: str) -> str:
    return f'<p class="warning" role="alert">{escape(text)}</p>'
