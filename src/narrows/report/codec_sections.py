"""Report sections of codecs: rate and distortion beside peers, and the bytes of each item."""

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from narrows.codec.container.mode import Mode
from narrows.codec.entropy.exact_predictor import part
from narrows.codec.learning.latent import latent_network
from narrows.codec.model import CodecModel
from narrows.codec.transforms.latent import LatentArchitecture
from narrows.data import Items
from narrows.evaluation.metrics import psnr_of_range
from narrows.evaluation.peers import BytesPeer, ImagePeer, peers
from narrows.evaluation.summary import Summary
from narrows.render import plots
from narrows.render.blocks import Block, Card, Cards, Plot, Section
from narrows.render.diagram import context_stages
from narrows.render.item_renderer import ItemRenderer, best_median_worst, evenly_spaced, item_name
from narrows.report.model_sections import network_section, training_section
from narrows.report.report_context import ReportContext, ToolReport

MAX_ITEMS, MAX_VALUES = 500, 2**20  # which are compressed again and again
QUALITIES = (5, 15, 30, 45, 60, 75, 90)
PEER_QUALITIES = (2, 10, 25, 50, 75, 90)
SHOWN_QUALITIES = (70, 40, 15)
N_SINGLE = 60  # items that are compressed one by one
MOSAIC_SIDE = 128  # pixels: smaller images are joined for peers, or their headers would be most of the bytes


def sections(context: ReportContext) -> ToolReport:
    """Return the sections of a codec's report."""
    context = context.sample(MAX_ITEMS, MAX_VALUES)
    model: CodecModel = context.model
    note = "Training alternates between tasks, each with a loss of its own, so the dashed line may jump."
    loss = "loss (bits, and errors for lossy paths)"
    study = Study(model, context.items)
    return ToolReport(
        context,
        [
            lambda: network_sections(model),
            lambda: [training_section(model.training, loss, "before training", note)],
            lambda: [rates_section(study)],
            lambda: [items_section(study)],
        ],
    )


def network_sections(model: CodecModel) -> list[Section]:
    """Return the section of the networks: the diagram of the pixel path, and what the transform path is."""
    architecture = model.manifest.design.architecture
    if not isinstance(architecture, LatentArchitecture):
        text = (
            "The transform path codes the coefficients of a wavelet transform instead, from low to high frequencies: "
            "another such network predicts each from the magnitudes of those around it, at its own scale and the next."
        )
        return [Section("The network", [*pixel_path_blocks(model), text])]
    network = latent_network(architecture, part(model.tensors, "network."))
    blocks = [*pixel_path_blocks(model), "The transform path codes a quantised code of the item instead:"]
    return [network_section(network, blocks)]


def pixel_path_blocks(model: CodecModel) -> list[Block]:
    """Return the diagram of the pixel path."""
    return [
        "A codec has two ways to a file and takes the smaller one. The pixel path codes the values themselves, from "
        "coarse to fine: a small network predicts the probabilities of each value from those already coded around it.",
        Plot(
            plots.network_diagram(context_stages(model.coder.pixels["lossless"])),
            "the pixel path",
            "From top to bottom, how the finest and most frequent values are predicted. It computes with integers, so "
            "that all machines agree on the probabilities. Likely values take few bits.",
        ),
    ]


@dataclass(frozen=True)
class Study:
    """A codec and the items that it compresses."""

    model: CodecModel
    items: Items

    @cached_property
    def renderer(self) -> ItemRenderer:
        """Renders the items."""
        return ItemRenderer.for_items(self.items, self.model.scaling)

    @cached_property
    def most_faithful(self) -> Mode:
        """Lossless; for real numbers, which have no lossless mode, an error of at most a thousandth of their range."""
        return Mode("lossless") if self.items.dtype.kind != "f" else Mode("max_error", self.renderer.span / 1000)

    @cached_property
    def faithful_label(self) -> str:
        """The most faithful mode in words."""
        return "lossless" if self.items.dtype.kind != "f" else f"within {self.renderer.span / 1000:.3g}"

    @cached_property
    def images(self) -> list[np.ndarray] | None:
        """The items as peers take them: images, small ones in mosaics; None if peers cannot hold them."""
        items = self.items
        if items.spatial_dims != 2 or items.dtype != np.uint8 or items.channels not in (1, 3):
            return None
        plain = [item[..., 0] if item.shape[-1] == 1 and items.axes[-1] == "C" else item for item in items]
        if not items.uniform or max(items.item_shape[:2]) >= MOSAIC_SIDE:
            return plain
        across = math.ceil(math.sqrt(len(plain)))
        rows = [np.concatenate(plain[at : at + across], axis=1) for at in range(0, len(plain) - across + 1, across)]
        rest = plain[len(rows) * across :]
        return [np.concatenate(rows, axis=0), *([np.concatenate(rest, axis=1)] if rest else [])]

    def compress(self, items: Items, mode: Mode) -> tuple[bytes, dict[str, int]]:
        """Return a file of items without their names, and the sizes of its parts."""
        target = io.BytesIO()
        sizes = self.model.compress(replace(items, names=None), mode, target)
        return target.getvalue(), sizes


def rates_section(study: Study) -> Section:
    """Return the rate-distortion curve and the lossless sizes, beside peers where these can hold the items."""
    items, span = study.items, study.renderer.span
    pixels = sum(item.size for item in items) / items.channels
    curves: dict[str, Sequence[tuple[float, float]]] = {"narrows": own_curve(study, pixels, span)}
    if study.images is not None:
        for name, peer in peers(ImagePeer).items():
            if peer.lossy:
                curves[name] = peer_curve(peer, study.images, pixels)
    shown = {name: points for name, points in curves.items() if points}
    blocks: list[Block] = [faithful_summary(study)]
    if curves["narrows"]:
        unit = "pixel" if items.spatial_dims == 2 else "position"
        figure = plots.rate_distortion(shown, f"size of the file (bits per {unit}, log scale)", "PSNR (dB)")
        caption = "Higher is closer to the original, and further left is smaller: the upper left curve is best. "
        blocks.insert(0, Plot(figure, "rate-distortion curve", caption + describe_peers(study)))
    return Section("Size and fidelity", blocks)


def own_curve(study: Study, pixels: float, span: float) -> list[tuple[float, float]]:
    """Return (bits per pixel, PSNR) of the codec."""
    points = []
    for quality in QUALITIES:
        blob, _ = study.compress(study.items, Mode("quality", quality))
        psnr = psnr_of_range(study.items, study.model.decompress(blob), span)
        if psnr is not None:
            points.append((8 * len(blob) / pixels, psnr))
    return points


def peer_curve(peer: ImagePeer, images: Sequence[np.ndarray], pixels: float) -> list[tuple[float, float]]:
    """Return (bits per pixel, PSNR) of an image codec."""
    points = []
    for quality in PEER_QUALITIES:
        files = [peer.encode(image, quality, **peer.lossy[0]) for image in images]
        decoded = [peer.decode(file, image.shape) for file, image in zip(files, images, strict=True)]
        psnr = psnr_of_range(images, decoded, 255.0)
        if psnr is not None:
            points.append((8 * sum(map(len, files)) / pixels, psnr))
    return points


def faithful_summary(study: Study) -> Summary:
    """Return the sizes in the most faithful mode, and those of lossless peers."""
    items = study.items
    raw = sum(item.nbytes for item in items)
    sizes = {f"narrows, {study.faithful_label}": len(study.compress(items, study.most_faithful)[0])}
    for name, peer in peers(ImagePeer).items() if study.images is not None else ():
        if peer.lossless:
            sizes[f"{name}, lossless"] = sum(peer.lossless_size(image) for image in study.images or ())
    content = b"".join(item.tobytes() for item in items)
    sizes |= {f"{name}, lossless": len(peer.compress(content)) for name, peer in peers(BytesPeer).items()}
    sizes["uncompressed"] = raw
    rows = [("", "bytes per item", "times smaller")]
    rows += [(name, f"{size / len(items):,.1f}", f"{raw / size:.2f}") for name, size in sizes.items()]
    return Summary([], rows, f"{len(items):,} items; the model, which is stored once for all files, is not counted")


def describe_peers(study: Study) -> str:
    """Return how the peers got the items."""
    if study.images is None:
        return "Image codecs cannot hold such items."
    how = "all items in one mosaic" if len(study.images) <= 2 < len(study.items) else "each item in a file"
    return f"The peers, from Pillow, got {how}; PSNR is over all values."


def items_section(study: Study) -> Section:
    """Return the bytes of each item, and the smallest, median and largest at several qualities."""
    items, mode, label = study.items, study.most_faithful, study.faithful_label
    single = [items.select([index]) for index in evenly_spaced(len(items), N_SINGLE)]
    sizes = np.array([study.compress(each, mode)[1]["payload"] for each in single])
    caption = (
        f"The sizes of {len(single)} items, each compressed alone, without the header of the file. Items that the "
        "model finds likely are small; unusual ones are large."
    )
    figure = plots.histogram(sizes, f"bytes of an item, {label}", {"mean": float(sizes.mean())})
    names = {"best": "smallest", "median": "median", "worst": "largest"}
    image: Callable[[np.ndarray], np.ndarray] = study.renderer.image
    cards = []
    for which, index in best_median_worst(sizes, each=2):
        item = single[index]
        images = [(f"{label}: {sizes[index]:,} bytes", image(item[0]))]
        for quality in SHOWN_QUALITIES:
            blob, parts = study.compress(item, Mode("quality", quality))
            images.append((f"quality {quality}: {parts['payload']:,} bytes", image(study.model.decompress(blob)[0])))
        cards.append(Card(f"{names[which]}: {item_name(item, 0)}", images))
    words = "From left to right with fewer bytes. What is lost first is what matters least to the eye, or to the model."
    return Section(
        "Bytes of each item",
        [Plot(figure, "bytes of each item", caption), Cards(cards, words, items.spatial_dims == 1)],
    )
