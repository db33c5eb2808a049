"""The stages of a network in the order of computation, with their output shapes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from narrows.codec.entropy.interlaced import InterlacedCoder
from narrows.codec.entropy.whitening import OWN
from narrows.networks import Network
from narrows.networks.autoencoder.conv import Residual
from narrows.networks.autoencoder.upsampling import Upsample
from narrows.networks.restoration.unet import RestoringNetwork, UNet
from narrows.networks.tabular.ensemble import EnsembleLinear, TableNetwork

UNITS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, Upsample, Residual, EnsembleLinear)


@dataclass(frozen=True)
class Stage:
    """A part of a network.

    Parameters
    ----------
    name : str
        What it computes.
    shape : tuple of int
        Shape of its output, channels first.
    is_code : bool
        Whether its output is the code of an autoencoder.
    skips_from : int, optional
        Index of the stage whose output is added to its output.
    """

    name: str
    shape: tuple[int, ...]
    is_code: bool = False
    skips_from: int | None = None


def stages(network: nn.Module) -> list[Stage]:
    """Return the stages of any network of the package, for an item of the shape that it was designed for."""
    if isinstance(network, Network):
        return autoencoder_stages(network)
    if isinstance(network, RestoringNetwork):
        return restoring_stages(network)
    assert isinstance(network, TableNetwork)
    x = torch.full((1, network.architecture.channels), torch.nan)
    with torch.no_grad(), recorded(network) as found:
        network(x)
    return [Stage("row", tuple(x.shape[1:])), *merged([stage for stage, _ in found])]


def context_stages(model: InterlacedCoder) -> list[Stage]:
    """Return the stages of the perceptron that predicts most values of the pixel path: those of the last pass."""
    if model.design.alphabet == "signals":
        return [
            Stage("values before it", (OWN,)),
            Stage("adaptive linear prediction", (1,)),
            Stage("each residual's size, by those around it", (model.design.outputs,)),
        ]
    predictor = model.tables.main
    key = list(predictor.firsts)[-1]
    first, *rest = predictor.firsts[key], *predictor.rest[predictor.groups[key]]
    output = {"values": "value", "colours": "value of a channel"}.get(model.design.alphabet, "residual's size")
    return [
        Stage("decoded values around it", (len(first.weight),)),
        *(Stage("linear, integers", tuple(layer.bias.shape)) for layer in (first, *rest[:-1])),
        Stage(f"linear: each {output}", tuple(rest[-1].bias.shape)),
    ]


def autoencoder_stages(network: Network) -> list[Stage]:
    """Return the stages of an encoder and a decoder."""
    architecture = network.architecture
    x = example_input(network, architecture.channels, architecture.shape)
    with torch.no_grad():
        with recorded(network) as down:
            code = network.encode(x)
        with recorded(network) as up:
            decoded = network.decode(code)
    shape = tuple(code[0].shape[1:])
    before = merged([stage for stage, _ in down])
    if before and before[-1].shape == shape:
        last = before.pop()
        before.append(Stage(f"{last.name}: the code", shape, is_code=True))
    else:
        before.append(Stage("max pooling: the code", shape, is_code=True))
    after = merged([stage for stage, _ in up])
    if after[-1].shape != tuple(decoded.shape[1:]):
        after.append(Stage("crop to the item" if len(shape) > 1 else "item", tuple(decoded.shape[1:])))
    return [Stage("item", tuple(x.shape[1:])), *before, *after]


def restoring_stages(network: RestoringNetwork) -> list[Stage]:
    """Return the stages of a restoration network, with the skip connections of a U-Net."""
    architecture = network.architecture
    x = example_input(network, network.inputs, architecture.shape)
    with torch.no_grad(), recorded(network) as found:
        network(x)
    last_of_level: dict[int, int] = {}
    ups: dict[int, int] = {}
    if isinstance(network, UNet):
        last_of_level = {id(list(block.children())[-1]): level for level, block in enumerate(network.encoder_blocks)}
        ups = {id(up): level for level, up in enumerate(network.ups)}
    first = "item" if architecture.task == "denoise" else "item and mask"
    shown, levels = [Stage(first, tuple(x.shape[1:]))], dict[int, int]()
    for stage, module in found:
        skips_from = levels.get(ups.get(id(module), -1))
        shown.append(Stage(stage.name, stage.shape, skips_from=skips_from))
        if id(module) in last_of_level:
            levels[last_of_level[id(module)]] = len(shown) - 1
    return shown


def example_input(network: nn.Module, channels: int, shape: tuple[int, ...]) -> Tensor:
    """Return zeros on the device and in the precision of a network."""
    parameter = next(network.parameters())
    return torch.zeros((1, channels, *shape), dtype=parameter.dtype, device=parameter.device)


@contextmanager
def recorded(network: nn.Module) -> Iterator[list[tuple[Stage, nn.Module]]]:
    """Record the stages that run within the context, each with its module."""
    found: list[tuple[Stage, nn.Module]] = []

    def record(module: nn.Module, _: Any, output: Tensor) -> None:
        if isinstance(module, EnsembleLinear):
            found.append((Stage(describe(module), (output.shape[0], *output.shape[2:])), module))
        else:
            found.append((Stage(describe(module), tuple(output.shape[1:])), module))

    handles = [module.register_forward_hook(record) for module in units(network)]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def units(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the modules that are stages, without those inside them."""
    for child in module.children():
        if isinstance(child, UNITS):
            yield child
        else:
            yield from units(child)


def describe(module: nn.Module) -> str:
    """Return the name of a stage."""
    if isinstance(module, Residual):
        return "residual block"
    if isinstance(module, Upsample):
        return f"upsampling, {module.kind}"
    if isinstance(module, nn.Linear):
        return "linear"
    if isinstance(module, EnsembleLinear):
        return "linear, side by side"
    assert isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d))
    return f"convolution {'x'.join(map(str, module.kernel_size))}" + ", halving" * (max(module.stride) > 1)


def merged(found: list[Stage]) -> list[Stage]:
    """Return stages with equal neighbours joined, such as "2 x residual block"."""
    shown: list[tuple[Stage, int]] = []
    for stage in found:
        if shown and shown[-1][0] == stage:
            shown[-1] = (stage, shown[-1][1] + 1)
        else:
            shown.append((stage, 1))
    return [Stage(f"{count} x {stage.name}" if count > 1 else stage.name, stage.shape) for stage, count in shown]
