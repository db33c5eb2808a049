"""From an architecture to an untrained network."""

from typing import overload

import torch

from narrows.networks.autoencoder.architecture import Architecture
from narrows.networks.autoencoder.conv import ConvNetwork, LessonNetwork
from narrows.networks.autoencoder.network import FlatNetwork, Network
from narrows.networks.restoration.unet import LessonDenoiser, Restoration, RestoringNetwork, UNet
from narrows.networks.tabular.ensemble import TableArchitecture, TableNetwork


@overload
def build(architecture: Architecture, seed: int = 0) -> Network: ...
@overload
def build(architecture: Restoration, seed: int = 0) -> RestoringNetwork: ...
@overload
def build(architecture: TableArchitecture, seed: int = 0) -> TableNetwork: ...
def build(
    architecture: Architecture | Restoration | TableArchitecture, seed: int = 0
) -> Network | RestoringNetwork | TableNetwork:
    """The network of an architecture, with weights drawn from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = untrained(architecture)
    # Convolutions of pictures are faster with the channels last in memory.
    if len(architecture.shape) == 2:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def untrained(
    architecture: Architecture | Restoration | TableArchitecture,
) -> Network | RestoringNetwork | TableNetwork:
    if isinstance(architecture, TableArchitecture):
        return TableNetwork(architecture)
    if isinstance(architecture, Restoration):
        return LessonDenoiser(architecture) if architecture.preset == "lesson" else UNet(architecture)
    if architecture.kind == "linear":
        return FlatNetwork(architecture, [])
    if architecture.kind == "dense":
        # Wide for pictures, and for small tables no wider than they can use.
        width = max(64, min(1024, 8 * architecture.values))
        return FlatNetwork(architecture, [width, width // 2])
    if architecture.preset == "lesson":
        return LessonNetwork(architecture)
    levels = len(architecture.factors())
    # Narrow where the grid is large and the work is dear; residual blocks where it is small.
    widths = [min(128, 16 * 2**level) for level in range(levels)]
    blocks = [int(level > 0 or levels == 1) for level in range(levels)]
    return ConvNetwork(architecture, widths, blocks)
