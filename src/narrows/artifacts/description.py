"""What model files and checkpoints say about themselves, as rows of (name, value); nothing here imports torch.

Each tool has a function from its document to the rows that only it has; `narrows.registry.ToolSpec` names it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from narrows.artifacts.manifest import CheckpointManifest, TrainingRecord
from narrows.artifacts.model_file import ModelFile
from narrows.errors import FormatError
from narrows.registry import resolve, tools

Rows = list[tuple[str, str]]
Document = Mapping[str, Any]


def read_document(path: str | Path) -> dict[str, Any]:
    """Return the document of a model file, with its fingerprint and its number of parameters."""
    return full_document(ModelFile.from_path(path))


def full_document(file: ModelFile) -> dict[str, Any]:
    """Return the document of a model file, with its fingerprint and its number of parameters."""
    return {**file.document, "fingerprint": file.fingerprint, "parameters": file.n_parameters}


def describe_model(document: Document) -> Rows:
    """Return all rows about a model.

    Parameters
    ----------
    document : mapping
        What `full_document` returns.

    Raises
    ------
    FormatError
        If the document is not one that a model file has.
    """
    try:
        return [(name, str(text)) for name, text in _model_rows(document)]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise FormatError(f"its description is not that of a model ({error})") from None


def _model_rows(document: Document) -> Rows:
    training = TrainingRecord.from_dict(document["training"])
    return [
        ("tool", f"{document['tool']}, format {document['format']}, written by narrows {document['narrows']}"),
        *tool_rows(document["tool"], document),
        ("parameters", f"{document['parameters']:,}"),
        ("data", describe_data(document)),
        ("fingerprint", document["fingerprint"]),
        *training.describe(baseline(document)),
        *describe_coverage(training),
        ("seed", str(training.seed)),
    ]


def describe_checkpoint(document: Document) -> Rows:
    """Return all rows about a checkpoint, from its document; FormatError where it is not that of one."""
    try:
        return [(name, str(text)) for name, text in _checkpoint_rows(document)]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise FormatError(f"its description is not that of a checkpoint ({error})") from None


def _checkpoint_rows(document: Document) -> Rows:
    checkpoint = CheckpointManifest.from_dict(document)
    identity, state = checkpoint.identity, checkpoint.state
    epochs = state["history"]["epoch"]
    article = "an" if checkpoint.tool[0] in "aei" else "a"
    return [
        ("tool", "checkpoint of a training that was stopped; train with --resume continues it"),
        ("trains", f"{article} {checkpoint.tool}"),
        *(tool_rows(checkpoint.tool, identity) if "architecture" in identity else []),
        *([("started from", f"the model {identity['init_model'][:12]}")] if identity.get("init_model") else []),
        ("trained on", f"{identity['items']:,} items"),
        ("budget", f"{identity['minutes']:.3g} minutes" if identity.get("minutes") else f"{identity['epochs']} epochs"),
        ("so far", f"{state['step']:,} steps, {epochs[-1] if epochs else 0:.1f} epochs, {state['seconds']:.1f} s"),
        ("held-out loss", "not measured yet" if state["best"] is None else f"{state['best']:.4g}"),
        ("seed", str(identity["seed"])),
    ]


def tool_rows(tool: str, document: Document) -> Rows:
    """Return the rows that only models of a tool have; none for tools that are not installed."""
    spec = tools().get(tool)
    rows: Rows = resolve(spec.describe)(document) if spec is not None and spec.describe else []
    return rows


def describe_autoencoder(document: Document) -> Rows:
    """Return the rows of an autoencoder's model or checkpoint."""
    architecture = document["architecture"]
    code = architecture["code"]
    kind = architecture["kind"]
    if kind == "conv":
        kind += f", upsampling {architecture['upsampling']}"
    if architecture["preset"] != "default":
        kind += f", preset {architecture['preset']}"
    shape, channels = "x".join(map(str, architecture["shape"])), architecture["channels"]
    return [
        ("architecture", kind),
        ("code", str(code) if isinstance(code, int) else f"{'x'.join(map(str, code))} (channels x grid)"),
        ("items", f"{shape}, {channels} channel(s)" if shape else f"{channels} features"),
    ]


def describe_codec(document: Document) -> Rows:
    """Return the rows of a codec's model."""
    shape = "any size" if document["shape"] is None else f"best {'x'.join(map(str, document['shape']))}, of any size"
    return [("items", f"{shape}, {document['architecture']['channels']} channel(s)")]


def describe_denoiser(document: Document) -> Rows:
    """Return the rows of a denoiser's model or checkpoint."""
    if document["noise"] is not None:
        source = f"clean items and the noise {document['noise']}"
    else:
        source = "noisy items alone" if document["architecture"]["task"] == "blind" else "pairs of items"
    clipped = "clipped to the range" if document["clip"] else "not clipped"
    return [("learned from", source), ("noisy values", clipped), *describe_restoration(document["architecture"])]


def describe_imputer(document: Document) -> Rows:
    """Return the rows of an imputer's model or checkpoint."""
    marked = document.get("missing_values", "nan")
    marks = [str(mark).removesuffix(".0") for mark in (marked if isinstance(marked, list) else [marked])]
    also = "".join({"nan": "", "alpha": " and where alpha is 0"}.get(mark, f" and {mark}") for mark in marks)
    return [
        ("learned from", f"items with holes {document['holes']}"),
        ("missing", f"NaN{also}"),
        *describe_restoration(document["architecture"]),
    ]


def describe_restoration(architecture: Document) -> Rows:
    """Return the rows about the network of a denoiser or an imputer."""
    if "members" in architecture:
        network = f"factor analysis, corrected by {architecture['members']} perceptrons"
        return [("network", network), ("items", f"{sum(architecture['sizes'])} features")]
    shape, channels = "x".join(map(str, architecture["shape"])), architecture["channels"]
    network = "U-Net" if architecture["preset"] == "default" else f"preset {architecture['preset']}"
    return [("network", network), ("items", f"best {shape}, of any size, {channels} channel(s)")]


def describe_coverage(training: TrainingRecord) -> Rows:
    """Return how well predictive standard deviations match the errors on held-out values."""
    within = training.details.get("within")
    if within is None:
        return []
    text = "{:.1%} of held-out values within one predictive standard deviation, {:.1%} within two"
    return [("uncertainty", text.format(*within))]


def describe_data(document: Document) -> str:
    """Return what data a model was trained on: axes, type and range, or kinds of columns."""
    axes, scaling = document["axes"], document["scaling"]
    if document.get("columns"):
        kinds = [column["kind"] for column in document["columns"]]
        counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
        return f"axes {axes}, a table of {len(kinds)} column(s): {counts}"
    if document.get("any_range"):
        return f"axes {axes}, of any type, scaled by its own range"
    if scaling["kind"] == "range":
        return f"axes {axes}, {scaling['dtype']}, {scaling['low']:g} to {scaling['high']:g}"
    return f"axes {axes}, {scaling['dtype']}, scaled by mean and standard deviation"


def baseline(document: Document) -> str:
    """Return whose loss that of a model is compared with, in words."""
    names = {"codec": "before training it was", "blind": "one distribution for every value has"}
    return names.get(document["architecture"].get("task", document["tool"]), "the mean of the data has")
