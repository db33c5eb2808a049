"""Noise out of items, and their holes filled."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from narrows.cli import options
from narrows.cli.inputs import check_file, check_standard_output, in_parts, load_tool, read_items_for, read_mask
from narrows.cli.messages import say
from narrows.data.formats import writable_suffixes
from narrows.errors import DataError, ParameterError
from narrows.progress import items_bar

if TYPE_CHECKING:
    from narrows.data import Items

_SUFFIX = re.compile(r"(\.[^./]+|\.[^./]+\.gz|-ubyte|-ubyte\.gz)?$")


def denoise(
    model: options.Model,
    source: options.In,
    output: options.Out = "-",
    uncertainty: options.Uncertainty = None,
    axes: options.Axes = None,
    strict: options.Strict = False,
) -> None:
    """Write items without their noise, in the form and under the names they came with.

    \b
    Example:
      narrows denoise den.safetensors scans/ -o clean/
    """
    check_outputs(output, uncertainty)

    from narrows import data

    denoiser = load_tool(model, "denoise", "denoiser")
    items = read_items_for(denoiser, source, axes, strict)
    check_sizes(items, uncertainty)
    with items_bar("denoising") as progress:
        clean = denoiser.transform(items, progress=progress)
    data.write(clean, output)
    if uncertainty is not None:
        data.write(denoiser.uncertainty(items), uncertainty)


def fill(
    model: options.Model,
    source: options.In,
    output: options.Out = "-",
    mask: Annotated[
        str | None,
        typer.Option(
            metavar="MASK",
            help="Pictures or arrays that are not 0 where there is a hole: one for each item, or one for all.",
        ),
    ] = None,
    missing: options.Missing = None,
    samples: Annotated[
        int, typer.Option(min=0, metavar="K", help="Also write so many drawn fillings, as OUT-1, OUT-2, ...")
    ] = 0,
    strategy: Annotated[
        Literal["mean", "mode"] | None,
        typer.Option(help="What fills a hole: what is best on average, as by default, or what is most probable."),
    ] = None,
    uncertainty: options.Uncertainty = None,
    axes: options.Axes = None,
    strict: options.Strict = False,
) -> None:
    """Fill holes; every value that is known stays as it is.

    \b
    Holes are what the mask says, NaN, what --missing says (if it is not said, what
    it said in training), and where an alpha channel is 0, which OUT does without.
    OUT is the filling that is best on average. Drawn ones (--samples) show what
    else may have been there.

    \b
    Example:
      narrows fill fill.safetensors torn.png --mask holes.png -o whole.png
    """
    check_outputs(output, uncertainty)
    if samples and output == "-":
        raise ParameterError("--samples: standard output holds one filling; name a file or a folder with -o")
    marks = parse_missing(missing)

    from numpy.random import RandomState

    from narrows import data
    from narrows.estimators import imputer as imputers

    imputer = load_tool(model, "fill", "imputer")
    if marks is not None:
        imputer.missing_values = marks
    if strategy is not None:
        imputer.strategy = strategy
    if mask is None and uncertainty is None and in_parts(imputer, source, output) and not (source == "-" and samples):
        fill_table(imputer, source, output, samples)
        return
    items = imputer.with_mask(read_items_for(imputer, source, axes, strict), None if mask is None else read_mask(mask))
    check_sizes(items, uncertainty)
    if not imputers.missing(items).any():
        say(f"{items.source}: has no holes, and is written as it is; --mask or --missing say which values are holes")
    with items_bar("filling") as progress:
        whole = imputer.transform(items, progress=progress)
    data.write(whole, output)
    draws = RandomState(0)
    for number in range(1, samples + 1):
        data.write(imputer.sample(items, 1, random_state=draws)[0], numbered(output, number))
    if uncertainty is not None:
        data.write(imputer.uncertainty(items), uncertainty)


def fill_table(imputer: Any, source: str, output: str, samples: int) -> None:
    """Fill a table from file to file, part by part."""
    from numpy.random import RandomState

    from narrows.data.conversion import convert

    with items_bar("filling") as progress:
        convert(source, output, imputer.transform, imputer.columns_, fills=True, progress=progress)
    draws = RandomState(0)
    for number in range(1, samples + 1):

        def draw(frame: Any) -> Any:
            return imputer.sample(frame, 1, random_state=draws)[0]

        convert(source, numbered(output, number), draw, imputer.columns_, fills=True)


def check_outputs(output: str, uncertainty: str | None) -> None:
    if output == "-":
        check_standard_output()
    if uncertainty is not None:
        check_file(uncertainty, writable_suffixes("array", "table"), "--uncertainty")


def check_sizes(items: "Items", uncertainty: str | None) -> None:
    if uncertainty is not None and not items.uniform and not uncertainty.lower().endswith(".npz"):
        raise DataError(f"{uncertainty}: items of different sizes are not one array; write an .npz")


def check_tool_options(model: str, tool: str, **given: str | None) -> None:
    """Raise where an option that is given is for another tool than the model in this file."""
    of = {"noise": "denoiser", "target": "denoiser", "holes": "imputer", "labels": "autoencoder"}
    for option, value in given.items():
        if value is not None and tool != of[option]:
            raise ParameterError(f"--{option}: is for a model of the tool {of[option]}, and {model} is one of {tool}")


def check_corruption(noise: str | None = None, target: str | None = None, holes: str | None = None) -> None:
    """Raise where these options cannot be meant, before any data are read."""
    if noise is not None and target is not None:
        raise ParameterError(
            "--noise and --target: noise is added to clean data, and pairs have theirs; give one of them"
        )
    if noise is None and holes is None:
        return
    from narrows.corruption.corruption import Holes, Noise

    if noise is not None:
        Noise.parse(noise)
    if holes is not None:
        Holes.parse(holes)


def parse_missing(text: str | None) -> Any:
    """What --missing says: a number, or "alpha"."""
    if text is None or text == "alpha":
        return text
    try:
        return float(text)
    except ValueError:
        raise ParameterError(f"--missing {text}: expected a number or alpha") from None


def numbered(output: str, number: int) -> str:
    """The name of a drawn filling: x-1.npy beside x.npy, and folder-1/ beside folder/."""
    if output.endswith("/") or Path(output).is_dir():
        return f"{output.rstrip('/')}-{number}/"
    start = _SUFFIX.search(output).start()  # type: ignore[union-attr]
    return f"{output[:start]}-{number}{output[start:]}"
