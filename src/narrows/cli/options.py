"""Arguments and options that verbs share."""

from typing import Annotated, Literal

import typer

from narrows.data.formats import writable_suffixes

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA", show_default=False, help="A named data set, pictures, arrays, a table, or - for standard input."
    ),
]
In = Annotated[
    str,
    typer.Argument(
        metavar="IN", show_default=False, help="Pictures, arrays or a table, as DATA; - for standard input."
    ),
]
Model = Annotated[
    str, typer.Argument(metavar="M", show_default=False, help="A model file that train wrote (.safetensors).")
]
Axes = Annotated[
    str | None,
    typer.Option(help="Which axis is which, where an array's shape does not tell: NYX, NYXC, NT, NZYX, NF, ..."),
]
Strict = Annotated[bool, typer.Option("--strict", help="A file that cannot be read is an error, not skipped.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
NewModel = Annotated[
    str,
    typer.Option("--output", "-o", metavar="M.safetensors", show_default=False, help="Where the model goes."),
]
Minutes = Annotated[float | None, typer.Option(help="Budget of training in minutes, kept by the clock.")]
Epochs = Annotated[int | None, typer.Option(help="Budget of training in epochs; chosen by the size of the data.")]
BatchSize = Annotated[int | None, typer.Option(help="Items in a step; chosen by architecture and data.")]
LearningRate = Annotated[float | None, typer.Option(help="Chosen by architecture.")]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Repeats a run, within a budget of epochs.")]
Device = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="auto: the GPU where there is one.")]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with a run that was stopped; the other options stay the same.")
]
Compressed = Annotated[
    str,
    typer.Argument(metavar="FILE.narrow", show_default=False, help="What compress wrote; - for standard input."),
]
ItsModel = Annotated[
    str | None,
    typer.Option(
        "--model", "-m", metavar="M", help="The model that the file needs, where it is neither in it nor beside it."
    ),
]
MaxPixels = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Refuse a file that says it holds more values than this; 2^33 by default."),
]
Out = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="OUT",
        help=f"A file ({', '.join(writable_suffixes())}), a folder/ of images or recordings, or - for a .npy "
        "(tables: .csv).",
    ),
]
Preset = Annotated[Literal["default", "lesson"], typer.Option(help="lesson: the small networks of the classic lesson.")]
Missing = Annotated[
    str | None,
    typer.Option(
        metavar="NUMBER|alpha",
        help="Which values are holes, beside NaN; alpha: where the last channel of pictures is 0.",
    ),
]
Uncertainty = Annotated[
    str | None,
    typer.Option(
        metavar="U.npy",
        help="Also write each value's standard deviation, in the data's unit; a .npz for items of different sizes.",
    ),
]
NoiseAdded = Annotated[
    str | None,
    typer.Option(metavar="KIND:S", help="For a denoiser: the noise that is added to DATA; that of its training."),
]
RightItems = Annotated[
    str | None,
    typer.Option(metavar="CLEAN", help="For a denoiser: what the items of DATA, which are noisy, should be."),
]
HolesMade = Annotated[
    str | None,
    typer.Option(metavar="KIND:SHARE", help="For an imputer: what is hidden of DATA; as in its training."),
]
Labels = Annotated[
    str | None,
    typer.Option(
        metavar="LABELS",
        help="For an autoencoder: the class of each item, a .npy, IDX or one-column .csv file, or a named set.",
    ),
]
