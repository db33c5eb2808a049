"""What all tests share."""

import hypothesis
import pytest

from narrows import data

hypothesis.settings.register_profile("narrows", deadline=None)
hypothesis.settings.load_profile("narrows")


@pytest.fixture(scope="session")
def mnist() -> tuple[data.Items, data.Items]:
    """MNIST for training and for testing, fetched once if it is not in the cache."""
    return data.read("mnist"), data.read("mnist:test")
