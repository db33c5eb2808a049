"""The viewer in a browser, as a person uses it: browse, move, draw, paint, upload."""

import base64
import io
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import narrows
from narrows.data import Items

from ..browser import opened_page
from ..cli.conftest import narrows as command

pytest.importorskip("gradio", reason="Gradio is not installed")

SETTLED = 700  # milliseconds: sliders get their values a moment after they appear, and what is typed before is lost


@pytest.fixture(scope="module")
def models(mnist: tuple[Items, Items], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The file of a small model of each tool."""
    folder, some = tmp_path_factory.mktemp("models"), mnist[0].select(slice(0, 1500))
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("narrows.training.loop.MUST_BEAT", np.inf)
        for model in (
            narrows.Autoencoder("linear", code=16, epochs=60),
            narrows.Codec(epochs=1),
            narrows.Denoiser(noise="gaussian:0.5", epochs=2),
            narrows.Imputer(holes="blocks:0.25", epochs=2),
        ):
            found[model.tool] = folder / f"{model.tool}.safetensors"
            model.fit(some).save(found[model.tool])
    return found


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """The address of a viewer, which is stopped as a person or a system stops it, and leaves nothing behind."""
    running: list[subprocess.Popen[str]] = []
    uploads = tmp_path_factory.mktemp("uploads")

    def started(*arguments: object) -> str:
        line = [sys.executable, "-m", "narrows", "view", *map(str, arguments), "--no-browser"]
        environment = {**os.environ, "TMPDIR": str(uploads)}
        process = subprocess.Popen(
            line,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            # Where the tests run in the background of a shell, they were told to ignore it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        running.append(process)
        assert process.stderr is not None
        said, until = "", time.monotonic() + 120
        while "Ctrl-C" not in said:
            assert select.select([process.stderr], [], [], until - time.monotonic())[0], said
            line_read = process.stderr.readline()
            assert line_read, said
            said += line_read
        found = re.search(r"http://127\.0\.0\.1:\d+", said)
        assert found is not None
        return found[0]

    yield started
    for process, number in zip(running, cycle((signal.SIGINT, signal.SIGTERM)), strict=False):
        process.send_signal(number)
        assert process.wait(30) == 0
    assert not list(uploads.glob("narrows-view-*"))


@pytest.fixture(scope="module")
def address(models: dict[str, Path], serve: Callable[..., str]) -> str:
    return serve(*models.values(), "mnist:test")


@pytest.fixture
def page(address: str) -> Iterator[Any]:
    """The viewer on a page of its own; nothing may go wrong on it, or leave this machine."""
    with opened_page(1280, 800) as (page, wrong):
        page.goto(address)
        page.locator("#reconstruction img").first.wait_for()
        page.wait_for_timeout(SETTLED)
        yield page
        assert not wrong


def changed(page: Any, place: str, act: Callable[[], None], what: str = "innerHTML") -> str:
    """What an element holds once it has changed because of an act."""
    before = page.locator(place).evaluate(f"element => element.{what}")
    act()
    page.wait_for_function(
        "([place, what, before]) => document.querySelector(place)[what] !== before", arg=[place, what, before]
    )
    return page.locator(place).evaluate(f"element => element.{what}")


def stroke(page: Any, place: str, *points: tuple[float, float]) -> None:
    """Paint over points, as shares of the width and height."""
    canvas = page.locator(f"{place} canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*at[0])
    page.mouse.down()
    for x, y in at[1:]:
        page.mouse.move(x, y, steps=6)
    page.mouse.up()


def marked(page: Any) -> list[str]:
    """Which items of the grid are shown as the chosen one."""
    found = page.locator("#grid [aria-pressed=true]")
    return [found.nth(place).get_attribute("data-item") for place in range(found.count())]


def press(page: Any, name: str) -> None:
    """Open a tab."""
    page.get_by_role("tab", name=name).click()
    page.wait_for_timeout(SETTLED)


def test_items_are_browsed_and_the_code_is_moved(page: Any) -> None:
    assert marked(page) == ["0"]
    changed(page, "#reconstruction .card", page.locator("#grid button").nth(3).click)
    assert marked(page) == ["3"]
    changed(page, "#grid .grid", lambda: page.locator("#first input[type=number]").fill("120"))
    assert marked(page) == []
    changed(page, "#reconstruction .card", page.locator("#grid button").nth(4).click)
    assert marked(page) == ["124"]
    knob = page.locator(".unit input[type=range]").first
    reconstruction = "#reconstruction .strip div:nth-child(3) img"

    def move() -> None:
        knob.focus()
        for key in ("Home", *["ArrowRight"] * 8):
            page.keyboard.press(key)

    changed(page, reconstruction, move, "src")
    page.wait_for_timeout(1000)  # the answers to all steps but the last may come yet
    changed(page, reconstruction, page.get_by_role("button", name="Back to the item's own code").click, "src")


def test_a_drawn_digit_is_reconstructed_denoised_and_filled(page: Any) -> None:
    press(page, "Draw")
    changed(page, "#reconstruction .card", lambda: stroke(page, "#draw", (0.5, 0.2), (0.55, 0.5), (0.5, 0.8)))
    page.wait_for_function("!document.querySelector('#grid [aria-pressed=true]')")
    press(page, "Denoise")
    page.locator("#denoised img").first.wait_for()
    changed(page, "#denoised .card", lambda: page.locator("#strength input[type=number]").fill("0.2"))
    press(page, "Fill")
    page.locator("#filled img").first.wait_for()
    changed(page, "#filled .card", lambda: stroke(page, "#hole", (0.45, 0.45), (0.6, 0.5)))
    assert "% hidden" in page.locator("#filled").inner_text()
    changed(page, "#filled .card", page.locator("#hole button").click)
    assert "nothing is hidden yet" in page.locator("#filled").inner_text()
    changed(page, "#filled .card", lambda: stroke(page, "#hole", (0.45, 0.45), (0.6, 0.5)))
    press(page, "Choose")
    changed(page, "#filled .card", page.locator("#grid button").nth(5).click)  # a hole belongs to its item
    page.wait_for_function("document.querySelector('#filled').innerText.includes('nothing is hidden yet')")


def test_quality_changes_the_bytes(page: Any) -> None:
    press(page, "Compress")
    page.locator("#compressed img").first.wait_for()
    changed(page, "#compressed .card", lambda: page.locator("#quality input[type=number]").fill("90"))
    fine = page.locator("#compressed b").inner_text()
    changed(page, "#compressed .card", lambda: page.locator("#quality input[type=number]").fill("10"))
    coarse = page.locator("#compressed b").inner_text()
    assert int(coarse.split()[0]) < int(fine.split()[0])
    page.locator("#quality input[type=number]").fill("500")  # is taken for the end of the range
    page.wait_for_function("document.querySelector('#compressed').innerText.includes('lossless')")
    assert "WebP" in page.locator("#compressed").inner_text()
    assert "JPEG" in page.locator("#compressed").inner_text()


def test_uploads_are_shown_or_refused_in_words(page: Any, tmp_path: Path) -> None:
    press(page, "Upload")
    garbage = tmp_path / "notes.png"
    garbage.write_bytes(b"this is no picture")
    page.locator("#file input[type=file]").set_input_files(garbage)
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "notes.png" in alert.inner_text()
    assert str(tmp_path) not in alert.inner_text()
    page.get_by_label("Clear").or_(page.get_by_label("Remove this file")).first.click()
    picture = tmp_path / "own.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 40, 3), np.uint8)).save(picture)
    changed(page, "#reconstruction .card", lambda: page.locator("#file input[type=file]").set_input_files(picture))
    alert.wait_for(state="detached")


def test_nothing_else_is_served(address: str) -> None:
    from urllib.error import HTTPError
    from urllib.request import urlopen

    for path in ("/gradio_api/file=/etc/passwd", "/gradio_api/file=pyproject.toml", "/file=/etc/passwd"):
        with pytest.raises(HTTPError):
            urlopen(address + path)


def test_no_page_from_elsewhere_gets_in_by_another_name(address: str) -> None:
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    port = address.rpartition(":")[2]
    with pytest.raises(HTTPError, match="400"):
        urlopen(Request(f"{address}/config", headers={"Host": f"rebound.example:{port}"}))
    assert urlopen(Request(f"{address}/config", headers={"Host": f"localhost:{port}"})).status == 200


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({"Origin": "http://elsewhere.example"}, True),
        ({"Origin": "null"}, True),
        ({"Origin": "http://127.0.0.1:1"}, True),
        ({"Origin": "http://[::1"}, True),
        ({"Origin": ""}, True),
        ({"Sec-Fetch-Site": "cross-site"}, True),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, False),
        ({"Sec-Fetch-Site": "same-origin"}, False),
    ],
    ids=str,
)
def test_requests_of_pages_from_elsewhere_are_refused(headers: dict[str, str], refused: bool, address: str) -> None:
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    request = Request(f"{address}/config", headers=headers)
    if refused:
        with pytest.raises(HTTPError, match="403"):
            urlopen(request)
        upload = Request(f"{address}/gradio_api/upload", data=b"x", headers=headers)
        with pytest.raises(HTTPError, match="403"):
            urlopen(upload)
    else:
        assert urlopen(request).status == 200
    assert urlopen(Request(f"{address}/config", headers={"Origin": address})).status == 200


def test_the_page_fits_a_phone(address: str) -> None:
    with opened_page(390, 844, "dark") as (page, wrong):
        page.goto(address)
        page.locator("#reconstruction img").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert not wrong


def test_an_archive_is_looked_into(models: dict[str, Path], serve: Callable[..., str], tmp_path: Path) -> None:
    archive = tmp_path / "x.narrow"
    digits = narrows.data.read("mnist:test").select(slice(0, 80))
    archive.write_bytes(narrows.load(models["codec"]).compress(digits, lossless=True, embed_model=True))
    with opened_page(1280, 800) as (page, wrong):
        page.goto(serve(archive))
        page.locator("#compressed img").first.wait_for()
        assert page.locator("#grid button").count() == 60
        assert "per item (lossless)" in page.inner_text("body")
        source = page.locator("#grid img").nth(7).get_attribute("src")
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))))
        np.testing.assert_array_equal(shown, digits[7])
        assert not wrong


def test_the_verb_says_what_it_needs(models: dict[str, Path], tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("a,b\n1,2\n3,4\n5,6\n")
    for arguments, words in (
        ((models["codec"],), "expected models and one DATA"),
        ((table,), "rows of a table"),
        ((models["codec"], models["codec"], "mnist:test"), "a second model of the tool codec"),
        ((models["codec"], tmp_path / "x.narrow"), "its model is found automatically"),
        ((models["codec"], table), "t.csv"),
        ((models["codec"], "mnist:test", "--host", "nowhere.invalid"), "nowhere.invalid: cannot listen"),
        ((models["autoencoder"], models["codec"], "digits"), str(models["autoencoder"])),
    ):
        ran = command("view", *arguments)
        assert ran.code in (1, 2)
        assert words in ran.err, ran.err
        assert ran.err.count("\n") == 1
