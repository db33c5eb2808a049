"""Trained models: weights, a manifest and inference on items."""

import copy
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import nn

from narrows.artifacts.description import describe_model, full_document
from narrows.artifacts.manifest import InitModel, TrainingRecord
from narrows.artifacts.model_file import ModelFile
from narrows.data import Columns, Items, Scaling
from narrows.data.axes import layout_of
from narrows.data.tables.cell_text import CellText
from narrows.data.units import check_unit
from narrows.errors import DataError, FormatError
from narrows.models.item_checks import describe_items
from narrows.models.model_manifest import ModelManifest
from narrows.models.onnx_export import AXIS_NAMES, Dims, Graph
from narrows.registry import resolve, tools
from narrows.training.batches import Scale, as_tensor
from narrows.training.runtime import choose_device
from narrows.training.torch_state import default_torch_state


@dataclass(frozen=True, eq=False)
class TrainedModel(ABC):
    """A trained network and what is needed to use it; it never changes.

    It works on `narrows.data.Items`. The scikit-learn estimators wrap one and convert arrays, lists and data frames.
    A tool's model adds its inference, such as `AutoencoderModel.encode`, and says in `manifest_type` what its file
    holds.

    Parameters
    ----------
    manifest : ModelManifest
        What the model file says besides the weights.
    network : torch.nn.Module
        The network, in evaluation mode, whose weights need no gradient.
    device : {"auto", "cpu", "cuda"}
        Where inference runs; "auto" is the GPU where there is one. See `on`.

    Examples
    --------
    >>> from narrows import Autoencoder, data
    >>> digits = data.read("digits")
    >>> model = Autoencoder("linear", code=4, epochs=20).fit(digits).model_
    >>> model.tool, model.axes, model.channels
    ('autoencoder', 'NYX', 1)
    >>> model.encode(digits.select(slice(3))).shape
    (3, 4)
    """

    manifest: Any
    network: Any
    device: str = "auto"
    _placed: dict[Any, nn.Module] = field(default_factory=dict, repr=False)

    tool: ClassVar[str]
    manifest_type: ClassVar[type[ModelManifest]]
    allows_missing: ClassVar[bool] = False  # values of items, which an alpha channel marks in images

    @classmethod
    @default_torch_state()
    def from_file(cls, file: ModelFile) -> Self:
        """Return the model in a file; FormatError where its parts do not fit together."""
        try:
            manifest = cls.manifest_type.from_dict(file.document)
            manifest.check_fits(file.tensors)
            network = manifest.build_network()
            network.load_state_dict({name: as_tensor(tensor) for name, tensor in file.tensors.items()})
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise FormatError(
                f"its weights and its description do not fit together ({reason})", source=file.source
            ) from None
        return cls(manifest, network.eval().requires_grad_(False))

    def to_file(self) -> ModelFile:
        """Return the contents of the model's file; `from_file` is the inverse."""
        tensors = {name: tensor.cpu().numpy() for name, tensor in self.network.state_dict().items()}
        return ModelFile.create(tensors, self.manifest.to_dict())

    def init_record(self) -> InitModel:
        """Return what is recorded of this model where a training starts from it."""
        return InitModel(self.to_file().fingerprint, self.training.data, self.training.items)

    def save(self, path: str | Path) -> None:
        """Write the model to a .safetensors file; `load_model` reads it."""
        self.to_file().write(path)

    def on(self, device: str) -> Self:
        """Return the same model with its inference on "cpu", "cuda", or with "auto" on the GPU where there is one."""
        return self if device == self.device else replace(self, device=device)

    @property
    def axes(self) -> str:
        """Axes of the training data in the user's order, such as ``"NYX"``."""
        return str(self.manifest.axes)

    @property
    def item_axes(self) -> str:
        """Axes in the order of `Items`: N first and C last."""
        return layout_of(self.axes)

    @property
    def channels(self) -> int:
        """Number of channels of an item, or of features of a table."""
        return int(self.manifest.architecture.channels)

    @property
    def only_shape(self) -> tuple[int, ...] | None:
        """The spatial shape of the items that the model takes; None for any."""
        return None

    @property
    def n_features(self) -> int:
        """Number of values of one training item, or of columns of a table."""
        return int(self.manifest.n_features)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns of a table that has them, else empty."""
        names: tuple[str, ...] = self.manifest.feature_names
        return names

    @property
    def rate(self) -> int | None:
        """Sampling rate in Hz of the recordings that the model was trained on; None for other data."""
        return self.training.rate

    @property
    def bits(self) -> int | None:
        """Bits per sample of the recordings that the model was trained on, where the dtype does not say it."""
        return self.training.bits

    @property
    def scaling(self) -> Scaling:
        """How values are scaled on their way into the network."""
        scaling: Scaling = self.manifest.scaling
        return scaling

    @property
    def clips(self) -> bool:
        """Whether it matters that results are clipped to the range of the training data."""
        return True

    @property
    def columns(self) -> Columns | None:
        """Columns of a table whose cells are of any type; None for other data."""
        columns: Columns | None = self.manifest.columns
        return columns

    @property
    def cell_text(self) -> CellText | None:
        """How the text of the cells of the training table was read; None for the usual way and for other data."""
        document = self.training.details.get("cell_text")
        return None if document is None else CellText.from_dict(document)

    def with_cell_text(self, cell_text: CellText | None) -> Self:
        """Return the same model that reads the text of a table's cells in another way; None is the usual one."""
        document = None if cell_text is None else cell_text.to_dict()
        training = replace(self.training, details={**self.training.details, "cell_text": document})
        return replace(self, manifest=replace(self.manifest, training=training))

    @property
    def training(self) -> TrainingRecord:
        """How the model was trained."""
        training: TrainingRecord = self.manifest.training
        return training

    @abstractmethod
    def check(self, items: Items) -> Items:
        """Return the items as the model takes them; DataError where they do not fit."""

    @abstractmethod
    def training_summary(self) -> str:
        """Return what came of the training, in one line."""

    @abstractmethod
    def preview(self, items: Items, **options: Any) -> dict[str, Items]:
        """Return rows of items to show beside each other, by label.

        Parameters
        ----------
        items : Items
            Some items that fit the model.
        **options
            Those of ``narrows evaluate`` that the tool takes.
        """

    def describe(self) -> list[tuple[str, str]]:
        """Return rows for ``narrows info``: what is described, and how it is."""
        return describe_model(full_document(self.to_file()))

    def _precision(self) -> torch.dtype:
        """Return double for tables: the code of a row then does not depend, to the last digit, on the other rows."""
        return torch.float32 if self.manifest.architecture.shape else torch.float64

    def _torch_device(self) -> torch.device:
        return choose_device(self.device)

    def placed_network(self) -> Any:
        """Return the network on the device and in the precision of inference; copied once at most."""
        device, precision = self._torch_device(), self._precision()
        key = device.type, precision
        if key not in self._placed:
            weight = next(self.network.parameters())
            same = weight.device.type == device.type and weight.dtype == precision
            self._placed[key] = self.network if same else copy.deepcopy(self.network).to(device, precision)
        return self._placed[key]

    def adapted_to(self, items: Items) -> Self:
        """Return the model for the range of the items, as their unit says or they fill it, where it takes any range."""
        if not (self.manifest.any_range and self.scaling.is_range):
            return self
        known = items.unit is not None and items.unit.is_range
        scaling = items.unit if known else Scaling.of_range(items)
        return replace(self, manifest=replace(self.manifest, scaling=scaling, any_range=False))

    def onnx_graph(self, part: str | None = None) -> Graph:
        """Return what an ONNX file of the model computes; a tool overrides it.

        Parameters
        ----------
        part : {"encoder", "decoder"}, optional
            The part of a model that has two.

        Raises
        ------
        DataError
            If ONNX cannot hold the model.
        """
        raise DataError(f"{self.tool}s cannot be exported")

    def network_to_export(self) -> Any:
        """Return the network for an ONNX file: a copy on the CPU in single precision."""
        return copy.deepcopy(self.network).to("cpu", torch.float32)

    def item_dims(self) -> Dims:
        """Return the sizes of a batch of items in an ONNX file, those that may vary by name."""
        return "batch", self.channels, *(AXIS_NAMES[axis] for axis in self.item_axes.strip("NCF"))

    def scale(self) -> Scale:
        """Return what maps values of items to scaled tensors (N, C, *S) on the device of inference, and back."""
        return Scale(self.scaling, self.item_axes, self._torch_device(), self._precision())

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_placed": {}}

    def check_layout(self, items: Items) -> Items:
        """Return the items with their rate and unit; DataError where axes, channels, rate, shape or unit are others."""
        channels = items.channels if items.spatial_dims else items.item_shape[0]
        if items.axes != self.item_axes or channels != self.channels:
            raise DataError(
                f"{describe_items(items)}; this model was trained on axes {self.item_axes} "
                f"with {self.channels} channel(s)",
                source=items.source,
            )
        if items.rate is None:
            items = replace(items, rate=self.rate)
        elif self.rate not in (None, items.rate):
            raise DataError(
                f"{items.rate} samples a second; this model was trained on {self.rate}: resample them",
                source=items.source,
            )
        only = self.only_shape
        if only is not None and not (items.uniform and items.item_shape[: items.spatial_dims] == only):
            raise DataError(
                f"{describe_items(items)}; this model takes items of shape {only} alone "
                f"(a code of channels x grid takes any size)",
                source=items.source,
            )
        scaling = self.adapted_to(items).scaling
        if items.unit != scaling and not self.manifest.any_range:
            check_unit(items, scaling, self.clips)
        return replace(items, unit=scaling)


def load_model(path: str | Path | bytes) -> TrainedModel:
    """Read a trained model of any tool.

    Parameters
    ----------
    path : str, Path or bytes
        A model file, or its contents.

    Returns
    -------
    TrainedModel
        Such as `AutoencoderModel`, by the tool that the file names.

    Raises
    ------
    FormatError
        If the file is damaged, too new, of an unknown tool, or not a model.
    OSError
        If the file cannot be opened.
    """
    file = ModelFile.from_bytes(path) if isinstance(path, bytes) else ModelFile.from_path(path)
    return model_of(file)


def model_of(file: ModelFile) -> TrainedModel:
    """Return the trained model in a model file, by the tool that it names."""
    spec = tools().get(file.tool)
    if spec is None:
        raise FormatError(f"a model of the unknown tool {file.document.get('tool')!r}", source=file.source)
    model: TrainedModel = resolve(spec.model).from_file(file)
    return model
