"""What a model file says of itself, as rows of a table: (what, how it is)."""

from pathlib import Path
from typing import Any


def read_model_document(file: str) -> dict[str, Any]:
    """The document of a model, with how many parameters it has."""
    from narrows.artifacts.model_file import read_model

    tensors, document = read_model(Path(file))
    return {**document, "parameters": sum(tensor.size for tensor in tensors.values())}


def describe_model(document: dict[str, Any]) -> list[tuple[str, str]]:
    training = document["training"]
    before = {"codec": "before learning it was", "blind": "one distribution for every value has"}
    without = before.get(document["architecture"].get("task", document["tool"]), "the mean of the data has")
    ended = "complete" if training["complete"] else "stopped before its end"
    return [
        ("tool", f"{document['tool']}, format {document['format']}, written by narrows {document['narrows']}"),
        *describe_tool(document),
        ("parameters", f"{document['parameters']:,}"),
        ("data", describe_data(document)),
        ("fingerprint", document["fingerprint"]),
        ("trained on", f"{training['data']}, {training['items']:,} items{at_rate(training.get('rate'))}"),
        ("training", f"{budget(training)}, {training['seconds']:.1f} s on {training['device']}, {ended}"),
        ("held-out loss", f"{training['held_out_loss']:.4g}; {without} {training['mean_loss']:.4g}"),
        *describe_within(training),
        ("seed", str(training["seed"])),
    ]


def at_rate(rate: int | None) -> str:
    return f" of {rate:,} samples a second" if rate else ""


def describe_checkpoint(document: dict[str, Any]) -> list[tuple[str, str]]:
    identity, state = document["identity"], document["state"]
    epochs = state["history"]["epoch"]
    return [
        ("tool", "checkpoint of a training that was stopped; train with --resume goes on from it"),
        *describe_trained(identity),
        ("trained on", f"{identity['items']:,} items"),
        ("budget", f"{identity['minutes']:.3g} minutes" if identity.get("minutes") else f"{identity['epochs']} epochs"),
        ("so far", f"{state['step']:,} steps, {epochs[-1] if epochs else 0:.1f} epochs, {state['seconds']:.1f} s"),
        ("held-out loss", "not measured yet" if state["best"] is None else f"{state['best']:.4g}"),
        ("seed", str(identity["seed"])),
    ]


def describe_tool(document: dict[str, Any]) -> list[tuple[str, str]]:
    if document["tool"] == "codec":
        return describe_codec(document)
    if document["tool"] == "denoiser":
        return describe_denoiser(document)
    if document["tool"] == "imputer":
        return describe_imputer(document)
    return describe_architecture(document["architecture"])


def describe_trained(identity: dict[str, Any]) -> list[tuple[str, str]]:
    """What a checkpoint is of."""
    if "architecture" not in identity:
        return [("trains", "a codec")]
    if "noise" in identity:
        return [("trains", "a denoiser"), *describe_denoiser(identity)]
    if "holes" in identity:
        return [("trains", "an imputer"), *describe_imputer(identity)]
    return describe_architecture(identity["architecture"])


def describe_denoiser(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Of a model's document, or of the identity of a training."""
    if document["noise"] is not None:
        learnt = f"clean items and the noise {document['noise']}"
    elif document["architecture"]["task"] == "blind":
        learnt = "noisy items alone"
    else:
        learnt = "pairs of items"
    clipped = "clipped to the range" if document["clip"] else "not clipped"
    return [("learnt from", learnt), ("noisy values", clipped), *describe_restoration(document["architecture"])]


def describe_imputer(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Of a model's document, or of the identity of a training."""
    marks = document.get("missing_values", "nan")
    also = {"nan": "", "alpha": " and where alpha is 0"}.get(marks, f" and {marks.removesuffix('.0')}")
    return [
        ("learnt from", f"items with holes {document['holes']}"),
        ("missing", f"NaN{also}"),
        *describe_restoration(document["architecture"]),
    ]


def describe_restoration(architecture: dict[str, Any]) -> list[tuple[str, str]]:
    if "members" in architecture:
        network = f"factor analysis, corrected by {architecture['members']} perceptrons"
        return [("network", network), ("items", f"{sum(architecture['sizes'])} features")]
    shape, channels = "x".join(map(str, architecture["shape"])), architecture["channels"]
    network = "U-Net" if architecture["preset"] == "default" else f"preset {architecture['preset']}"
    return [("network", network), ("items", f"best {shape}, of any size, {channels} channel(s)")]


def describe_within(training: dict[str, Any]) -> list[tuple[str, str]]:
    """How right a tool that restores is about its doubt."""
    if training.get("within") is None:
        return []
    one, two = training["within"]
    return [("doubt", f"{one:.1%} of held-out values within one stated deviation, {two:.1%} within two")]


def describe_architecture(architecture: dict[str, Any]) -> list[tuple[str, str]]:
    code = architecture["code"]
    code = str(code) if isinstance(code, int) else f"{'x'.join(map(str, code))} (channels x grid)"
    kind = architecture["kind"]
    if kind == "conv":
        kind += f", upsampling {architecture['upsampling']}"
    if architecture["preset"] != "default":
        kind += f", preset {architecture['preset']}"
    shape = "x".join(map(str, architecture["shape"]))
    channels = architecture["channels"]
    return [
        ("architecture", kind),
        ("code", code),
        ("items", f"{shape}, {channels} channel(s)" if shape else f"{channels} features"),
    ]


def describe_codec(document: dict[str, Any]) -> list[tuple[str, str]]:
    shape = "any size" if document["shape"] is None else f"best {'x'.join(map(str, document['shape']))}, of any size"
    return [("items", f"{shape}, {document['architecture']['channels']} channel(s)")]


def describe_data(document: dict[str, Any]) -> str:
    axes, scaling = document["axes"], document["scaling"]
    if document.get("columns"):
        kinds = [column["kind"] for column in document["columns"]]
        counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
        return f"axes {axes}, a table of {len(kinds)} column(s): {counts}"
    if scaling["kind"] == "range":
        return f"axes {axes}, {scaling['dtype']}, {scaling['low']:g} to {scaling['high']:g}"
    return f"axes {axes}, {scaling['dtype']}, scaled by mean and deviation"


def budget(training: dict[str, Any]) -> str:
    """What was done, of what was asked for."""
    done = f"{training['history']['epoch'][-1]:.1f} epochs"
    return (
        f"{done} in a budget of {training['minutes']:.3g} minutes"
        if training.get("minutes")
        else f"{done} of {training['epochs']}"
    )
