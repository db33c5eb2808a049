"""Compress items to a file, and decompress them."""

import json
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from narrows.cli import options
from narrows.cli.inputs import choose_model, report_skipped
from narrows.cli.messages import items_bar, note, smaller
from narrows.cli.outputs import check_file, check_items_output, check_output, check_standard_output, items_to_come
from narrows.errors import DataError, ParameterError

if TYPE_CHECKING:
    from narrows.codec.archive import Archive
    from narrows.codec.container.mode import Mode
    from narrows.data import Items


ArchiveToWrite = Annotated[
    str,
    typer.Option(
        "--output", "-o", metavar="FILE.narrow", show_default=False, help="The file to write; - for standard output."
    ),
]
MaxError = Annotated[
    float | None,
    typer.Option(min=0, metavar="E", help="Keep every value within E of the original, in the data's unit."),
]
Quality = Annotated[float | None, typer.Option(min=0, max=100, metavar="Q", help="Quality from 0 to 100.")]
Psnr = Annotated[float | None, typer.Option(min=0, metavar="P", help="Reach a PSNR of at least P dB over all items.")]


def compress(
    words: options.ModelAndData,
    output: ArchiveToWrite,
    lossless: Annotated[bool, typer.Option("--lossless", help="Keep every value exactly.")] = False,
    max_error: MaxError = None,
    quality: Quality = None,
    psnr: Psnr = None,
    embed_model: Annotated[bool, typer.Option("--embed-model", help="Store the model in the file too.")] = False,
    axes: options.Axes = None,
    strict: options.Strict = False,
    as_json: options.Json = False,
    force: options.Force = False,
) -> None:
    """Compress items to a file.

    \b
    Give one of --lossless, --max-error, --quality and --psnr. Decompressing needs
    the model: it is looked for beside the file and among the ready-made ones,
    unless the file holds it.

    \b
    Examples:
      narrows compress photo.png -o photo.narrow --lossless
      narrows compress m.safetensors photos/ -o photos.narrow --psnr 35
    """
    if [lossless or None, max_error, quality, psnr].count(None) != 3:
        raise ParameterError("compress: give one of --lossless, --max-error, --quality and --psnr")
    if output == "-":
        check_standard_output()
    else:
        check_file(output, (".narrow",), force)

    from narrows.artifacts import atomic
    from narrows.codec.container.mode import Mode
    from narrows.codec.model import CodecModel

    mode = Mode.choose(lossless, max_error, quality, psnr)
    chosen = choose_model(words, axes, strict, "codec")
    codec = CodecModel.load(chosen.model)
    items = chosen.read(codec, axes, strict)
    if output == "-":
        with items_bar("compressing") as progress:
            codec.compress(items, mode, sys.stdout.buffer, embed_model, progress)
        return
    began = time.perf_counter()
    with items_bar("compressing") as progress:
        try:
            with atomic.replacing(output) as temporary, open(temporary, "wb") as file:
                sizes = codec.compress(items, mode, file, embed_model, progress)
        except OSError as error:
            raise DataError(f"cannot be written ({error.strerror or error})", source=output) from None
    report_sizes(output, items, mode, sizes, time.perf_counter() - began, as_json)


def report_sizes(
    output: str, items: "Items", mode: "Mode", sizes: dict[str, int], seconds: float, as_json: bool
) -> None:
    """Print the size of a compressed file and how fast it was written."""
    rate, bpp = len(items) / seconds, 8 * sizes["total"] * items.channels * items.dtype.itemsize / sizes["raw"]
    if as_json:
        found = {
            "file": output,
            **{f"{part}_bytes": size for part, size in sizes.items()},
            "bpp": bpp,
            "items": len(items),
            "mode": mode.to_header(),
            "items_per_second": rate,
        }
        print(json.dumps(found))
        return
    model_share = f", {sizes['model']:,} of them the model" if sizes["model"] else ""
    print(
        f"{output}: {sizes['total']:,} bytes{model_share} ({bpp:.4f} bpp, "
        f"{smaller(sizes['raw'], sizes['total'])}); {len(items):,} items; {mode}; "
        f"{rate:,.{0 if rate >= 10 else 2}f} items/s"
    )


def decompress(
    source: options.Compressed,
    output: options.Out = "-",
    model: options.ItsModel = None,
    only: Annotated[
        str | None, typer.Option(metavar="17,200-299", help="Only these items: numbers from 0, ranges, or names.")
    ] = None,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Leave out items that are damaged, rather than stop.")
    ] = False,
    max_pixels: options.MaxPixels = None,
    force: options.Force = False,
) -> None:
    """Write the items of a compressed file, under their own names.

    \b
    Example:
      narrows decompress photos.narrow -o photos/
    """
    check_output(output, force)

    from narrows import data

    with opened(source, model, max_pixels) as archive:
        chosen = None if only is None else parse_only(only, archive)
        check_items_output(archived_items(archive, chosen), [output], force)
        with items_bar("decompressing") as progress:
            items = archive.read(chosen, keep_going=keep_going, progress=progress)
    report_skipped(items)
    data.write(items, output)


def preview(
    source: options.Compressed,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="SHEET.png", show_default=False, help="The image to write.")
    ],
    level: Annotated[
        int | None,
        typer.Option(min=0, max=30, help="Show every 2nd, 4th, 8th ... value; chosen by the size of the items."),
    ] = None,
    model: options.ItsModel = None,
    max_pixels: options.MaxPixels = None,
    force: options.Force = False,
) -> None:
    """Draw a contact sheet of a compressed file.

    It decodes the coarse levels of the items alone, which is quick.

    \b
    Example:
      narrows preview photos.narrow -o sheet.png
    """
    from narrows import data
    from narrows.data.formats import writable_suffixes
    from narrows.render import contact_sheet

    check_file(output, writable_suffixes("image"), force)

    with opened(source, model, max_pixels) as archive, items_bar("decoding") as progress:
        if level is None:
            level = contact_sheet.choose_level(archive.largest, archive.spatial_dims)
        shown = range(min(len(archive), contact_sheet.most_items(archive.largest, archive.axes, level)))
        sheet = contact_sheet.contact_sheet(archive.read(shown, level, progress=progress))
    if len(shown) < len(archive):
        note(
            f"{archive.name}: the sheet shows the first {len(shown):,} of {len(archive):,} items; "
            "with a higher --level it shows more"
        )
    data.write(data.Items.from_array(sheet[None]), output)
    print(f"{output}: {len(shown):,} items at level {level}")


def archived_items(archive: "Archive", chosen: list[int] | None) -> "Items":
    """Return stand-ins for the items of an archive, or for those chosen, under the names that they will have."""
    indices = range(len(archive)) if chosen is None else sorted(set(chosen))
    names = [archive.names[index] if archive.names else f"{index:05d}" for index in indices]
    channels = archive.largest[-1] if archive.axes[-1] in "CF" else 1
    return items_to_come(names, archive.axes, channels, archive.header.dtype or "uint8", archive.rate)


def opened(source: str, model: str | None, max_pixels: int | None) -> "Archive":
    """Open the archive in a file, on standard input or in a pipe."""
    from narrows.codec import archive
    from narrows.data.formats.content import content_of

    content, name = content_of(source)
    if isinstance(content, bytes):
        return archive.Archive(content, name, model, max_pixels, folders=(Path(),))
    return archive.open(content, model, max_pixels)


def parse_only(text: str, archive: "Archive") -> list[int]:
    """Return the indices of items from numbers, ranges and names, separated by commas."""
    found: list[int] = []
    places = {name: index for index, name in enumerate(archive.names or ())}
    for part in map(str.strip, text.split(",")):
        numbers = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if numbers:
            first, last = int(numbers[1]), int(numbers[2] or numbers[1])
            if first > last:
                raise ParameterError("runs backwards", parameter="only", value=part)
            if last >= len(archive):
                raise DataError(f"has no item {last}; its items are 0 to {len(archive) - 1}", source=archive.name)
            found += range(first, last + 1)
        elif part in places:
            found.append(places[part])
        else:
            raise DataError(f"has no item called {part!r}", source=archive.name)
    return found
