"""Look-up of model files by their fingerprint."""

from collections.abc import Iterable
from pathlib import Path

from narrows.artifacts.model_file import stored_fingerprint


def find_model_file(fingerprint: str, folders: Iterable[Path]) -> Path | None:
    """Find the model file with a fingerprint.

    Parameters
    ----------
    fingerprint : str
        The fingerprint, or its first hexadecimal digits.
    folders : iterable of Path
        Folders to search, in this order, without their subfolders.

    Returns
    -------
    Path or None
        The first file that states the fingerprint; None if no folder has one.
    """
    for path in (path for folder in folders for path in sorted(folder.glob("*.safetensors"))):
        if (stored_fingerprint(path) or "").startswith(fingerprint):
            return path
    return None
