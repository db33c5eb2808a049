"""What each tab shows of one item, on data of all kinds."""

import numpy as np
import pytest

from narrows.errors import DataError
from narrows.evaluation.peers import ImagePeer, peers
from narrows.registry import resolve, tools
from narrows.viewer.autoencoder_tab import slider_range
from narrows.viewer.imputer_tab import ImputerTab

from ..made_up import waves
from .small_session import session_of


@pytest.fixture(autouse=True)
def any_training_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("narrows.training.loop.MUST_BEAT", np.inf)


@pytest.mark.parametrize(
    ("X", "axes"),
    [
        (waves(20, 64, dtype=np.float32), "NT"),
        (waves(20, 16, 20), "NYX"),
        (waves(20, 16, 20, channels=3), "NYXC"),
        (waves(8, 8, 8, 8, dtype=np.uint16), "NZYX"),
    ],
    ids=["signals", "grey", "colour", "volumes"],
)
def test_every_tool_answers_for_items_of_every_kind(X: np.ndarray, axes: str) -> None:
    here = session_of(X, axes, code=3)
    item = here.item(4)
    np.testing.assert_array_equal(item, X[4])
    assert [index for index, *_ in here.page(15, 60)] == list(range(15, len(X)))
    autoencoder, codec, denoiser, imputer = (
        resolve(str(spec.viewer))(here, here.models[name]) for name, spec in tools().items()
    )
    moved = autoencoder.code(item).copy()
    moved[autoencoder.units[0]] += 50
    for card in (
        autoencoder.card(item),
        autoencoder.card(item, moved),
        codec.card(item, 20),
        denoiser.card(item, 0.3),
        denoiser.card(item, 0.0),
        imputer.card(item, None, 0.5),
        imputer.card(item, None, 0.0),
    ):
        assert card.images
        assert all(image.dtype == np.uint8 for _, image in card.images)


def test_painted_values_are_hidden() -> None:
    here = session_of(waves(20, 16, 20), "NYX", architecture="linear", code=3)
    imputer = ImputerTab(here, here.models["imputer"])
    strokes = np.zeros((16, 20))
    strokes[4:9, 5:8] = 1
    card = imputer.card(here.item(0), strokes > 0, 0.0)
    assert f"{strokes.mean():.0%} hidden" in card.title
    with pytest.raises(DataError, match="all values are hidden"):
        imputer.card(here.item(0), np.ones((16, 20), bool), 0.0)


@pytest.mark.parametrize(("low", "high"), [(-3.21, 4.5), (0.0, 0.0), (-0.012, 0.004), (1000.0, 1000.5), (-7e4, 3e5)])
def test_a_slider_reaches_all_of_its_range_in_round_steps(low: float, high: float) -> None:
    start, end, step = slider_range(low, high)
    assert start <= low <= high < end + 1e-9
    assert 1 <= round((end - start) / step) <= 202
    assert len(f"{start:.10g}") <= 8


def test_peers_get_as_many_bytes_or_their_least() -> None:
    image = waves(1, 64, 64)[0]
    sizes = [len(peers(ImagePeer)["JPEG"].best_within(image, size)) for size in (10, 1000, 2000, 10**6)]
    assert sizes == sorted(sizes)
    assert sizes[1] <= 1000
    assert sizes[0] > 10
