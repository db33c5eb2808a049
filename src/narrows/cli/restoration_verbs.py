"""Denoise items, and fill their missing values."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from narrows.cli import options
from narrows.cli.inputs import can_reread, choose_cell_text, choose_model, converts_table, load_tool, read_mask
from narrows.cli.messages import items_bar, note
from narrows.cli.outputs import check_items_output, check_new, check_output, numbered
from narrows.cli.tool_options import parse_marks
from narrows.errors import DataError, ParameterError

if TYPE_CHECKING:
    from narrows.data import Columns, Items

_COLUMNS_NAMED = 10


def denoise(
    words: options.ModelAndData,
    output: options.Out = "-",
    tta: options.Tta = False,
    uncertainty: options.Uncertainty = None,
    axes: options.Axes = None,
    strict: options.Strict = False,
    force: options.Force = False,
) -> None:
    """Remove the noise of items; they keep their names.

    \b
    Photographs need no MODEL. An alpha channel stays as it is.

    \b
    Examples:
      narrows denoise noisy.png -o clean.png
      narrows denoise den.safetensors scans/ -o clean/
    """
    check_outputs(output, uncertainty, force)

    from narrows import data

    chosen = choose_model(words, axes, strict, "denoiser")
    denoiser = load_tool(chosen.model, "denoise", "denoiser")
    items = chosen.read(denoiser, axes, strict)
    if not denoiser.has_alpha(items):
        items = denoiser.check(items)
    check_items_output(items, [output], force)
    check_uncertainty(items, uncertainty, force)
    with items_bar("denoising") as progress:
        clean = denoiser.denoise(items, progress, tta)
    data.write(clean, output)
    if uncertainty is not None:
        data.write(denoiser.predictive_std(items), uncertainty)


def fill(
    words: options.ModelAndData,
    output: options.Out = "-",
    mask: Annotated[
        str | None,
        typer.Option(
            metavar="MASK",
            help="Images or arrays that are not 0 where a value is missing: one for each item, or one for all.",
        ),
    ] = None,
    missing: options.Missing = None,
    keep_na: options.KeepNa = None,
    decimal: options.Decimal = None,
    thousands: options.Thousands = None,
    samples: Annotated[
        int, typer.Option(min=0, metavar="K", help="Also write K samples of what may be missing, as OUT-1, OUT-2, ...")
    ] = 0,
    strategy: Annotated[
        Literal["mean", "mode"] | None,
        typer.Option(
            help="What to fill in: the best value on average, or the most probable one; by default as in training."
        ),
    ] = None,
    tta: options.Tta = False,
    uncertainty: options.Uncertainty = None,
    axes: options.Axes = None,
    strict: options.Strict = False,
    force: options.Force = False,
) -> None:
    """Fill missing values; observed values stay as they are.

    \b
    Values are missing where the mask says so, where they are NaN or what --missing
    says (by default, what it said in training), and where an alpha channel is 0,
    which OUT does without. OUT holds the filling that is best on average. Samples
    (--samples) show what else may have been there.

    \b
    Photographs need no MODEL.

    \b
    Examples:
      narrows fill torn.png --mask mask.png -o whole.png
      narrows fill fill.safetensors damaged.png --mask holes.png -o filled.png
    """
    check_outputs(output, uncertainty, force)
    if samples and output == "-":
        raise ParameterError("--samples: standard output holds one filling; name a file or a folder with -o")
    marks = parse_marks(missing)
    outputs = [output, *(numbered(output, number) for number in range(1, samples + 1))]

    from narrows import data
    from narrows.models.item_checks import missing_mask

    chosen = choose_model(words, axes, strict, "imputer")
    imputer = load_tool(chosen.model, "fill", "imputer").with_options(strategy, marks)
    imputer.check_tta(tta)
    imputer = imputer.with_cell_text(choose_cell_text(marks, keep_na, decimal, thousands, imputer.cell_text))
    holes = None if mask is None else read_mask(mask)
    if converts_table(imputer, chosen.source, "-.csv" if output == "-" else output):
        check_new([Path(path) for path in outputs if path != "-"], force)
        fill_table(imputer, chosen.source, outputs, holes, uncertainty, strict)
        return
    items = imputer.with_mask(chosen.read(imputer, axes, strict, whole=True), holes)
    check_items_output(items, outputs, force)
    check_uncertainty(items, uncertainty, force)
    if not missing_mask(items).any():
        note(
            f"{items.source}: has no missing values, and is written as it is; "
            "--mask or --missing say which values are missing"
        )
    with items_bar("filling") as progress:
        filled = imputer.fill(items, progress, tta)
    data.write(filled, output)
    write_samples(imputer, items, outputs[1:])
    if uncertainty is not None:
        data.write(imputer.predictive_std(items), uncertainty)
    if items.frame is not None:
        count = FilledCells(imputer.columns)
        count.add(items, filled)
        count.report(items.source, strict)


class FilledCells:
    """Counts, by column of a table, of missing cells before and after they were filled."""

    def __init__(self, columns: "Columns") -> None:
        self.columns = columns
        self.before = [0] * len(columns)
        self.after = [0] * len(columns)

    def add(self, items: Any, filled: Any) -> None:
        """Count the missing cells of some rows, and those that are left."""
        self.before = [count + int(new) for count, new in zip(self.before, items.mask.sum(axis=0), strict=True)]
        left = filled.frame.isna().to_numpy().sum(axis=0)
        self.after = [count + int(new) for count, new in zip(self.after, left, strict=True)]

    def report(self, source: str, strict: bool, unread: Mapping[str, int] = MappingProxyType({})) -> None:
        """Say how many cells were filled and left, and why; with `strict`, DataError where any is left.

        unread: known cells of columns of numbers and of dates that are none, which stay as they are.
        """
        missing, empty = sum(self.before), sum(self.after)
        line = f"{missing - empty - sum(unread.values()):,} of {missing:,} missing cells filled"
        left = []
        for column, count in zip(self.columns, self.after, strict=True):
            text = column.kind == "category"
            reason = "training saw no value there that occurs twice" if text else "training saw no known value there"
            left += [f"{count:,} in {column.name!r} ({reason})"] if count else []
            wrong = f"{unread.get(column.name, 0):,} in {column.name!r} (not {column.kind}s)"
            left += [wrong] if column.name in unread else []
        more = f" and cells of {len(left) - _COLUMNS_NAMED} more columns" if len(left) > _COLUMNS_NAMED else ""
        line += f"; left: {', '.join(left[:_COLUMNS_NAMED])}{more}" if left else ""
        if left and strict:
            raise DataError(line, source=source)
        if missing:
            note(f"{source}: {line}")


def fill_table(
    imputer: Any,
    source: str,
    outputs: list[str],
    mask: Any,
    uncertainty: str | None,
    strict: bool,
) -> None:
    """Fill a table from file to file, part by part; the first output is the best filling, others are samples."""
    import numpy as np

    from narrows import data
    from narrows.data import Items
    from narrows.data.conversion import convert, open_table
    from narrows.data.formats.content import content_of
    from narrows.data.tables.cells import require

    content, name = content_of(source)
    if isinstance(content, Path) and len(outputs) > 1 and not can_reread(source, outputs):
        content = content.read_bytes()
    holes = None if mask is None else np.asarray(mask.values if isinstance(mask, Items) else mask) != 0
    reader = open_table(content, name, imputer.columns, imputer.cell_text)

    def parts() -> Callable[[Any], Any]:
        """Return what turns frames of the rows, in their order, into items with a mask."""
        done = 0

        def coded(frame: Any) -> Any:
            nonlocal done
            start, done = done, done + len(frame)
            part = holes if holes is None or holes.ndim == 1 else holes[start:done]
            return imputer.with_mask(imputer.code_rows(frame, name), part)

        return coded

    counts, coded, deviations = FilledCells(imputer.columns), parts(), []

    def fill(frame: Any) -> Any:
        items = coded(frame)
        filled = imputer.fill(items)
        counts.add(items, filled)
        if uncertainty is not None:
            deviations.append(imputer.predictive_std(items))
        return filled.frame

    with items_bar("filling") as progress:
        convert(reader, outputs[0], fill, fills=True, mask=holes, progress=progress)
    for line in reader.notes:
        note(line)
    seeds = sample_seeds()

    def sample(frame: Any) -> Any:
        return imputer.sample(coded(frame), next(seeds)).frame

    for output in outputs[1:]:
        coded = parts()
        again = open_table(content, name, imputer.columns, imputer.cell_text)
        convert(again, output, sample, fills=True, mask=holes)
    if uncertainty is not None:
        frame = require("pandas").concat([each.frame for each in deviations])
        data.write(Items(frame.to_numpy(), "NF", frame=frame), uncertainty)
    counts.report(name, strict, reader.unread)


def write_samples(imputer: Any, items: "Items", outputs: list[str]) -> None:
    """Write a sample of what may be missing to each output."""
    from narrows import data

    for output, seed in zip(outputs, sample_seeds(), strict=False):
        data.write(imputer.sample(items, seed), output)


def sample_seeds() -> Iterator[int]:
    """Yield the seeds of samples, the same each time."""
    from numpy.random import RandomState

    seeds = RandomState(0)
    while True:
        yield int(seeds.randint(2**31))


def check_outputs(output: str, uncertainty: str | None, force: bool) -> None:
    """Raise where a result cannot be written, or would replace a file."""
    check_output(output, force)
    if uncertainty is not None:
        check_output(uncertainty, force)
        if uncertainty == output:
            raise ParameterError("is the output as well; name another file", source=f"--uncertainty {uncertainty}")


def check_uncertainty(items: "Items", uncertainty: str | None, force: bool) -> None:
    """Raise DataError where the standard deviations of items, which are float32, cannot be written."""
    if uncertainty is not None and items.columns is None:
        import numpy as np

        deviations = np.broadcast_to(np.zeros((), np.float32), items.values.shape)
        check_items_output(replace(items, values=deviations), [uncertainty], force)
