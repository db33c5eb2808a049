"""From items to codes and back."""

from typing import Annotated

import typer

from narrows.cli import options
from narrows.cli.files import check_file, check_standard_output, in_parts, load_tool, read_items_for
from narrows.progress import items_bar


def encode(
    model: options.Model,
    source: options.Data,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="CODES",
            help="A .npy, .npz, .csv or .parquet, or - for a .npy on standard output.",
        ),
    ] = "-",
    axes: options.Axes = None,
    strict: options.Strict = False,
) -> None:
    """Write the codes of items.

    \b
    A .npy holds one row of numbers an item. A .npz also keeps names and shapes,
    and holds items of different sizes. A .csv or .parquet has the columns code0,
    code1, ..., and the index of a table.

    \b
    Examples:
      narrows encode m.safetensors mnist:test -o codes.npy
      narrows encode m.safetensors people.parquet -o features.parquet
    """
    if output == "-":
        check_standard_output()
    else:
        check_file(output, (".npy", ".npz", ".csv", ".tsv", ".parquet"))

    from narrows.tools.code_files import encode_items, encode_table, write_codes

    estimator = load_tool(model, "encode", "autoencoder")
    if in_parts(estimator, source, output):
        with items_bar("encoding") as progress:
            encode_table(estimator, source, output, progress)
        return
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
    from narrows.tools.code_files import decode_items, decode_table, read_codes

    estimator = load_tool(model, "decode", "autoencoder")
    if in_parts(estimator, codes, output) and codes != "-":
        with items_bar("decoding") as progress:
            decode_table(estimator, codes, output, progress)
        return
    data.write(decode_items(estimator, read_codes(codes)), output)
