"""The whole demo on few digits with hardly any training: its files, its page and its output."""

import io
import math
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import narrows
from narrows.data import Items
from narrows.demo import tour
from narrows.demo.demo_context import BLOCK, SECONDS, Result, linked, with_blocks, with_noise
from narrows.render.blocks import Definitions, ImageFile, Section, Table
from narrows.render.html import block_html

from ..page_tags import Tags

MINUTES = 0.03


@pytest.fixture(scope="module")
def finished(mnist: tuple[Items, Items], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder that a demo left, with a file that was there before, and what it printed."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "mine.txt").write_text("mine")
    output = io.StringIO()
    training, test = (items.select(slice(0, 1000)) for items in mnist)
    with pytest.MonkeyPatch.context() as patch:
        # So little training may well end no better than the mean, which is an error elsewhere.
        patch.setattr("narrows.training.loop.MUST_BEAT", math.inf)
        patch.setattr("narrows.objectives.restoration.BlindObjective.baseline", lambda *_: 1e9)
        tour.run_on(training, test, folder, Console(file=output), MINUTES)
    return folder, output.getvalue()


def test_the_demo_leaves_models_images_and_a_page(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    names = {path.name for path in folder.iterdir()}
    assert {f"{key}.safetensors" for key in SECONDS} <= names
    assert {"index.html", "overview.png", "training.png", "upsampling.png", "interpolation.png"} <= names
    assert {"compression.png", "denoising.png", "filling.png"} <= names
    assert (folder / "mine.txt").read_text() == "mine"
    assert not [name for name in names if name.startswith(".")]
    assert narrows.load(folder / "linear.safetensors").code_shape_ == (32,)
    assert narrows.load(folder / "conv-nearest.safetensors").code_shape_ == (7, 7, 4)
    assert narrows.load(folder / "denoiser.safetensors").noise == "gaussian:0.5"
    assert narrows.load(folder / "denoiser-blind.safetensors").noise is None
    assert narrows.load(folder / "imputer.safetensors").holes == "mixed"


def test_the_page_stands_on_its_own(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    tags = Tags((folder / "index.html").read_text())
    linked = tags.values("a", "href") + tags.values("img", "src")
    assert linked
    assert all((folder / link).is_file() for link in linked)
    shown = {path.name for path in folder.glob("*.png")} | {path.name for path in folder.glob("*.safetensors")}
    assert shown <= set(linked)
    assert not [tag for tag, _ in tags.found if tag in ("script", "link", "iframe")]
    for tag, attributes in tags.found:
        if tag == "img":
            assert attributes["alt"]
            size = (int(attributes["width"] or 0), int(attributes["height"] or 0))
            assert Image.open(folder / str(attributes["src"])).size == size


def test_each_step_is_a_line_and_the_table_lines_up(finished: tuple[Path, str]) -> None:
    _, output = finished
    steps, table = output[: output.index("\nmodel")].splitlines(), output[output.index("\nmodel") + 1 :].splitlines()
    autoencoders, pca, denoisers, masks = 5, 4, 3, 3
    found = [line for line in steps if re.search(r"test MSE 0\.\d{4}", line)]
    assert len(found) == autoencoders + pca + denoisers + masks
    assert len([line for line in steps if "bytes a digit" in line]) == 4
    ends = {match.end() for line in table if (match := re.search(r"\b0\.\d{4}\b", line))}
    assert len(ends) == 1
    assert "\x1b" not in output
    assert output.isascii()


def test_digits_are_corrupted_as_the_page_says(mnist: tuple[Items, Items]) -> None:
    few = mnist[1].select(slice(0, 200))
    noisy = with_noise(few, "gaussian:0.5", seed=1)
    assert noisy.values.dtype == few.values.dtype
    assert np.array_equal(noisy.values, with_noise(few, "gaussian:0.5", seed=1).values)
    paper = noisy.values[few.values == 0] / 255
    assert np.isclose((paper == 0).mean(), 0.5, atol=0.01)  # what is clipped
    assert np.isclose(np.square(paper).mean(), 0.25 / 2, atol=0.02)
    holes = with_blocks(few, seed=0).mask
    assert holes is not None
    assert (holes.sum(axis=(1, 2)) == BLOCK**2).all()
    assert holes.all(axis=0).sum() < BLOCK**2 < holes.any(axis=0).sum()  # not always at one place


def test_the_page_escapes_what_it_is_given() -> None:
    nasty = '<b>&"'
    image = ImageFile(f"{nasty}.png", (1, 1), nasty, nasty)
    result = Result(nasty, 1, 0.5, np.zeros((1, 1, 1)), file=nasty)
    table = Table((nasty,), [[(linked(nasty, nasty),)]], nasty)
    section = Section(nasty, [nasty, image, table, Definitions([(nasty, nasty)])])
    html = tour.render_page(image, [[result]], [section], [(nasty, nasty)], 60)
    assert "<b>" not in html
    assert Tags(html).values("img", "alt") == [nasty, nasty]
    assert Tags(block_html(table)).values("a", "href") == [nasty]


def test_commands_quote_the_folder() -> None:
    assert any("'my demo/conv-nearest.safetensors'" in command for _, command in tour.commands(Path("my demo")))


def test_a_folder_that_cannot_be_made_is_an_error_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        tour.run(tmp_path / "file", Console(file=io.StringIO()))
