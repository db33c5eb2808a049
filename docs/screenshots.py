"""Take the screenshots in docs/images: a report and the viewer, on a desktop and on a phone.

    python docs/screenshots.py [DEMO]

DEMO is the folder that `narrows demo` wrote, whose models are shown. Needs Chromium and Playwright.
"""

import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).parent / "images"
DESKTOP, PHONE = (1280, 800), (390, 844)
OPTIONS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
NARROWS = [sys.executable, "-m", "narrows"]
TOOLS = ("conv-32", "codec", "denoiser", "imputer")


def main(demo: Path) -> None:
    """Take all screenshots with the models of a demo."""
    models = [str(demo / f"{name}.safetensors") for name in TOOLS]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=list(OPTIONS))
        page = browser.new_page(viewport=dict(zip(("width", "height"), DESKTOP, strict=True)))
        phone = browser.new_page(viewport=dict(zip(("width", "height"), PHONE, strict=True)), color_scheme="dark")
        report = Path(folder, "report.html")
        subprocess.run(
            [*NARROWS, "report", models[0], "mnist:test", "-o", report, "--labels", "mnist:test"], check=True
        )
        for each, name in ((page, "report"), (phone, "report-phone")):
            each.goto(report.as_uri())
            each.get_by_role("heading", name="Reconstructions", exact=True).evaluate("head => head.scrollIntoView()")
            shoot(each, name)
        viewer = subprocess.Popen(
            [*NARROWS, "view", *models, "mnist:test", "--no-browser"], stderr=subprocess.PIPE, text=True
        )
        try:
            assert viewer.stderr is not None
            said = viewer.stderr.readline()
            address = re.search(r"http://\S+", said)
            assert address, said
            show_viewer(page, address[0])
            phone.goto(address[0])
            phone.locator("#reconstruction img").first.wait_for()
            phone.wait_for_timeout(1500)
            phone.locator("#reconstruction").evaluate("element => element.scrollIntoView({block: 'center'})")
            shoot(phone, "viewer-phone")
        finally:
            viewer.send_signal(signal.SIGINT)
            viewer.wait()
        browser.close()


def show_viewer(page: Any, address: str) -> None:
    """Reconstruct a drawn digit, fill a painted mask, and compress an item."""
    page.goto(address)
    page.locator("#reconstruction img").first.wait_for()
    page.get_by_role("tab", name="Draw").click()
    stroke(page, "#draw", (0.3, 0.28), (0.45, 0.2), (0.62, 0.26), (0.66, 0.42), (0.3, 0.78), (0.5, 0.74), (0.7, 0.78))
    page.wait_for_timeout(2000)
    shoot(page, "viewer")
    page.get_by_role("tab", name="Fill").click()
    page.wait_for_timeout(1000)
    stroke(page, "#hole", (0.4, 0.55), (0.58, 0.5), (0.52, 0.62))
    page.wait_for_timeout(2000)
    page.evaluate("scrollTo(0, 0)")
    shoot(page, "viewer-fill")
    page.get_by_role("tab", name="Choose").click()
    page.get_by_role("tab", name="Compress").click()
    page.locator("#grid button").nth(18).click()
    page.locator("#quality input[type=number]").fill("30")
    page.wait_for_timeout(2500)
    page.evaluate("scrollTo(0, 0)")
    shoot(page, "viewer-compress")


def stroke(page: Any, place: str, *points: tuple[float, float]) -> None:
    """Draw a stroke through points, in shares of the canvas."""
    canvas = page.locator(f"{place} canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*at[0])
    page.mouse.down()
    for x, y in at[1:]:
        page.mouse.move(x, y, steps=12)
    page.mouse.up()


def shoot(page: Any, name: str) -> None:
    """Take a screenshot with few colours, so that the file is small."""
    path = IMAGES / f"{name}.png"
    page.screenshot(path=path)
    Image.open(path).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo"))
