"""What a codec's model file says besides the weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from narrows import __version__
from narrows.artifacts.manifest import TrainingRecord
from narrows.artifacts.schema import PositiveInt, ShortText, from_document, typed
from narrows.codec.coding_plan import Grid
from narrows.codec.entropy.design import Design
from narrows.codec.transforms.latent import LatentArchitecture
from narrows.data import Scaling
from narrows.data.axes import layout_of


@dataclass(frozen=True)
class CodecDesign:
    """The networks of a codec.

    Parameters
    ----------
    lossless, lossy : Design
        Context models of the pixel path; one model serves both where they are equal.
    latent : Design
        Context model of the latent path.
    architecture : LatentArchitecture
        Encoder and decoder of the latent path.
    """

    lossless: Design
    lossy: Design
    latent: Design
    architecture: LatentArchitecture


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
        design = self.design
        return {
            "tool": self.tool,
            "grid": self.grid.to_dict(),
            "scaling": self.scaling.to_dict(),
            "axes": self.axes,
            "shape": None if self.item_shape is None else list(self.item_shape),
            "designs": {
                "lossless": design.lossless.to_dict(),
                "lossy": design.lossy.to_dict(),
                "latent": design.latent.to_dict(),
            },
            "architecture": design.architecture.to_dict(),
            "training": self.training.to_dict(),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "CodecManifest":
        """Return the manifest that `to_dict` wrote; KeyError, TypeError or ValueError where the document is not one."""
        designs = {name: from_document(Design, design) for name, design in document["designs"].items()}
        return cls(
            grid=Grid.from_dict(document["grid"]),
            scaling=Scaling.from_dict(document["scaling"]),
            axes=typed(ShortText, document["axes"]),
            item_shape=typed(tuple[PositiveInt, ...] | None, document["shape"]),
            design=CodecDesign(
                designs["lossless"],
                designs["lossy"],
                designs["latent"],
                LatentArchitecture.from_dict(document["architecture"]),
            ),
            training=TrainingRecord.from_dict(document["training"]),
            written_by=typed(ShortText, document["narrows"]),
        )
