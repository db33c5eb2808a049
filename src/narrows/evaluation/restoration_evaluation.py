"""How well a model denoises or imputes items whose true values are known."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from narrows.data import Items
from narrows.errors import DataError, ParameterError
from narrows.evaluation import trained_model
from narrows.evaluation.metrics import CoverageSum, Quality, QualitySum, has_ssim, scaled_unit
from narrows.evaluation.peers import ImputationPeer, peers
from narrows.evaluation.summary import Evaluation, Summary, data_facts, describe_coverage, quality_rows
from narrows.evaluation.table_evaluation import TableEvaluation, evaluate_table
from narrows.models.denoiser_model import DenoiserModel
from narrows.models.imputer_model import ImputerModel
from narrows.models.item_checks import missing_mask
from narrows.models.parts import parts_of
from narrows.plans.denoiser_plan import check_pairs


@dataclass(frozen=True)
class DenoisingEvaluation(Evaluation):
    """Figures of a denoiser on items, over all values.

    Parameters
    ----------
    data, items, seconds
        See `Evaluation`.
    skipped : int
        Number of items that could not be read.
    noise : str or None
        The noise that was added; None if the items were noisy already.
    target : str or None
        The name of the clean items; None if noise was added.
    unit : str
        What the scaled units are in which `mse` is.
    mse, psnr, ssim : float or None
        Of the denoised items; see `narrows.evaluation.metrics.Quality`.
    before : Quality
        Of the noisy items.
    within : tuple of float
        Shares of true values within one and two predictive standard deviations.
    """

    skipped: int
    noise: str | None
    target: str | None
    unit: str
    mse: float
    psnr: float | None
    ssim: float | None
    before: Quality
    within: tuple[float, float]

    def summary(self) -> Summary:
        """Return the figures as tables."""
        facts = data_facts(self.data, self.items, self.seconds, self.skipped)
        if self.target is None:
            facts.append(("noise", f"{self.noise}, added to the data"))
        else:
            facts.append(("target", self.target))
        facts.append(("uncertainty", describe_coverage(self.within)))
        columns = {"before": self.before, "after": self}
        return Summary(facts, quality_rows(columns), f"mse in scaled units: {self.unit}")


@dataclass(frozen=True)
class ImputationEvaluation(Evaluation):
    """Figures of an imputer on signals, images or volumes of which some values were hidden.

    Parameters
    ----------
    data, items, seconds
        See `Evaluation`.
    skipped : int
        Number of items that could not be read.
    holes : str
        What was hidden.
    hidden : float
        The share of the values that was hidden.
    unit : str
        What the scaled units are in which `mse` is.
    mse, psnr : float or None
        Over the hidden values; see `narrows.evaluation.metrics.Quality`.
    ssim : float or None
        Of whole images; None if values were missing before.
    peers : mapping of str to Quality
        The same figures of each peer.
    within : tuple of float
        Shares of hidden values within one and two predictive standard deviations.
    """

    skipped: int
    holes: str
    hidden: float
    unit: str
    mse: float
    psnr: float | None
    ssim: float | None
    peers: Mapping[str, Quality]
    within: tuple[float, float]

    def summary(self) -> Summary:
        """Return the figures as tables."""
        facts = [
            *data_facts(self.data, self.items, self.seconds, self.skipped),
            ("holes", f"{self.holes}; {self.hidden:.1%} of the values hidden"),
            ("uncertainty", describe_coverage(self.within)),
        ]
        note = f"mse in scaled units: {self.unit}; mse and psnr of the hidden values, ssim of whole images"
        return Summary(facts, quality_rows({"model": self, **self.peers}), note)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; the figures of a peer have its name as their key."""
        document = asdict(self)
        return {**document.pop("peers"), **document}


def evaluate_denoiser(
    model: DenoiserModel, items: Items, noise: str | None = None, target: Items | None = None, tta: bool = False
) -> DenoisingEvaluation:
    """Denoise items and compare them with the clean ones.

    Parameters
    ----------
    model : DenoiserModel or fitted Denoiser
        The model.
    items : Items
        Clean items, to which noise is added; with `target` noisy ones.
    noise : str, optional
        The noise to add, such as "gaussian:0.1"; by default that of training.
    target : Items, optional
        Clean items.
    tta : bool, default=False
        Whether to use test-time augmentation; see `Denoiser.transform`.

    Returns
    -------
    DenoisingEvaluation
        The figures before and after.

    Raises
    ------
    DataError
        If the items do not fit the model or the target.
    ParameterError
        If there is neither noise nor a target.
    """
    model = trained_model(model)
    items = model.check(items)
    if target is not None:
        target = model.check(target)
        check_pairs(items, target)
    elif noise is None and model.noise is None:
        raise ParameterError(
            "this denoiser learned from noisy data alone, which does not say how noisy others are",
            hint="give clean items as the target, or noise to add to clean items",
            suggestion={"noise": "gaussian:0.1"},
        )
    model = model.adapted_to(items if target is None else target)
    items = replace(items, unit=model.scaling)
    scaling, with_ssim = model.scaling, has_ssim(items, model.scaling)
    before, after, coverage = QualitySum(scaling, with_ssim), QualitySum(scaling, with_ssim), CoverageSum()
    seconds, targets = 0.0, parts(items if target is None else target)
    for number, (part, clean) in enumerate(zip(parts(items), targets, strict=True)):
        noisy = as_floats(part) if target is not None else model.add_noise(part, noise, seed=number)
        began = time.perf_counter()
        denoised = model.denoise(noisy, tta=tta)
        seconds += time.perf_counter() - began
        before.add(scaling.forward(noisy.values), scaling.forward(clean.values))
        after.add(scaling.forward(denoised.values), scaling.forward(clean.values))
        coverage.add(denoised.values, clean.values, model.predictive_std(noisy).values)
    return DenoisingEvaluation(
        data=items.source,
        items=len(items),
        seconds=round(seconds, 3),
        skipped=len(items.skipped),
        noise=(noise or model.noise) if target is None else None,
        target=None if target is None else target.source,
        unit=scaled_unit(scaling),
        **vars(after.quality()),
        before=before.quality(),
        within=coverage.shares(),
    )


def evaluate_imputer(
    model: ImputerModel, items: Items, holes: str | None = None, tta: bool = False
) -> "ImputationEvaluation | TableEvaluation":
    """Hide values of items, fill them and compare.

    Parameters
    ----------
    model : ImputerModel or fitted Imputer
        The model.
    items : Items
        Signals, images, volumes, or rows of a table if the model is for tables.
    holes : str, optional
        What to hide, such as "pixels:0.5"; by default as in training.
    tta : bool, default=False
        Whether to use test-time augmentation; see `Imputer.transform`.

    Returns
    -------
    ImputationEvaluation or TableEvaluation
        The figures of the model and of its peers.

    Raises
    ------
    DataError
        If the items do not fit the model, or nothing can be hidden.
    ValueError
        If the items cannot have such holes, or `tta` is asked for with tables or with the strategy "mode".
    """
    model = trained_model(model)
    model.check_tta(tta)
    return evaluate_table(model, items, holes) if model.is_table else evaluate_spatial(model, items, holes, tta)


def evaluate_spatial(
    model: ImputerModel, items: Items, holes: str | None = None, tta: bool = False
) -> ImputationEvaluation:
    """Return the figures of an imputer of signals, images or volumes."""
    items = model.check(items)
    model = model.adapted_to(items)
    scaling, fillers = model.scaling, peers(ImputationPeer)
    sums = {name: QualitySum(scaling, has_ssim(items, scaling)) for name in ("", *fillers)}
    coverage, seconds, n_values = CoverageSum(), 0.0, 0
    for number, part in enumerate(parts(items)):
        original = as_floats(part)
        corrupted = model.hide(original, holes, seed=number)
        was_missing, observed = missing_mask(original), ~missing_mask(corrupted)
        hidden = ~observed & ~was_missing
        began = time.perf_counter()
        filled = model.fill(corrupted, tta=tta)
        seconds += time.perf_counter() - began
        values = scaling.forward(original.values)
        outputs = {name: fill_channels(peer.fill, values, observed, original) for name, peer in fillers.items()}
        for name, output in {"": scaling.forward(filled.values), **outputs}.items():
            sums[name].with_ssim = sums[name].with_ssim and not was_missing.any()
            sums[name].add(output, values, hidden)
        std = model.predictive_std(corrupted).values[hidden]
        coverage.add(filled.values[hidden], original.values[hidden], std)
        n_values += values.size
    if not coverage.n_values:
        raise DataError("too few observed values to hide any", source=items.source)
    return ImputationEvaluation(
        data=items.source,
        items=len(items),
        seconds=round(seconds, 3),
        skipped=len(items.skipped),
        holes=holes or model.manifest.holes,
        hidden=coverage.n_values / n_values,
        unit=scaled_unit(scaling),
        **vars(sums.pop("").quality()),
        peers={name: each.quality() for name, each in sums.items()},
        within=coverage.shares(),
    )


def parts(items: Items) -> Iterator[Items]:
    """Yield as many items of one shape as are processed at once."""
    if items.uniform:
        yield from map(items.select, parts_of(items))
        return
    masks = None if items.mask is None else items.mask_items()
    for index, item in enumerate(items):
        mask = None if masks is None else masks[index][None]
        yield Items(item[None], items.axes, source=items.source, mask=mask, unit=items.unit)


def as_floats(items: Items) -> Items:
    """Return the items with floating-point values, so that outputs of models are not rounded."""
    return replace(items, values=items.values.astype(np.promote_types(items.dtype, np.float32)))


def fill_channels(
    fill: Callable[[np.ndarray, np.ndarray], np.ndarray], values: np.ndarray, observed: np.ndarray, items: Items
) -> np.ndarray:
    """Return values (n, *S) or (n, *S, C) of `items`, filled by a peer channel by channel.

    A channel without observed values gets the mean of those of the item.
    """
    filled = np.zeros(values.shape, np.float32)
    each = (array if items.axes.endswith("C") else array[..., None] for array in (values, observed, filled))
    for item, known, out in zip(*each, strict=True):
        for channel in range(item.shape[-1]):
            if known[..., channel].any():
                out[..., channel] = fill(item[..., channel], known[..., channel])
            elif known.any():
                out[..., channel] = item[known].mean()
    return filled
