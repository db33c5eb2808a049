"""The application: its verbs, and the one place where whatever went wrong becomes one line and an exit code."""

import io
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any

import typer
import typer.core
import typer.main
from typer import TyperException

from narrows import __version__
from narrows.cli import codec_verbs as compression
from narrows.cli import evaluate_verb as figures
from narrows.cli import feature_verbs as codes
from narrows.cli import info_verbs as facts
from narrows.cli import restoration_verbs as restoring
from narrows.cli import show_verbs as showing
from narrows.cli import train_verbs as training
from narrows.cli.messages import as_flag, one_line, say
from narrows.errors import NarrowsError, ParameterError


class InOrder(typer.core.TyperGroup):
    """Verbs in the order in which they are used."""

    def list_commands(self, context: Any) -> list[str]:
        return [
            *("datasets", "train", "encode", "decode", "compress", "decompress", "preview"),
            *("denoise", "fill", "evaluate", "report", "view", "info", "demo"),
        ]


app = typer.Typer(cls=InOrder, add_completion=False, rich_markup_mode=None)
train = typer.Typer(rich_markup_mode=None, help=training.__doc__)

app.command("datasets")(facts.datasets)
app.add_typer(train, name="train")
train.command("autoencoder")(training.autoencoder)
train.command("codec")(training.codec)
train.command("denoiser")(training.denoiser)
train.command("imputer")(training.imputer)
app.command("encode")(codes.encode)
app.command("decode")(codes.decode)
app.command("compress")(compression.compress)
app.command("decompress")(compression.decompress)
app.command("preview")(compression.preview)
app.command("denoise")(restoring.denoise)
app.command("fill")(restoring.fill)
app.command("evaluate")(figures.evaluate)
app.command("report")(showing.report)
app.command("view")(showing.view)
app.command("info")(facts.info)
app.command("demo")(showing.demo)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"narrows {__version__}")
        raise typer.Exit


@app.callback()
def narrows(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; goes with every verb.")
    ] = False,
) -> None:
    """Learn an autoencoder from your own data, and put it to work.

    \b
    DATA is a named data set (mnist, mnist:test, digits), a picture, a folder, a
    glob or a zip of pictures, a .npy, .npz, IDX or TIFF file, a table as .csv,
    .tsv or .parquet, or - for standard input. OUT mirrors it.

    \b
    Example:
      narrows train autoencoder photos/ -o photos.safetensors --minutes 5
      narrows evaluate photos.safetensors more-photos/
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command line and exit: 0 where it worked, 1 where it failed or was stopped, 2 where it was wrong."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"] or ["--help"]
    try:
        set_up_standard_output()
        run(arguments)
        sys.stdout.flush()
    except typer.Exit as exit:
        sys.exit(exit.exit_code)
    except (Exception, KeyboardInterrupt) as error:
        if isinstance(error, OSError) and not error.filename:
            # Standard output takes no more, and Python's own flush at exit must not try again.
            with suppress(OSError):
                sys.stdout.close()
        if isinstance(error, BrokenPipeError):
            sys.exit(1)  # in silence: the reader has what it wanted
        if debug:
            traceback.print_exc()
        say("stopped" if isinstance(error, KeyboardInterrupt) else f"error: {explain(error)}")
        sys.exit(2 if isinstance(error, (TyperException, ParameterError)) else 1)


def set_up_standard_output() -> None:
    if sys.stdout is None:
        raise NarrowsError("standard output is closed")
    if isinstance(sys.stdout.buffer, io.RawIOBase):  # as PYTHONUNBUFFERED has it: a write to a pipe may be cut short
        sys.stdout = open(sys.stdout.fileno(), "w", closefd=False)  # noqa: SIM115
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def run(arguments: list[str]) -> None:
    """One command line, with whatever it raises."""
    command = typer.main.get_command(app)
    with command.make_context("narrows", arguments, obj=arguments) as context:
        command.invoke(context)


def explain(error: BaseException) -> str:
    """What went wrong, for its user."""
    if isinstance(error, TyperException):
        context = getattr(error, "ctx", None)
        message = one_line(error.format_message()).replace("Value error, ", "").rstrip(".")
        return f"{message} (see {context.command_path} --help)" if context else message
    if isinstance(error, NarrowsError):
        return error.describe(as_flag)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'standard output'}: {error.strerror}"
    if isinstance(error, MemoryError):
        return "the memory of this machine does not suffice"
    return f"unexpected {type(error).__name__}: {error} (--debug shows where)"
