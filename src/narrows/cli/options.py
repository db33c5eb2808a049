"""Arguments and options that verbs share."""

from typing import Annotated

import typer

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA", show_default=False, help="A named data set, pictures, arrays, or - for standard input."
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
