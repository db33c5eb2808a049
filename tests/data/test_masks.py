"""Missing values, however they are marked: by a value, by a mask, by an alpha channel."""

import numpy as np
import pytest

from narrows import DataError, DataWarning
from narrows.data import Items
from narrows.data.masks import apply_masks, fill_value, mask_value, split_alpha, without_fill

from ..made_up import waves

SIZES = [(5, 9), (7, 4), (5, 9), (3, 3)]


def of_sizes(channels=0, dtype=np.uint8):
    return [waves(1, *size, channels=channels, dtype=dtype, seed=seed)[0] for seed, size in enumerate(SIZES)]


def random_masks(items, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.random(item.shape[: items.spatial_dims]) < 0.4 for item in items]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64, bool])
@pytest.mark.parametrize("uniform", [True, False])
def test_a_value_that_means_missing(dtype, uniform):
    arrays = [(x > 1 if dtype is bool else x).astype(dtype) for x in of_sizes()]
    items = Items.from_array(np.stack(arrays[::2])) if uniform else Items.from_list(arrays)
    value = float(items.values.flat[3])
    marked = mask_value(items, value)
    assert marked.values is items.values
    for item, missing in zip(items, marked.mask_items(), strict=True):
        np.testing.assert_array_equal(missing, item == value)
    again = mask_value(marked, float(items.values.flat[4]))
    assert (again.mask >= marked.mask).all()
    assert mask_value(items, np.nan) is items
    for no_value_of_it in (-1, 1e30, 0.3):
        assert not mask_value(items, no_value_of_it).mask.any()


@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize("uniform", [True, False])
def test_an_alpha_channel(colours, uniform):
    arrays = [waves(1, *size, channels=colours + 1, seed=seed)[0] for seed, size in enumerate(SIZES)]
    for x in arrays:
        x[:2, 1:3, -1] = 0
        x[2, 2, -1] = 1  # seen through a little is known
    items = Items.from_array(np.stack(arrays[::2])) if uniform else Items.from_list(arrays)
    without = split_alpha(items)
    assert without.axes == ("NYX" if colours == 1 else "NYXC")
    assert without.channels == colours
    assert len(without) == len(items)
    for given, item, missing in zip(items, without, without.mask_items(), strict=True):
        colour = given[..., :-1] if colours == 3 else given[..., 0]
        np.testing.assert_array_equal(item, colour)
        expected = np.zeros(given.shape[:2], bool)
        expected[:2, 1:3] = True
        np.testing.assert_array_equal(missing, expected[..., None].repeat(3, -1) if colours == 3 else expected)


@pytest.mark.parametrize(
    ("X", "axes"), [(waves(3, 8, 8), "NYX"), (waves(3, 8, 8, channels=3), "NYXC"), (waves(3, 8, channels=2), "NTC")]
)
def test_items_without_an_alpha_channel(X, axes):
    with pytest.raises(DataError, match="an alpha channel is the last of 2 or 4 of an image") as error:
        split_alpha(Items.from_array(X, axes))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("channels", [0, 3])
@pytest.mark.parametrize("uniform", [True, False])
def test_masks(channels, uniform):
    arrays = of_sizes(channels)
    items = Items.from_array(np.stack(arrays[::2])) if uniform else Items.from_list(arrays)
    masks = random_masks(items)
    marked = apply_masks(items, Items.from_list(masks, "YX"))
    assert items.mask is None
    for missing, mask in zip(marked.mask_items(), masks, strict=True):
        np.testing.assert_array_equal(missing, mask[..., None].repeat(3, -1) if channels else mask)
    others = random_masks(items, seed=1)
    both = apply_masks(marked, Items.from_list(others, "YX"))
    for missing, one, other in zip(both.mask_items(), masks, others, strict=True):
        np.testing.assert_array_equal(missing[..., 0] if channels else missing, one | other)


def test_one_mask_for_all():
    X, mask = waves(4, 6, 5), np.eye(6, 5)
    marked = apply_masks(Items.from_array(X), Items.from_array(mask, "YX"))
    np.testing.assert_array_equal(marked.mask, np.broadcast_to(mask != 0, X.shape))


def test_a_mask_of_each_channel():
    X = waves(4, 6, 5, channels=3)
    mask = np.random.default_rng(0).random(X.shape) < 0.3
    np.testing.assert_array_equal(apply_masks(Items.from_array(X), Items.from_array(mask)).mask, mask)


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_an_image_as_a_mask(channels):
    """A grey one with an alpha channel, or a colour one: its alpha channel says nothing."""
    image = np.zeros((4, 6, 5, channels), np.uint8)
    image[:, 1:3, 2, 0] = 255
    if channels != 3:
        image[..., -1] = 255
    expected = image[..., 0] != 0
    np.testing.assert_array_equal(apply_masks(Items.from_array(waves(4, 6, 5)), Items.from_array(image)).mask, expected)


def test_items_that_were_selected_from_others():
    arrays = of_sizes()
    items = Items.from_list(arrays)
    masks = random_masks(items)
    marked = apply_masks(items, Items.from_list(masks, "YX"))
    chosen = [3, 0, 2]
    some = marked.select(np.array(chosen))
    for index, item, missing in zip(chosen, some, some.mask_items(), strict=True):
        np.testing.assert_array_equal(item, arrays[index])
        np.testing.assert_array_equal(missing, masks[index])
    more = apply_masks(some, Items.from_list([~masks[index] for index in chosen], "YX"))
    assert all(missing.all() for missing in more.mask_items())
    assert not mask_value(some, 300).mask_items()[1].all()
    uniform = apply_masks(Items.from_array(np.stack(arrays[::2])), Items.from_list(masks[::2], "YX"))
    np.testing.assert_array_equal(uniform.select([1]).mask, uniform.mask[1:])


@pytest.mark.parametrize("uniform", [True, False])
def test_grey_images_with_holes_as_colour_ones(uniform):
    arrays = of_sizes()
    items = Items.from_array(np.stack(arrays[::2])) if uniform else Items.from_list(arrays)
    masks = random_masks(items)
    rgb = apply_masks(items, Items.from_list(masks, "YX")).to_rgb()
    for item, missing, mask in zip(rgb, rgb.mask_items(), masks, strict=True):
        assert item.shape == missing.shape == (*mask.shape, 3)
        np.testing.assert_array_equal(missing, mask[..., None].repeat(3, -1))


@pytest.mark.parametrize(
    ("mask", "axes", "message"),
    [
        (np.zeros((3, 6, 5)), "NYX", "mask: 3 masks for 4 items; give one for each, or one for all"),
        (np.zeros((4, 6, 6)), "NYX", r"mask: a mask of \(6, 6\) for item 0 of \(6, 5\)"),
        (np.zeros((4, 6)), "NT", "mask: axes NT, but the items have the axes NYX"),
    ],
)
def test_masks_that_do_not_fit(mask, axes, message):
    with pytest.raises(DataError, match=message):
        apply_masks(Items.from_array(waves(4, 6, 5)), Items.from_array(mask, axes, source="mask"))


@pytest.mark.parametrize("values", [(0, 255, 3), (0, 1, 2), (0, 0.5, 1), (7, 255)])
@pytest.mark.parametrize("channels", [0, 2, 3, 4])
def test_a_mask_of_more_than_two_values_has_a_warning(values, channels):
    items = Items.from_array(waves(4, 8, 8))
    mask = np.resize(np.array(values), (4, 8, 8))
    masks = np.stack([mask] * (channels - (channels in (2, 4))) or [mask], axis=-1)
    if channels in (2, 4):
        masks = np.concatenate([masks, np.full((4, 8, 8, 1), 255)], axis=-1)
    marked = Items.from_array(masks if channels else mask, "NYXC" if channels else "NYX", "mask.jpg")
    with pytest.warns(DataWarning, match=r"mask.jpg: a mask of more than two values; each that is not 0 .* missing"):
        masked = apply_masks(items, marked)
    np.testing.assert_array_equal(masked.mask, mask != 0)


@pytest.mark.parametrize("value", [1, 255, 0.5, True])
def test_a_mask_of_two_values_has_none(value):
    items = Items.from_array(waves(4, 8, 8))
    mask = np.where(random_masks(items), value, 0)
    np.testing.assert_array_equal(apply_masks(items, Items.from_array(mask, "NYX")).mask, mask != 0)
    apply_masks(items, Items.from_array(np.stack([mask, np.full(mask.shape, 3)], -1), "NYXC"))


@pytest.mark.parametrize(
    ("values", "fill"),
    [
        (np.array([[270.0, 1e20, 280], [300, 1e20, 275]], np.float32), np.float32(1e20)),
        (np.array([[-9999.0, 12.5, 3], [np.nan, -3, -9999]]), -9999.0),
        (np.array([[-(2**15), 40, -(2**15)], [2000, -3, 7]], np.int16), -(2**15)),
        (np.array([[2**63 - 1, 40, 0], [2**63 - 1, 2000, 7]]), 2**63 - 1),
        (np.array([[0.0, 271.5, 0], [280, 299, 290]]), 0.0),
        (np.array([[np.inf, 271.5, np.inf], [275, 288, 280]]), None),
        (np.array([[1.0, 2, 3], [3, 4, 4]]), None),
        (np.array([[270.0, 1e20, 280]]), None),  # once
        (np.array([[0, 4000, 0], [0, 4000, 4000]], np.int16), None),  # a drawing
        (np.array([[0, 200, 0], [250, 210, 220]], np.uint8), None),
        (np.full((2, 2), np.nan), None),
    ],
)
def test_a_value_far_from_all_others_fills_what_is_missing(values, fill):
    assert fill_value(Items.from_array(values[None], "NYX")) == fill
    ragged = Items.from_list([values, values[:1, :1]], "NYX")
    assert fill_value(ragged) == fill


def test_what_occurs_once_in_thousands_fills_nothing():
    values = np.arange(10_000, dtype=np.float32).reshape(1, 100, 100)
    values[0, 3, 4] = 1e20
    assert fill_value(Items.from_array(values, "NYX")) is None


def test_fill_values_are_looked_for_in_the_items_that_are_left():
    values = np.array([[270.0, 1e20, 280], [300, 1e20, 275]], np.float32)
    items = Items.from_list([np.arange(10_000, dtype=np.float32).reshape(100, 100), values], "NYX")
    assert fill_value(items) is None
    assert fill_value(items.select([1])) == np.float32(1e20)


def test_fill_values_are_masked():
    items = Items.from_array(np.array([[[-9999, 4, -9999], [2, 3, 7]]], np.int16), "NYX")
    np.testing.assert_array_equal(without_fill(items).mask, items.values == -9999)
