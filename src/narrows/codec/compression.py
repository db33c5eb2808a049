"""From items to a `.narrow` file: which items go together, and the work on all cores."""

from collections.abc import Callable, Generator
from contextlib import closing
from typing import TYPE_CHECKING, Any, BinaryIO

from narrows.codec import planning, windows
from narrows.codec.chunk import chunks_of
from narrows.codec.container import file as container
from narrows.codec.container.mode import Mode
from narrows.codec.model_lookup import embedded
from narrows.codec.parallel import in_order
from narrows.errors import DataError

if TYPE_CHECKING:
    from narrows.estimators.codec import Codec

Progress = Callable[[int, int], None]
"""Called with the items done and the items in all."""


def compress(
    codec: "Codec",
    X: Any,
    mode: Mode,
    target: BinaryIO,
    embed_model: bool = False,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Write items to `target`; `narrows.open` reads them. The bytes do not depend on the cores.

    X: what the codec was fitted to, or its like: an array, a list of arrays, or Items.
    embed_model: whether the file also holds the model. Gives the bytes of "header", "model", "payload" and "total", and
    "raw", those of the values.
    DataError for what cannot be had: items that do not fit the codec, floats without loss, names no file may have.
    """
    items = codec._items(X)
    if (items.dtype.kind == "f") != (codec.dtype_.kind == "f"):
        raise DataError(f"{items.source}: {items.dtype} values; this model was trained on {codec.dtype_} ones")
    plan = planning.plan(codec.coder_, items, mode)
    runs = chunks_of(items)
    as_the_model = (items.axes, items.dtype, items.uniform and items.item_shape) == (
        codec.item_axes_,
        codec.dtype_,
        codec.item_shape_,
    )

    def encode(run: range) -> bytes:
        return windows.encode(codec.coder_, plan, [items[index] for index in run], items.spatial_dims)

    def payloads() -> Generator[bytes, None, None]:
        with closing(in_order(encode, runs)) as found:
            for run, payload in zip(runs, found, strict=True):
                yield payload
                if progress is not None:
                    progress(run.stop, len(items))

    with closing(payloads()) as chunks:
        sizes = container.write(
            target,
            fingerprint=codec.fingerprint_,
            mode=mode.to_header(),
            chunk_items=[len(run) for run in runs],
            chunks=chunks,
            axes=None if as_the_model else items.axes,
            dtype=None if as_the_model else str(items.dtype),
            shapes=None if as_the_model else items.item_shape if items.shapes is None else items.shapes,
            names=items.names,
            parameters=plan.to_bytes(),
            model=embedded(codec) if embed_model else None,
        )
    values = items.values.size if items.shapes is None else int(items.shapes.prod(axis=1).sum())
    return {**sizes, "raw": values * items.dtype.itemsize}
