"""The network, the manifest of the model file, and inference."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import prod
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from narrows.data import Columns, Items
from narrows.models import ModelManifest, TrainedModel
from narrows.models.item_checks import check_complete
from narrows.training import Scale, as_tensor


@dataclass(frozen=True)
class Bottleneck:
    """What describes the network; the manifest stores it, and needs all of these attributes but `hidden`."""

    channels: int
    shape: tuple[int, ...]
    ranged: bool
    hidden: int

    @property
    def values(self) -> int:
        """Number of values of an item."""
        return self.channels * prod(self.shape)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Bottleneck":
        """Return what `to_dict` wrote."""
        return cls(**{**document, "shape": tuple(document["shape"])})


class BottleneckNetwork(nn.Module):
    """x (N, C, *S) -> [flatten, linear, relu, linear] -> reconstruction (N, C, *S)."""

    def __init__(self, architecture: Bottleneck, seed: int = 0) -> None:
        super().__init__()
        self.architecture = architecture
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = nn.Linear(architecture.values, architecture.hidden)
            self.decoder = nn.Linear(architecture.hidden, architecture.values)

    def forward(self, x: Tensor) -> Tensor:
        """Return the reconstruction."""
        return self.decoder(torch.relu(self.encoder(x.flatten(1)))).view_as(x)


def reconstruction_errors(network: BottleneckNetwork, scale: Scale, items: Items) -> np.ndarray:
    """Return the mean squared error of each item, (N,). `scale` also moves channels first, as networks have them."""
    errors = []
    for chunk in items.chunks():
        x = scale(as_tensor(chunk).to(network.decoder.weight.device))
        with torch.no_grad():
            errors.append(((network(x) - x) ** 2).flatten(1).mean(1).cpu())
    return torch.cat(errors).numpy()


@dataclass(frozen=True)
class AnomalyManifest(ModelManifest):
    """What the model file says besides the weights; `threshold` is the error above which an item is an anomaly."""

    threshold: float

    tool: ClassVar[str] = "anomaly"
    architecture_type: ClassVar[Any] = Bottleneck

    def build_network(self) -> nn.Module:
        """Return the network that the weights in a model file are for."""
        return BottleneckNetwork(self.architecture)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**super().to_dict(), "threshold": self.threshold}

    @classmethod
    def fields_from(cls, document: Mapping[str, Any], columns: Columns | None) -> dict[str, Any]:
        """Return the fields that this tool adds, from a document."""
        return {"threshold": float(document["threshold"])}


class AnomalyModel(TrainedModel):
    """A trained anomaly detector."""

    tool: ClassVar[str] = "anomaly"
    manifest_type = AnomalyManifest

    @property
    def only_shape(self) -> tuple[int, ...]:
        """The spatial shape of the items that the model takes."""
        return self.manifest.architecture.shape

    def check(self, items: Items) -> Items:
        """Return the items as the model takes them; DataError where they do not fit."""
        check_complete(items, self.tool)
        return self.check_layout(items)

    def score(self, items: Items) -> np.ndarray:
        """Return the reconstruction error of each item, (N,)."""
        return reconstruction_errors(self.placed_network(), self.scale(), self.check(items))

    def preview(self, items: Items, **options: Any) -> dict[str, Items]:
        """Return rows of items to show on a terminal, by label."""
        return {"items": items}

    def training_summary(self) -> str:
        """Return what came of the training, in one line."""
        return f"held-out mse {self.training.held_out_loss:.4g}, the mean of the data has {self.training.mean_loss:.4g}"


def describe(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return rows for `narrows info`, from a model's document or, where fields are missing, from a checkpoint's."""
    return [("threshold", f"{document['threshold']:.4g}")] if "threshold" in document else []
