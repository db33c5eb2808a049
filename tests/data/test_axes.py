import numpy as np
import pytest

from narrows import data
from narrows.data.axes import LAYOUTS
from narrows.errors import DataError, ParameterError


@pytest.mark.parametrize(
    ("shape", "axes"), [((5, 9), "NF"), ((5, 9, 9), "NYX"), ((5, 9, 9, 1), "NYXC"), ((5, 9, 9, 4), "NYXC")]
)
def test_shapes_that_need_no_axes(shape, axes):
    assert data.guess_axes(shape) == axes


def test_a_shape_of_many_readings_is_asked_about_with_examples():
    with pytest.raises(DataError) as error:
        data.guess_axes((100, 28, 28, 28))
    assert str(error.value) == (
        "X: shape (100, 28, 28, 28) does not say which axis is which; "
        "specify the axes (NZYX for volumes, NYXC for images with 28 channels): axes='NZYX'"
    )


def test_a_number_is_no_array_of_items():
    with pytest.raises(DataError, match=r"X: a single number, not an array of items$"):
        data.guess_axes(())


@pytest.mark.parametrize("shape", [(7,), (2, 3, 4, 5, 6), (1, 2, 3, 4, 5, 6)])
def test_other_shapes_are_asked_about(shape):
    with pytest.raises(DataError, match="axes"):
        data.guess_axes(shape)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_order_of_axes_ends_in_the_layout(layout):
    array = np.arange(np.prod(range(2, 2 + len(layout)))).reshape(range(2, 2 + len(layout)))
    order = np.random.default_rng(len(layout)).permutation(len(layout))
    items = data.Items.from_array(array.transpose(order), "".join(layout[axis] for axis in order))
    assert items.axes == layout
    np.testing.assert_array_equal(items.values, array)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_missing_item_axis_means_one_item(layout):
    items = data.Items.from_array(np.ones(range(2, 1 + len(layout))), layout[1:])
    assert items.axes == layout
    assert len(items) == 1


@pytest.mark.parametrize("axes", ["NYXQ", "NYYX", "NX", "NYXT", "NFC", "N", ""])
def test_axes_that_are_no_layout_are_refused(axes):
    with pytest.raises((DataError, ParameterError), match="axes"):
        data.Items.from_array(np.ones(range(2, 2 + len(axes))), axes)


def test_axes_that_do_not_fit_the_array_are_refused():
    with pytest.raises(DataError, match=r"axes='NYXC': names 4 axes, not 3"):
        data.Items.from_array(np.ones((2, 3, 4)), "NYXC")
