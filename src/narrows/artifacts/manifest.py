"""Typed records of what model files and checkpoints say besides their tensors."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Self

from msgspec import Meta

from narrows.artifacts.schema import (
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    ShortText,
    Text,
    from_document,
    typed,
)

CHECKPOINT_FORMAT = 2  # 1, of version 0.1.0, states neither its format nor the tool


@dataclass(frozen=True)
class InitModel:
    """The model whose weights a training started from.

    Parameters
    ----------
    fingerprint : str
        Its fingerprint.
    data, items : str and int
        What it had learned from, and how many items that were.
    """

    fingerprint: ShortText
    data: Text
    items: NonNegativeInt


@dataclass(frozen=True)
class TrainingRecord:
    """How a model was trained.

    Parameters
    ----------
    data : str
        What the user called the data.
    items : int
        Number of items, those held out among them.
    rate : int or None
        Sampling rate of recordings in Hz.
    device : str
        Where the training ran, such as ``"cpu"``.
    batch_size, learning_rate, seed : int, float and int
        Settings of the training.
    seconds, steps : float and int
        How long the training took.
    held_out_loss, mean_loss : float
        Loss of the model on the held-out items, and that of the baseline, which predicts the mean.
    attempts : int
        How often the training started, each time with a lower learning rate.
    complete : bool
        Whether the budget was spent, rather than the training interrupted.
    history : dict of str to list of float
        Columns "epoch", "seconds", "loss" and "held_out", one row for each validation.
    minutes, epochs : float and int, optional
        The budget, one of them.
    init_model : InitModel, optional
        The model that the training started from; None for random weights.
    details : dict
        Facts of one tool alone, such as the name of the loss.
    """

    data: Text
    items: NonNegativeInt
    rate: PositiveInt | None
    device: ShortText
    batch_size: PositiveInt
    learning_rate: NonNegativeFloat
    seed: NonNegativeInt
    seconds: NonNegativeFloat
    steps: NonNegativeInt
    held_out_loss: float
    mean_loss: float
    attempts: NonNegativeInt
    complete: bool
    history: dict[str, list[float]]
    minutes: NonNegativeFloat | None = None
    epochs: PositiveInt | None = None
    init_model: InitModel | None = None
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def bits(self) -> int | None:
        """Bits per sample of recordings that are int32; None for other data."""
        bits: int | None = self.details.get("bits")
        return bits

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; `from_dict` is the inverse."""
        facts = asdict(self)
        details: dict[str, Any] = facts.pop("details")
        return {name: facts[name] for name in _TRAINING_KEYS if name in _NULLABLE or facts[name] is not None} | details

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Return the record that `to_dict` wrote; KeyError or ValueError where the document is not one."""
        details = {"rate": None, **document}
        known = {name: details.pop(name) for name in _TRAINING_KEYS if name in details}
        check_history(known["history"])
        typed(_KnownDetails, details)
        return from_document(cls, {**known, "details": details})

    def describe(self, baseline: str) -> list[tuple[str, str]]:
        """Return rows for ``narrows info``; `baseline` says whose loss `mean_loss` is."""
        ended = "complete" if self.complete else "stopped before its end"
        rate = f" of {self.rate:,} samples a second" if self.rate else ""
        epochs = f"{(self.history['epoch'] or [0])[-1]:.1f} epochs"
        budget = f"in a budget of {self.minutes:.3g} minutes" if self.minutes else f"of {self.epochs}"
        init = self.init_model
        start = (
            [("started from", f"the model {init.fingerprint[:12]}, trained on {init.data}, {init.items:,} items")]
            if init
            else []
        )
        return [
            *start,
            ("trained on", f"{self.data}, {self.items:,} items{rate}"),
            ("training", f"{epochs} {budget}, {self.seconds:.1f} s on {self.device}, {ended}"),
            ("held-out loss", f"{self.held_out_loss:.4g}; {baseline} {self.mean_loss:.4g}"),
        ]


_TRAINING_KEYS = (
    *("data", "items", "rate", "device", "minutes", "epochs", "batch_size", "learning_rate", "seed", "seconds"),
    *("steps", "held_out_loss", "mean_loss", "attempts", "complete", "history", "init_model"),
)
_NULLABLE = ("rate",)


@dataclass(frozen=True)
class _KnownDetails:
    """Details that this package reads."""

    loss: ShortText | None = None
    noisy_loss: float | None = None
    within: tuple[float, float] | None = None
    bits: Annotated[int, Meta(ge=1, le=64)] | None = None


def check_history(history: Any) -> None:
    """Raise ValueError for a history that is not columns of numbers, as long as each other."""
    columns = typed(dict[str, list[float]], history)
    if "epoch" not in columns or len({len(column) for column in columns.values()}) != 1:
        raise ValueError("a history without epochs, or of columns of different lengths")


@dataclass(frozen=True)
class _IdentityFacts:
    """What every checkpoint says of its training."""

    items: NonNegativeInt
    seed: NonNegativeInt
    minutes: NonNegativeFloat | None = None
    epochs: PositiveInt | None = None
    tool: ShortText | None = None
    init_model: ShortText | None = None


@dataclass(frozen=True)
class _StateFacts:
    """What every checkpoint says of where its training stands."""

    step: NonNegativeInt
    seconds: NonNegativeFloat
    history: dict[str, list[float]]
    best: float | None = None


@dataclass(frozen=True)
class CheckpointManifest:
    """What a checkpoint says of the interrupted training.

    Parameters
    ----------
    identity : dict
        The tool, and everything else that must be the same for the training to be resumed.
    state : dict
        Where the training stands.
    """

    identity: dict[str, Any]
    state: dict[str, Any]

    @property
    def tool(self) -> str:
        """Name of the tool in training."""
        return str(self.identity["tool"])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; `from_dict` is the inverse."""
        return {"format": CHECKPOINT_FORMAT, **asdict(self)}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Return the manifest that `to_dict` wrote, or version 0.1.0.

        Raises
        ------
        KeyError, TypeError or ValueError
            If the document is not one, or of a newer format.
        """
        if typed(PositiveInt, document.get("format", 1)) > CHECKPOINT_FORMAT:
            raise ValueError(f"of format {document['format']}; this version reads up to {CHECKPOINT_FORMAT}")
        identity, state = dict(document["identity"]), dict(document["state"])
        typed(_IdentityFacts, identity)
        typed(_StateFacts, state)
        check_history(state["history"])
        return cls(identity if "tool" in identity else {"tool": _tool_of(identity), **identity}, state)


def _tool_of(identity: Mapping[str, Any]) -> str:
    """Return the tool of a checkpoint of version 0.1.0, which is known by what was stored for each."""
    if "architecture" not in identity:
        return "codec"
    return "denoiser" if "noise" in identity else "imputer" if "holes" in identity else "autoencoder"
