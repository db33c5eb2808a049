"""Items of the viewer: drawn or from files of all kinds."""

import gzip
import importlib
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import narrows
from narrows import data
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


def waves_session() -> Session:
    X = waves(20, 16, 20)
    items = Items.from_array(X, "NYX")
    return Session(
        {"autoencoder": narrows.Autoencoder("linear", code=2, epochs=1).fit(items)}, 20, items.select, "waves"
    )


@pytest.mark.parametrize("name", ["x.npy.gz", "x.npz", "x.zip", "x.png", "x.tif", "x.csv.gz", "x.parquet"])
def test_what_an_upload_unpacks_to_is_limited(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = waves_session()
    picture = np.zeros((2100, 2000, 3), np.uint8)
    if name == "x.npz":
        np.savez_compressed(tmp_path / name, a=picture[..., 0], b=picture[..., 1])
    elif name == "x.zip":
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for place in range(8):
                archive.writestr(f"{place}.png", png(picture[:1000, :, 0]))
    elif name.startswith(("x.csv", "x.parquet")):
        data.write(Items(np.zeros((2**17, 10)), "NF"), tmp_path / name)
    elif name == "x.tif":
        Image.fromarray(picture).save(tmp_path / name, compression="tiff_adobe_deflate")
    elif name == "x.png":
        (tmp_path / name).write_bytes(png(picture))
    else:
        data.write(Items(picture[None, ..., 0], "NYX"), tmp_path / name)
    monkeypatch.setattr("narrows.viewer.session.MOST_BYTES", 2**20)
    with pytest.raises(DataError, match=r"unpacks to [0-9,]+ bytes or more, over the 1,048,576 that are taken here"):
        here.from_file(str(tmp_path / name))


def test_large_pictures_within_the_limit_are_made_smaller(tmp_path: Path) -> None:
    here = waves_session()
    picture = np.zeros((4000, 5000), np.uint8)
    picture[:2000] = 200
    (tmp_path / "x.png").write_bytes(png(picture))
    item = here.from_file(str(tmp_path / "x.png"))
    assert item.shape == (16, 20)
    level = here.renderer.low + 200 / 255 * here.renderer.span
    np.testing.assert_allclose(item[:7], level, atol=1)
    np.testing.assert_allclose(item[9:], here.renderer.low, atol=1)


def test_an_upload_is_unpacked_once_whatever_its_axes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    X = waves(6, 20, 16, 3, dtype=np.float32)
    items = Items.from_array(X, "NYXC")
    here = Session(
        {"autoencoder": narrows.Autoencoder("linear", code=2, epochs=1).fit(items)}, 6, items.select, "waves"
    )
    unpacked: list[object] = []
    for module, function in (("gzip_files", "unwrap"), ("npz", "read_arrays"), ("images", "decode")):
        plain = getattr(importlib.import_module(f"narrows.data.formats.{module}"), function)

        def counted(*given: object, plain: Any = plain) -> object:
            unpacked.append(given)
            return plain(*given)

        monkeypatch.setattr(f"narrows.data.formats.{module}.{function}", counted)
    np.savez(tmp_path / "x.npz", X=X[0])
    np.savez(tmp_path / "wrong.npz", X=X[0, 0, 0])
    with gzip.open(tmp_path / "x.npy.gz", "wb") as file:
        np.save(file, X[0])
    (tmp_path / "x.png").write_bytes(png((X[0] * 99).astype(np.uint8)))
    for name in ("x.npz", "x.npy.gz", "x.png", "wrong.npz"):
        unpacked.clear()
        if name == "wrong.npz":
            with pytest.raises(DataError):
                here.from_file(str(tmp_path / name))
        else:
            assert here.from_file(str(tmp_path / name)).shape == X.shape[1:]
        assert len(unpacked) == 1


def png(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()
