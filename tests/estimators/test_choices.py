import numpy as np
import pytest

from narrows.data import Items
from narrows.plans.defaults import default_epochs


@pytest.mark.parametrize(("count", "fewest"), [(1, 600), (16, 300)])
def test_a_single_small_item_is_restored_after_enough_steps(count, fewest):
    volumes = Items.from_array(np.zeros((count, 6, 8, 8), np.uint8), "NZYX")
    assert default_epochs("restoring", volumes, batch_size=8, positions=6 * 8 * 8) == fewest


def test_a_large_item_that_is_cut_to_crops_needs_no_more_epochs():
    picture = Items.from_array(np.zeros((1, 640, 640), np.uint8), "NYX")
    assert default_epochs("restoring", picture, batch_size=8, positions=64 * 64) == 300
