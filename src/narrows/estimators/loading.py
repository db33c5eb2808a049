"""Estimators from model files."""

from pathlib import Path

from narrows.estimators.autoencoder import Autoencoder
from narrows.estimators.codec import Codec
from narrows.estimators.denoiser import Denoiser
from narrows.estimators.imputer import Imputer
from narrows.models import load_model
from narrows.ready import find_ready_model, is_ready_name
from narrows.registry import resolve, tools


def load(path: str | Path) -> Autoencoder | Codec | Denoiser | Imputer:
    """Read a model file.

    Parameters
    ----------
    path : str or Path
        What `save`, or ``narrows train``, wrote; or the name of a ready-made model, such as ``"photo-denoiser-grey"``.

    Returns
    -------
    Autoencoder, Codec, Denoiser or Imputer
        The fitted estimator, by the tool that the file names.

    Raises
    ------
    FormatError
        If the file is damaged, too new, of an unknown tool, or not a model.
    ParameterError
        If a name means several ready-made models.
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
    if isinstance(path, str) and is_ready_name(path):
        path = find_ready_model(path).path
    model = load_model(path)
    found: Autoencoder | Codec | Denoiser | Imputer = resolve(tools()[model.tool].estimator).from_model(model)
    return found
