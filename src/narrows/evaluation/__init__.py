"""Metrics, evaluators for each tool, and the peers that models are compared with."""

from typing import TYPE_CHECKING, Any

from narrows.errors import ParameterError
from narrows.registry import resolve, tools

if TYPE_CHECKING:
    from narrows.data import Items
    from narrows.evaluation.summary import Evaluation


def evaluate(model: Any, items: "Items", **options: Any) -> "Evaluation":
    """Measure how good a model is on items, with the evaluator of its tool.

    Parameters
    ----------
    model : TrainedModel or fitted estimator
        An autoencoder, a denoiser or an imputer.
    items : Items
        Items that the model was not trained on.
    **options
        Those of the tool's evaluator: ``labels`` for autoencoders, ``noise``, ``target`` and ``tta`` for denoisers,
        ``holes`` and ``tta`` for imputers.

    Returns
    -------
    Evaluation
        The figures, with `summary` for readers and `to_dict` for JSON.

    Raises
    ------
    DataError
        If the items do not fit the model.
    ParameterError
        If the tool has no evaluator.

    Examples
    --------
    >>> from narrows import Autoencoder, data
    >>> model = Autoencoder("linear", code=8, epochs=20).fit(data.read("digits:train"))
    >>> found = evaluate(model, data.read("digits:test"))
    >>> found.items, round(found.code), 0 < found.mse < 0.1
    (898, 8, True)
    """
    model = trained_model(model)
    spec = tools()[model.tool]
    if spec.evaluate is None:
        raise ParameterError(f"{model.tool}s have no evaluation; see narrows report")
    found: Evaluation = resolve(spec.evaluate)(model, items, **options)
    return found


def trained_model(model: Any, items: "Items | None" = None) -> Any:
    """Return the trained model of a fitted estimator, with the estimator's options; a trained model as it is.

    items: those whose range it gets, if it takes any range.
    """
    model = model._model() if hasattr(model, "_model") else model
    return model if items is None or model.tool == "codec" else model.adapted_to(items)
