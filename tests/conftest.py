"""What all tests share."""

import pytest

from narrows import data


@pytest.fixture(scope="session")
def mnist() -> tuple[data.Items, data.Items]:
    """MNIST for training and for testing, fetched once if it is not in the cache."""
    return data.read("mnist"), data.read("mnist:test")
