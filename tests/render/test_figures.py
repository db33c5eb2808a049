"""Figures say what they show, and show what they are given."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from narrows.data import Items
from narrows.demo import upsampling_artifacts as artifacts
from narrows.render.item_rows import difference_rows, item_rows, std_rows
from narrows.render.plots import training_curves
from narrows.render.style import MASK_COLOUR, Figure


@pytest.fixture(scope="module")
def digits(mnist: tuple[Items, Items]) -> np.ndarray:
    return mnist[1].values[:5] / 255


def words(figure: Figure) -> str:
    """All that is written in a figure."""
    return " | ".join(
        text.get_text() for text in figure.findobj(lambda part: hasattr(part, "get_text") and part.get_visible())
    )


def test_item_rows_have_a_title_labels_and_ticks(digits: np.ndarray) -> None:
    figure = item_rows("A title", {"original": digits, "faint": digits / 2}, ticks=list("abcde"), ticks_label="letters")
    for word in ("A title", "original", "faint", "letters", "a", "e"):
        assert word in words(figure)
    first, second = (ax.get_images()[0].get_array() for ax in figure.axes)
    np.testing.assert_allclose(first[:, :28], digits[0])
    np.testing.assert_allclose(second[:, -28:], digits[-1] / 2)


def test_std_rows_colour_masked_pixels_and_show_deviations_with_their_unit(digits: np.ndarray) -> None:
    hidden, deviations = np.where(digits > 0.5, np.nan, digits), np.zeros_like(digits)
    deviations[0, 3, 4] = 0.4
    figure = std_rows("Holes", {"original": digits, "hidden": hidden}, deviations, list("abcde"))
    for word in (
        "Holes",
        "hidden",
        "standard\ndeviation",
        "a",
        "e",
        "predictive standard deviation",
        "pixel values of 0 to 1",
    ):
        assert word in words(figure)
    drawn = figure.axes[1].get_images()[0]
    colours = np.asarray(drawn.to_rgba(drawn.get_array()))
    assert np.isclose(colours, to_rgba(MASK_COLOUR)).all(axis=-1).sum() == np.isnan(hidden).sum()
    std = figure.axes[2].get_images()[0]
    assert np.asarray(std.get_array())[3, 4] == std.norm.vmax == 0.4


def test_difference_rows_show_errors_with_their_unit(digits: np.ndarray) -> None:
    figure = difference_rows("Lost", digits, {"dark": digits - 0.25})
    errors = figure.axes[1].get_images()[0].get_array()
    np.testing.assert_allclose(errors[:, :28], -0.25)
    assert "pixel values of 0 to 1" in words(figure)


def test_training_curves_have_axes_with_units() -> None:
    history = {"seconds": [1.0, 2.0, 4.0], "held_out": [0.1, 0.02, 0.01]}
    figure = training_curves("Curves", {"linear": history}, {"PCA": 0.0152})
    ax = figure.axes[0]
    assert ax.get_xlabel() == "training time (seconds)"
    assert "mean squared error" in ax.get_ylabel()
    assert ax.get_yscale() == "log"
    for word in ("Curves", "linear", "PCA"):
        assert word in words(figure)


def test_checkerboards_come_from_transposed_convolutions_and_unpooling(digits: np.ndarray) -> None:
    kinds = list(artifacts.KINDS)
    uneven = {kind for kind in kinds if np.ptp(artifacts.weight_counts(kind)) > 0}
    assert uneven == {"transpose,\nkernel 3", "unpool"}
    assert sorted(set(artifacts.weight_counts("transpose,\nkernel 3").ravel())) == [1, 2, 4]
    flat = {kind for kind in kinds if np.abs(artifacts.ripple(kind)).max() < 1e-5}
    assert flat == {"nearest", "bilinear"}
    figure = artifacts.artifact_figure("Kinds", digits[0])
    for word in ("Kinds", *kinds):
        assert word in words(figure)


def test_drawing_leaves_global_settings_alone(digits: np.ndarray) -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    item_rows("A title", {"original": digits})
    assert dict(matplotlib.rcParams) == before


def test_without_matplotlib_one_line_says_how_to_install_it() -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from narrows import NarrowsError\n"
        "try:\n    import narrows.demo.tour\nexcept NarrowsError as error:\n    print(error)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "pip install 'narrows[report]'" in answer
    assert answer.count("\n") == 1
