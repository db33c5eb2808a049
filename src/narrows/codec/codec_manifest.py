"""What a codec's model file says besides the weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from narrows import __version__
from narrows.artifacts.manifest import TrainingRecord
from narrows.artifacts.schema import PositiveInt, ShortText, typed
from narrows.codec.coding_plan import Grid
from narrows.codec.entropy.design import Design
from narrows.codec.transforms.latent import LatentArchitecture
from narrows.codec.transforms.wavelet import WaveletTransform
from narrows.data import Scaling
from narrows.data.axes import layout_of


@dataclass(frozen=True)
class CodecDesign:
    """The networks of a codec, None for those that it does without.

    Parameters
    ----------
    lossless, lossy : Design, optional
        Context models of the pixel path; one model serves both where they are equal.
    latent : Design, optional
        Context model of the transform path.
    architecture : WaveletTransform or LatentArchitecture, optional
        What leads to the values that `latent` predicts, and back: a transform, or networks for data of few values.
    dequantises : bool
        Whether there is a dequantiser, which has the design of `lossy`.

    Raises
    ------
    ValueError
        If there is no context model of the pixel path, or a part without the one that it needs.
    """

    lossless: Design | None
    lossy: Design | None
    latent: Design | None = None
    architecture: WaveletTransform | LatentArchitecture | None = None
    dequantises: bool = True

    def __post_init__(self) -> None:
        """Check that the parts fit together."""
        if self.lossless is None and self.lossy is None:
            raise ValueError("no context model of the pixel path")
        if (self.latent is None) != (self.architecture is None) or (self.dequantises and self.lossy is None):
            raise ValueError("a latent context model without its networks, or a dequantiser without a design")

    @property
    def pixels(self) -> dict[str, Design]:
        """The context models of the pixel path, by name; "lossy" alone where it serves as "lossless" too."""
        found = {"lossy": self.lossy, "lossless": None if self.lossless == self.lossy else self.lossless}
        return {name: design for name, design in found.items() if design is not None}

    @property
    def channels(self) -> int:
        """Number of channels of an item."""
        return next(iter(self.pixels.values())).channels

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; `from_dict` is the inverse."""
        designs = {"lossless": self.lossless, "lossy": self.lossy, "latent": self.latent}
        found: dict[str, Any] = {
            "designs": {name: design.to_dict() for name, design in designs.items() if design is not None}
        }
        if self.architecture is not None:
            found["architecture"] = self.architecture.to_dict()
        if self.lossy is not None and not self.dequantises:
            found["dequantises"] = False
        return found

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "CodecDesign":
        """Return the design that `to_dict` described; KeyError, TypeError or ValueError where there is none."""
        designs = {name: Design.from_dict(design) for name, design in document["designs"].items()}
        architecture = document.get("architecture")
        return cls(
            designs.get("lossless"),
            designs.get("lossy"),
            designs.get("latent"),
            None if architecture is None else architecture_of(architecture),
            typed(bool, document.get("dequantises", "lossy" in designs)),
        )


def architecture_of(document: Mapping[str, Any]) -> WaveletTransform | LatentArchitecture:
    """Return the architecture that a document describes; TypeError or ValueError where there is none."""
    kind = WaveletTransform if "levels" in document else LatentArchitecture
    return kind.from_dict(document)


@dataclass(frozen=True)
class CodecManifest:
    """What a codec's model file says besides the weights.

    Parameters
    ----------
    grid : Grid
        What values the training data have.
    scaling : Scaling
        How values are scaled on their way into the latent networks.
    axes : str
        Axes of the arrays that the model was trained on, in the user's order.
    item_shape : tuple of int or None
        Shape of the training items; None if they had several, or were cropped.
    design : CodecDesign
        The networks.
    training : TrainingRecord
        How the model was trained.
    written_by : str
        Version of the package that wrote the file.
    """

    grid: Grid
    scaling: Scaling
    axes: str
    item_shape: tuple[int, ...] | None
    design: CodecDesign
    training: TrainingRecord
    written_by: str = field(default=__version__, kw_only=True)

    tool: ClassVar[str] = "codec"

    @property
    def item_axes(self) -> str:
        """Axes in the order of `Items`: N first and C last."""
        return layout_of(self.axes)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; `from_dict` is the inverse."""
        return {
            "tool": self.tool,
            "grid": self.grid.to_dict(),
            "scaling": self.scaling.to_dict(),
            "axes": self.axes,
            "shape": None if self.item_shape is None else list(self.item_shape),
            **self.design.to_dict(),
            "training": self.training.to_dict(),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "CodecManifest":
        """Return the manifest that `to_dict` wrote; KeyError, TypeError or ValueError where the document is not one."""
        return cls(
            grid=Grid.from_dict(document["grid"]),
            scaling=Scaling.from_dict(document["scaling"]),
            axes=typed(ShortText, document["axes"]),
            item_shape=typed(tuple[PositiveInt, ...] | None, document["shape"]),
            design=CodecDesign.from_dict(document),
            training=TrainingRecord.from_dict(document["training"]),
            written_by=typed(ShortText, document["narrows"]),
        )
