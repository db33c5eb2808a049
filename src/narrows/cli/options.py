"""Arguments and options that verbs share."""

from typing import Annotated

import typer

from narrows.data.formats import writable_suffixes


def listed_suffixes() -> str:
    """Return the suffixes of files that hold arrays or tables, without those of compressed and of old names."""
    suffixes = writable_suffixes("array", "table")
    return ", ".join(suffix for suffix in suffixes if suffix.startswith(".") and not suffix.endswith(".gz"))


Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA", show_default=False, help="A named data set, images, arrays, a table, or - for standard input."
    ),
]
Model = Annotated[
    str, typer.Argument(metavar="MODEL", show_default=False, help="A model file that train wrote (.safetensors).")
]
ModelAndData = Annotated[
    list[str],
    typer.Argument(
        metavar="[MODEL] DATA",
        show_default=False,
        help="A model file that train wrote (.safetensors), or the name of ready-made models (photo); without it, the "
        "ready-made model that suits DATA. Images, arrays, a table or a named data set; - for standard input.",
    ),
]
Axes = Annotated[
    str | None,
    typer.Option(help="Which axis is which, where an array's shape does not tell: NYX, NYXC, NT, NZYX, NF, ..."),
]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at a file that cannot be read, rather than skip it.")]
Force = Annotated[bool, typer.Option("--force", "-f", help="Replace files that exist.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
NewModel = Annotated[
    str,
    typer.Option("--output", "-o", metavar="M.safetensors", show_default=False, help="The model file to write."),
]
InitModel = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="MODEL",
        help="A model of this tool to start from, whose architecture, scaling and axes are kept: a model file, or the "
        "name of ready-made models (photo).",
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with a run that was stopped; other options must be the same.")
]
Compressed = Annotated[
    str,
    typer.Argument(metavar="FILE.narrow", show_default=False, help="What compress wrote; - for standard input."),
]
ItsModel = Annotated[
    str | None,
    typer.Option(
        "--model", "-m", metavar="M", help="The model that the file needs, if it is neither in it nor beside it."
    ),
]
MaxPixels = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Refuse a file that announces more values than this; by default by its size."
    ),
]
Out = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="OUT",
        help=f"A file ({listed_suffixes()}, .tif, ...), a folder/ of images or recordings, or - for .npy (tables: "
        ".csv) on standard output.",
    ),
]
Missing = Annotated[
    list[str] | None,
    typer.Option(
        metavar="VALUE|COLUMN=VALUE|alpha",
        help="Which values are missing, besides NaN: a number or, in tables, a text, in all columns or in one; alpha: "
        "where the last channel of images is 0. May be repeated.",
    ),
]
MissingCells = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TEXT|COLUMN=VALUE|NUMBER",
        help="Which cells of a table are missing, besides NaN: a text or a number, in all columns or in one. May be "
        "repeated.",
    ),
]
KeepNa = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN", help="A column of a CSV in which NA, null and the like are values. May be repeated."
    ),
]
Decimal = Annotated[
    str | None, typer.Option(metavar="CHAR", help="What stands before the decimals of numbers in a CSV; . by default.")
]
Thousands = Annotated[
    str | None, typer.Option(metavar="CHAR", help="What stands between the thousands of numbers in a CSV.")
]
Uncertainty = Annotated[
    str | None,
    typer.Option(
        metavar="U.npy",
        help="Also write the predictive standard deviation of each value, in the data's unit: any output that holds "
        "floating-point numbers, such as .npy, .tif or a folder; a .npz for items of different sizes.",
    ),
]
Tta = Annotated[
    bool,
    typer.Option(
        "--tta",
        help="Test-time augmentation: the mean of the results for all mirrorings of an item and, of images, rotations. "
        "Takes up to eight times as long; better for data that look as natural when mirrored, such as photographs.",
    ),
]
AddedNoise = Annotated[
    str | None,
    typer.Option(metavar="KIND:S", help="For a denoiser: noise to add to DATA; by default that of its training."),
]
Target = Annotated[
    str | None,
    typer.Option(metavar="CLEAN", help="For a denoiser: what the items of DATA, which are noisy, should become."),
]
HiddenShare = Annotated[
    str | None,
    typer.Option(metavar="KIND:SHARE", help="For an imputer: what to hide of DATA; by default as in its training."),
]
Labels = Annotated[
    str | None,
    typer.Option(
        metavar="LABELS",
        help="For an autoencoder: the class of each item, a .npy, IDX or one-column .csv file, or a named data set.",
    ),
]
