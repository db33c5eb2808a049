"""Pack items into one file that needs no other."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from narrows.cli import options
from narrows.cli.codec_verbs import ArchiveToWrite, MaxError, Psnr, Quality, decompress, report_sizes
from narrows.cli.inputs import read_items
from narrows.cli.messages import aligned, items_bar, note, say, shows_progress
from narrows.cli.outputs import check_file, check_standard_output
from narrows.errors import ParameterError
from narrows.progress import training_bar

if TYPE_CHECKING:
    from narrows.plans.packing import Packed

unpack = decompress


def pack(
    source: options.Data,
    output: ArchiveToWrite,
    lossless: Annotated[
        bool, typer.Option("--lossless", help="Keep every value exactly, which is the default.")
    ] = False,
    max_error: MaxError = None,
    quality: Quality = None,
    psnr: Psnr = None,
    minutes: Annotated[
        float | None,
        typer.Option(metavar="NUMBER", help="Time for learning, at most; 5 by default. Small data take less."),
    ] = None,
    sizes: Annotated[
        bool,
        typer.Option("--sizes", help="Print the sizes of networks that were tried, and what files take with them."),
    ] = False,
    axes: options.Axes = None,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda", help="Where to learn.")] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of all that is random.")] = 0,
    strict: options.Strict = False,
    as_json: options.Json = False,
    force: options.Force = False,
) -> None:
    """Compress items to a file, with a model of their own.

    \b
    It chooses the size of the networks for the smallest file. Where no model pays,
    the items are stored by a general method. At most one of --lossless,
    --max-error, --quality and --psnr. Ctrl-C ends the learning, and the file is
    written with what was learned.

    \b
    Example:
      narrows pack photos/ -o photos.narrow
    """
    given = [lossless or None, max_error, quality, psnr]
    if given.count(None) < 3:
        raise ParameterError("pack: give at most one of --lossless, --max-error, --quality and --psnr")
    if output == "-":
        check_standard_output()
    else:
        check_file(output, (".narrow",), force)

    from narrows.codec.container.mode import Mode
    from narrows.estimators.packing import write
    from narrows.plans.packing import DEFAULT_MINUTES, PackOptions, pack_items
    from narrows.plans.training_plan import TrainingData

    mode = Mode.choose(lossless or given.count(None) == 4, max_error, quality, psnr)
    with bars() as (report, progress):
        how = PackOptions(DEFAULT_MINUTES if minutes is None else minutes, device, seed, report, progress)
        items = read_items(source, axes, strict)
        began = time.perf_counter()
        packed = pack_items(TrainingData(items, axes), mode, how)
    if packed.reason:
        note(f"{source}: stored without a model: {packed.reason}")
    if output == "-":
        sys.stdout.buffer.write(packed.content)
        return
    write(packed, output)
    if sizes:
        print(trade(packed))
    report_sizes(output, items, mode, packed.sizes, time.perf_counter() - began, as_json)
    if packed.interrupted:
        say(f"stopped; {output} is complete, with what was learned until then")
        raise typer.Exit(1)


@contextmanager
def bars() -> Iterator[tuple[Callable[[str, Any], None], Callable[[int, int], None]]]:
    """Return what shows the progress of trainings by their titles, and of compressing: one bar at a time."""
    with ExitStack() as stack:
        shown: dict[str, Callable[..., None] | None] = {}

        def show(title: str, bar: Callable[[], AbstractContextManager[Any]], *now: Any) -> None:
            if title not in shown:
                stack.close()
                shown.clear()
                shown[title] = stack.enter_context(bar())
            update = shown[title]
            if update is not None:
                update(*now)

        yield (
            lambda title, now: show(title, lambda: training_bar(shows_progress(), title), now),
            lambda done, total: show("compressing", lambda: items_bar("compressing"), done, total),
        )


def trade(packed: "Packed") -> str:
    """Return a table of the sizes of networks that were tried."""
    rows = [("networks", "model", "items", "file")]
    for each in packed.candidates:
        mark = ", chosen" if each is packed.chosen else ""
        numbers = (f"{each.model:,}", f"{each.payload:,.0f}", f"{each.total:,.0f}")
        rows.append((f"{each.hidden} units{mark}", *numbers))
    rows.append(("without a model", "", "", f"{packed.stored:,}"))
    found = packed.sizes
    rows.append(("the file", f"{found['model']:,}", f"{found['payload']:,}", f"{found['total']:,}"))
    return aligned(rows, right=True)
