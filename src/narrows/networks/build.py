"""Untrained networks from architectures."""

from typing import overload

import torch

from narrows.networks.autoencoder.architecture import Architecture, architecture_kinds
from narrows.networks.autoencoder.network import Network
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
    """Return the network of an architecture, with random weights from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = untrained(architecture)
    # Convolutions of images are faster with the channels last in memory.
    if len(architecture.shape) == 2:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def untrained(
    architecture: Architecture | Restoration | TableArchitecture,
) -> Network | RestoringNetwork | TableNetwork:
    """Return the network of an architecture, with random weights from torch's own generator."""
    if isinstance(architecture, TableArchitecture):
        return TableNetwork(architecture)
    if isinstance(architecture, Restoration):
        return LessonDenoiser(architecture) if architecture.preset == "lesson" else UNet(architecture)
    network: Network = architecture_kinds()[architecture.kind].build(architecture)
    return network
