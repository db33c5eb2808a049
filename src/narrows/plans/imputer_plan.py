"""The training plan of imputers."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from narrows.corruption import Masks
from narrows.data import Scaling
from narrows.data.tables.cell_text import MissingMarks
from narrows.errors import DataError, ParameterError
from narrows.models.imputer_model import STRATEGIES, ImputerManifest, ImputerModel
from narrows.models.item_checks import missing_mask
from narrows.models.spatial_imputation import mark_missing
from narrows.models.table_imputation import mark_missing_cells
from narrows.networks import RestoringNetwork
from narrows.objectives.restoration import FillObjective
from narrows.plans.restoration_plan import calibrate, plan_restoration
from narrows.plans.table_plan import plan_table
from narrows.plans.training_plan import Fitted, TrainingData, TrainingOptions, TrainingPlan, training_record
from narrows.training.task import Trained
from narrows.training.torch_state import default_torch_state


@dataclass(frozen=True)
class ImputerOptions:
    """What to train; the parameters are those of `narrows.Imputer`."""

    holes: str = "mixed"
    missing_values: Any = np.nan
    strategy: str = "mean"
    add_indicator: bool = False
    preset: str = "default"
    training: TrainingOptions = field(default_factory=TrainingOptions)

    def __post_init__(self) -> None:
        """Check the options that do not depend on the items."""
        if self.strategy not in STRATEGIES:
            raise ParameterError("expected mean or mode", parameter="strategy", value=self.strategy)
        Masks.parse(self.holes)

    def to_manifest(self) -> dict[str, Any]:
        """Return the fields of `ImputerManifest` that the options say."""
        names = ("holes", "missing_values", "strategy", "preset")
        return {name: getattr(self, name) for name in names}


@default_torch_state()
def plan_imputer(data: TrainingData, options: ImputerOptions) -> TrainingPlan[Any]:
    """Return the plan to train an imputer.

    Parameters
    ----------
    data : TrainingData
        Items in which values may be missing.
    options : ImputerOptions
        What to train.

    Raises
    ------
    DataError
        If nothing can be learned from the items.
    ParameterError
        If an option does not go with them.
    """
    init: ImputerModel | None = options.training.init_model
    if init is not None:
        check_not_table(init)
        items = init.with_options(missing_values=options.missing_values).check(data.items)
        return plan_spatial(replace(data, items=items), options)
    if data.items.spatial_dims:
        alpha = "alpha" in MissingMarks.parse(options.missing_values).everywhere
        return plan_spatial(replace(data, items=mark_missing(data.items, options.missing_values, alpha)), options)
    return plan_table(replace(data, items=mark_missing_cells(data.items, options.missing_values)), options)


def check_not_table(init: ImputerModel) -> None:
    """Raise ParameterError for a model of tables, from which no training can start."""
    if init.is_table:
        raise ParameterError(
            "the model to start from is of tables: the uncertainty is measured on rows that a network has not learned "
            "from, and this one may know them",
            hint="train on all rows together, which takes seconds to minutes",
        )


def plan_spatial(data: TrainingData, options: ImputerOptions) -> TrainingPlan[RestoringNetwork]:
    """Return the plan for signals, images and volumes."""
    items, holes = data.items, Masks.parse(options.holes)
    if options.add_indicator:
        raise ParameterError("only tables have columns to add", parameter="add_indicator", value=True)
    if missing_mask(items).all():
        raise DataError("no value of it is observed, so there is nothing to learn from", source=items.source)
    init = options.training.init_model
    scaling = Scaling.learn(items) if init is None else init.adapted_to(items).scaling
    restoration = plan_restoration(
        "imputer",
        items,
        scaling,
        lambda seed: FillObjective(holes, seed),
        "fill",
        options.preset,
        options.training,
        holes=options.holes,
    )

    def finish(trained: Trained[RestoringNetwork]) -> Fitted:
        held_out = restoration.task.batches.held_out()
        calibration = calibrate(trained.network, restoration.objective, held_out)
        facts = {"noisy_loss": None, "within": list(calibration.within)}
        manifest = ImputerManifest(
            architecture=restoration.architecture,
            scaling=scaling,
            axes=data.user_axes,
            feature_names=(),
            columns=None,
            training=training_record(items, restoration.task, trained, restoration.baseline, **facts),
            calibration=calibration,
            **options.to_manifest(),
        )
        return Fitted(ImputerModel(manifest, trained.network, options.training.device), interrupted=trained.interrupted)

    return TrainingPlan(restoration.task, finish)
