"""Batches: every item once an epoch, whatever holds it, in scaled units with the channels first."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from narrows.data import Items, Scaling
from narrows.training.batches import Batches, Scale, as_tensor

from ..made_up import table, waves

CPU = torch.device("cpu")


def batches_of(items, batch_size=8, seed=0, crop=None):
    return Batches(items, Scaling.learn(items), batch_size, seed, CPU, crop)


def numbered(count):
    """Items of which each holds its own number alone."""
    return Items.from_array(np.repeat(np.arange(count, dtype=np.uint16), 4).reshape(count, 2, 2))


def numbers_in(x, batches):
    return np.rint(batches.scale.inverse(x)[:, 0, 0]).astype(int).tolist()


@given(st.integers(1, 200), st.integers(1, 70), st.integers(0, 2**32 - 1))
def test_an_epoch_holds_every_item_once(count, batch_size, seed):
    batches = batches_of(numbered(count), batch_size, seed)
    held_out = [number for x in batches.held_out() for number in numbers_in(x, batches)]
    for epoch in range(2):
        steps = range(epoch * batches.per_epoch, (epoch + 1) * batches.per_epoch)
        parts = [numbers_in(batches.at(step), batches) for step in steps]
        assert all(len(part) == min(batch_size, sum(map(len, parts))) for part in parts[:-1])
        learned = sorted(number for part in parts for number in part)
        if count < 20:
            assert learned == sorted(held_out) == list(range(count))
        else:
            assert sorted(learned + held_out) == list(range(count))
            assert len(held_out) == max(1, round(0.05 * count))


def test_a_batch_follows_from_the_seed_and_its_number():
    items = numbered(100)
    forward, backward = batches_of(items), batches_of(items)
    ahead = [forward.at(step) for step in range(40)]
    for step in reversed(range(40)):
        assert torch.equal(backward.at(step), ahead[step])
    assert not torch.equal(ahead[0], ahead[forward.per_epoch])
    other = batches_of(items, seed=1)
    assert not torch.equal(other.at(0), ahead[0])
    assert sorted(numbers_in(next(other.held_out()), other)) != sorted(numbers_in(next(forward.held_out()), forward))


def test_held_out_items_are_the_same_each_time():
    for items, crop in ((numbered(100), None), (Items.from_list([*waves(30, 40, 40), *waves(30, 33, 50)]), (16, 16))):
        batches = batches_of(items, crop=crop)
        for one, other in zip(batches.held_out(), batches.held_out(), strict=True):
            assert torch.equal(one, other)


def test_at_most_so_many_are_held_out(mnist):
    batches = batches_of(mnist[0])
    assert sum(len(x) for x in batches.held_out()) == 3000
    many = Items.from_array(np.zeros((200_000, 1, 1), bool))
    assert sum(len(x) for x in batches_of(many).held_out()) == 4000


LAYOUTS = {
    "NF": ((), 5),
    "NT": ((6,), 1),
    "NTC": ((6,), 3),
    "NYX": ((6, 5), 1),
    "NYXC": ((6, 5), 3),
    "NZYX": ((4, 6, 5), 1),
    "NZYXC": ((4, 6, 5), 3),
}


@pytest.mark.parametrize("axes", LAYOUTS)
def test_layouts(axes):
    shape, channels = LAYOUTS[axes]
    X = table(40, channels) if axes == "NF" else waves(40, *shape, channels=channels * axes.endswith("C"))
    items = Items.from_array(X, axes)
    batches = batches_of(items)
    x = batches.at(0)
    assert x.shape == (8, channels, *shape)
    assert x.dtype == torch.float32
    assert x.is_contiguous()
    assert batches.mean().shape == (channels, *shape)
    everything = batches.scale(as_tensor(items.values))
    back = batches.scale.inverse(everything)
    assert back.dtype == X.dtype
    np.testing.assert_allclose(back, X, rtol=1e-6, atol=1e-6)
    unit = items.values / 255 if axes != "NF" else (X - X.mean(0)) / X.std(0)
    expected = np.moveaxis(unit, -1, 1) if axes.endswith("C") else unit
    np.testing.assert_allclose(everything.numpy().reshape(expected.shape), expected, atol=1e-5)


@given(st.integers(1, 64))
def test_the_largest_integer_is_not_above_one(bits):
    """Where binary cross-entropy would refuse it."""
    values = np.array([0, 2**bits - 1], np.uint64).reshape(2, 1, 1)
    items = Items.from_array(values)
    x = Scale(Scaling.learn(items), items.axes, CPU)(as_tensor(items.values))
    assert x.flatten().tolist() == [0.0, 1.0]


@pytest.mark.parametrize("dtype", ["?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "g"])
def test_every_type_of_number(dtype):
    X = (waves(40, 6, 6) // 4).astype(dtype)
    batches = batches_of(Items.from_array(X))
    back = batches.scale.inverse(batches.scale(as_tensor(X)))
    assert back.dtype == X.dtype
    np.testing.assert_allclose(back.astype(float), X.astype(float), rtol=1e-3)
    assert torch.isfinite(batches.at(0)).all()


def test_memory_maps_and_odd_memory_layouts_give_the_same(tmp_path):
    X = waves(60, 10, 12)
    np.save(tmp_path / "x.npy", X)
    read_only = X.copy()
    read_only.flags.writeable = False
    expected = batches_of(Items.from_array(X)).at(3)
    for other in (
        np.load(tmp_path / "x.npy", mmap_mode="r"),
        read_only,
        np.asfortranarray(X),
        np.repeat(X, 2, axis=2)[:, :, ::2],
        X[::-1][::-1],
        X.astype(">u2").astype(">u2"),
    ):
        assert torch.equal(batches_of(Items.from_array(other)).at(3), expected)


def test_a_memory_map_is_not_read_whole(tmp_path):
    """Far larger than memory, it is a hole on disk."""
    huge = np.memmap(tmp_path / "huge.bin", np.uint8, "w+", shape=(2**18, 1024, 256))
    huge[:3, 0, 0] = 255
    scaling = Scaling("range", "uint8", high=255.0)
    assert Batches(Items.from_array(huge), scaling, 4, 0, CPU).at(7).shape == (4, 1, 1024, 256)
    channels_first = Items.from_array(huge.reshape(2**18, 4, 256, 256), "NCYX")
    assert Batches(channels_first, scaling, 4, 0, CPU).at(7).shape == (4, 4, 256, 256)
    assert Batches(channels_first, scaling, 4, 0, CPU, (64, 64)).at(7).shape == (4, 4, 64, 64)


@pytest.mark.parametrize("axes", ["NT", "NYX", "NYXC", "NZYX"])
def test_crops_are_pieces_of_their_items(axes):
    spatial = len(axes.strip("NC"))
    channels = 2 * axes.endswith("C")
    sizes = [(9, 8, 7), (5, 11, 6), (6, 6, 20), (3, 2, 4)]
    arrays = [waves(1, *size[:spatial], channels=channels, seed=seed)[0] for seed, size in enumerate(sizes * 6)]
    items = Items.from_list(arrays, axes)
    crop = (5, 4, 6)[:spatial]
    batches = batches_of(items, crop=crop)
    per_item = [
        math.prod(math.ceil(size / step) for size, step in zip(array.shape, crop, strict=False)) for array in arrays
    ]
    seen = sum(len(batches.at(step)) for step in range(batches.per_epoch))
    assert max(per_item) < seen < sum(per_item)
    pieces = []
    for array in arrays:
        enlarged = np.pad(
            array,
            [(0, max(0, c - s)) for c, s in zip(crop, array.shape, strict=False)] + [(0, 0)] * bool(channels),
            "edge",
        )
        windows = np.lib.stride_tricks.sliding_window_view(enlarged, crop, axis=tuple(range(spatial)))
        windows = windows.reshape(-1, max(channels, 1), *crop)
        pieces += [window.tobytes() for window in windows]
    for x in (batches.at(0), batches.at(1), next(batches.held_out())):
        back = batches.scale.inverse(x)
        assert back.shape[1:] == (*crop, channels)[: spatial + bool(channels)]
        for piece in np.moveaxis(back, -1, 1) if channels else back[:, None]:
            assert np.ascontiguousarray(piece).tobytes() in pieces


def test_crops_come_from_everywhere():
    items = Items.from_array(np.arange(100, dtype=np.uint8).repeat(25).reshape(25, 100, order="F").copy(), "NT")
    batches = batches_of(items, crop=(10,))
    starts = {int(start) for step in range(60) for start in batches.scale.inverse(batches.at(step))[:, 0]}
    assert min(starts) == 0
    assert max(starts) == 90
    assert len(starts) > 80


def test_the_mean():
    X = waves(100, 6, 6)
    batches = batches_of(Items.from_array(X))
    learned = torch.cat([batches.at(step) for step in range(batches.per_epoch)])
    torch.testing.assert_close(batches.mean(), learned.mean(0))
    crops = batches_of(Items.from_list([*waves(30, 9, 12, channels=3), *waves(30, 8, 8, channels=3)]), crop=(4, 4))
    mean = crops.mean()
    assert mean.shape == (3, 4, 4)
    assert (mean.flatten(1).std(1) < 1e-6).all()
    torch.testing.assert_close(mean[:, 0, 0], torch.full((3,), 0.5), atol=0.1, rtol=0)


def test_the_named_set_is_a_batch_away(mnist):
    train, _ = mnist
    x = batches_of(train, 32).at(0)
    assert x.shape == (32, 1, 28, 28)
    assert (float(x.min()), float(x.max())) == (0, 1)
