"""Items of the viewer: drawn or from files of all kinds."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import narrows
from narrows.data import Items
from narrows.errors import DataError
from narrows.viewer.autoencoder_tab import AutoencoderTab
from narrows.viewer.session import Session

from ..made_up import waves
from .small_session import session_of


@pytest.fixture(autouse=True)
def any_training_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("narrows.training.loop.MUST_BEAT", np.inf)


def test_strokes_become_an_item() -> None:
    here = session_of(waves(20, 16, 20), "NYX", architecture="linear", code=3)
    strokes = np.zeros((16, 20))
    strokes[4:9, 5:8] = 1
    drawn = here.from_drawing(strokes)
    assert drawn.dtype == np.uint8
    assert drawn[0, 0] == here.renderer.low
    assert drawn[5, 6] == here.renderer.high


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "1", "P", "I;16"])
@pytest.mark.parametrize("axes", ["NYX", "NYXC"])
def test_any_image_can_be_uploaded(tmp_path: Path, mode: str, axes: str) -> None:
    channels = 3 if axes.endswith("C") else 0
    X = waves(20, 16, 20, channels=channels)
    items = Items.from_array(X, axes)
    linear = narrows.Autoencoder("linear", code=2, epochs=1).fit(items)
    here = Session({"autoencoder": linear}, 20, items.select, "waves")
    path = tmp_path / "own.png"
    Image.fromarray(
        np.full((50, 90), 40000, np.uint16) if mode == "I;16" else np.full((50, 90), 200, np.uint8)
    ).convert(mode).save(path)
    np.save(tmp_path / "own.npy", np.full((50, 90), 200, np.uint8))
    for own in (path, tmp_path / "own.npy"):
        item = here.from_file(str(own))
        assert item.shape == X.shape[1:]
        AutoencoderTab(here, here.models["autoencoder"]).card(item)


def test_what_cannot_be_used_is_refused_by_its_name(tmp_path: Path) -> None:
    here = session_of(waves(20, 64, dtype=np.float32), "NT", code=3)
    for name, content in (("a.txt", b"words"), ("b.png", b"\x89PNG\r\n\x1a\nbroken"), ("c.npy", b"\x93NUMPY")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=name) as raised:
            here.from_file(str(tmp_path / name))
        assert str(tmp_path) not in str(raised.value)
    np.save(tmp_path / "d.npy", waves(3, 20, 20))
    with pytest.raises(DataError, match=r"d\.npy: holds items of the axes NYX"):
        here.from_file(str(tmp_path / "d.npy"))


def test_what_suits_is_taken_as_it_is(tmp_path: Path) -> None:
    for X, axes in (
        (waves(20, 64, dtype=np.float32) - 3, "NT"),
        (waves(20, 16, 20, dtype=np.float32) - 3, "NYX"),
        (waves(8, 8, 8, 8, dtype=np.uint16), "NZYX"),
    ):
        items = Items.from_array(X, axes)
        codec = narrows.Codec(axes=axes, epochs=1).fit(items)
        here = Session({"codec": codec}, len(X), items.select, "waves")
        for content in (X[2:5], X[2], X[2, : len(X[2]) // 2]):
            np.save(tmp_path / "x.npy", content)
            item = here.from_file(str(tmp_path / "x.npy"))
            np.testing.assert_array_equal(item, content[0] if content.ndim == X.ndim else content)
            assert item.dtype == X.dtype
        np.save(tmp_path / "x.npy", np.full(X.shape, np.nan, np.float32))
        with pytest.raises(DataError, match="NaN or infinity"):
            here.from_file(str(tmp_path / "x.npy"))
