"""The trained model: weights, manifest and inference. An autoencoder with a code of two numbers serves."""

from typing import ClassVar

import numpy as np

from narrows.data import Items
from narrows.models.autoencoder_model import AutoencoderManifest, AutoencoderModel


class AtlasManifest(AutoencoderManifest):
    """What the model file says besides the weights."""

    tool: ClassVar[str] = "atlas"


class AtlasModel(AutoencoderModel):
    """A trained atlas."""

    tool: ClassVar[str] = "atlas"
    manifest_type = AtlasManifest

    def locate(self, items: Items) -> np.ndarray:
        """Return the position of each item, (N, 2) in 0..1."""
        return 1 / (1 + np.exp(-np.asarray(self.encode(items))))
