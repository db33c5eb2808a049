"""List data sets and ready-made models, and describe files."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from narrows.cli import options
from narrows.cli.messages import aligned, size
from narrows.errors import FormatError, ParameterError

_CHECKPOINT = "narrows.checkpoint"
_COMPRESSED = b"NRW"


def datasets() -> None:
    """List the named data sets, and where each is stored.

    \b
    Example:
      narrows datasets
    """
    from narrows import data

    rows = [("NAME", "ITEMS", "SHAPE", "TYPE", "WHAT", "WHERE")]
    for known in data.named_sets():
        shape = "x".join(map(str, known.item_shape))
        for split, count in known.splits.items():
            rows.append((f"{known.name}:{split}", str(count), shape, known.dtype, known.title, known.where))
    print(aligned(rows))
    print("\nA bare name is its training split.")


def models(as_json: options.Json = False) -> None:
    """List the ready-made models, and how good each is.

    \b
    Example:
      narrows models
    """
    from narrows.ready import ready_models

    ready = ready_models()
    if as_json:
        print(json.dumps({"models": [model.to_dict() for model in ready]}))
        return
    rows = [("NAME", "FOR", "SIZE", "HOW GOOD", "TRAINED ON")]
    for model in ready:
        data = " and ".join(f"{each.items:,} {each.name}" for each in model.data)
        rows.append((model.name, model.what, size(model.size), str(model.figures[0]), data))
    print(aligned(rows))
    print("\nA verb without MODEL uses the one that suits DATA. --json prints all figures, licences and commands.")


def info(
    file: Annotated[
        str, typer.Argument(metavar="FILE", show_default=False, help="A model, a checkpoint or a compressed file.")
    ],
    verify: Annotated[bool, typer.Option("--verify", help="Also verify the checksums of a compressed file.")] = False,
    as_json: options.Json = False,
) -> None:
    """Describe a model, a checkpoint or a compressed file.

    \b
    Example:
      narrows info m.safetensors
    """
    from narrows.artifacts.model_file import check_opens

    check_opens(file)
    with open(file, "rb") as opened:
        compressed = opened.read(len(_COMPRESSED)) == _COMPRESSED
    if compressed:
        from narrows.cli import archive_info as archives

        archives.info(file, verify, as_json)
        return
    from narrows.artifacts.description import describe_checkpoint, describe_model, read_document

    try:
        checkpoint = read_checkpoint_document(file)
        document: dict[str, Any] = {"file": file, "bytes": Path(file).stat().st_size} | (
            checkpoint or read_document(file)
        )
        rows = [
            ("file", f"{file}, {size(document['bytes'])}"),
            *(describe_checkpoint(document) if checkpoint else describe_model(document)),
        ]
    except FormatError as error:
        error.source = file
        raise
    if verify:
        raise ParameterError(
            "--verify is for compressed files; models and checkpoints are verified whenever they are read"
        )
    if as_json:
        print(json.dumps(document))
        return
    from narrows.render.terminal import show_history

    print(aligned(rows))
    show_history((document["state"] if checkpoint else document["training"])["history"])


def read_checkpoint_document(file: str) -> dict[str, Any] | None:
    """Return the document of a checkpoint; None for any other file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "np") as opened:
            text = (opened.metadata() or {}).get(_CHECKPOINT)
        document = None if text is None else json.loads(text, parse_constant=lambda _: None)
    except (SafetensorError, ValueError, RecursionError):
        return None
    return None if document is None else {"checkpoint": True, **document}
