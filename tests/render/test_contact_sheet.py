"""Contact sheets hold a thumbnail of every item, whatever the items are."""

import numpy as np
import pytest

from narrows.data import Items
from narrows.render.contact_sheet import (
    BACKGROUND,
    GAP,
    MAX_SHEET,
    MAX_THUMBNAIL,
    MIN_THUMBNAIL,
    choose_level,
    contact_sheet,
    most_items,
)


def sheet_of(array, axes=None):
    return contact_sheet(Items.from_array(array, axes))


def test_items_stand_in_rows():
    sheet = sheet_of(np.stack([np.full((40, 50), value, np.uint8) for value in range(6)]))
    assert sheet.shape == (2 * (40 + GAP) + GAP, 3 * (50 + GAP) + GAP)
    for index in range(6):
        top, left = GAP + index // 3 * (40 + GAP), GAP + index % 3 * (50 + GAP)
        assert (sheet[top : top + 40, left : left + 50] == index).all()
    assert (sheet == BACKGROUND).sum() == sheet.size - 6 * 2000


def test_small_items_are_magnified_where_there_is_room():
    few = sheet_of(np.zeros((4, 8, 8), np.uint8))
    assert few.shape == (2 * (MIN_THUMBNAIL + GAP) + GAP,) * 2
    many = sheet_of(np.zeros((100_000, 8, 8), np.uint8))
    assert many.size < MAX_SHEET
    assert (many == 0).sum() == 100_000 * 64


@pytest.mark.parametrize(
    ("shape", "axes", "expected"),
    [
        ((1, 64, 64, 3), "NYXC", (64, 64, 3)),
        ((1, 64, 64, 4), "NYXC", (64, 64, 3)),
        ((1, 64, 64, 2), "NYXC", (64, 64)),
        ((1, 9, 40, 64), "NZYX", (40, 64)),
        ((1, 9, 40, 64, 3), "NZYXC", (40, 64, 3)),
        ((1, 80), "NT", (1, 80)),
        ((1, 80, 5), "NTC", (5, 80)),
    ],
)
def test_every_kind_of_items_has_an_image(shape, axes, expected):
    sheet = sheet_of(np.zeros(shape, np.uint8), axes)
    assert sheet.shape == (expected[0] + 2 * GAP, expected[1] + 2 * GAP, *expected[2:])


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32", "bool"])
def test_values_are_scaled(dtype):
    array = np.zeros((1, 40, 40), dtype)
    array[0, :20] = 1 if dtype == "bool" else 1000
    if dtype == "float32":
        array[0, 0, :3] = np.nan, np.inf, -np.inf
    sheet = sheet_of(array)[GAP:-GAP, GAP:-GAP]
    assert (sheet[1:20] == 255).all()
    assert (sheet[20:] == 0).all()
    assert sheet_of(np.full((1, 40, 40), 7, dtype))[GAP, GAP] == 0


def test_different_sizes():
    items = Items.from_list([np.zeros((50, 30), np.uint8), np.zeros((40, 60), np.uint8)], "YX")
    sheet = contact_sheet(items)
    assert (sheet == 0).sum() == 50 * 30 + 40 * 60


def test_levels_make_thumbnails():
    for size in (1, 28, 96, 97, 192, 193, 5000):
        level = choose_level((size, 3, 900), spatial=2)
        assert -(-size >> level) <= MAX_THUMBNAIL
        assert level == 1 or -(-size >> level - 1) > MAX_THUMBNAIL


@pytest.mark.parametrize("level", [0, 1, 4])
def test_a_sheet_holds_as_many_as_fit(level):
    side = -(-27 >> level)
    most = most_items((27, 27, 3), "NYXC", level)
    assert most * (side + GAP) ** 2 <= MAX_SHEET < (most + 1) * (side + GAP) ** 2
    assert most_items((10**7, 10**7), "NYX", level) == 1
