"""From items to codes and back."""

from typing import Annotated

import typer

from narrows.cli import options
from narrows.cli.inputs import check_file, check_standard_output, in_parts, load_tool, read_items_for
from narrows.data.formats import writable_suffixes
from narrows.progress import items_bar


def encode(
    model: options.Model,
    source: options.Data,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="CODES",
            help=f"A file ({', '.join(writable_suffixes('array', 'table'))}), or - for a .npy on standard output, "
            "the default without --errors.",
        ),
    ] = None,
    errors: Annotated[
        str | None,
        typer.Option(metavar="E.csv", help="Also write how badly each item comes back: its mean squared error."),
    ] = None,
    axes: options.Axes = None,
    strict: options.Strict = False,
) -> None:
    """Write the codes of items, or how badly each comes back.

    \b
    A .npy holds one row of numbers an item. A .npz also keeps names and shapes,
    and holds items of different sizes. A .csv or .parquet has the columns code0,
    code1, ..., and the index of a table.

    \b
    Items unlike those that the model learnt from come back badly: the largest
    errors, in scaled units, are the outliers.

    \b
    Examples:
      narrows encode m.safetensors mnist:test -o codes.npy
      narrows encode m.safetensors people.parquet -o features.parquet
      narrows encode m.safetensors photos/ --errors errors.csv
      sort -t, -k2 -gr errors.csv | head
    """
    if output is None and errors is None:
        output = "-"
    if output == "-":
        check_standard_output()
    elif output is not None:
        check_file(output, writable_suffixes("array", "table"))
    if errors is not None:
        check_file(errors, (".csv",), "--errors")

    from narrows.evaluation.error_files import write_errors, write_table_errors
    from narrows.models.code_files import encode_items, encode_table, write_codes

    estimator = load_tool(model, "encode", "autoencoder")
    once = source == "-" and output is not None and errors is not None  # standard input cannot be read again
    if output is not None and in_parts(estimator, source, output) and not once:
        with items_bar("encoding") as progress:
            encode_table(estimator, source, output, progress)
        output = None
    if errors is not None and in_parts(estimator, source, errors) and not once:
        write_table_errors(estimator, source, errors)
        errors = None
    if output is None and errors is None:
        return
    items = read_items_for(estimator, source, axes, strict)
    if output is not None:
        write_codes(encode_items(estimator, items), output)
    if errors is not None:
        write_errors(-estimator.score_samples(items), items.names, errors)


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
    from narrows.models.code_files import decode_items, decode_table, read_codes

    estimator = load_tool(model, "decode", "autoencoder")
    if in_parts(estimator, codes, output) and codes != "-":
        with items_bar("decoding") as progress:
            decode_table(estimator, codes, output, progress)
        return
    data.write(decode_items(estimator, read_codes(codes)), output)
