"""What is known of an image before it is decoded."""

from dataclasses import dataclass

import numpy as np

from narrows.data.picture_metadata import NOTHING, PictureMetadata


@dataclass(frozen=True)
class Header:
    """What an image will decode to.

    animated: whether its file holds more frames than the first. metadata: what else its file says.
    """

    rows: int
    columns: int
    channels: int
    alpha: bool
    dtype: np.dtype
    animated: bool = False
    metadata: PictureMetadata = NOTHING
