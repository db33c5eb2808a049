"""Reports of small models of every tool, on every kind of data: complete and self-contained."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import narrows
from narrows.data import Items
from narrows.evaluation import trained_model
from narrows.report.autoencoder_sections import N_SWEPT
from narrows.report.report_context import ReportContext
from narrows.report.report_page import render_report

from ..browser import opened_page
from ..cli.conftest import narrows as command
from ..made_up import waves
from ..page_tags import Tags

Report = Callable[..., str]


@pytest.fixture
def reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    """The report of an estimator, fit to X where it is not yet, on X."""
    monkeypatch.setattr("narrows.training.loop.MUST_BEAT", np.inf)
    monkeypatch.setattr("narrows.objectives.restoration.BlindObjective.baseline", lambda *_: 1e9)

    def made(model: Any, X: Any, axes: str | None = None, **options: Any) -> str:
        if not hasattr(model, "training_"):
            model.fit(X)
        model.save(tmp_path / "m.safetensors")
        model = narrows.load(tmp_path / "m.safetensors")
        items = X if isinstance(X, Items) else model._items(X)
        return render_report(ReportContext(trained_model(model), items, **options))

    return made


def headings(html: str) -> list[str]:
    """Return the headings of a page, and check that it loads nothing and that every image has an alternative text."""
    tags = Tags(html)
    assert all(source.startswith("data:image/") for source in tags.values("img", "src"))
    assert len(tags.values("img", "alt")) == len(tags.values("img", "src"))
    assert all(tags.values("img", "alt"))
    assert not [tag for tag, _ in tags.found if tag in ("script", "link", "iframe")]
    assert not re.findall(r"https?://|@import|url\(", html)
    return re.findall("<h2>(.*?)</h2>", html)


def test_of_an_autoencoder_of_images(reported: Report, mnist: tuple[Items, Items]) -> None:
    some = mnist[0].select(slice(0, 300))
    html = reported(narrows.Autoencoder("conv", code="4x7x7", epochs=1), some, labels=some.labels)
    assert headings(html) == [
        *("The network", "Training", "Metrics", "Reconstructions", "The code space"),
        "What each number of the code does",
    ]
    assert "t-SNE" in html or "UMAP" in html
    assert "5 nearest" in html
    assert "PCA-196" in html or "fewer than the code" in html
    assert html.count('class="card"') == 9 + N_SWEPT


@pytest.mark.parametrize(
    ("X", "options"),
    [
        (waves(40, 64), {"axes": "NT"}),
        (waves(30, 16, 16), {"architecture": "linear"}),
        (waves(30, 16, 16), {"upsampling": "unpool", "preset": "lesson"}),
        (waves(12, 8, 8, 8), {"axes": "NZYX"}),
        (waves(12, 16, 20, channels=3), {"code": "4x4x5"}),
        (waves(60, 12), {"architecture": "dense"}),
    ],
    ids=["signals", "linear", "unpool", "volumes", "colour", "table"],
)
def test_of_autoencoders_of_all_kinds_of_items(reported: Report, X: np.ndarray, options: dict[str, Any]) -> None:
    code = options.pop("code", 3)
    if options.get("upsampling") == "unpool":
        code = "2x4x4"
    found = headings(reported(narrows.Autoencoder(**{"code": code, "epochs": 1, **options}), X))
    assert found[-3:] == ["Reconstructions", "The code space", "What each number of the code does"]


def test_of_items_of_different_sizes(reported: Report) -> None:
    images = [waves(1, 16 + size, 24)[0] for size in range(6)]
    found = headings(reported(narrows.Autoencoder(epochs=1, axes="NYX"), images))
    assert found[-2:] == ["Reconstructions", "The code space"]


@pytest.mark.parametrize(
    "model",
    [
        narrows.Autoencoder(epochs=1, axes="NYXC"),
        narrows.Denoiser(noise="gaussian:0.2", epochs=1),
        narrows.Imputer(holes="pixels:0.5", epochs=1),
        narrows.Codec(epochs=1),
    ],
    ids=lambda model: model.tool,
)
def test_of_many_items_is_one_of_some_of_them(reported: Report, model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = ReportContext.sample
    monkeypatch.setattr(ReportContext, "sample", lambda context, *_: sample(context, 4))
    images = [waves(1, 16 + index, 24, channels=3)[0] for index in range(10)]

    def shown(indices: list[int]) -> str:
        names = [f"image {index}" for index in indices]
        html = reported(model, Items.from_list([images[index] for index in indices], "YXC", "waves", names=names))
        return re.sub(r"in \d+\.\d+ s|: [^:]* were looked at", "", html)

    html = shown(list(range(10)))
    assert html == shown([0, 3, 6, 9])
    assert "image 3" in html
    if model.tool == "denoiser":  # of pairs it is the noisy item that is named
        noisy = Items.from_list(images, "YXC", names=[f"noisy {index}" for index in range(10)])
        assert "noisy 3, MSE" in reported(model, noisy, target=Items.from_list(images, "YXC"))


def test_of_a_codec(reported: Report, mnist: tuple[Items, Items]) -> None:
    html = reported(narrows.Codec(epochs=1), mnist[0].select(slice(0, 60)))
    assert headings(html)[-2:] == ["Size and fidelity", "Bytes of each item"]
    assert "WebP, lossless" in html
    assert "xz" in html
    assert html.count('class="card"') == 6


def test_of_a_codec_of_real_signals(reported: Report) -> None:
    html = reported(narrows.Codec(epochs=1, axes="NT"), waves(20, 64, dtype=np.float32))
    assert headings(html)[-2:] == ["Size and fidelity", "Bytes of each item"]
    assert "WebP" not in html


def test_of_denoisers(reported: Report) -> None:
    X = waves(40, 16, 16, dtype=np.float32)
    html = reported(narrows.Denoiser(noise="gaussian:0.2", epochs=1), X)
    assert headings(html)[-2:] == ["Metrics", "Noisy, denoised, clean"]
    assert "median filter" in html
    blind = narrows.Denoiser(epochs=1)
    assert headings(reported(blind, X))[-1] == "Before and after"
    right = blind._items(X)
    assert headings(reported(blind, X, target=right))[-1] == "Noisy, denoised, clean"


def test_of_imputers(reported: Report) -> None:
    html = reported(narrows.Imputer(holes="pixels:0.5", epochs=1), waves(40, 16, 16, dtype=np.float32))
    assert headings(html)[-2:] == ["Metrics", "Hidden, filled, original"]


def test_of_tables(reported: Report) -> None:
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    size = rng.normal(5, 2, 200)
    frame = pandas.DataFrame(
        {"size": size, "weight": 2 * size + rng.normal(0, 0.1, 200), "kind": np.where(size > 5, "large", "<small>")}
    )
    html = reported(narrows.Imputer(epochs=2), frame)
    assert headings(html)[-2:] == ["Metrics", "Filled cells"]
    assert "<small>" not in html
    html = reported(narrows.Autoencoder(code=2, epochs=2), frame)
    assert headings(html)[-1] == "What each number of the code does"


def test_the_verb_writes_one_page_or_says_why_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("narrows.training.loop.MUST_BEAT", np.inf)
    model, data, page, new = (tmp_path / name for name in ("m.safetensors", "x.npy", "r.html", "new.html"))
    np.save(data, waves(30, 16, 16))
    narrows.Autoencoder("linear", code=3, epochs=1).fit(waves(30, 16, 16)).save(model)
    ran = command("report", model, data, "-o", page)
    assert ran.code == 0
    assert page.read_text().endswith("</html>\n")
    for wrong, words in (
        ((model, data, "-o", tmp_path / "r.pdf"), "ends in .html"),
        ((model, data, "-o", new, "--noise", "gaussian:0.5"), "--noise is for models of the tool denoiser"),
        ((model, data, "-o", new, "--labels", tmp_path / "no.npy"), "No such file"),
        ((data, data, "-o", new), "not a model"),
        ((model, data, "-o", page), "already exists"),
    ):
        ran = command("report", *wrong)
        assert ran.code in (1, 2)
        assert words in ran.err, ran.err
        assert ran.err.count("\n") == 1


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_opens_in_a_browser(
    reported: Report, mnist: tuple[Items, Items], tmp_path: Path, width: int, scheme: str
) -> None:
    path = tmp_path / "report.html"
    path.write_text(reported(narrows.Autoencoder("linear", code=8, epochs=1), mnist[0].select(slice(0, 100))))
    with opened_page(width, 844, scheme) as (page, wrong):
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
        assert not wrong
