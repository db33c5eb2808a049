"""Reading data and models."""

import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from narrows.cli.messages import detail, note, reading_bar
from narrows.errors import DataError, ParameterError

if TYPE_CHECKING:
    from narrows.codec.model import CodecModel
    from narrows.data import Columns, Items
    from narrows.data.tables.cell_text import CellText
    from narrows.models import TrainedModel

_SKIPPED_SHOWN = 5


def read_items(
    source: str,
    axes: str | None,
    strict: bool,
    columns: "Columns | None" = None,
    expected_axes: str | None = None,
    cell_text: "CellText | None" = None,
    whole: bool = False,
) -> "Items":
    """Read the items of DATA, with a progress bar on a terminal, and report what was skipped.

    columns: those that a table must have. expected_axes: of files that do not say which axis is which. cell_text: how
    the text of a table's cells is read. whole: all rows of a table, and not a sample of a large one.
    """
    from narrows import data
    from narrows.data.formats import MOST_CELLS

    began = time.perf_counter()
    with reading_bar() as progress:
        items = data.read(
            source,
            axes=axes,
            expected_axes=expected_axes,
            strict=strict,
            columns=columns,
            cell_text=cell_text,
            most_cells=sys.maxsize if whole else MOST_CELLS,
            progress=progress,
        )
    for each in items.notes:
        note(each)
    report_skipped(items)
    shape = "x".join(map(str, items.item_shape)) if items.uniform else "different sizes"
    seconds = time.perf_counter() - began
    detail(
        f"{items.source}: {len(items):,} items of {shape}, axes {items.axes}, {items.dtype}; read in {seconds:.1f} s"
    )
    return items


def report_skipped(items: "Items") -> None:
    """Print what could not be read."""
    for name, reason in items.skipped[:_SKIPPED_SHOWN]:
        note(f"skipped {name}: {reason}")
    if items.skipped:
        more = ", the first of them above" if len(items.skipped) > _SKIPPED_SHOWN else ""
        note(f"{items.source}: {len(items.skipped)} of {len(items) + len(items.skipped)} skipped{more}")


@dataclass(frozen=True)
class ModelAndData:
    """MODEL and DATA of a command line, where MODEL may be left out.

    Parameters
    ----------
    model : str
        The model file.
    source : str
        DATA.
    items : Items or None
        The items of DATA, where a ready-made model was chosen by them.
    """

    model: str
    source: str
    items: "Items | None" = None

    def read(self, model: Any, axes: str | None, strict: bool, whole: bool = False) -> "Items":
        """Return the items of DATA as the model, which was read from the file, takes them."""
        return read_items_for(model, self.source, axes, strict, whole) if self.items is None else self.items


def choose_model(words: list[str], axes: str | None, strict: bool, *tools: str) -> ModelAndData:
    """Return the model and DATA that the arguments [MODEL] DATA name.

    Where MODEL is left out or is the name of ready-made models, the items are read, and the model of one of the tools
    that suits them is chosen.
    """
    from narrows.ready import DEFAULT, choose_ready_model, is_ready_name

    *models, source = words
    if "" in words:
        raise ParameterError("MODEL or DATA is empty", hint="name a file or a value")
    if len(models) > 1:
        raise ParameterError(f"expected [MODEL] and one DATA; found {' '.join(map(repr, words))}")
    if not models and source.endswith(".safetensors"):
        raise ParameterError("is a model; name the data as well", source=source)
    name = models[0] if models else DEFAULT
    if not is_ready_name(name):
        return ModelAndData(name, source)
    items = read_items(source, axes, strict)
    chosen = choose_ready_model(items, *tools, name=name)
    note(f"with the ready-made model {chosen.name}")
    return ModelAndData(str(chosen.path), source, items)


def read_items_for(
    model: "TrainedModel | CodecModel",
    source: str,
    axes: str | None,
    strict: bool,
    whole: bool = False,
) -> "Items":
    """Read the items of DATA to give to a model.

    Files that do not say which axis is which have the axes of the items it was trained on, or of one of them, unless
    the user says. Grey images become colour for a model of colour images, as they do in a folder of both; with an alpha
    channel, which marks missing values, only for a model that allows them. The text of a table's cells is read as the
    model says. whole: all rows of a table, as where each has its own result.
    """
    from narrows.data.masks import split_alpha

    items = read_items(source, axes, strict, model.columns, model.axes, model.cell_text, whole)
    if model.item_axes == "NYXC" and model.channels == 3:
        if items.axes == "NYXC" and items.channels == 2 and model.allows_missing:
            items = split_alpha(items)
        if items.axes == "NYX":
            note(f"{items.source}: grey images are taken as colour ones, which the model was trained on")
            return items.to_rgb()
    return items


def choose_cell_text(
    missing: Any,
    keep_na: list[str] | None,
    decimal: str | None,
    thousands: str | None,
    usual: "CellText | None" = None,
) -> "CellText | None":
    """Return how the text of a table's cells is read: as usual, apart from what options say."""
    from narrows.data.tables.cell_text import CellText, MissingMarks

    given = {
        "marks": None if missing is None else MissingMarks.parse(missing),
        "keep_na": tuple(keep_na) if keep_na else None,
        "decimal": decimal,
        "thousands": thousands,
    }
    changes: Any = {name: value for name, value in given.items() if value is not None}
    return replace(usual or CellText(), **changes) if changes else usual


def read_mask(source: str) -> Any:
    """Read a mask as an imputer takes it: an array, whose axes follow from those of the items; or items."""
    from narrows.data.formats import identify

    path = Path(source)
    if path.is_file():
        format, content = identify(path, source)
        if format.kind == "array":
            return format.load().read_array(content, source)
    return read_items(source, None, strict=True)


def converts_table(model: "TrainedModel", source: str, output: str) -> bool:
    """Return whether a model of tables goes from one table file to another, part by part."""
    from narrows.data.conversion import is_table_name
    from narrows.data.formats.content import is_stream

    return model.columns is not None and is_table_name(output) and (is_table_name(source) or is_stream(source))


def can_reread(source: str, outputs: Iterable[str | None]) -> bool:
    """Return whether a source is still there when the first of several outputs has been written."""
    from narrows.data.formats.content import is_stream

    same = (path for path in outputs if path is not None and os.path.exists(path) and os.path.exists(source))
    return not is_stream(source) and not any(os.path.samefile(source, path) for path in same)


def load_tool(path: str, work: str, *tools: str) -> Any:
    """Read a model; DataError where it is of none of the tools that a verb needs."""
    from narrows.artifacts.model_file import check_opens

    check_opens(path)  # before the seconds that loading torch takes

    from narrows.models import load_model

    began = time.perf_counter()
    model: Any = load_model(path)
    detail(f"{path}: {with_article(model.tool)}, loaded in {time.perf_counter() - began:.1f} s")
    if model.tool not in tools:
        needed = " or ".join([", ".join(map(with_article, tools[:-1])), with_article(tools[-1])][len(tools) == 1 :])
        codec = model.tool == "codec" and work == "evaluate"
        hint = "narrows report measures codecs" if codec else None
        raise DataError(f"{with_article(model.tool)}; {work} needs {needed}", source=path, hint=hint)
    return model


def with_article(tool: str) -> str:
    """Return the name of a tool with "a" or "an"."""
    return f"{'an' if tool[0] in 'aeiou' else 'a'} {tool}"
