"""The verb of the command line."""

from typing import Annotated

import typer

from narrows.cli import options
from narrows.cli.inputs import load_tool, read_items_for


def locate(
    model: options.Model,
    source: options.Data,
    output: Annotated[str, typer.Option("--output", "-o", help="The .npy file to write.")],
    axes: options.Axes = None,
    strict: options.Strict = False,
    force: options.Force = False,
) -> None:
    """Write where items lie on the plane, two numbers from 0 to 1 each."""
    from narrows import data
    from narrows.cli.outputs import check_file

    check_file(output, (".npy",), force)
    atlas = load_tool(model, "locate", "atlas")
    places = atlas.locate(read_items_for(atlas, source, axes, strict))
    data.write(data.Items(places, "NF"), output)
