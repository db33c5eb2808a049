"""The training plan: what to train, and how the result becomes a model."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from anomaly.model import AnomalyManifest, AnomalyModel, Bottleneck, BottleneckNetwork, reconstruction_errors
from narrows.data import Scaling
from narrows.errors import DataError
from narrows.plans import Fitted, TrainingData, TrainingOptions, TrainingPlan, training_identity, training_record
from narrows.training import Batches, Trained, TrainingTask, choose_device


@dataclass(frozen=True)
class AnomalyOptions:
    """What to train; the parameters are those of the estimator."""

    hidden: int = 16
    quantile: float = 0.95
    training: TrainingOptions = field(default_factory=TrainingOptions)


def squared_error(network: BottleneckNetwork, x: Tensor, step: int | None) -> Tensor:
    """Return the loss of a batch (N, C, *S) in scaled units; `step` seeds objectives that draw random numbers."""
    return ((network(x) - x) ** 2).mean()


def plan_anomaly(data: TrainingData, options: AnomalyOptions) -> TrainingPlan[BottleneckNetwork]:
    """Return the plan to train an anomaly detector."""
    items = data.items
    if not (items.uniform and items.spatial_dims):
        raise DataError("anomaly detectors take signals, images or volumes of one size", source=items.source)
    scaling = Scaling.learn(items)
    shape = items.item_shape[: items.spatial_dims]
    architecture = Bottleneck(items.channels, shape, scaling.is_range, options.hidden)
    settings, device = options.training.settings("dense", items), choose_device(options.training.device)
    batches = Batches(items, scaling, settings.batch_size, settings.seed, device)
    mean = batches.mean()

    def build(seed: int) -> BottleneckNetwork:
        network = BottleneckNetwork(architecture, seed)
        with torch.no_grad():  # it begins with the mean, whose loss it must beat
            network.decoder.weight.mul_(0.1)
            network.decoder.bias.copy_(mean.flatten().cpu())
        return network.to(device)

    held_out = list(batches.held_out())
    losses_of_mean = [float(((x - mean) ** 2).mean()) for x in held_out]
    task = TrainingTask(
        build=build,
        objective=squared_error,
        batches=batches,
        settings=settings,
        baseline=float(np.average(losses_of_mean, weights=[len(x) for x in held_out])),
        identity=training_identity("anomaly", items, architecture=architecture.to_dict()),
    )

    def finish(trained: Trained[BottleneckNetwork]) -> Fitted:
        errors = reconstruction_errors(trained.network, batches.scale, items)
        manifest = AnomalyManifest(
            architecture=architecture,
            scaling=scaling,
            axes=data.user_axes,
            feature_names=data.feature_names,
            columns=None,
            training=training_record(items, task, trained),
            threshold=float(np.quantile(errors, options.quantile)),
        )
        return Fitted(AnomalyModel(manifest, trained.network), interrupted=trained.interrupted)

    return TrainingPlan(task, finish)
