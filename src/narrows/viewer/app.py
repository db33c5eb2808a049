"""The viewer behind `narrows view`: a page for the browser, served to this machine alone."""

import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from narrows.errors import DataError
from narrows.registry import resolve, tools
from narrows.viewer.session import Session
from narrows.viewer.tab import Page
from narrows.viewer.widgets import (
    ITEMS_PER_PAGE,
    drawing_pad,
    gr,
    grid_html,
    item_grid,
    read_strokes,
    rendered,
    slider,
    static,
    warning,
)

LARGEST_FILE = "64mb"
WHITE = (255, 255, 255)


def view(session: Session, host: str, port: int | None, open_browser: bool, say: Callable[[str], None]) -> None:
    """Serve the page until Ctrl-C.

    Parameters
    ----------
    session : Session
        What is shown.
    host : str
        The address to listen on.
    port : int or None
        The port; None for the first free one from 7860.
    open_browser : bool
        Whether to open the browser.
    say : callable
        Called with a line that contains the address of the page.

    Raises
    ------
    OSError
        If the page cannot be served there.
    """
    # Modules that come with Gradio are imported after it, so that a missing Gradio gives our error.
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    check_address(host)
    with tempfile.TemporaryDirectory(prefix="narrows-view-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder  # uploads live no longer than the viewer
        app = build_page(session)
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
            app_kwargs={
                "middleware": [
                    Middleware(TrustedHostMiddleware, allowed_hosts=allowed_hosts(host)),
                    Middleware(SameOrigin),
                ]
            },
            enable_monitoring=False,
            css=static("viewer.css"),
            theme=gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
        )
        say(f"{address} shows {session.name}; Ctrl-C ends it")
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            app.close(verbose=False)


def check_address(host: str) -> None:
    """Raise OSError if this machine cannot listen on an address, for which Gradio would wait forever."""
    family, _, _, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, socket.SOCK_STREAM) as tried:
        tried.bind(address)


def allowed_hosts(address: str) -> list[str]:
    """Return the host names that requests may have. Of a page for this machine alone, only this machine's own names.

    Otherwise a web page from elsewhere could reach the viewer by a name that it makes resolve to this machine.
    """
    here = ["127.0.0.1", "localhost", "[::1]"]
    return here if address in ("127.0.0.1", "localhost", "::1") else ["*"]


class SameOrigin:
    """Middleware that refuses requests which pages of other origins make, before anything of them is read.

    Following a link to the viewer is allowed.

    Parameters
    ----------
    app : callable
        The ASGI application.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope.get("headers", ())}
        origin, link = headers.get("origin"), headers.get("sec-fetch-mode") == "navigate"
        foreign = headers.get("sec-fetch-site") in ("cross-site", "same-site") and not (
            link and scope.get("method") == "GET"
        )
        if foreign or origin not in (None, *(f"{scheme}://{headers.get('host')}" for scheme in ("http", "https"))):
            from starlette.responses import PlainTextResponse

            await PlainTextResponse("requests of other origins are refused", 403)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def build_page(session: Session) -> Any:
    """Return the page: ways to choose an item at the left, a tab for each model at the right."""
    specs = {name: spec for name, spec in tools().items() if spec.viewer and name in session.models}
    tabs = [resolve(str(spec.viewer))(session, session.models[name]) for name, spec in specs.items()]
    with gr.Blocks(title=f"narrows: {session.name}", analytics_enabled=False) as app:
        gr.Markdown(f"## {session.name}\n{session.about} Choose one, or make your own, and try the models on it.")
        page = Page(app, gr.State(session.item(0)), gr.HTML("", elem_id="note"))
        with gr.Row():
            with gr.Column(scale=2, min_width=320):
                build_chooser(session, page)
            with gr.Column(scale=3, min_width=320), gr.Tabs():
                for tab in tabs:
                    with gr.Tab(tab.title):
                        tab.build(page)
    return app


def build_chooser(session: Session, page: Page) -> None:
    """Add the ways to an item: from the grid, drawn, or from a file."""

    def choose(event: gr.EventData) -> tuple[np.ndarray, str, Any]:
        index = int(event.index)
        name, item = session.named_item(index)
        return item, rendered("note.html", text=f"item {name}"), gr.update(chosen=index)

    def draw(text: str) -> tuple[np.ndarray, str, Any]:
        strokes = read_strokes(text, 0)
        assert strokes is not None
        return session.from_drawing(strokes), "", gr.update(chosen=-1)

    def upload(path: str) -> tuple[Any, str, Any]:
        try:
            item = session.from_file(path)
            note = rendered("note.html", text=f"{Path(path).name}, used as {session.describe(item)}")
            return item, note, gr.update(chosen=-1)
        except (DataError, OSError, ValueError) as error:
            return gr.skip(), warning(str(error)), gr.skip()

    with gr.Tabs():
        with gr.Tab("Choose"):
            grid = item_grid(0, session)
            grid.select(choose, None, [page.item, page.note, grid], show_progress="hidden")
            if session.count > ITEMS_PER_PAGE:
                first = slider(0, session.count - 1, 0, ITEMS_PER_PAGE, "from item", elem_id="first")
                first.input(
                    lambda at: grid_html(session, int(at)),
                    first,
                    grid,
                    show_progress="hidden",
                    trigger_mode="always_last",
                )
        if session.has_images:
            with gr.Tab("Draw"):
                pad = drawing_pad("draw", session.shape, soft=True, brush=0.045, colour=WHITE)
                pad.input(draw, pad, [page.item, page.note, grid], show_progress="hidden")
        with gr.Tab("Upload"):
            file = gr.File(label="an image or an array like the training data", type="filepath", elem_id="file")
            file.upload(upload, file, [page.item, page.note, grid])
            file.clear(lambda: "", None, page.note)
