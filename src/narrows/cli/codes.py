"""From items to codes and back."""

from typing import Annotated

import typer

from narrows.cli import options
from narrows.cli.files import check_file, check_standard_output, load_tool, read_items_for


def encode(
    model: options.Model,
    source: options.Data,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="CODES", help="A .npy or .npz, or - for a .npy on standard output.")
    ] = "-",
    axes: options.Axes = None,
    strict: options.Strict = False,
) -> None:
    """Write the codes of items.

    \b
    A .npy holds one row of numbers an item. A .npz also keeps names and shapes,
    and holds items of different sizes.

    \b
    Example:
      narrows encode m.safetensors mnist:test -o codes.npy
    """
    if output == "-":
        check_standard_output()
    else:
        check_file(output, (".npy", ".npz"))

    from narrows.tools.code_files import encode_items, write_codes

    estimator = load_tool(model, "encode", "autoencoder")
    write_codes(encode_items(estimator, read_items_for(estimator, source, axes, strict)), output)


def decode(
    model: options.Model,
    codes: Annotated[
        str, typer.Argument(metavar="CODES", show_default=False, help="What encode wrote; - for standard input.")
    ],
    output: options.Out = "-",
) -> None:
    """Write the items that codes stand for.

    \b
    Example:
      narrows decode m.safetensors codes.npy -o rebuilt/
    """
    if output == "-":
        check_standard_output()

    from narrows import data
    from narrows.tools.code_files import decode_items, read_codes

    data.write(decode_items(load_tool(model, "decode", "autoencoder"), read_codes(codes)), output)
