"""What the plans of denoisers and of imputers of signals, images and volumes share: a U-Net and its calibration."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from narrows.data import Items, Scaling
from narrows.errors import DataError
from narrows.models.calibration import Calibration
from narrows.models.parts import VALUES_AT_ONCE
from narrows.networks import Restoration, RestoringNetwork, build
from narrows.networks.restoration.mixture import N_PARAMETERS, Mixture
from narrows.networks.restoration.unet import Task
from narrows.objectives.restoration import BlindObjective, RestorationObjective, select
from narrows.plans.defaults import default_crop
from narrows.plans.fine_tuning import check_option
from narrows.plans.fit_calibration import fit_calibration
from narrows.plans.training_plan import TrainingOptions, training_identity
from narrows.training.batches import Batches
from narrows.training.runtime import choose_device
from narrows.training.task import TrainingTask

CALIBRATION_VALUES = 2**21  # held-out values that a calibration is learned from


@dataclass(frozen=True)
class RestorationTask:
    """A training task of a restoration network.

    Parameters
    ----------
    task : TrainingTask
        For the training loop.
    architecture : Restoration
        The network.
    objective : RestorationObjective
        The loss.
    baseline : float
        Loss of predicting the mean.
    """

    task: TrainingTask[RestoringNetwork]
    architecture: Restoration
    objective: RestorationObjective
    baseline: float


def plan_restoration(
    tool: str,
    items: Items,
    scaling: Scaling,
    objective: Callable[[int], RestorationObjective],
    task: Task,
    preset: str,
    options: TrainingOptions,
    target: Items | None = None,
    **identity: Any,
) -> RestorationTask:
    """Return the task to train a restoration network.

    Parameters
    ----------
    tool : str
        Name of the tool.
    items : Items
        The items to learn from.
    scaling : Scaling
        How they are scaled.
    objective : callable
        From a seed to the loss.
    task : {"denoise", "fill", "blind"}
        What the network sees.
    preset : {"default", "lesson"}
        Which network.
    options : TrainingOptions
        How to train.
    target : Items, optional
        What the network should predict; by default the items.
    **identity
        What else must be the same for a training to be resumed.

    Raises
    ------
    DataError
        If the items are rows of a table, or too few values are observed.
    """
    if not items.spatial_dims:
        raise DataError(
            f"rows of a table; {tool}s take signals, images or volumes",
            source=items.source,
            hint="if the rows are signals, specify",
            suggestion={"axes": "NT"},
        )
    crop, init = default_crop(items, flat=False), options.init_model
    shape = crop or items.item_shape[: items.spatial_dims]
    if init is None:
        architecture = Restoration(
            channels=items.channels,
            shape=shape,
            task=task,
            numbers=N_PARAMETERS,
            preset=preset,  # type: ignore[arg-type]
            ranged=scaling.is_range,
            gain=task == "denoise" and preset == "default",
            # Not where only noisy values are known: how much to trust a prediction depends on its last digits.
            bfloat16=task != "blind",
        )
    else:
        architecture = init.manifest.architecture
        check_option("preset", preset, "default", architecture.preset)
    settings, device = options.settings("restoring", items, math.prod(shape)), choose_device(options.device)
    batches = Batches(items, scaling, settings.batch_size, settings.seed, device, crop, target)
    mean = batches.mean()[: items.channels]
    loss = objective(settings.seed)
    baseline = loss.baseline(mean, batches.held_out())

    def start(seed: int) -> RestoringNetwork:
        network = build(architecture, seed)
        if init is None:
            network.init_output_bias(mean.flatten(1).mean(1).cpu())
            return network.to(device)
        network.load_state_dict(init.network.state_dict())
        network.to(device)
        if isinstance(loss, BlindObjective):
            loss.reset_noise(network, batches.at(0))
        return network

    facts = {**identity, "baseline": float(f"{baseline:.4g}"), "architecture": architecture.to_dict()}
    training = TrainingTask(
        build=start,
        objective=loss,
        batches=batches,
        settings=settings,
        # A negative log-likelihood has no zero of which a share could be stated: that is judged at the end.
        baseline=0.0 if task == "blind" else baseline,
        identity=training_identity(tool, items, **facts),
        init_model=None if init is None else init.init_record(),
    )
    return RestorationTask(training, architecture, loss, baseline)


def calibrate(network: RestoringNetwork, objective: RestorationObjective, held_out: Iterable[Tensor]) -> Calibration:
    """Return the map from the standard deviations that a network predicts to those of its errors on held-out items."""
    predicted, errors, count = [], [], 0
    parts = (part for x in held_out for part in x.split(max(1, VALUES_AT_ONCE // x[0].numel())))
    for x in parts:
        example = objective.example(x, None)
        with torch.no_grad():
            restored, features = network(example.x)
            numbers = network.describe(features, example.target.shape[2:])
            predicted.append(
                Mixture.from_parameters(select(numbers, example.target_mask))
                .moments()[1]
                .sqrt()
                .flatten()
                .cpu()
                .numpy()
            )
        error = select(restored, example.target_mask) - select(example.target, example.target_mask)
        errors.append(error.flatten().cpu().numpy())
        count += errors[-1].size
        if count >= CALIBRATION_VALUES:
            break
    return fit_calibration(np.concatenate(predicted), np.concatenate(errors))
