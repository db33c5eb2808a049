"""Fine-tuning: the model that a training starts from, and what options may say beside it."""

from pathlib import Path
from typing import Any

from narrows.errors import ParameterError
from narrows.models import load_model


def find_init_model(given: Any, tool: str) -> Any:
    """Return the model to start from.

    Parameters
    ----------
    given : str, Path, estimator, TrainedModel, CodecModel or None
        A model file, a fitted estimator or a trained model; None for random weights.
    tool : str
        The tool that is trained.

    Returns
    -------
    TrainedModel, CodecModel or None

    Raises
    ------
    ParameterError
        If it is no model of the tool.
    """
    if given is None:
        return None
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
