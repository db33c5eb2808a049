"""What the caller sets in torch changes neither training nor inference nor coding, and stays as it was."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch

from narrows import Autoencoder, Codec, Denoiser, Imputer, data


@contextmanager
def set_and_reset(setter, value, before):
    setter(value)
    try:
        yield
    finally:
        setter(before)


STATES = {
    "float64 as default dtype": lambda: set_and_reset(torch.set_default_dtype, torch.float64, torch.float32),
    "float16 as default dtype": lambda: set_and_reset(torch.set_default_dtype, torch.float16, torch.float32),
    "meta as device of a block": lambda: torch.device("meta"),
    "meta as default device": lambda: set_and_reset(torch.set_default_device, "meta", None),
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast to bfloat16": lambda: torch.autocast("cpu", torch.bfloat16),
    "autocast to float16": lambda: torch.autocast("cpu", torch.float16),
    "deterministic algorithms": lambda: set_and_reset(torch.use_deterministic_algorithms, True, False),
    "low precision of convolutions": lambda: set_and_reset(
        lambda precision: setattr(torch.backends.mkldnn.conv, "fp32_precision", precision), "bf16", "none"
    ),
    "low precision of products": lambda: set_and_reset(torch.set_float32_matmul_precision, "medium", "highest"),
    "errors of NumPy": lambda: np.errstate(all="raise"),
}
PICTURES = data.read("digits").values[:60]
RAMPS = np.linspace(0, 1, 30, dtype="f4")[:, None, None] * np.linspace(0, 1, 16, dtype="f4")[:, None].repeat(16, 1)
TABLE = np.random.default_rng(0).normal(size=(60, 4))
HOLES = np.where(np.random.default_rng(1).random(TABLE.shape) < 0.2, np.nan, TABLE)


def autoencoder():
    model = Autoencoder(code=4, epochs=30).fit(PICTURES)
    return model.inverse_transform(model.transform(PICTURES)), model.score_samples(PICTURES)


def table_autoencoder():
    model = Autoencoder(code=2, epochs=30).fit(TABLE)
    return (model.inverse_transform(model.transform(TABLE)),)


def denoiser():
    model = Denoiser(noise="gaussian:0.3", epochs=12).fit(RAMPS)
    return model.transform(RAMPS), model.uncertainty(RAMPS)


def imputer():
    pictures = np.where(PICTURES > 12, np.nan, PICTURES)
    model = Imputer(epochs=15).fit(pictures)
    return model.transform(pictures), model.sample(pictures, 1)


def table_imputer():
    model = Imputer(epochs=2).fit(HOLES)
    return model.transform(HOLES), model.sample(HOLES, 1)


def codec():
    model = Codec(epochs=1).fit(PICTURES)
    files = model.compress(PICTURES, lossless=True), model.compress(PICTURES, quality=50)
    return [*(np.frombuffer(file, np.uint8) for file in files), *map(model.decompress, files)]


@pytest.fixture(scope="module")
def expected():
    return {}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(
    "work", [autoencoder, table_autoencoder, denoiser, imputer, table_imputer, codec], ids=lambda work: work.__name__
)
def test_results_do_not_depend_on_the_state(state, work, expected):
    if work not in expected:
        expected[work] = work()
    with STATES[state]():
        before = torch.get_default_dtype(), torch.is_grad_enabled(), torch.is_autocast_enabled("cpu")
        found = work()
        assert (torch.get_default_dtype(), torch.is_grad_enabled(), torch.is_autocast_enabled("cpu")) == before
    for value, reference in zip(found, expected[work], strict=True):
        np.testing.assert_array_equal(np.asarray(value), np.asarray(reference))


def test_generators_of_the_caller_are_left_alone():
    torch.manual_seed(3)
    np.random.seed(3)
    numbers = torch.get_rng_state(), np.random.get_state()[1].copy()
    autoencoder(), table_imputer(), codec()
    assert torch.equal(torch.get_rng_state(), numbers[0])
    np.testing.assert_array_equal(np.random.get_state()[1], numbers[1])
