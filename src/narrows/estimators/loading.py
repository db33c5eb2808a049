"""Models from files."""

from pathlib import Path

from narrows.artifacts import model_file
from narrows.errors import FormatError
from narrows.estimators.autoencoder import Autoencoder
from narrows.estimators.codec import Codec
from narrows.estimators.denoiser import Denoiser
from narrows.estimators.imputer import Imputer

TOOLS = {tool.tool: tool for tool in (Autoencoder, Codec, Denoiser, Imputer)}


def load(path: str | Path) -> Autoencoder | Codec | Denoiser | Imputer:
    """The tool that was saved at `path`; FormatError for a file that is damaged, too new, or not a model."""
    tensors, document = model_file.read_model(Path(path))
    tool = TOOLS.get(str(document.get("tool")))
    if tool is None:
        raise FormatError(f"{path}: a model of the unknown tool {document.get('tool')!r}")
    return tool.from_file(path, tensors, document)
