"""The catalogue of ready-made models: their cards, and look-up by name, by tool and by items.

In the folder `models`, beside each model file lies its card, a JSON document of the same name.
"""

from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from narrows.artifacts.schema import FiniteFloat, NonNegativeInt, PositiveInt, ShortText, from_document, parse_document
from narrows.data import Items
from narrows.errors import DataError, ParameterError

FOLDER = Path(__file__).parent / "models"
DEFAULT = "photo"
_WITHOUT_ALPHA = {2: 1, 4: 3}  # channels with an alpha channel, and without


@dataclass(frozen=True)
class TrainingData:
    """Data that a ready-made model learned from.

    Parameters
    ----------
    name, items, licence : str, int and str
        What they are called, how many there are, and on which terms they may be used.
    """

    name: ShortText
    items: PositiveInt
    licence: ShortText


@dataclass(frozen=True)
class Figure:
    """How well a ready-made model does one task, on items that it has not learned from.

    Parameters
    ----------
    task : str
        What was measured, such as ``"Gaussian noise of 25/255"``.
    unit : str
        Such as ``"dB"``.
    value : float
        The result.
    peer, peer_value : str and float
        What it is compared with, such as ``"noisy"``, and the result of that.
    """

    task: ShortText
    unit: ShortText
    value: FiniteFloat
    peer: ShortText
    peer_value: FiniteFloat

    def __str__(self) -> str:
        """Return the figure in words."""
        return f"{self.task}: {self.value:g} {self.unit} ({self.peer} {self.peer_value:g})"


@dataclass(frozen=True)
class ReadyModel:
    """The card of a ready-made model.

    Parameters
    ----------
    name : str
        Name of the file without its suffix: what the items are, the tool, and of pictures "grey" or "colour".
    tool : str
        The tool.
    what : str
        What the model is for, such as ``"grey photographs"``.
    channels : int
        Channels of the items, without an alpha channel.
    size : int
        Bytes of the model file.
    fingerprint : str
        The fingerprint of the model.
    figures : tuple of Figure
        How good it is, the most telling figure first.
    measured_on : str
        The items that the figures are for.
    within : tuple of float, optional
        The shares of their values within one and two predictive standard deviations.
    data : tuple of TrainingData
        What it learned from.
    command, seed : str and int
        What made it.
    """

    name: ShortText
    tool: ShortText
    what: ShortText
    channels: PositiveInt
    size: PositiveInt
    fingerprint: ShortText
    figures: tuple[Figure, ...]
    measured_on: ShortText
    within: tuple[FiniteFloat, FiniteFloat] | None
    data: tuple[TrainingData, ...]
    command: ShortText
    seed: NonNegativeInt

    @property
    def path(self) -> Path:
        """The model file."""
        return FOLDER / f"{self.name}.safetensors"

    def to_dict(self) -> dict[str, Any]:
        """Return the card as plain values for JSON; `ready_models` reads it."""
        return asdict(self)


@cache
def ready_models() -> tuple[ReadyModel, ...]:
    """Return all ready-made models, in the order of their names.

    Examples
    --------
    >>> [model.name for model in ready_models() if model.tool == "denoiser"]
    ['photo-denoiser-colour', 'photo-denoiser-grey']
    """
    cards = (parse_document(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json")))
    return tuple(from_document(ReadyModel, card) for card in cards)


def is_ready_name(name: str) -> bool:
    """Return whether a name is that of ready-made models, or begins like theirs: "photo", "photo-codec".

    Examples
    --------
    >>> is_ready_name("photo-codec"), is_ready_name("pho"), is_ready_name("photo.safetensors")
    (True, False, False)
    """
    return any(_is_named(model, name) for model in ready_models())


def find_ready_model(name: str) -> ReadyModel:
    """Return the only ready-made model that a name means; ParameterError where it means none or several."""
    found = [model for model in ready_models() if _is_named(model, name)]
    if len(found) != 1:
        known = ", ".join(model.name for model in found or ready_models())
        raise ParameterError(
            f"{name!r} means {len(found)} ready-made models", hint=f"{'name one of' if found else 'there are'} {known}"
        )
    return found[0]


def choose_ready_model(items: Items, *tools: str, name: str = DEFAULT) -> ReadyModel:
    """Return the ready-made model that suits items.

    Parameters
    ----------
    items : Items
        What it is to be used on, or trained further on.
    *tools : str
        The tool, or several of which `name` has to mean one.
    name : str
        The name of the model, or what several names begin with.

    Raises
    ------
    DataError
        If none suits the items.
    ParameterError
        If there is no such model of these tools, or there are models of several.
    """
    named = [model for model in ready_models() if _is_named(model, name)]
    known = [model for model in named if model.tool in tools]
    if len({model.tool for model in known}) != 1:
        possible = known or [model for model in ready_models() if model.tool in tools]
        names = ", ".join(dict.fromkeys(model.name.rpartition("-")[0] for model in possible))
        found = "names models of several tools" if known else f"names no ready-made {' or '.join(tools)}"
        raise ParameterError(f"{name!r} {found}", hint=f"there are {names}" if names else None)
    tool = known[0].tool
    channels = items.channels if tool == "codec" else _WITHOUT_ALPHA.get(items.channels, items.channels)
    for model in known:
        if items.axes in ("NYX", "NYXC") and model.channels == channels and (tool != "codec" or items.dtype == "uint8"):
            return model
    without_training = ", or use narrows pack, which needs no model" if tool == "codec" else ""
    shape = "rows of a table" if items.axes == "NF" else f"axes {items.axes}, {items.channels} channel(s)"
    raise DataError(
        f"{shape}, {items.dtype}; the ready-made {tool}s are for {' and '.join(model.what for model in known)}",
        source=items.source,
        hint=f"train one with narrows train {tool}{without_training}",
    )


def choose_ready_models(items: Items, name: str = DEFAULT) -> list[ReadyModel]:
    """Return the ready-made models of a name that suit items, one of each tool; DataError where none does."""
    tools = dict.fromkeys(model.tool for model in ready_models() if _is_named(model, name))
    found, errors = [], []
    for tool in tools:
        try:
            found.append(choose_ready_model(items, tool, name=name))
        except DataError as error:
            errors.append(error)
    if not found:
        raise errors[0]
    return found


def _is_named(model: ReadyModel, name: str) -> bool:
    return f"{model.name}-".startswith(f"{name}-")
