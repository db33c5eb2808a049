"""What the viewer does with one item, on data of all kinds."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import narrows
from narrows.data import Items
from narrows.errors import DataError
from narrows.viewer.session import Workbench, largest_within, slider_range

from ..made_up import waves


@pytest.fixture(autouse=True)
def whatever_is_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("narrows.training.loop.MUST_BEAT", np.inf)


def bench(X: np.ndarray, axes: str, **options: Any) -> Workbench:
    """A bench with a small model of every tool for the items X."""
    items = Items.from_array(X, axes)
    tools = (
        narrows.Autoencoder(axes=axes, epochs=1, **options),
        narrows.Codec(axes=axes, epochs=1),
        narrows.Denoiser(noise="gaussian:0.2", axes=axes, epochs=1),
        narrows.Imputer(holes="pixels:0.5", axes=axes, epochs=1),
    )
    return Workbench({tool.tool: tool.fit(items) for tool in tools}, len(items), items.select, "waves")


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
    here = bench(X, axes, code=3)
    item = here.item(4)
    np.testing.assert_array_equal(item, X[4])
    assert [index for index, *_ in here.page(15, 60)] == list(range(15, len(X)))
    code = here.code(item)
    moved = code.copy()
    moved[here.units[0]] += 50
    for card in (
        here.squeezed(item),
        here.squeezed(item, moved),
        here.compressed(item, 20),
        here.denoised(item, 0.3),
        here.denoised(item, 0.0),
        here.filled(item, None, 0.5),
        here.filled(item, None, 0.0),
    ):
        assert card.images
        assert all(picture.dtype == np.uint8 for _, picture in card.images)


def test_strokes_become_an_item_and_a_hole() -> None:
    here = bench(waves(20, 16, 20), "NYX", architecture="linear", code=3)
    strokes = np.zeros((16, 20))
    strokes[4:9, 5:8] = 1
    drawn = here.from_drawing(strokes)
    assert drawn.dtype == np.uint8
    assert drawn[0, 0] == here.renderer.low
    assert drawn[5, 6] == here.renderer.high
    card = here.filled(here.item(0), strokes > 0, 0.0)
    assert f"{strokes.mean():.0%} hidden" in card.title
    with pytest.raises(DataError, match="all of it"):
        here.filled(here.item(0), np.ones((16, 20), bool), 0.0)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "1", "P", "I;16"])
@pytest.mark.parametrize("axes", ["NYX", "NYXC"])
def test_any_picture_can_be_uploaded(tmp_path: Path, mode: str, axes: str) -> None:
    channels = 3 if axes.endswith("C") else 0
    X = waves(20, 16, 20, channels=channels)
    items = Items.from_array(X, axes)
    linear = narrows.Autoencoder("linear", code=2, epochs=1).fit(items)
    here = Workbench({"autoencoder": linear}, 20, items.select, "waves")
    path = tmp_path / "own.png"
    Image.fromarray(
        np.full((50, 90), 40000, np.uint16) if mode == "I;16" else np.full((50, 90), 200, np.uint8)
    ).convert(mode).save(path)
    np.save(tmp_path / "own.npy", np.full((50, 90), 200, np.uint8))
    for own in (path, tmp_path / "own.npy"):
        item = here.from_file(str(own))
        assert item.shape == X.shape[1:]
        here.squeezed(item)


def test_what_cannot_be_used_is_refused_by_its_name(tmp_path: Path) -> None:
    here = bench(waves(20, 64, dtype=np.float32), "NT", code=3)
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
        here = Workbench({"codec": codec}, len(X), items.select, "waves")
        for content in (X[2:5], X[2], X[2, : len(X[2]) // 2]):
            np.save(tmp_path / "x.npy", content)
            item = here.from_file(str(tmp_path / "x.npy"))
            np.testing.assert_array_equal(item, content[0] if content.ndim == X.ndim else content)
            assert item.dtype == X.dtype
        np.save(tmp_path / "x.npy", np.full(X.shape, np.nan, np.float32))
        with pytest.raises(DataError, match="no numbers"):
            here.from_file(str(tmp_path / "x.npy"))


@pytest.mark.parametrize(("low", "high"), [(-3.21, 4.5), (0.0, 0.0), (-0.012, 0.004), (1000.0, 1000.5), (-7e4, 3e5)])
def test_a_slider_reaches_all_of_its_range_in_round_steps(low: float, high: float) -> None:
    start, end, step = slider_range(low, high)
    assert start <= low <= high < end + 1e-9
    assert 1 <= round((end - start) / step) <= 202
    assert len(f"{start:.10g}") <= 8


def test_peers_get_as_many_bytes_or_their_least() -> None:
    picture = waves(1, 64, 64)[0]
    sizes = [len(largest_within(picture, "JPEG", size)) for size in (10, 1000, 2000, 10**6)]
    assert sizes == sorted(sizes)
    assert sizes[1] <= 1000
    assert sizes[0] > 10
