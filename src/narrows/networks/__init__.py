"""Encoders and decoders: linear, dense and convolutional, and the ways of upsampling."""

from narrows.networks.autoencoder.architecture import Architecture, Kind, Upsampling, format_code, parse_code
from narrows.networks.autoencoder.network import Code, Network, cut, flatten_code, unflatten_code
from narrows.networks.build import build
from narrows.networks.restoration.unet import Restoration, RestoringNetwork
from narrows.networks.tabular.ensemble import TableArchitecture, TableNetwork

__all__ = [
    "Architecture",
    "Code",
    "Kind",
    "Network",
    "Restoration",
    "RestoringNetwork",
    "TableArchitecture",
    "TableNetwork",
    "Upsampling",
    "build",
    "cut",
    "flatten_code",
    "format_code",
    "parse_code",
    "unflatten_code",
]
