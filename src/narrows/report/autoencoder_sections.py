"""What a report shows of an autoencoder: figures, reconstructions, the map of codes, and what each number does."""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from sklearn.decomposition import PCA

from narrows.data import Items
from narrows.estimators.autoencoder import Autoencoder
from narrows.evaluation.downstream import evaluate_downstream
from narrows.evaluation.reconstruction_evaluation import evaluate
from narrows.render import plots
from narrows.render.blocks import Block, Card, Cards, Plot, Section
from narrows.render.item_renderer import ItemRenderer, best_median_worst, evenly_spaced, item_name
from narrows.render.style import DIFFERENCE_COLOURS
from narrows.report import table_sections as report_tables

NEIGHBOURS_MAPPED = 2000
FEWEST_MAPPED = 10
CANDIDATES, SWEPT, SWEEP_STEPS = 256, 8, 7
ENDS = (1, 99)  # percentiles of a number of the code, between which it is swept


def steps(model: Autoencoder, items: Items, labels: np.ndarray | None) -> list[Callable[[], Iterable[Section]]]:
    return [
        lambda: [figures_section(model, items, labels)],
        lambda: [rebuilt_section(model, items)],
        lambda: code_sections(model, items, labels),
    ]


def figures_section(model: Autoencoder, items: Items, labels: np.ndarray | None) -> Section:
    found = evaluate(model, items)
    blocks: list[Block] = [found.summary()]
    if not isinstance(found.peers.get("PCA"), str):
        blocks.insert(
            0,
            "PCA with as many components as the code has numbers is the best that any linear code can do. Each half of "
            "the items is rebuilt by the PCA of the other half, so that it has not seen them either.",
        )
    if labels is not None:
        told = evaluate_downstream(model, items, labels)
        blocks += [
            "How much of the labels is left in the codes, told by two simple classifiers:",
            told.summary(),
        ]
    return Section("Figures", blocks)


def rebuilt_section(model: Autoencoder, items: Items) -> Section:
    """Originals beside reconstructions: the best, the middle, the worst."""
    errors = -model.score_samples(items)
    marks = {"median": float(np.median(errors)), "95 % are below": float(np.percentile(errors, 95))}
    blocks: list[Block] = [
        Plot(
            plots.histogram(errors, "mean squared error of an item (scaled units)", marks),
            "errors of the items",
            "How far off the items come back. A long tail to the right holds those that are unlike the rest.",
        )
    ]
    if not items.spatial_dims:
        return Section("What comes back", [*blocks, *report_tables.column_errors(model, items)])
    renderer = ItemRenderer.for_items(items, model.scaling_)
    shown = best_median_worst(errors)
    chosen = items.select([index for _, index in shown])
    off = [
        (rebuilt.astype(np.float64) - item) / renderer.span
        for item, rebuilt in zip(chosen, model.reconstruct(chosen), strict=True)
    ]
    limit = colour_limit(off)
    cards = [
        Card(
            f"{name}: {item_name(items, index)}, MSE {errors[index]:.4g}",
            [
                ("original", renderer.image(item)),
                ("rebuilt", renderer.image(item + error * renderer.span)),
                ("error", renderer.colour_map(error, -limit, limit, DIFFERENCE_COLOURS)),
            ],
        )
        for (name, index), item, error in zip(shown, chosen, off, strict=True)
    ]
    says = "The best, the middle and the worst by mean squared error. What is lost is what the errors have in common."
    return Section(
        "What comes back",
        [*blocks, Cards(cards, says, wide=items.spatial_dims == 1, colour_scales=error_scale(renderer, limit))],
    )


def code_sections(model: Autoencoder, items: Items, labels: np.ndarray | None) -> list[Section]:
    """The map of the codes, and sweeps, where items share one size."""
    if not items.uniform:
        words = "The items differ in size, and so do their codes: no map and no sweep shows all of them."
        return [Section("The code space", [words])]
    codes = np.asarray(model.transform(items))
    # Behind the code proper there may be positions of maxima, which are no quantities.
    proper = math.prod(model.network_.code_shapes(tuple(items.item_shape[: items.spatial_dims]))[0])
    found = []
    if len(items) >= FEWEST_MAPPED and proper > 1:
        found.append(map_section(model, items, codes[:, :proper], labels))
    found.append(sweep_section(model, items, codes, proper))
    return found


def map_section(model: Autoencoder, items: Items, codes: np.ndarray, labels: np.ndarray | None) -> Section:
    """The code space in two dimensions."""
    thumbnails = None
    if items.spatial_dims > 1:
        renderer = ItemRenderer.for_items(items, model.scaling_)
        thumbnails = [renderer.image(item) for item in items]
    pca = PCA(2, random_state=0)
    places = pca.fit_transform(codes)
    names = [
        f"{which} principal component ({share:.0%} of the variance)"
        for which, share in zip(("first", "second"), pca.explained_variance_ratio_, strict=True)
    ]
    on_points = "" if thumbnails is None else "; each thumbnail stands on its own point"
    blocks: list[Block] = [
        Plot(
            plots.code_map(places, (names[0], names[1]), thumbnails, labels),
            "codes by PCA",
            "Each point is an item, placed by the two directions in which the codes differ the most. Items that lie "
            f"together have similar codes{on_points}.",
            keep_colours=thumbnails is not None,
        )
    ]
    chosen = evenly_spaced(len(items), NEIGHBOURS_MAPPED)
    name, nearby = neighbour_map(codes[chosen])
    blocks.append(
        Plot(
            plots.code_map(
                nearby,
                (f"{name}, first axis (no unit)", f"{name}, second axis (no unit)"),
                None if thumbnails is None else [thumbnails[index] for index in chosen],
                None if labels is None else labels[chosen],
            ),
            f"codes by {name}",
            f"The same codes by {name}, which keeps neighbours together: groups are items that the code takes to be "
            "alike. Distances between groups say little.",
            keep_colours=thumbnails is not None,
        )
    )
    return Section("The code space", blocks)


def neighbour_map(codes: np.ndarray) -> tuple[str, np.ndarray]:
    """Places (N, 2) of codes (N, K) by UMAP where it is installed, else by t-SNE, and its name."""
    try:
        from umap import UMAP
    except ModuleNotFoundError:
        from sklearn.manifold import TSNE

        perplexity = min(30.0, (len(codes) - 1) / 3)
        return "t-SNE", TSNE(2, perplexity=perplexity, init="pca", random_state=0).fit_transform(codes)
    return "UMAP", UMAP(n_neighbors=min(15, len(codes) - 1), random_state=0, n_jobs=1).fit_transform(codes)


def sweep_section(model: Autoencoder, items: Items, codes: np.ndarray, proper: int) -> Section:
    """What numbers of the code do, from the code of the item that comes back in the middle."""
    start = codes[np.argsort(-model.score_samples(items))[len(items) // 2]]
    low, high = np.percentile(codes[:, :proper], ENDS, axis=0)
    tried = np.sort(np.argsort(codes[:, :proper].std(axis=0))[::-1][:CANDIDATES])
    ends = [decoded(model, items, swept(start, unit, np.array([low[unit], high[unit]]))) for unit in tried]
    spans = np.stack([end[1] - end[0] for end in ends])
    effects = np.zeros(proper)
    effects[tried] = np.sqrt(np.mean(spans.reshape(len(tried), -1) ** 2, axis=1))
    few = "" if len(tried) == proper else f" Of {proper:,}, the {len(tried)} that vary the most were tried."
    blocks: list[Block] = [
        f"One number of the code at a time goes from its 1st to its 99th percentile, and the others stay those of an "
        f"item in the middle.{few}",
        Plot(
            plots.unit_effects(effects, "change (RMS, scaled units)"),
            "effect of each number of the code",
            "How much of the item each number of the code moves: even bars share the work, and zeros do nothing.",
        ),
    ]
    most = np.argsort(effects)[::-1][:SWEPT]
    if not items.spatial_dims:
        return Section("What each number of the code does", [*blocks, *report_tables.unit_columns(model, tried, spans)])
    renderer = (
        replace(ItemRenderer.for_items(items, model.scaling_), low=0.0, high=1.0) if model.scaling_.is_range else None
    )
    cards = []
    for unit in most:
        at = np.linspace(low[unit], high[unit], SWEEP_STEPS)
        sweep = decoded(model, items, swept(start, unit, at))
        here = renderer or ItemRenderer(
            items.axes, float(sweep.min()), max(float(sweep.max()), float(sweep.min()) + 1e-6)
        )
        pictures = [(f"{value:.2f}", here.image(item)) for value, item in zip(at, sweep, strict=True)]
        cards.append(Card(f"number {unit} of the code", pictures))
    says = f"The {len(most)} numbers that change the most; below each picture, what the number was set to."
    return Section("What each number of the code does", [*blocks, Cards(cards, says, wide=items.spatial_dims == 1)])


def swept(start: np.ndarray, unit: int, values: np.ndarray) -> np.ndarray:
    """A code as so many rows, one of whose numbers takes these values."""
    rows = np.tile(start, (len(values), 1))
    rows[:, unit] = values
    return rows


def decoded(model: Autoencoder, items: Items, codes: np.ndarray) -> np.ndarray:
    """Codes (n, K) as items (n, *item_shape) in scaled units."""
    return model.decoded(codes, tuple(items.item_shape[: items.spatial_dims]))


def colour_limit(errors: Iterable[np.ndarray]) -> float:
    """The end of a scale of colours beyond which one value in 200 lies."""
    return max(float(np.percentile(np.concatenate([np.abs(error).ravel() for error in errors]), 99.5)), 1e-3)


def error_scale(renderer: ItemRenderer, limit: float) -> list[plots.Figure]:
    if renderer.is_signal:
        return []
    label = "error: rebuilt minus original (1 is the whole range)"
    return [plots.colour_scale(label, -limit, limit, DIFFERENCE_COLOURS)]
