"""What a network is: its stages in the order of the work, with the shape that each gives."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from narrows.codec.entropy.interlaced import InterlacedCoder
from narrows.networks import Network
from narrows.networks.autoencoder.conv import Residual
from narrows.networks.autoencoder.upsampling import Upsample
from narrows.networks.restoration.unet import RestoringNetwork, UNet
from narrows.networks.tabular.ensemble import Side, TableNetwork

UNITS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, Upsample, Residual, Side)


@dataclass(frozen=True)
class Stage:
    """What a part of a network does, and the shape that it gives, channels first. skips_from: the index of the stage
    whose result is added to it."""

    what: str
    shape: tuple[int, ...]
    is_code: bool = False
    skips_from: int | None = None


def stages(network: nn.Module) -> list[Stage]:
    """The stages of any network of the package, for an item of the shape that it is best for."""
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
    """The perceptron of a context model that codes most values: those of the last pass."""
    predictor = model.main
    key = list(predictor.firsts)[-1]
    first, *rest = predictor.firsts[key], *predictor.rest[predictor.groups[key]]
    answer = "value" if model.design.alphabet == "values" else "size of surprise"
    return [
        Stage("known values around it", (len(first.weight),)),
        *(Stage("linear, whole numbers", tuple(layer.bias.shape)) for layer in (first, *rest[:-1])),
        Stage(f"linear: each {answer}", tuple(rest[-1].bias.shape)),
    ]


def autoencoder_stages(network: Network) -> list[Stage]:
    architecture = network.architecture
    x = example(network, architecture.channels, architecture.shape)
    with torch.no_grad():
        with recorded(network) as down:
            code = network.encode(x)
        with recorded(network) as up:
            rebuilt = network.decode(code)
    shape = tuple(code[0].shape[1:])
    before = merged([stage for stage, _ in down])
    if before and before[-1].shape == shape:
        last = before.pop()
        before.append(Stage(f"{last.what}: the code", shape, is_code=True))
    else:
        before.append(Stage("max pooling: the code", shape, is_code=True))
    after = merged([stage for stage, _ in up])
    if after[-1].shape != tuple(rebuilt.shape[1:]):
        after.append(Stage("cut to the item" if len(shape) > 1 else "item", tuple(rebuilt.shape[1:])))
    return [Stage("item", tuple(x.shape[1:])), *before, *after]


def restoring_stages(network: RestoringNetwork) -> list[Stage]:
    architecture = network.architecture
    x = example(network, network.inputs, architecture.shape)
    with torch.no_grad(), recorded(network) as found:
        network(x)
    kept: dict[int, int] = {}
    ups: dict[int, int] = {}
    if isinstance(network, UNet):
        kept = {id(list(block.children())[-1]): level for level, block in enumerate(network.before)}
        ups = {id(up): level for level, up in enumerate(network.ups)}
    first = "item" if architecture.task == "denoise" else "item, and which values are known"
    shown, levels = [Stage(first, tuple(x.shape[1:]))], dict[int, int]()
    for stage, module in found:
        skips_from = levels.get(ups.get(id(module), -1))
        shown.append(Stage(stage.what, stage.shape, skips_from=skips_from))
        if id(module) in kept:
            levels[kept[id(module)]] = len(shown) - 1
    return shown


def example(network: nn.Module, channels: int, shape: tuple[int, ...]) -> Tensor:
    parameter = next(network.parameters())
    return torch.zeros((1, channels, *shape), dtype=parameter.dtype, device=parameter.device)


@contextmanager
def recorded(network: nn.Module) -> Iterator[list[tuple[Stage, nn.Module]]]:
    """The stages that are run while this lasts, each with its module."""
    found: list[tuple[Stage, nn.Module]] = []

    def record(module: nn.Module, _: Any, output: Tensor) -> None:
        if isinstance(module, Side):
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
    """The parts that are stages; what is inside them is not."""
    for child in module.children():
        if isinstance(child, UNITS):
            yield child
        else:
            yield from units(child)


def describe(module: nn.Module) -> str:
    if isinstance(module, Residual):
        return "residual block"
    if isinstance(module, Upsample):
        return f"upsampling, {module.kind}"
    if isinstance(module, nn.Linear):
        return "linear"
    if isinstance(module, Side):
        return "linear, side by side"
    assert isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d))
    return f"convolution {'x'.join(map(str, module.kernel_size))}" + ", halving" * (max(module.stride) > 1)


def merged(found: list[Stage]) -> list[Stage]:
    """Equal stages that follow one another as one."""
    shown: list[tuple[Stage, int]] = []
    for stage in found:
        if shown and shown[-1][0] == stage:
            shown[-1] = (stage, shown[-1][1] + 1)
        else:
            shown.append((stage, 1))
    return [Stage(f"{count} x {stage.what}" if count > 1 else stage.what, stage.shape) for stage, count in shown]
