"""The model that a `.narrow` file needs: in the file, beside it, or given."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Union

from narrows.artifacts import model_file
from narrows.codec.container.file import Reader
from narrows.errors import FormatError

if TYPE_CHECKING:
    from narrows.estimators.codec import Codec

Model = Union["Codec", str, os.PathLike[str], None]


def find_codec(reader: Reader, name: str, model: Model, folders: Iterable[Path] = ()) -> "Codec":
    """The codec that a file called `name` needs: the one given, else the one in the file, else one in the folders.

    FormatError where there is none, or where the one given is another.
    """
    needed = reader.header.fingerprint
    if isinstance(model, (str, os.PathLike)):
        codec, whose = load_codec(Path(model)), f"; {model} is"
    elif model is not None:
        codec, whose = model, "; the one given is"
    elif (content := reader.model()) is not None:
        codec, whose = from_embedded(content, name), ", but holds"
    else:
        codec, whose = load_codec(find_model(needed, name, folders)), ", but beside it is"
    if not codec.fingerprint_.startswith(needed):
        raise FormatError(f"{name}: needs the model {needed}{whose} {codec.fingerprint_[:12]}")
    return codec


def find_model(fingerprint: str, name: str, folders: Iterable[Path]) -> Path:
    """The model file with a fingerprint; FormatError where no folder has it, in which `name` is what needs it."""
    for path in (path for folder in folders for path in sorted(folder.glob("*.safetensors"))):
        if (model_file.stated_fingerprint(path) or "").startswith(fingerprint):
            return path
    raise FormatError(f"{name}: needs the model {fingerprint}, which is not beside it; say where it is (-m, or model=)")


def load_codec(path: Path) -> "Codec":
    """The codec in a model file; FormatError where it is another tool."""
    from narrows.estimators.codec import Codec
    from narrows.estimators.loading import load

    tool = load(path)
    if not isinstance(tool, Codec):
        raise FormatError(f"{path}: a model of the tool {tool.tool!r}, not a codec")
    return tool


def embedded(codec: "Codec") -> bytes:
    """The model as it stands in a file; `from_embedded` undoes it."""
    with tempfile.TemporaryDirectory(prefix="narrows-") as folder:
        path = Path(folder, "model.safetensors")
        codec.save(path)
        return path.read_bytes()


def from_embedded(content: bytes, name: str) -> "Codec":
    """The codec in a file called `name`; FormatError where it is none."""
    with tempfile.TemporaryDirectory(prefix="narrows-") as folder:
        path = Path(folder, "model.safetensors")
        path.write_bytes(content)
        try:
            return load_codec(path)
        except FormatError as error:
            raise FormatError(f"{name}: the model in it{str(error).removeprefix(str(path))}") from None
