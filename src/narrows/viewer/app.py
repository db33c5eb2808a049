"""The viewer behind `narrows view`: a page for the browser, served by this machine to itself alone."""

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

from narrows.errors import DataError, NarrowsError
from narrows.render.item_renderer import MASK_COLOUR
from narrows.viewer.session import Workbench
from narrows.viewer.widgets import (
    GRID_SCRIPT,
    PAGE,
    STYLES,
    drawing_pad,
    gr,
    grid_html,
    html,
    knob,
    on_slider,
    png,
    read_strokes,
    warning,
)

LARGEST_FILE = "64mb"


def view(bench: Workbench, host: str, port: int | None, open_browser: bool, say: Callable[[str], None]) -> None:
    """Serve the page until Ctrl-C; `say` is told its address. OSError where it cannot be served there."""
    # What comes with Gradio is imported after it, so that the error where it is missing is the one in words.
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

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


def choose_item(bench: Workbench, item: Any, note: Any) -> None:
    """The ways to an item: from the grid, drawn, or from a file."""

    def chosen(event: gr.EventData) -> tuple[np.ndarray, str, Any]:
        index = int(event.index)
        name, item = bench.named_item(index)
        return item, f"<p>item {escape(name)}</p>", gr.update(chosen=index)

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
                pad = drawing_pad("hole", bench.shape, soft=False, radius=0.07, colour=list(MASK_COLOUR))
                inputs.append(pad)
        with gr.Column(scale=2, min_width=260):
            shown = gr.HTML(elem_id="filled")

    def below(item: np.ndarray) -> Any:
        over = png(bench.renderer.image(item))
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
