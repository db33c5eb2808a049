"""The demo behind `narrows demo`: fetch MNIST, train models, and show the results on the terminal and as a page."""

import shlex
import time
from collections.abc import Sequence
from pathlib import Path

import rich.table
from rich.box import SIMPLE_HEAD
from rich.console import Console

from narrows import __version__, data
from narrows.artifacts import atomic
from narrows.data import Items
from narrows.demo.demo_context import SECONDS, DemoContext, Result
from narrows.demo.demo_sections import CODEC_FILE, SECTIONS, overview
from narrows.progress import reading_bar, shows_on_terminal
from narrows.render.blocks import ImageFile, Section, Table
from narrows.render.html import environment

MINUTES = sum(SECONDS.values()) / 60
HEAD = ("Model", "Code", "Test MSE", "Training")
NOTE = (
    "Code: how many numbers stand for the 784 pixels of a digit. Test MSE: mean squared error over all test digits, "
    "with pixels of 0 to 1. The models are files beside this page; the commands below use them."
)


def run(folder: Path, console: Console, minutes: float = MINUTES) -> None:
    """Run the demo on MNIST, and leave images, models and an index.html in a folder.

    Parameters
    ----------
    folder : Path
        Is created where it does not exist.
    console : Console
        Where the results are printed, as they come and as a table.
    minutes : float
        Training time of all models together.

    Raises
    ------
    DataError
        If MNIST cannot be fetched.
    TrainingError
        If a model learns nothing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with reading_bar() as progress:
        training, test = (data.read(source, progress=progress) for source in ("mnist", "mnist:test"))
    run_on(training, test, folder, console, minutes)


def run_on(training: Items, test: Items, folder: Path, console: Console, minutes: float) -> None:
    """Run the demo on the given digits with labels; otherwise as `run`."""
    began = time.monotonic()

    def say(line: str) -> None:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
        console.file.flush()

    for note in training.notes:
        say(note)
    say(f"{len(training):,} digits to train on, {len(test):,} to test on; {minutes:.1f} minutes of training in all")
    context = DemoContext(training, test, folder, say, progress=shows_on_terminal(), pace=minutes / MINUTES)
    sections = [section(context) for section in SECTIONS]
    image = overview(context)
    elapsed = time.monotonic() - began
    html = render_page(image, context.results, sections, commands(folder), elapsed)
    with atomic.replacing(folder / "index.html") as temporary:
        temporary.write_text(html, encoding="utf-8")
    console.print(result_table(context.results, console.is_terminal))
    say(f"{elapsed / 60:.1f} minutes in all. Open {folder / 'index.html'} to see the images.")


def render_page(
    image: ImageFile,
    results: Sequence[Sequence[Result]],
    sections: Sequence[Section],
    commands: Sequence[tuple[str, str]],
    seconds: float,
) -> str:
    """Return the page. commands: (purpose, command), the purpose empty where it is that of the one before."""
    table = Table(HEAD, [[result.row for result in group] for group in results], NOTE)
    lead = (
        "An autoencoder learns to encode each item as a short code and to reconstruct the item from it. These ones "
        f"learned from handwritten digits, on this machine, in {seconds / 60:.1f} minutes in all."
    )
    return (
        environment("narrows.demo")
        .get_template("demo.html")
        .render(
            title="narrows: the demo on MNIST",
            lead=lead,
            overview=[image, table],
            sections=sections,
            commands=commands,
            version=__version__,
        )
    )


def result_table(results: Sequence[Sequence[Result]], lines: bool) -> rich.table.Table:
    """Return the results of autoencoders and PCA as a table for the terminal."""
    table = rich.table.Table(box=SIMPLE_HEAD if lines else None, header_style="bold", pad_edge=False)
    table.add_column("model")
    for name in ("code", "test MSE", "training"):
        table.add_column(name, justify="right", no_wrap=True)
    for group in results:
        for result in group:
            table.add_row(result.name, *map(str, result.row[1:]))
        table.add_section()
    return table


def commands(folder: Path) -> list[tuple[str, str]]:
    """Return commands to try next: (purpose, command)."""
    names = (
        *("conv-nearest.safetensors", "codes.npy", CODEC_FILE, "test.narrow"),
        *("denoiser.safetensors", "imputer.safetensors"),
    )
    model, codes, codec, compressed, denoiser, imputer = (shlex.quote(str(folder / name)) for name in names)
    return [
        ("What a model is, and how it was trained", f"narrows info {model}"),
        ("How good it is, compared with PCA", f"narrows evaluate {model} mnist:test"),
        ("From digits to codes, and back to images", f"narrows encode {model} mnist:test -o {codes}"),
        ("", f"narrows decode {model} {codes} -o {shlex.quote(str(folder / 'reconstructed'))}/"),
        ("From digits to a file", f"narrows compress {codec} mnist:test -o {compressed} --lossless"),
        ("How well noise is removed, and hidden pixels are filled", f"narrows evaluate {denoiser} mnist:test"),
        ("", f"narrows evaluate {imputer} mnist:test --holes lines"),
        ("From a folder of your own images", "narrows train autoencoder photos/ -o photos.safetensors"),
    ]
