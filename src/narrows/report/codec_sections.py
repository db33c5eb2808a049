"""What a report shows of a codec: rate and distortion beside peers, and the bytes of each item."""

import io
import lzma
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image, features

from narrows.codec.container.archive_file import ArchiveReader
from narrows.data import Items
from narrows.estimators.codec import Codec
from narrows.evaluation.rate_distortion import decompress_items, encode_image, peak_signal_to_noise
from narrows.evaluation.summary import Summary
from narrows.render import plots
from narrows.render.blocks import Block, Card, Cards, Plot, Section
from narrows.render.item_renderer import ItemRenderer, best_median_worst, evenly_spaced, item_name

QUALITIES = (5, 15, 30, 45, 60, 75, 90)
PEER_QUALITIES = (2, 10, 25, 50, 75, 90)
SHOWN_QUALITIES = (70, 40, 15)
ALONE = 60  # items that are coded each for itself
SHEET = 128  # pixels: smaller pictures are given to peers on one sheet, or their headers would be most of the bytes
PEERS = {"JPEG": "jpg", "WebP": "webp", "AVIF": "avif"}  # what Pillow calls them


def steps(model: Codec, items: Items) -> list[Callable[[], Iterable[Section]]]:
    return [lambda: [rates_section(model, items)], lambda: [items_section(model, items)]]


def rates_section(model: Codec, items: Items) -> Section:
    """The rate-distortion curve and lossless sizes, with peers where the items are pictures that those can hold."""
    items = replace(items, names=None)  # which would take bytes of the file
    pixels = sum(item.size for item in items) / items.channels
    unit = "pixel" if items.spatial_dims == 2 else "position"
    span = ItemRenderer.for_items(items, model.coder_.scaling).span
    curves: dict[str, Sequence[tuple[float, float]]] = {}
    ours = []
    for quality in QUALITIES:
        blob = model.compress(items, quality=quality)
        psnr = peak_signal_to_noise(items, decompress_items(model, blob), span)
        if psnr is not None:
            ours.append((8 * len(blob) / pixels, psnr))
    curves["narrows"] = ours
    sheets = as_peers_take_them(items)
    if sheets is not None:
        for name, form in PEERS.items():
            if features.check(form):
                curves[name] = [point for q in PEER_QUALITIES if (point := peer_rate(sheets, name, q, pixels))]
    blocks: list[Block] = []
    if ours:
        blocks.append(
            Plot(
                plots.rate_distortion(
                    {name: points for name, points in curves.items() if points},
                    f"size of the file (bits a {unit}, log scale)",
                    "PSNR (dB)",
                ),
                "rate-distortion curve",
                "Higher is nearer to the original, and further left is smaller: the upper left line wins. "
                + peers_in_words(sheets, items),
            )
        )
    blocks.append(faithful_summary(model, items, sheets, span))
    return Section("Size and fidelity", blocks)


def most_faithful(items: Items, span: float) -> tuple[str, dict[str, Any]]:
    """What is asked for where as little as can be is to be lost, in words and of `Codec.compress`."""
    if items.dtype.kind != "f":
        return "lossless", {"lossless": True}
    return f"within {span / 1000:.3g}", {"max_error": span / 1000}


def faithful_summary(model: Codec, items: Items, sheets: list[np.ndarray] | None, span: float) -> Summary:
    """Sizes where nothing is lost; or of real numbers, which have no lossless mode, a thousandth of their range."""
    raw = sum(item.nbytes for item in items)
    words, demand = most_faithful(items, span)
    sizes = {f"narrows, {words}": len(model.compress(items, **demand))}
    if sheets is not None:
        for name, form, options in (("WebP", "WEBP", {"lossless": True}), ("PNG", "PNG", {"optimize": True})):
            if features.check("webp") or name == "PNG":
                sizes[f"{name}, lossless"] = sum(len(encode_image(sheet, form, **options)) for sheet in sheets)
    sizes["xz, lossless"] = len(lzma.compress(b"".join(item.tobytes() for item in items), preset=9))
    sizes["as they are"] = raw
    rows = [("", "bytes an item", "times smaller")]
    rows += [(name, f"{size / len(items):,.1f}", f"{raw / size:.2f}") for name, size in sizes.items()]
    return Summary([], rows, f"{len(items):,} items; the model, which is kept once for all files, is not counted")


def items_section(model: Codec, items: Items) -> Section:
    """How many bytes each item takes, and what comes back of the smallest, the middle and the largest."""
    renderer = ItemRenderer.for_items(items, model.coder_.scaling)
    words, demand = most_faithful(items, renderer.span)
    alone = [items.select([index]) for index in evenly_spaced(len(items), ALONE)]
    sizes = np.array([payload(model.compress(each, **demand)) for each in alone])
    blocks: list[Block] = [
        Plot(
            plots.histogram(sizes, f"bytes of an item, {words}", {"mean": float(sizes.mean())}),
            "bytes of each item",
            f"What {len(alone)} items take when each is coded for itself, without the header of the file. Items that "
            "the model finds likely are small; strange ones are large.",
        )
    ]
    cards = []
    names = {"best": "smallest", "median": "middle", "worst": "largest"}
    for name, index in best_median_worst(sizes, each=2):
        item = alone[index]
        pictures = [(f"{words}: {sizes[index]:,} bytes", renderer.image(item[0]))]
        for quality in SHOWN_QUALITIES:
            blob = model.compress(item, quality=quality)
            back = decompress_items(model, blob)[0]
            pictures.append((f"quality {quality}: {payload(blob):,} bytes", renderer.image(back)))
        cards.append(Card(f"{names[name]}: {item_name(item, 0)}", pictures))
    says = "From left to right fewer bytes. What goes first is what the eye, or the model, misses least."
    return Section("Bytes of each item", [*blocks, Cards(cards, says, wide=items.spatial_dims == 1)])


def payload(blob: bytes) -> int:
    """Bytes of a file without its header."""
    return ArchiveReader(io.BytesIO(blob), "file").sizes()["payload"]


def as_peers_take_them(items: Items) -> list[np.ndarray] | None:
    """Pictures for JPEG and its like: one sheet of small ones, or as they are; None where they cannot hold them."""
    if items.spatial_dims != 2 or items.dtype != np.uint8 or items.channels not in (1, 3):
        return None
    plain = [item[..., 0] if item.shape[-1] == 1 and items.axes[-1] == "C" else item for item in items]
    if not items.uniform or max(items.item_shape[:2]) >= SHEET:
        return plain
    across = math.ceil(math.sqrt(len(plain)))
    rows = [np.concatenate(plain[at : at + across], axis=1) for at in range(0, len(plain) - across + 1, across)]
    rest = plain[len(rows) * across :]
    return [np.concatenate(rows, axis=0), *([np.concatenate(rest, axis=1)] if rest else [])]


def peer_rate(sheets: Sequence[np.ndarray], form: str, quality: int, pixels: float) -> tuple[float, float] | None:
    size, squares, count = 0, 0.0, 0
    for sheet in sheets:
        content = encode_image(sheet, form, quality=quality)
        with Image.open(io.BytesIO(content)) as image:
            back = np.asarray(image.convert("L" if sheet.ndim == 2 else "RGB"), np.float64)
        size, squares, count = size + len(content), squares + float(((back - sheet) ** 2).sum()), count + sheet.size
    return (8 * size / pixels, -10 * math.log10(squares / count / 255**2)) if squares else None


def peers_in_words(sheets: list[np.ndarray] | None, items: Items) -> str:
    if sheets is None:
        return "JPEG and its like hold no such items."
    how = "all items on one sheet" if len(sheets) <= 2 < len(items) else "each item in a file"
    return f"The peers, from Pillow, got {how}; PSNR is over all values."
