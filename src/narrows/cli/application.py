"""The application: its verbs, and the one place where an exception becomes one line and an exit status."""

import inspect
import io
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial, update_wrapper
from typing import Annotated, Any

import typer
import typer.core
import typer.main
from typer import TyperException

from narrows import __version__
from narrows.cli.evaluate_verb import evaluate
from narrows.cli.export_verb import export
from narrows.cli.info_verbs import datasets, info, models
from narrows.cli.messages import as_flag, detail, one_line, say, verbosity
from narrows.cli.show_verbs import demo, report, view
from narrows.cli.train_verbs import train_verb
from narrows.errors import NarrowsError, ParameterError, missing_for_learning
from narrows.registry import ToolSpec, resolve, tools

_STANDARD_OUTPUT = "standard output"
_NO_MEMORY = re.compile("allocate memory|out of memory")  # in messages of torch, which has no exception of its own
_COMPLETION = "_NARROWS_COMPLETE"  # set by the shell's completion script
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress and no notes; errors remain.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print more notes: what was chosen, and timings.")]
Debug = Annotated[bool, typer.Option("--debug", help="Print the traceback of an error.")]
_GLOBAL_OPTIONS = {"quiet": Quiet, "verbose": Verbose, "debug": Debug}

app = typer.Typer(
    name="narrows",
    add_completion=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
train = typer.Typer(add_completion=False, rich_markup_mode=None)


class LazyCommands(Mapping[str, Any]):
    """Commands by name, each built when it is asked for."""

    def __init__(self, build: Mapping[str, Callable[[], Any]]) -> None:
        self._build = build

    def __getitem__(self, name: str) -> Any:
        return self._build[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._build)

    def __len__(self) -> int:
        return len(self._build)


@train.callback()
def _train() -> None:
    """Train a model on data.

    \b
    Example:
      narrows train autoencoder mnist -o m.safetensors --code 4x7x7 --minutes 3
    """


def _print_version(asked: bool) -> None:
    if asked:
        print(f"narrows {__version__}")
        raise typer.Exit


@app.callback()
def narrows(
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Train autoencoders on your own data, and use them: features, compression, denoising, imputation.

    \b
    DATA is a named data set (mnist, mnist:test, digits); an image, a recording, or
    a folder, a glob or a zip of them; a .npy, .npz, IDX or TIFF file; a table as
    .csv, .tsv or .parquet; or - for standard input. Results are written in the
    same formats. --quiet, --verbose and --debug may also follow the verb.

    \b
    Example:
      narrows train autoencoder photos/ -o photos.safetensors --minutes 5
      narrows evaluate photos.safetensors more-photos/
    """
    verbosity.set(quiet, verbose, debug)


def root_command() -> Any:
    """Return the command ``narrows``, with all verbs."""
    root: Any = typer.main.get_command(app)
    root.commands = LazyCommands(verbs())
    return root


def verbs() -> dict[str, Callable[[], Any]]:
    """Return what builds the command of each verb, in the order in which they are used."""
    registered = {name: reference for spec in tools().values() for name, reference in spec.verbs.items()}
    own: dict[str, Callable[..., None]] = {
        "evaluate": evaluate,
        "export": export,
        "report": report,
        "view": view,
        "info": info,
        "demo": demo,
    }
    return {
        "datasets": partial(command, "datasets", datasets),
        "models": partial(command, "models", models),
        "train": train_group,
        **{name: partial(registered_command, name, reference) for name, reference in registered.items()},
        **{name: partial(command, name, function) for name, function in own.items()},
    }


def train_group() -> Any:
    """Return the command ``train``, with a command for each tool."""
    group: Any = typer.main.get_command(train)
    group.commands = LazyCommands({name: partial(train_command, spec) for name, spec in tools().items()})
    return group


def train_command(spec: ToolSpec) -> Any:
    """Return the command ``train NAME``."""
    return command(spec.name, train_verb(spec))


def registered_command(name: str, reference: str) -> Any:
    """Return the command of a verb that a tool registered."""
    return command(name, resolve(reference))


def command(name: str, function: Callable[..., None]) -> Any:
    """Return the command of one verb."""
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(name)(with_global_options(function))
    return typer.main.get_command(single)


def with_global_options(function: Callable[..., None]) -> Callable[..., None]:
    """Return the function of a verb with the options --quiet, --verbose and --debug."""
    signature = inspect.signature(function)

    def run(**values: Any) -> None:
        verbosity.set(**{name: values.pop(name) for name in _GLOBAL_OPTIONS})
        for name, value in values.items():
            if value == "":
                raise ParameterError(
                    f"{shown_name(signature.parameters[name])} is empty", hint="name a file or a value"
                )
        function(**values)

    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation)
        for name, annotation in _GLOBAL_OPTIONS.items()
    ]
    update_wrapper(run, function)
    run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *added])  # type: ignore[attr-defined]
    return run


def shown_name(parameter: inspect.Parameter) -> str:
    """Return what the help of a verb calls a parameter: DATA, or --output."""
    described = next(iter(getattr(parameter.annotation, "__metadata__", ())), None)
    name = getattr(described, "metavar", None) if isinstance(described, typer.models.ArgumentInfo) else None
    return name or as_flag(parameter.name, None)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command line and exit with its status."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    verbosity.reset()
    began = time.monotonic()
    try:
        end_cleanly_on_signals()
        set_up_streams()
        run(arguments or ["--help"])
        sys.stdout.flush()
        detail(f"done in {time.monotonic() - began:.1f} s")
    except typer.Exit as exit:
        sys.exit(exit.exit_code)
    except (Exception, KeyboardInterrupt) as error:
        if isinstance(error, OSError) and error.filename == _STANDARD_OUTPUT:
            # It takes no more, and Python's own flush at exit must not try again.
            with suppress(OSError):
                sys.stdout.close()
        if isinstance(error, BrokenPipeError) and error.filename == _STANDARD_OUTPUT:
            sys.exit(1)  # in silence: the reader has what it wanted
        if verbosity.debug:
            traceback.print_exc()
        say("stopped" if isinstance(error, KeyboardInterrupt) else f"error: {explain(error)}")
        sys.exit(2 if isinstance(error, (TyperException, ParameterError)) else 1)


def end_cleanly_on_signals() -> None:
    """Let SIGTERM and SIGHUP end the process with the usual status, but remove its temporary files first."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            with suppress(ValueError):  # of another thread than the main one
                signal.signal(number, lambda number, frame: sys.exit(128 + number))


class StandardOutput(io.FileIO):
    """Standard output whose errors name it."""

    def write(self, content: Any) -> int:
        """Write, or raise an OSError that names standard output."""
        try:
            return super().write(content)
        except OSError as error:
            error.filename = _STANDARD_OUTPUT
            raise


class StandardError(io.FileIO):
    """Standard error that drops what it cannot take, because messages must not end the work that they are about."""

    def write(self, content: Any) -> int:
        """Write, and pretend to where the terminal is gone or the disk is full."""
        try:
            return super().write(content)
        except OSError:
            return len(content)


def set_up_streams() -> None:
    """Open what is closed, buffer standard output, and let both print names that their encoding does not have."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:  # or the next file that is opened would be what libraries know as standard error
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    if sys.stdout is None:
        raise NarrowsError("standard output is closed")
    with suppress(io.UnsupportedOperation):  # of a stand-in that is no file
        raw = StandardOutput(sys.stdout.fileno(), "w", closefd=False)
        buffered = io.BufferedWriter(raw)
        sys.stdout = io.TextIOWrapper(buffered, sys.stdout.encoding, line_buffering=raw.isatty())
    with suppress(io.UnsupportedOperation):
        messages = io.BufferedWriter(StandardError(sys.stderr.fileno(), "w", closefd=False))
        sys.stderr = io.TextIOWrapper(messages, sys.stderr.encoding, "backslashreplace", line_buffering=True)
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def run(arguments: list[str]) -> None:
    """Run one command line, and pass on whatever it raises."""
    root = root_command()
    if _COMPLETION in os.environ:
        root(prog_name="narrows")
    with root.make_context("narrows", arguments, obj=arguments) as context:
        root.invoke(context)


def explain(error: BaseException) -> str:
    """Return what went wrong, in one line."""
    if isinstance(error, TyperException):
        context = getattr(error, "ctx", None)
        message = one_line(error.format_message()).replace("Value error, ", "").rstrip(".")
        return f"{message} (see {context.command_path} --help)" if context else message
    if isinstance(error, NarrowsError):
        return error.describe(as_flag)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and _NO_MEMORY.search(str(error))):
        return "not enough memory"
    if missing := missing_for_learning(error):
        return f"this {missing}"
    return f"unexpected {type(error).__name__}: {error} (--debug shows where)"
