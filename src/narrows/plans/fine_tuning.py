"""Fine-tuning: the model that a training starts from, and what options may say beside it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from narrows.data import Items
from narrows.errors import ParameterError
from narrows.models import load_model
from narrows.ready import choose_ready_model, is_ready_name


def find_init_model(given: Any, tool: str, items: Callable[[], Items]) -> Any:
    """Return the model to start from.

    Parameters
    ----------
    given : str, Path, estimator, TrainedModel, CodecModel or None
        A model file, the name of a ready-made model, a fitted estimator or a trained model; None for random weights.
    tool : str
        The tool that is trained.
    items : callable
        Returns what it is trained on, by which a ready-made model is chosen.

    Returns
    -------
    TrainedModel, CodecModel or None

    Raises
    ------
    ParameterError
        If it is no model of the tool.
    DataError
        If a ready-made model does not suit the items.
    """
    if given is None:
        return None
    if isinstance(given, str) and is_ready_name(given):
        given = choose_ready_model(items(), tool, name=given).path
    model = load_model(given) if isinstance(given, (str, Path)) else getattr(given, "model_", given)
    found = getattr(model, "tool", None)
    if found != tool or not hasattr(model, "init_record"):
        what = f"of the tool {found}" if hasattr(model, "init_record") else "neither a model file nor a trained model"
        raise ParameterError(f"is {what}; expected a model of the tool {tool}", parameter="init_model", value=given)
    return model


def check_option(name: str, value: Any, unset: Any, of_model: Any) -> None:
    """Raise ParameterError for an option that is neither left unset nor what the model to start from has."""
    if value not in (unset, of_model):
        raise ParameterError(
            f"the model to start from has {of_model}", parameter=name, value=value, hint="leave the option out"
        )
