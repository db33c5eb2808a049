"""The verb of the command line."""

from typing import Annotated

import typer

from narrows.cli import options
from narrows.cli.inputs import load_tool, read_items_for


def score(
    model: options.Model,
    source: options.Data,
    output: Annotated[str, typer.Option("--output", "-o", help="The .npy file to write.")],
    axes: options.Axes = None,
    strict: options.Strict = False,
    force: options.Force = False,
) -> None:
    """Write the reconstruction error of each item."""
    from narrows import data
    from narrows.cli.outputs import check_file

    check_file(output, (".npy",), force)
    detector = load_tool(model, "score", "anomaly")
    errors = detector.score(read_items_for(detector, source, axes, strict))
    data.write(data.Items(errors[:, None], "NF"), output)
