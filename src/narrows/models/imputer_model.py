"""Trained imputers: they fill missing values, sample them, and give their predictive standard deviations."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, ClassVar, Literal, Protocol, Self

import numpy as np
import torch
from torch import Tensor

from narrows.artifacts.schema import NonNegativeInt, ShortText, typed
from narrows.data import Columns, Items
from narrows.data.masks import apply_masks
from narrows.data.tables.cell_text import MissingMarks
from narrows.data.tables.features import Features
from narrows.errors import DataError, ParameterError
from narrows.models.calibration import Calibration
from narrows.models.item_checks import describe_items
from narrows.models.model_manifest import ModelManifest
from narrows.models.onnx_export import Graph, check_one_part
from narrows.models.spatial_imputation import SpatialImputation, network_input
from narrows.models.table_imputation import TableImputation, code_frame, column_sizes
from narrows.models.tiled_inference import Progress, TiledInference, psnr_note
from narrows.models.trained_model import TrainedModel
from narrows.networks import Restoration, RestoringNetwork, TableArchitecture, TableNetwork
from narrows.networks.restoration.mixture import Mixture
from narrows.training.torch_state import default_torch_state

Strategy = Literal["mean", "mode"]
STRATEGIES = ("mean", "mode")


@dataclass(frozen=True)
class ImputerManifest(ModelManifest):
    """What the file of an imputer says.

    Parameters
    ----------
    calibration : Calibration or None
        From predicted to measured standard deviations; None for a table without numbers.
    features : Features or None
        How the cells of a table become the numbers that the network sees; None for other items.
    indicator : tuple of int or None
        Columns of a table for which `Imputer.transform` adds one that says where values were missing.
    holes : str
        What training hid.
    missing_values : float or str
        The value that means "missing" besides NaN, or "alpha".
    strategy : {"mean", "mode"}
        What a missing value is filled with.
    preset : {"default", "lesson"}
        The preset of the network.
    """

    calibration: Calibration | None = None
    features: Features | None = None
    indicator: tuple[int, ...] | None = None
    holes: str = "mixed"
    missing_values: Any = np.nan
    strategy: str = "mean"
    preset: str = "default"

    tool: ClassVar[str] = "imputer"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; `from_dict` is the inverse."""
        document = super().to_dict()
        document["calibration"] = None if self.calibration is None else self.calibration.to_dict()
        if self.features is not None:
            document["table"] = self.features.to_dict()
            document["indicator"] = None if self.indicator is None else list(self.indicator)
        numeric = isinstance(self.missing_values, Real)
        return document | {
            "holes": self.holes,
            "missing_values": repr(float(self.missing_values)) if numeric else self.missing_values,
            "strategy": self.strategy,
            "preset": self.preset,
            "numbered": numeric,
        }

    @classmethod
    def architecture_of(cls, document: Mapping[str, Any]) -> Any:
        """Return the architecture that a document describes: of a table or of a U-Net."""
        kind: Any = TableArchitecture if "table" in document else Restoration
        return kind.from_dict(document["architecture"])

    @classmethod
    def fields_from(cls, document: Mapping[str, Any], columns: Columns | None) -> dict[str, Any]:
        """Return the fields that the tool adds, from a document."""
        if "table" in document and columns is None:
            raise ValueError("a table without columns")
        table = columns is not None and "table" in document
        calibration = document["calibration"]
        numbered, marked = typed(bool, document["numbered"]), document["missing_values"]
        marked = float(typed(str, marked)) if numbered else marked
        MissingMarks.parse(marked)  # checks it
        return {
            "calibration": None if calibration is None else Calibration.from_dict(calibration),
            "features": Features.from_dict(document["table"], columns) if columns is not None and table else None,
            "indicator": typed(tuple[NonNegativeInt, ...] | None, document["indicator"]) if table else None,
            "holes": typed(ShortText, document["holes"]),
            "missing_values": marked,
            "strategy": typed(Literal["mean", "mode"], document["strategy"]),
            "preset": typed(Literal["default", "lesson"], document["preset"]),
        }

    def check_fits(self, tensors: dict[str, np.ndarray]) -> None:
        """Raise ValueError where parts of a model file contradict each other."""
        super().check_fits(tensors)
        if self.features is not None and column_sizes(self.features) != self.architecture.sizes:
            raise ValueError("the features of the table are not those of the network")
        if self.features is not None and not (tensors["noise"] > 0).all():
            raise ValueError("variances of the noise that are not above 0")


class Imputation(Protocol):
    """How items of one kind are imputed; the items come from `check`."""

    def check(self, items: Items, missing_values: Any) -> Items:
        """Return the items with a mask of all missing values; DataError where they do not fit."""

    def fill(self, items: Items, strategy: str, progress: Progress | None, tta: bool = False) -> Items:
        """Return the items with their missing values filled."""

    def sample(self, items: Items, seed: int) -> Items:
        """Return the items with their missing values drawn from what they may be."""

    def predictive_std(self, items: Items) -> Items:
        """Return the standard deviation of each filled value; 0 where a value is observed."""

    def hide(self, items: Items, holes: str, seed: int) -> Items:
        """Return the items with more values masked."""

    def loss(self, items: Items, holes: str, strategy: str) -> float:
        """Return how far predictions of hidden values are off."""


@dataclass(frozen=True, eq=False)
class ImputerModel(TrainedModel):
    """A trained imputer, for tables or for signals, images and volumes.

    Values are missing where they are NaN, equal to `missing_values` or masked, and in images where an alpha channel
    is 0. Observed values stay bit for bit.
    """

    manifest: ImputerManifest
    network: RestoringNetwork | TableNetwork

    tool: ClassVar[str] = "imputer"
    allows_missing: ClassVar[bool] = True
    manifest_type: ClassVar[type[ModelManifest]] = ImputerManifest

    @property
    def backend(self) -> Imputation:
        """What does the work: `TableImputation` or `SpatialImputation`."""
        if self.manifest.features is not None:
            return TableImputation(self, self.placed_network(), self.manifest.features, self.manifest.calibration)
        inference = TiledInference(self.placed_network(), self.scale(), self._torch_device())
        return SpatialImputation(self, inference, self.manifest.calibration)

    @property
    def is_table(self) -> bool:
        """Whether the model is for tables."""
        return self.manifest.features is not None

    @property
    def strategy(self) -> str:
        """What a missing value is filled with."""
        return self.manifest.strategy

    @property
    def calibration(self) -> Calibration | None:
        """From predicted to measured standard deviations; None for a table without numbers."""
        return self.manifest.calibration

    def with_options(self, strategy: str | None = None, missing_values: Any = None) -> Self:
        """Return the same model with other options; None keeps one.

        Parameters
        ----------
        strategy : {"mean", "mode"}, optional
            What a missing value is filled with: the mean of what it may be, or the most probable value.
        missing_values : float, str or "alpha", optional
            The value that means "missing" besides NaN.
        """
        if strategy not in (None, *STRATEGIES):
            raise ParameterError("expected mean or mode", parameter="strategy", value=strategy)
        given = {"strategy": strategy, "missing_values": missing_values}
        changes = {name: value for name, value in given.items() if value is not None}
        return replace(self, manifest=replace(self.manifest, **changes))

    def check(self, items: Items) -> Items:
        """Return the items with a mask of all missing values; DataError where they do not fit."""
        return self.backend.check(items, self.manifest.missing_values)

    @default_torch_state()
    def with_mask(self, items: Items, mask: Any = None) -> Items:
        """Return the items with a mask of all missing values.

        Parameters
        ----------
        items : Items
            Items that fit the model.
        mask : Items, array or list of arrays, optional
            Values are also missing where it is not 0. Of the shape of the items, their axes in the user's order, with
            or without channels; or of one item, and then for all.

        Raises
        ------
        DataError
            If the items do not fit the model, or the mask does not fit them.
        """
        if mask is None:
            return self.check(items)
        items = self.check(replace(items, unit=self.scaling))  # what the mask hides has no unit
        if not isinstance(mask, Items):
            axes = self.axes if items.array_axes is None else items.output_axes
            mask = mask_items(mask, items, axes if "N" in axes else f"N{axes}")
        return self.check(replace(apply_masks(items, mask), unit=None))

    @default_torch_state()
    def code_rows(self, frame: Any, source: str = "X") -> Items:
        """Return the rows of a data frame as items; DataError where they do not fit the model."""
        return code_frame(frame, self.manifest.missing_values, self.columns, source)

    def onnx_graph(self, part: str | None = None) -> Graph:
        """Return what an ONNX file of the model computes: filled values and their standard deviations."""
        check_one_part(part)
        if self.is_table:
            raise DataError(
                "an imputer of tables, which ONNX cannot hold",
                hint="fill tables with narrows fill, and go on from there",
            )
        network, calibration = self.network_to_export(), self.manifest.calibration
        assert calibration is not None

        def compute(values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
            restored, features = network(network_input(values, ~mask))
            mixture = Mixture.from_parameters(network.describe(features, values.shape[2:]))
            std = calibration.of_tensor(mixture.moments()[1].sqrt())
            restored = mixture.mode() if self.strategy == "mode" else restored
            return torch.where(mask, restored, values), torch.where(mask, std, 0.0)

        dims = self.item_dims()
        return Graph(network, compute, {"values": dims, "mask": dims}, {"filled": dims, "std": dims})

    @default_torch_state()
    def fill(self, items: Items, progress: Progress | None = None, tta: bool = False) -> Items:
        """Return the items with their missing values filled, of the same type.

        Parameters
        ----------
        items : Items
            Items with missing values.
        progress : callable, optional
            Called with the items done and the items in all.
        tta : bool
            Whether to return the mean of the results for the symmetries of each item; see `average_over_symmetries`.

        Raises
        ------
        ParameterError
            If there is no such mean; see `check_tta`.
        """
        self.check_tta(tta)
        items = self.check(items)
        return self.adapted_to(items).backend.fill(items, self.strategy, progress, tta)

    def check_tta(self, tta: bool) -> None:
        """Raise ParameterError for test-time augmentation of tables and of the most probable values."""
        if tta and self.is_table:
            raise ParameterError("rows of a table have no mirror images; leave it out", parameter="tta", value=tta)
        if tta and self.strategy == "mode":
            raise ParameterError(
                "a mean of the most probable values is not the most probable one",
                parameter="tta",
                value=tta,
                hint="fill in the mean",
                suggestion={"strategy": "mean"},
            )

    @default_torch_state()
    def sample(self, items: Items, seed: int) -> Items:
        """Return the items with their missing values drawn from what they may be, given the observed ones."""
        items = self.check(items)
        return self.adapted_to(items).backend.sample(items, seed)

    @default_torch_state()
    def predictive_std(self, items: Items) -> Items:
        """Return the standard deviation of each filled value, float32 in the data's unit; 0 where it is observed.

        Of categories it is the probability that the filled one is wrong, and of dates it is in days.
        """
        items = self.check(items)
        return self.adapted_to(items).backend.predictive_std(items)

    @default_torch_state()
    def hide(self, items: Items, holes: str | None = None, seed: int = 0) -> Items:
        """Return the items with more values masked, for evaluation.

        Parameters
        ----------
        items : Items
            Items with or without missing values.
        holes : str, optional
            What to hide, such as "blocks:0.25"; by default as in training.
        seed : int
            Seed of the mask.
        """
        items = self.check(items)
        return self.adapted_to(items).backend.hide(items, holes or self.manifest.holes, seed)

    @default_torch_state()
    def loss(self, items: Items) -> float:
        """Return how far predictions are off when values are hidden as in training.

        The mean squared error in scaled units; of tables the training loss, in which categories count by their
        negative log-likelihood.
        """
        items = self.check(items)
        return self.adapted_to(items).backend.loss(items, self.manifest.holes, self.strategy)

    def training_summary(self) -> str:
        """Return what came of the training, in one line."""
        facts, within = self.training, self.training.details["within"]
        line = f"{facts.items} items in {facts.seconds:.1f} s; "
        share = "{:.1%} of {} within one predictive standard deviation, {:.1%} within two"
        if self.is_table:
            shares = "" if within is None else "; " + share.format(within[0], "numbers", within[1])
            return (
                f"{line}held-out loss {facts.held_out_loss:.4g}, the mean and most frequent have "
                f"{facts.mean_loss:.4g}{shares}"
            )
        return (
            f"{line}held-out mse {facts.held_out_loss:.4g}{psnr_note(self.scaling, facts.held_out_loss)}, "
            f"the mean of the data has {facts.mean_loss:.4g}; {share.format(within[0], 'values', within[1])}"
        )

    def preview(self, items: Items, **options: Any) -> dict[str, Items]:
        """Return items with values hidden, filled, and as they were, by label.

        Parameters
        ----------
        items : Items
            Items with or without missing values.
        **options
            holes: what to hide, by default as in training.
        """
        original = self.check(items)
        hidden = self.hide(original, options.get("holes"))
        return {"hidden": hidden, "filled": self.fill(hidden), "original": original}


def mask_items(mask: Any, items: Items, axes: str) -> Items:
    """Return a mask of all items or of one, its axes in the user's order, with or without channels, as items."""
    if isinstance(mask, (list, tuple)) and mask and all(isinstance(each, np.ndarray) and each.ndim for each in mask):
        return Items.from_list(mask, axes if mask[0].ndim == len(axes) - 1 else axes.replace("C", ""), "mask")
    mask = np.asarray(mask)
    sizes = dict(zip(items.axes, (len(items), *items.item_shape), strict=True)) if items.uniform else {}
    for left_out in ("", "C", "N", "NC"):
        kept = "".join(axis for axis in axes if axis not in left_out)
        if len(kept) == mask.ndim and all(
            sizes.get(axis, size) == size for axis, size in zip(kept, mask.shape, strict=True)
        ):
            return Items.from_array(mask, kept, source="mask")
    raise DataError(
        f"mask has shape {mask.shape}: expected the axes {axes} of the items, or those of one item, with or without "
        f"channels; the items have {describe_items(items)}"
    )
