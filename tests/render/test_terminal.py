"""Loss curves and thumbnails on terminals that can show them, and nothing elsewhere."""

import io

import numpy as np
import pytest
from rich.console import Console

import narrows
from narrows.data import Items
from narrows.evaluation import trained_model
from narrows.render import terminal

from ..made_up import waves


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What is sent to a terminal with many colours."""
    sent = io.StringIO()
    console = Console(file=sent, force_terminal=True, color_system="truecolor", width=100, legacy_windows=False)
    monkeypatch.setattr(terminal, "Console", lambda: console)
    monkeypatch.setenv("TERM", "xterm-256color")
    return sent


def test_a_loss_falls_from_the_upper_left_to_the_lower_right() -> None:
    lines = terminal.loss_plot([1, 2, 3, 4], [1.0, 0.1, 0.01, 0.001]).splitlines()
    assert "1 ┤" in lines[0]
    assert "0.001 ┤" in lines[-3]
    assert lines[-1].endswith("4 s")
    bodies = [line.split("┤")[1] for line in lines[:-2]]
    firsts = [next(at for at, cell in enumerate(body) if cell != "\u2800") for body in bodies]
    assert firsts == sorted(firsts)


@pytest.mark.parametrize("losses", [[1.0], [np.nan, 2.0, 1.0], [-1.0, -2.0], [3.0, 3.0], [np.nan, np.nan]])
def test_any_losses_are_plotted_or_left_out(losses: list[float]) -> None:
    terminal.loss_plot(list(range(1, len(losses) + 1)), losses)


def test_models_of_every_tool_show_what_they_do(screen: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("narrows.training.loop.MUST_BEAT", np.inf)
    items = Items.from_array(waves(30, 16, 16))
    for model, labels in (
        (narrows.Autoencoder("linear", code=3, epochs=1), ("original", "reconstruction")),
        (narrows.Codec(epochs=1), ("original", "quality")),
        (narrows.Denoiser(noise="gaussian:0.2", epochs=1), ("noisy", "denoised", "clean")),
        (narrows.Imputer(holes="pixels:0.5", epochs=1), ("hidden", "filled", "original")),
    ):
        screen.truncate(0)
        terminal.show_preview(trained_model(model.fit(items)), items)
        shown = screen.getvalue()
        assert all(label in shown for label in labels)
        assert "▀" in shown
    terminal.show_history(model.history_)
    assert "held out" in screen.getvalue()


def test_a_thumbnail_has_the_colours_of_the_image() -> None:
    text = terminal.thumbnails("x", [np.array([[[255, 0, 0]], [[0, 0, 255]]] * 10, np.uint8)])
    assert any("#ff0000 on #0000ff" in str(span.style) for span in text.spans)


def test_thumbnails_of_any_size_fit() -> None:
    for size, shown in (
        ((8, 8), (16, 16)),
        ((1, 3), (6, 18)),
        ((28, 14), (20, 10)),
        ((20, 15), (20, 15)),
        ((1, 90), (1, 20)),
    ):
        assert terminal.shrink(np.zeros(size, np.uint8)).shape == (*shown, 3)


def test_nothing_but_words_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.show_history({"seconds": [1, 2], "held_out": [2, 1]})
    assert capsys.readouterr().out == ""
