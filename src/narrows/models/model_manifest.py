"""What the file of a trained model says besides its weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import nn

from narrows import __version__
from narrows.artifacts.manifest import TrainingRecord
from narrows.artifacts.schema import ShortText, Text, typed
from narrows.data import Columns, Scaling
from narrows.data.axes import layout_of
from narrows.networks import build


@dataclass(frozen=True)
class ModelManifest:
    """What a model file says besides the weights; each tool adds to it.

    Parameters
    ----------
    architecture : object
        What describes the network, such as `narrows.networks.Architecture`: with the attributes `channels`, `shape`
        (the spatial shape, empty for tables), `values` (their product) and `ranged` (whether scaling is by range), and
        with `to_dict` and `from_dict`.
    scaling : Scaling
        How values are scaled on their way into the network.
    axes : str
        Axes of the arrays that the model was trained on, in the order that the user has them.
    feature_names : tuple of str
        Names of the columns of a table that has them, else empty.
    columns : Columns or None
        Columns of a table whose cells are of any type.
    training : TrainingRecord
        How the model was trained.
    written_by : str
        Version of the package that wrote the file.
    any_range : bool
        Whether the model takes items of any type and range, which it scales by their own range.
    """

    architecture: Any
    scaling: Scaling
    axes: str
    feature_names: tuple[str, ...]
    columns: Columns | None
    training: TrainingRecord
    written_by: str = field(default=__version__, kw_only=True)
    any_range: bool = field(default=False, kw_only=True)

    tool: ClassVar[str]
    architecture_type: ClassVar[Any]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; `from_dict` is the inverse."""
        return {
            "tool": self.tool,
            "architecture": self.architecture.to_dict(),
            "scaling": self.scaling.to_dict(),
            "axes": self.axes,
            "features": list(self.feature_names),
            "columns": None if self.columns is None else self.columns.to_dict(),
            "training": self.training.to_dict(),
            **({"any_range": True} if self.any_range else {}),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Return the manifest that `to_dict` wrote; KeyError, TypeError or ValueError where the document is not one."""
        stated = document.get("columns")
        columns = None if stated is None else Columns.from_dict(stated)
        return cls(
            architecture=cls.architecture_of(document),
            scaling=Scaling.from_dict(document["scaling"]),
            axes=typed(ShortText, document["axes"]),
            feature_names=typed(tuple[Text, ...], document["features"]),
            columns=columns,
            training=TrainingRecord.from_dict(document["training"]),
            written_by=typed(ShortText, document["narrows"]),
            any_range=typed(bool, document.get("any_range", False)),
            **cls.fields_from(document, columns),
        )

    @classmethod
    def architecture_of(cls, document: Mapping[str, Any]) -> Any:
        """Return the architecture that a document describes."""
        return cls.architecture_type.from_dict(document["architecture"])

    @classmethod
    def fields_from(cls, document: Mapping[str, Any], columns: Columns | None) -> dict[str, Any]:
        """Return the fields that the tool adds, from a document."""
        return {}

    @property
    def n_features(self) -> int:
        """Number of values of one training item, or of columns of a table."""
        return self.architecture.values if self.columns is None else len(self.columns)

    def build_network(self) -> nn.Module:
        """Return the network that the weights in a model file are for; a tool overrides it for networks of its own."""
        network: nn.Module = build(self.architecture)
        return network

    def check_fits(self, tensors: dict[str, np.ndarray]) -> None:
        """Raise ValueError where parts of a model file contradict each other, before the network takes memory."""
        layout, architecture, scaling = layout_of(self.axes), self.architecture, self.scaling
        if "N" not in self.axes or len(layout.strip("NCF")) != len(architecture.shape):
            raise ValueError(f"axes {self.axes!r} for items of shape {architecture.shape}")
        if layout[-1] not in "CF" and architecture.channels != 1:
            raise ValueError(f"axes {self.axes!r} for {architecture.channels} channels")
        if scaling.is_range != architecture.ranged or len(scaling.mean) not in (0, architecture.channels):
            raise ValueError(f"scaling {scaling.kind!r} of {len(scaling.mean)} means")
        with torch.device("meta"):
            state = self.build_network().state_dict()
        kind = {True: "floats", False: "integers"}
        expected = {
            name: f"{kind[each.is_floating_point()]} of shape {tuple(each.shape)}" for name, each in state.items()
        }
        found = {name: f"{kind[each.dtype.kind == 'f']} of shape {each.shape}" for name, each in tensors.items()}
        for name in sorted({*expected, *found}):
            if expected.get(name) != found.get(name):
                what, wanted = (each.get(name, "nothing") for each in (found, expected))
                raise ValueError(f"{name} holds {what}, expected {wanted}")
