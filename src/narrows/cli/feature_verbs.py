"""From items to codes and back."""

from typing import Annotated, Any

import typer

from narrows.cli import options
from narrows.cli.inputs import can_reread, choose_cell_text, converts_table, load_tool, read_items_for
from narrows.cli.messages import items_bar, note
from narrows.cli.outputs import check_file, check_items_output, check_output, check_standard_output, items_to_come
from narrows.cli.tool_options import parse_marks
from narrows.data.formats import writable_suffixes


def encode(
    model: options.Model,
    source: options.Data,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="CODES",
            help=f"A file ({options.listed_suffixes()}), or - for a .npy on standard output, the default without "
            "--errors.",
        ),
    ] = None,
    errors: Annotated[
        str | None,
        typer.Option(metavar="E.csv", help="Also write the reconstruction error of each item: its mean squared error."),
    ] = None,
    missing: options.MissingCells = None,
    keep_na: options.KeepNa = None,
    decimal: options.Decimal = None,
    thousands: options.Thousands = None,
    axes: options.Axes = None,
    strict: options.Strict = False,
    force: options.Force = False,
) -> None:
    """Write the codes of items, or their reconstruction errors.

    \b
    A .npy holds one row of numbers per item. A .npz also keeps names and shapes,
    and holds items of different sizes. A .csv or .parquet has the columns code0,
    code1, ..., and the index of a table.

    \b
    Items unlike those of training have large reconstruction errors: the largest,
    in scaled units, are the outliers.

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
        check_file(output, writable_suffixes("array", "table"), force)
    if errors is not None:
        check_file(errors, (".csv",), force, "--errors")

    autoencoder = load_tool(model, "encode", "autoencoder")
    cell_text = choose_cell_text(parse_marks(missing), keep_na, decimal, thousands, autoencoder.cell_text)
    autoencoder = autoencoder.with_cell_text(cell_text)
    by_parts = output is None or errors is None or can_reread(source, [output, errors])
    if output is not None and by_parts and converts_table(autoencoder, source, output):
        encode_rows(autoencoder, source, output)
        output = None
    if errors is not None and by_parts and converts_table(autoencoder, source, errors):
        from narrows.evaluation.error_files import write_table_errors

        write_table_errors(autoencoder, source, errors)
        errors = None
    if output is not None or errors is not None:
        encode_items(autoencoder, read_items_for(autoencoder, source, axes, strict, whole=True), output, errors)


def encode_rows(autoencoder: Any, source: str, output: str) -> None:
    """Write the codes of a table's rows, part by part."""
    from narrows.models import code_files

    with items_bar("encoding") as progress:
        notes = code_files.encode_table(autoencoder, source, output, progress)
    for line in notes:
        note(line)


def encode_items(autoencoder: Any, items: Any, output: str | None, errors: str | None) -> None:
    """Write the codes of items, their reconstruction errors, or both."""
    from narrows.models import code_files

    if output is not None:
        code_files.write_codes(code_files.encode_items(autoencoder, items), output)
    if errors is not None:
        from narrows.evaluation.error_files import write_errors

        write_errors(autoencoder.item_errors(items), items.names, errors)


def decode(
    model: options.Model,
    codes: Annotated[
        str, typer.Argument(metavar="CODES", show_default=False, help="What encode wrote; - for standard input.")
    ],
    output: options.Out = "-",
    force: options.Force = False,
) -> None:
    """Write the items that codes stand for.

    \b
    Example:
      narrows decode m.safetensors codes.npy -o decoded/
    """
    check_output(output, force)

    from narrows import data
    from narrows.models import code_files

    autoencoder = load_tool(model, "decode", "autoencoder")
    if codes != "-" and converts_table(autoencoder, codes, output):
        with items_bar("decoding") as progress:
            code_files.decode_table(autoencoder, codes, output, progress)
        return
    found = code_files.read_codes(codes)
    names = found.names or [f"{index:05d}" for index in range(len(found.rows))]
    dtype = autoencoder.scaling.dtype
    coming = items_to_come(names, autoencoder.item_axes, autoencoder.channels, dtype, autoencoder.rate)
    check_items_output(coming, [output], force)
    data.write(code_files.decode_items(autoencoder, found), output)
