"""What all tests share."""

from pathlib import Path

import hypothesis
import pytest

from narrows import Codec, data

hypothesis.settings.register_profile("narrows", deadline=None)
hypothesis.settings.load_profile("narrows")


@pytest.fixture(scope="session")
def mnist() -> tuple[data.Items, data.Items]:
    """MNIST for training and for testing, fetched once if it is not in the cache."""
    return data.read("mnist"), data.read("mnist:test")


@pytest.fixture(scope="session")
def digits_codec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a codec of digits that was trained for a few seconds."""
    path = tmp_path_factory.mktemp("models") / "digits.safetensors"
    Codec(epochs=20).fit(data.read("digits")).save(path)
    return path
