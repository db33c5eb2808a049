"""Report sections of autoencoders: metrics, reconstructions, the code space, and what each number of the code does."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.decomposition import PCA

from narrows.data import Items
from narrows.evaluation import evaluate
from narrows.models.autoencoder_model import AutoencoderModel
from narrows.render import plots
from narrows.render.blocks import Block, Card, Cards, Plot, Section
from narrows.render.item_renderer import ItemRenderer, best_median_worst, evenly_spaced, item_name
from narrows.render.style import DIFFERENCE_COLOURS
from narrows.report.model_sections import network_section, training_section
from narrows.report.report_context import ReportContext, ToolReport
from narrows.report.table_sections import column_errors_plot, unit_columns_plot

LOSSES = {"mse": "mean squared error", "mae": "mean absolute error", "bce": "binary cross-entropy"}
MAX_EMBEDDED = 2000  # items whose neighbourhoods are embedded
MIN_EMBEDDED = 10
MAX_TRIED, N_SWEPT, SWEEP_STEPS = 256, 8, 7
SWEEP_RANGE = (1, 99)  # percentiles of a number of the code


def sections(context: ReportContext) -> ToolReport:
    """Return the sections of an autoencoder's report."""
    context = context.sample()
    model, items, labels = context.model, context.items, context.labels
    return ToolReport(
        context,
        [
            lambda: [network_section(model.network)],
            lambda: [training_section(model.training, f"{LOSSES[model.loss]} (scaled units)")],
            lambda: [metrics_section(model, items, labels)],
            lambda: [reconstruction_section(model, items)],
            lambda: code_sections(model, items, labels),
        ],
    )


def metrics_section(model: AutoencoderModel, items: Items, labels: np.ndarray | None) -> Section:
    """Return the metrics beside those of PCA, and how well labels are predicted from codes."""
    found: Any = evaluate(model, items, labels=labels)
    summary, *downstream = found.summaries()
    blocks: list[Block] = [summary]
    if not isinstance(found.peers.get("PCA"), str):
        blocks.insert(
            0,
            "PCA with as many components as the code has numbers is the best linear code. Each half of the items is "
            "reconstructed by the PCA of the other half, so that it has not seen them either.",
        )
    if downstream:
        blocks += ["How well two simple classifiers predict the labels from the codes:", *downstream]
    return Section("Metrics", blocks)


def reconstruction_section(model: AutoencoderModel, items: Items) -> Section:
    """Return the errors of all items, and originals beside reconstructions: the best, median and worst."""
    errors = model.item_errors(items)
    marks = {"median": float(np.median(errors)), "95 % are below": float(np.percentile(errors, 95))}
    blocks: list[Block] = [
        Plot(
            plots.histogram(errors, "mean squared error of an item (scaled units)", marks),
            "errors of the items",
            "Reconstruction errors of the items. A long tail to the right holds the items that are unlike the rest.",
        )
    ]
    if not items.spatial_dims:
        return Section("Reconstructions", [*blocks, column_errors_plot(model, items)])
    renderer = ItemRenderer.for_items(items, model.scaling)
    ranking = best_median_worst(errors)
    chosen = items.select([index for _, index in ranking])
    differences = [
        (reconstruction.astype(np.float64) - item) / renderer.span
        for item, reconstruction in zip(chosen, model.reconstruct(chosen), strict=True)
    ]
    limit = colour_limit(differences)
    cards = [
        Card(
            f"{which}: {item_name(items, index)}, MSE {errors[index]:.4g}",
            [
                ("original", renderer.image(item)),
                ("reconstruction", renderer.image(item + difference * renderer.span)),
                ("error", renderer.colour_map(difference, -limit, limit, DIFFERENCE_COLOURS)),
            ],
        )
        for (which, index), item, difference in zip(ranking, chosen, differences, strict=True)
    ]
    caption = "The best, median and worst by mean squared error. What is lost is what their errors have in common."
    label = "error: reconstruction minus original (1 is the whole range)"
    scales = [] if renderer.is_signal else [plots.colour_scale(label, -limit, limit, DIFFERENCE_COLOURS)]
    return Section("Reconstructions", [*blocks, Cards(cards, caption, items.spatial_dims == 1, scales)])


def code_sections(model: AutoencoderModel, items: Items, labels: np.ndarray | None) -> list[Section]:
    """Return maps of the codes and sweeps of their numbers, where the items share one size."""
    if not items.uniform:
        words = "The items differ in size, and so do their codes: there is no map and no sweep for all of them."
        return [Section("The code space", [words])]
    codes = np.asarray(model.encode(items))
    # After the code proper there may be positions of maxima, which are not quantities.
    n_numbers = int(np.prod(model.network.code_shapes(spatial_shape(items))[0]))
    found = []
    if len(items) >= MIN_EMBEDDED and n_numbers > 1:
        found.append(map_section(model, items, codes[:, :n_numbers], labels))
    found.append(sweep_section(model, items, codes, n_numbers))
    return found


def map_section(model: AutoencoderModel, items: Items, codes: np.ndarray, labels: np.ndarray | None) -> Section:
    """Return the codes in two dimensions."""
    thumbnails = None
    if items.spatial_dims > 1:
        renderer = ItemRenderer.for_items(items, model.scaling)
        thumbnails = [renderer.image(item) for item in items]
    pca = PCA(2, random_state=0)
    positions = pca.fit_transform(codes)
    first, second = (
        f"{which} principal component ({share:.0%} of the variance)"
        for which, share in zip(("first", "second"), pca.explained_variance_ratio_, strict=True)
    )
    on_points = "" if thumbnails is None else "; each thumbnail is centred on its own point"
    with_images = thumbnails is not None
    linear = Plot(
        plots.code_map(positions, (first, second), thumbnails, labels),
        "codes by PCA",
        "Each point is an item, placed by the two directions in which the codes vary most. Neighbouring items have "
        f"similar codes{on_points}.",
        keep_colours=with_images,
    )
    chosen = evenly_spaced(len(items), MAX_EMBEDDED)
    name, embedded = embed_neighbours(codes[chosen])
    neighbours = Plot(
        plots.code_map(
            embedded,
            (f"{name}, first axis (no unit)", f"{name}, second axis (no unit)"),
            None if thumbnails is None else [thumbnails[index] for index in chosen],
            None if labels is None else labels[chosen],
        ),
        f"codes by {name}",
        f"The same codes by {name}, which keeps neighbours together: groups are items with similar codes. Distances "
        "between groups mean little.",
        keep_colours=with_images,
    )
    return Section("The code space", [linear, neighbours])


def embed_neighbours(codes: np.ndarray) -> tuple[str, np.ndarray]:
    """Return the name and positions (N, 2) of codes (N, K) by UMAP where it is installed, else by t-SNE."""
    try:
        from umap import UMAP
    except ModuleNotFoundError:
        from sklearn.manifold import TSNE

        perplexity = min(30.0, (len(codes) - 1) / 3)
        return "t-SNE", TSNE(2, perplexity=perplexity, init="pca", random_state=0).fit_transform(codes)
    return "UMAP", UMAP(n_neighbors=min(15, len(codes) - 1), random_state=0, n_jobs=1).fit_transform(codes)


def sweep_section(model: AutoencoderModel, items: Items, codes: np.ndarray, n_numbers: int) -> Section:
    """Return the effect of each number of the code, starting from the code of the item with the median error."""
    start = codes[np.argsort(model.item_errors(items))[len(items) // 2]]
    low, high = np.percentile(codes[:, :n_numbers], SWEEP_RANGE, axis=0)
    tried = np.sort(np.argsort(codes[:, :n_numbers].std(axis=0))[::-1][:MAX_TRIED])
    shape = spatial_shape(items)
    ends = [model.decode_scaled(swept(start, unit, np.array([low[unit], high[unit]])), shape) for unit in tried]
    changes = np.stack([end[1] - end[0] for end in ends])
    effects = np.zeros(n_numbers)
    effects[tried] = np.sqrt(np.mean(changes.reshape(len(tried), -1) ** 2, axis=1))
    few = "" if len(tried) == n_numbers else f" Of {n_numbers:,}, the {len(tried)} that vary most were tried."
    blocks: list[Block] = [
        "One number of the code at a time goes from its 1st to its 99th percentile; the others stay those of the item "
        f"with the median error.{few}",
        Plot(
            plots.unit_effects(effects, "change (RMS, scaled units)"),
            "effect of each number of the code",
            "How much each number of the code changes the item: with even bars they share the work; zeros do nothing.",
        ),
    ]
    title = "What each number of the code does"
    if not items.spatial_dims:
        return Section(title, [*blocks, unit_columns_plot(model, tried, changes)])
    renderer = ItemRenderer.for_items(items, model.scaling)
    ranged = replace(renderer, low=0.0, high=1.0) if model.scaling.is_range else None
    cards, most = [], np.argsort(effects)[::-1][:N_SWEPT]
    for unit in most:
        values = np.linspace(low[unit], high[unit], SWEEP_STEPS)
        sweep = model.decode_scaled(swept(start, unit, values), shape)
        bottom, top = float(sweep.min()), float(sweep.max())
        each = ranged or replace(renderer, low=bottom, high=max(top, bottom + 1e-6))
        images = [(f"{value:.2f}", each.image(item)) for value, item in zip(values, sweep, strict=True)]
        cards.append(Card(f"number {unit} of the code", images))
    caption = f"The {len(most)} numbers with the largest effects; below each image, the value of the number."
    return Section(title, [*blocks, Cards(cards, caption, wide=items.spatial_dims == 1)])


def swept(start: np.ndarray, unit: int, values: np.ndarray) -> np.ndarray:
    """Return copies of a code (K,) in which one number takes the values: (len(values), K)."""
    rows = np.tile(start, (len(values), 1))
    rows[:, unit] = values
    return rows


def spatial_shape(items: Items) -> tuple[int, ...]:
    """Return the shape of an item without channels."""
    return tuple(items.item_shape[: items.spatial_dims])


def colour_limit(errors: Iterable[np.ndarray]) -> float:
    """Return the end of a colour scale, which one absolute value in 200 exceeds."""
    return max(float(np.percentile(np.concatenate([np.abs(error).ravel() for error in errors]), 99.5)), 1e-3)
