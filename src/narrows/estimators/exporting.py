"""`narrows.export`: models for other programs."""

import os

from narrows.errors import DataError
from narrows.estimators.base import Estimator
from narrows.models import TrainedModel
from narrows.models.onnx_export import export_onnx


def export(model: Estimator | TrainedModel, path: str | os.PathLike[str], part: str | None = None) -> None:
    """Write a model as an ONNX file, which runs without this package and torch.

    Needs the extra ``onnx``. Inputs and outputs are float32 in scaled units, (N, C, *S), and have names:

    - denoiser: ``noisy`` -> ``denoised``, ``std``
    - imputer: ``values``, ``mask`` (boolean, True where a value is missing) -> ``filled``, ``std``
    - encoder: ``items`` -> ``code``; decoder: ``code`` -> ``items``, of whole grid cells

    ``std`` is the predictive standard deviation. Batches have any number of items, and items any size, unless the code
    is flat. The metadata hold the scaling and the order of the axes.

    Parameters
    ----------
    model : Autoencoder, Denoiser, Imputer or TrainedModel
        A fitted estimator, or a trained model.
    path : str or path
        The file, which is replaced if it exists.
    part : {"encoder", "decoder"}, optional
        Which part of an autoencoder.

    Raises
    ------
    DataError
        If ONNX cannot hold the model, as with codecs and models of tables with columns, or a package is missing.
    ParameterError
        If `part` is missing for an autoencoder, or given for another model.
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import narrows
    >>> images = narrows.data.read("digits").values
    >>> model = narrows.Autoencoder("linear", code=4, epochs=20).fit(images)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     narrows.export(model, Path(folder, "encoder.onnx"), part="encoder")
    """
    trained = model._model() if isinstance(model, Estimator) else model
    if not isinstance(trained, TrainedModel):
        raise DataError(f"a {trained.tool} cannot be exported", hint="its archives are read without torch")
    export_onnx(trained, path, part)
