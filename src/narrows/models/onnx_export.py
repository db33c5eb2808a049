"""Trained models as ONNX files, which other programs run without torch."""

import importlib
import json
import logging
import math
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from narrows import __version__
from narrows.artifacts import atomic
from narrows.errors import ParameterError, cannot_import
from narrows.training.torch_state import default_torch_state

if TYPE_CHECKING:
    from narrows.models.trained_model import TrainedModel

Dims = tuple[str | int, ...]
"""Sizes of a tensor; the name of a size that may vary."""

OPSET = 18  # that in which torch writes most operations
PARTS = ("encoder", "decoder")
AXIS_NAMES = {"T": "length", "Z": "depth", "Y": "height", "X": "width"}
MASK = "mask"
EXAMPLE_SIZES = (2, 37, 43, 49)  # all different and odd, so that nothing is taken to be the same or whole cells
# erfcx(z) = t exp(sum of c_i t^i) with t = 1 / (1 + z / 2), for z from 0: a least-squares fit, off by 1e-7 at most.
ERFCX = (
    *(-1.26551223, 1.00002368, 0.37409196, 0.09678419, -0.18628806),
    *(0.27886808, -1.135204, 1.48851589, -0.82215223, 0.17087278),
)


@dataclass(frozen=True)
class Graph:
    """What an ONNX file computes.

    Parameters
    ----------
    network : torch.nn.Module
        What holds the weights.
    compute : callable
        ``compute(*inputs) -> outputs``, tensors in scaled units.
    inputs, outputs : mapping of str to Dims
        The sizes of each by its name. An input named "mask" is boolean, others are float32.
    """

    network: nn.Module
    compute: Callable[..., tuple[Tensor, ...]]
    inputs: Mapping[str, Dims]
    outputs: Mapping[str, Dims]


class GraphModule(nn.Module):
    """A graph in the form that torch exports."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.network, self.compute = graph.network, graph.compute

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs."""
        return self.compute(*inputs)


@default_torch_state()
def export_onnx(model: "TrainedModel", path: str | os.PathLike[str], part: str | None = None) -> None:
    """Write a trained model as an ONNX file; see `narrows.export`."""
    graph = model.onnx_graph(part)
    program = translated(graph)
    ir = importlib.import_module("onnxscript.ir")
    ir.passes.common.ClearMetadataAndDocStringPass()(program.model)  # stack traces, with the paths of this machine
    for output, dims in zip(program.model.graph.outputs, graph.outputs.values(), strict=True):
        output.shape = ir.Shape(dims)
    program.model.metadata_props.update(
        narrows=__version__,
        tool=model.tool,
        **({} if part is None else {"part": part}),
        fingerprint=model.to_file().fingerprint,
        opset=str(OPSET),
        axes=axes_of_tensors(model.item_axes),
        scaling=json.dumps(model.scaling.to_dict()),
    )
    content = program.model_proto.SerializeToString()
    with atomic.replacing(path) as temporary:
        Path(temporary).write_bytes(content)


def translated(graph: Graph) -> Any:
    """Return a graph as torch translates it to ONNX; DataError where a package is missing."""
    try:
        importlib.import_module("onnxscript")
    except ImportError as error:
        raise cannot_import("export", "onnxscript", "onnx", error) from None
    names = dict.fromkeys(dim for dims in graph.inputs.values() for dim in dims if isinstance(dim, str))
    sizes: dict[Any, Any] = dict(zip(names, EXAMPLE_SIZES, strict=False))
    examples = tuple(
        torch.zeros([sizes.get(dim, dim) for dim in dims], dtype=torch.bool if name == MASK else torch.float32)
        for name, dims in graph.inputs.items()
    )
    dynamic = tuple(
        {axis: dim for axis, dim in enumerate(dims) if isinstance(dim, str)} for dims in graph.inputs.values()
    )
    with quiet():
        return torch.onnx.export(
            GraphModule(graph).eval(),
            examples,
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            dynamic_shapes=(dynamic,),
            opset_version=OPSET,
            custom_translation_table={
                torch.ops.aten.bucketize.Tensor: bucketize,
                torch.ops.aten.special_erfcx.default: erfcx,
            },
            dynamo=True,
            verbose=False,
        )


def erfcx(z: Any) -> Any:
    """Return the scaled complementary error function in ONNX; exp(z^2) erfc(z) overflows and cancels.

    References
    ----------
    Press et al., "Numerical Recipes", on the complementary error function.
    """
    op = importlib.import_module("onnxscript").opset18
    t = op.Reciprocal(op.Add(1.0, op.Mul(0.5, op.Abs(z))))
    power = op.Constant(value_float=ERFCX[-1])
    for coefficient in reversed(ERFCX[:-1]):
        power = op.Add(op.Mul(power, t), coefficient)
    positive = op.Mul(t, op.Exp(power))
    return op.Where(op.Less(z, 0.0), op.Sub(op.Mul(2.0, op.Exp(op.Mul(z, z))), positive), positive)


def bucketize(values: Any, boundaries: Any, **_: Any) -> Any:
    """Return how many boundaries are below each value, by binary search."""
    op, (count,) = importlib.import_module("onnxscript").opset18, boundaries.shape
    steps = [2**power for power in reversed(range(count.bit_length()))]
    missing = op.Constant(value_floats=[math.inf] * (sum(steps) - count))
    edges = op.Concat(boundaries, missing, axis=0) if sum(steps) > count else boundaries
    below = op.CastLike(op.Mul(values, 0.0), op.Constant(value_int=0))
    for step in steps:
        larger = op.Greater(values, op.Gather(edges, op.Add(below, step - 1)))
        below = op.Where(larger, op.Add(below, step), below)
    return below


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out what torch says while it exports, which is for developers."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def axes_of_tensors(item_axes: str) -> str:
    """Return the axes of items in an ONNX file: those of `Items` with the channels second."""
    spatial = item_axes.strip("NCF")
    return f"NC{spatial}" if spatial else "NF"


def check_part(part: str | None) -> None:
    """Raise ParameterError where no part is given of a model that has two."""
    if part not in PARTS:
        raise ParameterError(
            f"expected {' or '.join(PARTS)}; an autoencoder is exported in two files", parameter="part", value=part
        )


def check_one_part(part: str | None) -> None:
    """Raise ParameterError where a part is given of a model that has only one."""
    if part is not None:
        raise ParameterError("is for autoencoders; leave it out", parameter="part", value=part)
