"""Trained autoencoders: items to codes, codes to items, reconstruction errors."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from narrows.artifacts.schema import ShortText, typed
from narrows.data import Columns, Items
from narrows.data.memory import allocate
from narrows.data.tables import frames as tables
from narrows.data.tables.features import Features
from narrows.data.units import check_columns
from narrows.errors import DataError
from narrows.models import coding_tiles
from narrows.models.item_checks import check_complete, check_numeric, missing_cells, plain_numbers
from narrows.models.model_manifest import ModelManifest
from narrows.models.onnx_export import Dims, Graph, check_part
from narrows.models.parts import VALUES_AT_ONCE, parts_of, view_of
from narrows.models.table_features import features_of, missing_features
from narrows.models.trained_model import TrainedModel
from narrows.networks import Architecture, Network, format_code
from narrows.networks.autoencoder.network import cut
from narrows.training.batches import as_tensor
from narrows.training.threads import timed
from narrows.training.torch_state import default_torch_state

Shapes = np.ndarray | tuple[int, ...] | None


@dataclass(frozen=True)
class AutoencoderManifest(ModelManifest):
    """What the file of an autoencoder says.

    Parameters
    ----------
    features : Features or None
        How the cells of a table become the numbers that the network sees.
    """

    features: Features | None = None

    tool: ClassVar[str] = "autoencoder"
    architecture_type: ClassVar[Any] = Architecture

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; `from_dict` is the inverse."""
        return {**super().to_dict(), "table": None if self.features is None else self.features.to_dict()}

    @classmethod
    def fields_from(cls, document: Mapping[str, Any], columns: Columns | None) -> dict[str, Any]:
        """Return the fields that the tool adds, from a document."""
        typed(ShortText, document["training"]["loss"])
        return {"features": None if columns is None else Features.from_dict(document["table"], columns)}

    def check_fits(self, tensors: dict[str, np.ndarray]) -> None:
        """Raise ValueError where parts of a model file contradict each other."""
        super().check_fits(tensors)
        if self.features is not None and self.features.size != self.architecture.channels:
            raise ValueError(
                f"{self.features.size} features of the table for {self.architecture.channels} of the network"
            )


@dataclass(frozen=True, eq=False)
class AutoencoderModel(TrainedModel):
    """A trained autoencoder.

    Examples
    --------
    >>> from narrows import Autoencoder, data
    >>> digits = data.read("digits")
    >>> model = Autoencoder("linear", code=4, epochs=20).fit(digits).model_
    >>> codes = model.encode(digits)
    >>> codes.shape, model.decode(codes).values.shape
    ((899, 4), (899, 8, 8))
    """

    manifest: AutoencoderManifest
    network: Network

    tool: ClassVar[str] = "autoencoder"
    manifest_type: ClassVar[type[ModelManifest]] = AutoencoderManifest

    @property
    def only_shape(self) -> tuple[int, ...] | None:
        """The spatial shape of the items that a flat code allows; None for any."""
        architecture = self.manifest.architecture
        return architecture.shape if architecture.flat and architecture.shape else None

    @property
    def loss(self) -> str:
        """Name of the loss: "mse", "mae" or "bce"."""
        return str(self.training.details["loss"])

    @property
    def code_shape(self) -> tuple[int, ...]:
        """Shape of one training item's code, (K,) or (*grid, channels)."""
        shape = self.network.code_shapes(self.manifest.architecture.shape)[0]
        return (*shape[1:], shape[0])

    def code_size(self, shape: tuple[int, ...] | None = None) -> int:
        """Return how many numbers the code of an item has, of the training items' spatial shape or another."""
        shapes = self.network.code_shapes(self.manifest.architecture.shape if shape is None else shape)
        return sum(map(math.prod, shapes))

    def check(self, items: Items) -> Items:
        """Return the items as the model takes them; DataError where they do not fit."""
        if self.columns is not None:
            return self._check_table(items, self.columns)
        items = plain_numbers(items, self.tool)
        check_complete(items, self.tool)
        return self.check_layout(items)

    def code_rows(self, frame: Any, source: str = "X") -> Items:
        """Return the rows of a data frame as items; DataError where they do not fit the model."""
        marks = self.cell_text.marks if self.cell_text else None
        return tables.frame_to_items(tables.without_marks(frame, marks), self.columns, source)

    @default_torch_state()
    def encode(self, items: Items) -> np.ndarray | list[np.ndarray]:
        """Return the codes of items.

        Parameters
        ----------
        items : Items
            N items.

        Returns
        -------
        ndarray of shape (N, K), or list of N ndarrays
            The codes, of the items' own type where that is floating, else float32. A convolutional code is flattened
            from (*grid, channels). Items of different sizes give a list.
        """
        items = self.check(items)
        dtype = items.dtype if items.dtype.kind == "f" else np.dtype(np.float32)
        codes = [code.astype(dtype, copy=False) for _, code in self._encoded_parts(items)]
        return joined(codes) if items.uniform else [code[0] for code in codes]

    @default_torch_state()
    def decode(self, codes: np.ndarray | list[np.ndarray], shapes: Shapes = None) -> Items:
        """Return the items that codes stand for, of the type and range of the training data.

        Parameters
        ----------
        codes : ndarray of shape (N, K), or list of N ndarrays
            What `encode` returned.
        shapes : tuple of int, or ndarray of shape (N, S), optional
            Spatial shape of all items, or of each; by default that of the training items.

        Raises
        ------
        DataError
            If codes and shapes do not fit.
        """
        sizes = self._sizes(codes, shapes)
        if sizes.ndim < 2 or (not isinstance(codes, list) and (sizes == sizes[0]).all()):
            size = tuple((sizes if sizes.ndim < 2 else sizes[0]).tolist())
            return self._as_items(self._decode(self._rows(codes, size), size))
        channels = [self.channels] * (self.item_axes[-1] == "C")
        full = [(*size, *channels) for size in sizes.tolist()]
        values = allocate(sum(map(math.prod, full)), np.dtype(self.scaling.dtype))
        start, works = 0, (math.prod(shape) / VALUES_AT_ONCE for shape in full)
        parts = zip(zip(codes, sizes.tolist(), full, strict=True), works, strict=True)
        for code, size, shape in timed(parts, self._torch_device()):
            out, rows = values[start : start + math.prod(shape)], self._rows([code], tuple(size))
            self._decode_into(out.reshape(1, *shape), rows, tuple(size))
            start += len(out)
        if len(set(full)) == 1:
            return self._as_items(values.reshape(len(full), *full[0]))
        return Items.ragged(values, full, self.item_axes, **self._origin(len(full)))

    @default_torch_state()
    def decode_scaled(self, codes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Return decoded items (N, *shape) or (N, *shape, C) in scaled units, as the network gives them.

        Parameters
        ----------
        codes : ndarray of shape (N, K)
            What `encode` returned.
        shape : tuple of int
            Spatial shape of the items.
        """
        found = np.empty((len(codes), *shape, self.channels), np.float32)
        for place, values in self._decoded_parts(self._rows(codes, shape), shape):
            found[(slice(None), *place)] = values.movedim(1, -1).cpu().numpy()
        return found if self.item_axes[-1] in "CF" else found[..., 0]

    @default_torch_state()
    def reconstruct(self, items: Items) -> Items:
        """Return the items encoded and decoded; those of a table have a frame where `items` have one."""
        items, start = self.check(items), 0
        count = items.values.size if items.shapes is None else int(items.shapes.prod(axis=1).sum())
        features = self.manifest.features
        values = allocate(count if features is None else len(items) * features.size, np.dtype(self.scaling.dtype))
        for part, code in self._encoded_parts(items):
            out = values[start : start + part.size].reshape(part.shape)
            self._decode_into(out, code, part.shape[1 : 1 + items.spatial_dims])
            start += part.size
        if features is not None:
            return self._as_items(values.reshape(len(items), -1), None if items.frame is None else items.frame.index)
        if items.shapes is None:
            return replace(items, values=values.reshape(items.values.shape), mask=None)
        sizes = items.shapes.prod(axis=1)
        return replace(items, values=values, offsets=np.cumsum(sizes) - sizes, mask=None)

    def reconstruction_pairs(self, items: Items) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batches of items and of their reconstructions, each (N, C, *S) in scaled units.

        Large signals and volumes come in parts, one after the other. Missing cells of tables are NaN in the items.
        """
        items = self.check(items)
        scale, device, start = self.scale(), self._torch_device(), 0
        missing = None if self.manifest.features is None else missing_features(items, self.manifest.features)
        for part, code in self._encoded_parts(items):
            shape = part.shape[1 : 1 + items.spatial_dims]
            if missing is not None:
                part[missing[start : start + len(part)]] = np.nan
                start += len(part)
            for place, reconstruction in self._decoded_parts(code, shape, whole=items.spatial_dims == 2):
                yield scale(as_tensor(part[(slice(None), *place)]).to(device)), reconstruction

    @default_torch_state()
    def mse(self, items: Items) -> float:
        """Return the mean squared error of the reconstruction in scaled units."""
        squares, count = 0.0, 0
        for x, reconstruction in self.reconstruction_pairs(items):
            squares += float(((reconstruction - x) ** 2).nansum())
            count += int(x.isfinite().sum())
        return squares / count

    @default_torch_state()
    def item_errors(self, items: Items) -> np.ndarray:
        """Return the mean squared error of each item's reconstruction in scaled units, (N,) float64."""
        pairs = self.reconstruction_pairs(items)
        return np.concatenate([((found - x).double() ** 2).flatten(1).nanmean(1).cpu().numpy() for x, found in pairs])

    def network_inputs(self, items: Items) -> Items:
        """Return the items as they are before scaling: of a table with columns its features, float32."""
        items = self.check(items)
        features = self.manifest.features
        return items if features is None else features_of(items, features)

    def onnx_graph(self, part: str | None = None) -> Graph:
        """Return what an ONNX file of the model's encoder or decoder computes."""
        check_part(part)
        architecture, network = self.manifest.architecture, self.network_to_export()
        if self.manifest.features is not None:
            raise DataError(
                "an autoencoder of a table with columns, whose cells ONNX cannot turn into features",
                hint="train it on an array of numbers to export it",
            )
        if architecture.unpools:
            raise DataError(
                "upsamples by unpooling, which ONNX has no operation for",
                hint="train with another kind",
                suggestion={"upsampling": "nearest"},
            )
        batch, channels, *axes = self.item_dims()
        items: Dims = (batch, channels, *(architecture.shape if architecture.flat else axes))
        code: Dims = (
            batch,
            *((architecture.code,) if architecture.flat else (architecture.code[0], *map("grid_{}".format, axes))),
        )

        def encode(x: Tensor) -> tuple[Tensor, ...]:
            return (network.encode(x)[0],)

        def decode(code: Tensor) -> tuple[Tensor, ...]:
            decoded = network.decode([code])
            return (cut(decoded, architecture.shape) if architecture.flat else decoded,)

        if part == "encoder":
            return Graph(network, encode, {"items": items}, {"code": code})
        return Graph(network, decode, {"code": code}, {"items": items})

    def training_summary(self) -> str:
        """Return what came of the training, in one line."""
        facts, psnr = self.training, ""
        if self.loss == "mse" and self.scaling.is_range and facts.held_out_loss > 0:
            psnr = f" ({-10 * math.log10(facts.held_out_loss):.2f} dB)"
        return (
            f"code {format_code(self.manifest.architecture.code)} for {self.manifest.n_features} values; "
            f"{facts.items} items in {facts.seconds:.1f} s; held-out {self.loss} {facts.held_out_loss:.4g}{psnr}, "
            f"the mean of the data has {facts.mean_loss:.4g}"
        )

    def preview(self, items: Items, **options: Any) -> dict[str, Items]:
        """Return the items and their reconstructions, by label."""
        return {"original": items, "reconstruction": self.reconstruct(items)}

    def _check_table(self, items: Items, columns: Columns) -> Items:
        if items.columns is None:
            check_numeric(columns, "an array; expected a data frame, since")
            if items.axes != "NF" or items.item_shape[0] != len(columns):
                raise DataError(
                    f"{items.source}: axes {items.axes}; this model was trained on a table of {len(columns)} columns"
                )
            items = replace(items, values=np.asarray(items.values, np.float64), columns=columns)
        elif items.columns != columns:
            if items.frame is None:
                raise DataError(f"{items.source}: its columns are not those that the model learned from")
            items = replace(items, values=tables.encode_frame(items.frame, columns, items.source), columns=columns)
        missing_cells(items)
        assert self.manifest.features is not None
        check_columns(items.values, self.manifest.features, items.source)
        return items

    def _encoded_parts(self, items: Items) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield parts of checked items (n, *item_shape), one by one where sizes differ, and their codes (n, K)."""
        network, scale, device = self.placed_network(), self.scale(), self._torch_device()
        views = (view_of(items, part) for part in parts_of(items))
        for part in timed(((view, view.size / VALUES_AT_ONCE) for view in views), device):
            if self.manifest.features is not None:
                part = self.manifest.features.forward(part)
            yield part, coding_tiles.encode(network, scale, part, items.spatial_dims, device)

    def _decoded_parts(
        self, rows: np.ndarray, shape: tuple[int, ...], whole: bool = False
    ) -> Iterator[tuple[tuple[slice, ...], Tensor]]:
        return coding_tiles.decode(self.placed_network(), rows, shape, self._torch_device(), whole=whole)

    def _sizes(self, codes: np.ndarray | list[np.ndarray], shapes: Shapes) -> np.ndarray:
        """Return the spatial shape (S,) of all items, or (N, S) of each."""
        usual = self.manifest.architecture.shape
        if shapes is None and isinstance(codes, list) and len({np.size(code) for code in codes}) > 1:
            raise DataError(
                "codes of different lengths: specify the shapes of their items, like shapes=[(28, 28), (30, 20)]"
            )
        sizes = np.asarray(usual if shapes is None else shapes, np.int64)
        if sizes.ndim not in (1, 2) or sizes.shape[-1] != len(usual) or (sizes < 1).any():
            raise DataError(
                f"shapes of items: expected {len(usual)} sizes from 1, like {usual}, or one such row for each code; "
                f"found {sizes.tolist()}"
            )
        if sizes.ndim == 2 and len(sizes) != len(codes):
            raise DataError(f"{len(codes)} codes and {len(sizes)} shapes of items: expected as many")
        return sizes

    def _rows(self, codes: Any, shape: tuple[int, ...]) -> np.ndarray:
        """Return codes of items of a spatial shape as an array (N, K) in the precision of the network."""
        architecture = self.manifest.architecture
        if architecture.flat and shape != architecture.shape:
            raise DataError(f"items of shape {shape}: the codes of this model are for {architecture.shape} alone")
        try:
            with np.errstate(over="ignore"):  # to infinity, which is refused
                rows = np.asarray(codes, str(self._precision()).removeprefix("torch."))
        except (TypeError, ValueError) as error:
            raise DataError(f"codes are rows of numbers ({error})") from None
        expected = self.code_size(shape)
        if rows.ndim != 2 or rows.shape[1] != expected:
            found = f"codes of {rows.shape[1]} values" if rows.ndim == 2 else f"codes of shape {rows.shape}"
            raise DataError(
                f"{found}: this model's codes have {expected} for items of shape "
                f"{shape or (self.manifest.n_features,)}, and for items of other sizes it needs their shapes"
            )
        if not np.isfinite(rows).all():
            raise DataError("codes with NaN or infinity")
        return rows

    def _decode(self, rows: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Return items (N, *shape), or (N, *shape, C), of the training data's type; of a table its features."""
        channels = self.channels
        full = (len(rows), *shape, *([channels] if self.item_axes[-1] in "CF" else []))
        out = allocate(math.prod(full), np.dtype(self.scaling.dtype)).reshape(full)
        step = max(1, VALUES_AT_ONCE // channels // math.prod(shape))
        parts = (slice(start, start + step) for start in range(0, len(rows), step))
        for part in timed(((part, len(rows[part]) / step) for part in parts), self._torch_device()):
            self._decode_into(out[part], rows[part], shape)
        return out

    def _decode_into(self, out: np.ndarray, rows: np.ndarray, shape: tuple[int, ...]) -> None:
        """Write the items that codes stand for into an array."""
        scale = self.scale()
        for place, values in self._decoded_parts(rows, shape):
            out[(slice(None), *place)] = scale.inverse(values)

    def _origin(self, count: int) -> dict[str, Any]:
        """Return what decoded items have in common with those of training, for `Items`."""
        bits = None if self.bits is None else [self.bits] * count
        return {"source": "codes", "rate": self.rate, "bits": bits, "array_axes": self.axes}

    def _as_items(self, values: np.ndarray, index: Any = None) -> Items:
        """Return decoded values, or the decoded features of a table, as items; with a frame where there is an index."""
        features = self.manifest.features
        if features is None:
            return Items(values, self.item_axes, **self._origin(len(values)))
        coded = features.inverse(values)
        frame = None if index is None else tables.decode_frame(coded, features.columns, index)
        return Items(coded, "NF", source="codes", columns=features.columns, frame=frame)


def joined(parts: list[np.ndarray]) -> np.ndarray:
    """Return parts as one array; a single one, which may be large, as it is."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
