"""Train autoencoders on your own data, and use them as four tools: features, codec, denoiser and imputer."""

import importlib
from typing import TYPE_CHECKING, Any

from narrows import errors

__version__ = "0.1.0"

_HOME = {
    "Autoencoder": "narrows.estimators.autoencoder",
    "Codec": "narrows.estimators.codec",
    "Denoiser": "narrows.estimators.denoiser",
    "Imputer": "narrows.estimators.imputer",
    "export": "narrows.estimators.exporting",
    "load": "narrows.estimators.loading",
    "open": "narrows.codec.archive",
    "pack": "narrows.estimators.packing",
    "NarrowsError": "narrows.errors",
    "DataError": "narrows.errors",
    "DataWarning": "narrows.errors",
    "FormatError": "narrows.errors",
    "ParameterError": "narrows.errors",
    "TrainingError": "narrows.errors",
}
__all__ = [
    "Autoencoder",
    "Codec",
    "DataError",
    "DataWarning",
    "Denoiser",
    "FormatError",
    "Imputer",
    "NarrowsError",
    "ParameterError",
    "TrainingError",
    "__version__",
    "export",
    "load",
    "open",
    "pack",
]

if TYPE_CHECKING:
    from narrows.codec.archive import open
    from narrows.errors import DataError, DataWarning, FormatError, NarrowsError, ParameterError, TrainingError
    from narrows.estimators.autoencoder import Autoencoder
    from narrows.estimators.codec import Codec
    from narrows.estimators.denoiser import Denoiser
    from narrows.estimators.exporting import export
    from narrows.estimators.imputer import Imputer
    from narrows.estimators.loading import load
    from narrows.estimators.packing import pack


def __getattr__(name: str) -> Any:
    # Looked up on first use, so that importing the package costs neither torch nor scikit-learn.
    if name in _HOME:
        try:
            return getattr(importlib.import_module(_HOME[name]), name)
        except ModuleNotFoundError as error:
            missing = errors.missing_for_learning(error)
            if missing is None:
                raise
            raise ImportError(f"narrows.{name} {missing}") from None
    raise AttributeError(f"module 'narrows' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
