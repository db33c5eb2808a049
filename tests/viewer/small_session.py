"""A session with a small model of every tool."""

from typing import Any

import numpy as np

import narrows
from narrows.data import Items
from narrows.viewer.session import Session


def session_of(X: np.ndarray, axes: str, **options: Any) -> Session:
    """A session with a small model of every tool for the items X."""
    items = Items.from_array(X, axes)
    tools = (
        narrows.Autoencoder(axes=axes, epochs=1, **options),
        narrows.Codec(axes=axes, epochs=1),
        narrows.Denoiser(noise="gaussian:0.2", axes=axes, epochs=1),
        narrows.Imputer(holes="pixels:0.5", axes=axes, epochs=1),
    )
    return Session({tool.tool: tool.fit(items) for tool in tools}, len(items), items.select, "waves")
