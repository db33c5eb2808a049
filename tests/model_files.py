"""Model files written and read as tensors and a document."""

from narrows.artifacts.model_file import ModelFile


def write_model(path, tensors, document):
    """Write a model file."""
    ModelFile.create(tensors, document).write(path)


def read_model(path):
    """Read a model file: its tensors, and its document with the fingerprint added."""
    file = ModelFile.from_path(path)
    return file.tensors, {**file.document, "fingerprint": file.fingerprint}
