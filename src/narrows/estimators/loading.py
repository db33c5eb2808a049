"""Estimators from model files."""

from pathlib import Path

from narrows.estimators.autoencoder import Autoencoder
from narrows.estimators.codec import Codec
from narrows.estimators.denoiser import Denoiser
from narrows.estimators.imputer import Imputer
from narrows.models import load_model
from narrows.registry import resolve, tools


def load(path: str | Path) -> Autoencoder | Codec | Denoiser | Imputer:
    """Read a model file.

    Parameters
    ----------
    path : str or Path
        What `save`, or ``narrows train``, wrote.

    Returns
    -------
    Autoencoder, Codec, Denoiser or Imputer
        The fitted estimator, by the tool that the file names.

    Raises
    ------
    FormatError
        If the file is damaged, too new, of an unknown tool, or not a model.
    OSError
        If the file cannot be opened.

    See Also
    --------
    narrows.models.load_model : Read the trained model alone, without scikit-learn.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import narrows
    >>> images = narrows.data.read("digits").values
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "model.safetensors")
    ...     narrows.Autoencoder("linear", code=4, epochs=20).fit(images).save(path)
    ...     model = narrows.load(path)
    >>> model.code, model.transform(images).shape
    (4, (899, 4))
    """
    model = load_model(path)
    found: Autoencoder | Codec | Denoiser | Imputer = resolve(tools()[model.tool].estimator).from_model(model)
    return found
