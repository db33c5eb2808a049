import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from narrows import data
from narrows.errors import DataError


def items_of(shapes, axes, dtype=np.uint8):
    rng = np.random.default_rng(0)
    return data.Items.from_list([rng.integers(0, 200, shape).astype(dtype) for shape in shapes], axes)


sizes = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=5)


@st.composite
def crops(draw):
    """Items of 1 to 3 spatial axes with or without channels, and crops inside, across and beyond their edges."""
    spatial = draw(st.integers(1, 3))
    channels = draw(st.sampled_from([(), (1,), (3,)]))
    shape = st.tuples(*[st.integers(1, 6)] * spatial)
    shapes = draw(st.lists(shape, min_size=1, max_size=4))
    axes = "N" + {1: "T", 2: "YX", 3: "ZYX"}[spatial] + "C" * bool(channels)
    count = draw(st.integers(1, 5))
    indices = draw(hnp.arrays(np.int64, count, elements=st.integers(0, len(shapes) - 1)))
    corners = draw(hnp.arrays(np.int64, (count, spatial), elements=st.integers(-4, 8)))
    crop = draw(st.tuples(*[st.integers(1, 7)] * spatial))
    return items_of([(*shape, *channels) for shape in shapes], axes), indices, corners, crop


@given(crops())
def test_crops_are_slices_of_the_items_with_their_edges_repeated(case):
    items, indices, corners, crop = case
    got = items.crops(indices, corners, crop)
    for index, corner, result in zip(indices, corners, got, strict=True):
        around = 20
        widths = [(around, around)] * items.spatial_dims + [(0, 0)] * (items.axes[-1] == "C")
        padded = np.pad(items[index], widths, mode="edge")
        window = tuple(slice(c + around, c + around + n) for c, n in zip(corner, crop, strict=True))
        np.testing.assert_array_equal(result, padded[window])


@given(sizes, st.data())
def test_selected_items_are_the_items_selected(shapes, draw):
    items = items_of(shapes, "NYX")
    where = draw.draw(st.lists(st.integers(0, len(shapes) - 1), max_size=6))
    for indices in (np.array(where, int), slice(1, None, 2), np.arange(len(items)) % 2 == 0):
        chosen = items.select(indices)
        expected = [items[index] for index in np.arange(len(items))[indices]]
        assert len(chosen) == len(expected)
        for got, wanted in zip(chosen, expected, strict=True):
            np.testing.assert_array_equal(got, wanted)


def test_selection_keeps_names_and_labels_with_their_items():
    items = data.Items(np.eye(4), "NF", names=list("abcd"), labels=np.arange(4))
    chosen = items.select([3, 1])
    assert chosen.names == ["d", "b"]
    assert chosen.labels.tolist() == [3, 1]


def test_neighbouring_items_are_selected_without_a_copy():
    items = items_of([(4, 4)] * 6, "NYX")
    assert np.shares_memory(items.select(range(2, 5)).values, items.values)
    ragged = items_of([(4, 4), (5, 5), (6, 6)], "NYX")
    assert np.shares_memory(ragged.select([2, 0]).values, ragged.values)


@given(sizes)
def test_a_list_of_arrays_comes_back_item_by_item(shapes):
    arrays = [np.full((*shape, 2), index, np.float32) for index, shape in enumerate(shapes)]
    items = data.Items.from_list(arrays)
    assert items.axes == "NYXC"
    assert items.channels == 2
    assert items.uniform == (len(set(shapes)) == 1)
    for got, wanted in zip(items, arrays, strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_a_batch_is_the_items_at_its_indices():
    items = items_of([(3, 5)] * 7, "NYX")
    np.testing.assert_array_equal(items.batch(np.array([6, 0, 6])), items.values[[6, 0, 6]])


def test_chunks_hold_every_value_once():
    items = items_of([(3, 5)] * 7, "NYX")
    np.testing.assert_array_equal(np.concatenate(list(items.chunks())), items.values)
    ragged = items_of([(3, 5), (2, 2)], "NYX")
    assert [chunk.shape for chunk in ragged.chunks()] == [(3, 5), (2, 2)]


@pytest.mark.parametrize(
    ("shape", "axes", "spatial", "channels"),
    [((2, 9), "NF", 0, 1), ((2, 9), "NT", 1, 1), ((2, 9, 3), "NTC", 1, 3), ((2, 4, 5, 6, 7), "NZYXC", 3, 7)],
)
def test_spatial_axes_and_channels(shape, axes, spatial, channels):
    items = data.Items.from_array(np.ones(shape), axes)
    assert (items.spatial_dims, items.channels, items.item_shape) == (spatial, channels, shape[1:])


def test_foreign_byte_order_becomes_native():
    items = data.Items.from_array(np.arange(6, dtype=">i4").reshape(2, 3))
    assert items.dtype == np.int32
    assert items.dtype.isnative
    assert items.values.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones((2, 3), complex), "complex128"),
        (np.array([["a", "b"]]), "<U1"),
        (np.array([[{}]]), "object"),
        (np.ones((0, 3)), "no values"),
        (np.ones((3, 0, 2)), "no values"),
    ],
)
def test_arrays_that_cannot_be_learned_from_are_refused(array, message):
    with pytest.raises(DataError, match=message):
        data.Items.from_array(array)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ([], "no items"),
        ([np.ones((2, 2)), np.ones((2, 2), int)], "item 1: int64"),
        ([np.ones((2, 2)), np.ones((2, 2, 2))], "item 1: float64 of shape"),
        ([np.ones((2, 2, 1)), np.ones((2, 2, 3))], "numbers of channels"),
        ([np.ones(3), np.ones(4)], "axes='NT'"),
    ],
)
def test_lists_that_do_not_go_together_are_refused(arrays, message):
    with pytest.raises(DataError, match=message):
        data.Items.from_list(arrays)


def test_items_of_different_sizes_have_no_common_shape_and_no_batch():
    items = items_of([(3, 5), (2, 2)], "NYX")
    with pytest.raises(DataError, match="different sizes"):
        _ = items.item_shape
    with pytest.raises(DataError, match="crops"):
        items.batch(np.array([0]))


@given(sizes)
def test_grey_images_as_colour_ones(shapes):
    grey = items_of(shapes, "YX").select(slice(len(shapes) // 2, None))
    coloured = grey.to_rgb()
    assert (coloured.axes, coloured.channels, len(coloured)) == ("NYXC", 3, len(grey))
    for before, after in zip(grey, coloured, strict=True):
        np.testing.assert_array_equal(after, np.stack([before] * 3, axis=-1))
