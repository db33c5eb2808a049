"""Networks: autoencoders, restoration networks and ensembles for tables.

    architecture, seed -> build -> network with random weights

`register_architecture` and `register_upsampling` add kinds of autoencoders. Networks know no files and no data, only
tensors in scaled units.
"""

# Importing these modules registers the kinds of the package, by whose names architectures are described.
from narrows.networks.autoencoder import conv as _conv  # noqa: F401
from narrows.networks.autoencoder.architecture import (
    Architecture,
    ArchitectureKind,
    architecture_kinds,
    format_code,
    parse_code,
    register_architecture,
)
from narrows.networks.autoencoder.network import Code, Network, cut, flatten_code, unflatten_code
from narrows.networks.autoencoder.upsampling import UpsamplingKind, register_upsampling, upsampling_kinds
from narrows.networks.build import build
from narrows.networks.restoration.unet import Restoration, RestoringNetwork
from narrows.networks.tabular.ensemble import TableArchitecture, TableNetwork

__all__ = [
    "Architecture",
    "ArchitectureKind",
    "Code",
    "Network",
    "Restoration",
    "RestoringNetwork",
    "TableArchitecture",
    "TableNetwork",
    "UpsamplingKind",
    "architecture_kinds",
    "build",
    "cut",
    "flatten_code",
    "format_code",
    "parse_code",
    "register_architecture",
    "register_upsampling",
    "unflatten_code",
    "upsampling_kinds",
]
