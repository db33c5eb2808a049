"""Example networks: a kind of upsampling that smooths, and a deeper perceptron."""

from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from narrows.networks import (
    Architecture,
    ArchitectureKind,
    Network,
    UpsamplingKind,
    register_architecture,
    register_upsampling,
)
from narrows.networks.autoencoder.network import FlatNetwork
from narrows.networks.autoencoder.upsampling import AVERAGE_POOL, Upsample


class SmoothUpsample(Upsample):
    """z (N, C', *S) -> repeat each value -> mean of 3 neighbours along each axis -> convolve -> (N, C, *S * factor)."""

    kind = "smooth"

    def forward(self, z: Tensor) -> Tensor:
        """Enlarge z."""
        repeated = F.interpolate(z, scale_factor=self.factor)
        mean = AVERAGE_POOL[len(self.factor)](repeated, 3, stride=1, padding=1, count_include_pad=False)
        return super().forward(mean)


def build_deep(architecture: Architecture) -> Network:
    """Return an untrained network of three hidden layers each way."""
    return FlatNetwork(architecture, [512, 256, 128])


def register() -> None:
    """Make `--upsampling smooth` and `--architecture deep` known."""
    register_upsampling(UpsamplingKind("smooth", SmoothUpsample))
    register_architecture(ArchitectureKind("deep", build_deep, presets=("default",)))
