"""The tour behind `narrows demo`: fetch MNIST, train, and show what comes of it on the terminal and as a page."""

import shlex
import sys
import time
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from narrows import data
from narrows.artifacts import atomic
from narrows.data import Items
from narrows.demo import tour_page
from narrows.demo.chapter import Chapter
from narrows.demo.chapters import CHAPTERS, SECONDS, cover
from narrows.demo.workshop import CODEC, Workshop
from narrows.progress import reading_bar

MINUTES = sum(SECONDS.values()) / 60


def run(folder: Path, console: Console, minutes: float = MINUTES) -> None:
    """Take the tour on MNIST, and leave pictures, models and an index.html in `folder`.

    console: where the results are printed, as they come and as a table. minutes: of training in all.
    Raises DataError where MNIST cannot be had, and TrainingError where a model learns nothing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with reading_bar() as progress:
        training, test = (data.read(source, progress=progress) for source in ("mnist", "mnist:test"))
    show(training, test, folder, console, minutes)


def show(training: Items, test: Items, folder: Path, console: Console, minutes: float) -> None:
    """The tour on digits that are there, with their labels; otherwise as `run`."""
    began = time.monotonic()

    def say(line: str) -> None:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
        console.file.flush()

    for note in training.notes:
        say(note)
    say(f"{len(training):,} digits to learn from, {len(test):,} to test on; {minutes:.1f} minutes of training in all")
    workshop = Workshop(training, test, folder, say, progress=sys.stderr.isatty(), pace=minutes / MINUTES)
    chapters = [chapter(workshop) for chapter in CHAPTERS]
    picture = cover(workshop)
    elapsed = time.monotonic() - began
    html = tour_page.write(picture, chapters, commands(folder), elapsed)
    with atomic.replacing(folder / "index.html") as temporary:
        temporary.write_text(html, encoding="utf-8")
    console.print(table(chapters, console.is_terminal))
    say(f"{elapsed / 60:.1f} minutes in all. Open {folder / 'index.html'} to see the pictures.")


def table(chapters: list[Chapter], lines: bool) -> Table:
    """The results of all chapters, those of a chapter together."""
    found = Table(box=SIMPLE_HEAD if lines else None, header_style="bold", pad_edge=False)
    found.add_column("model")
    for name in ("code", "test MSE", "trained"):
        found.add_column(name, justify="right", no_wrap=True)
    for chapter in chapters:
        for result in chapter.results:
            found.add_row(result.name, str(result.code), f"{result.mse:.4f}", result.trained)
        if chapter.results:
            found.add_section()
    return found


def commands(folder: Path) -> list[tuple[str, str]]:
    """What a reader can run next: (what for, command)."""
    names = (
        *("conv-nearest.safetensors", "codes.npy", CODEC, "test.narrow"),
        *("denoiser.safetensors", "imputer.safetensors"),
    )
    model, codes, codec, compressed, denoiser, imputer = (shlex.quote(str(folder / name)) for name in names)
    return [
        ("What a model is, and how it was trained", f"narrows info {model}"),
        ("How good it is, with PCA beside it", f"narrows evaluate {model} mnist:test"),
        ("From digits to codes, and back to pictures", f"narrows encode {model} mnist:test -o {codes}"),
        ("", f"narrows decode {model} {codes} -o {shlex.quote(str(folder / 'rebuilt'))}/"),
        ("From digits to a file", f"narrows compress {codec} mnist:test -o {compressed} --lossless"),
        ("How well noise is taken away, and holes are filled", f"narrows evaluate {denoiser} mnist:test"),
        ("", f"narrows evaluate {imputer} mnist:test --holes lines"),
        ("From a folder of your own pictures", "narrows train autoencoder photos/ -o photos.safetensors"),
    ]
