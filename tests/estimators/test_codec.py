"""What a codec promises holds for whatever it is given."""

import json
import signal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import narrows
from narrows import Codec, data, load
from narrows.codec import chunk
from narrows.codec.archive import Archive
from narrows.codec.container.archive_file import ArchiveReader
from narrows.codec.learning.objective import CodecObjective
from narrows.errors import DataError, FormatError, ParameterError, TrainingError

from .codecs import AXES, codec, items_like, training_data, waves

WHOLE = [kind for kind in AXES if kind != "float32"]
LARGEST_SIDE = {1: 90, 2: 20, 3: 8}
FILE = 100  # bytes of header and of a chunk's own, at most, for a few items
CONTENTS = ["like", "noise", "constant", "inverted", "extreme"]


@st.composite
def cases(draw, kinds):
    """A kind of codec, and items for it: one array or a list, of any sizes and contents."""
    kind = draw(st.sampled_from(kinds))
    axes = len(AXES[kind].strip("NC"))
    size = st.lists(st.integers(1, LARGEST_SIDE[axes]), min_size=axes, max_size=axes).map(tuple)
    sizes = (
        [draw(size)] * draw(st.integers(1, 4)) if draw(st.booleans()) else draw(st.lists(size, min_size=1, max_size=4))
    )
    items = items_like(kind, draw(st.sampled_from(CONTENTS)), draw(st.integers(0, 99)), sizes)
    return kind, items if len(set(sizes)) > 1 else np.stack(items)


def there_and_back(kind, items, **demand):
    """The file, the items as a list of arrays, and the items that come back."""
    blob = codec(kind).compress(items, **demand)
    found = codec(kind).decompress(blob)
    assert len(found) == len(items)
    assert isinstance(found, np.ndarray) == (len({item.shape for item in items}) == 1)
    for one, other in zip(found, items, strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
    return blob, list(items), list(found)


def raw_size(items):
    return sum(item.nbytes for item in items) // (8 if items[0].dtype == bool else 1)


@settings(max_examples=60)
@given(cases(WHOLE))
def test_lossless_is_lossless(case):
    blob, items, found = there_and_back(*case, lossless=True)
    for one, other in zip(found, items, strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(blob) <= 1.03 * sum(item.nbytes for item in items) + FILE + 4 * len(items)


@settings(max_examples=60)
@given(cases(WHOLE), st.sampled_from([0, 0.5, 1, 2, 7, 40, 1000, 10**6]))
def test_bounded_is_bounded(case, bound):
    blob, items, found = there_and_back(*case, max_error=bound)
    for one, other in zip(found, items, strict=True):
        assert np.abs(one.astype(np.int64) - other.astype(np.int64)).max() <= bound
    assert len(blob) <= 1.03 * sum(item.nbytes for item in items) + FILE + 4 * len(items)


@settings(max_examples=60)
@given(cases(["float32"]), st.sampled_from([1e-6, 1e-3, 0.01, 0.3, 5, 1e9]), st.floats(0, 0.4), st.integers(0, 99))
def test_real_numbers_are_bounded_and_those_that_are_none_survive(case, bound, share, seed):
    kind, items = case
    rng = np.random.default_rng(seed)
    items = [np.where(rng.random(item.shape) < share, rng.choice(WEIRD, item.shape), item) for item in items]
    items = items if len({item.shape for item in items}) > 1 else np.stack(items)
    blob, items, found = there_and_back(kind, items, max_error=bound)
    for one, other in zip(found, items, strict=True):
        finite = np.isfinite(other)
        np.testing.assert_array_equal(one[~finite], other[~finite])
        assert (np.abs(one[finite].astype(float) - other[finite].astype(float)) <= bound).all()
    assert len(blob) <= 1.05 * sum(item.nbytes for item in items) + FILE + 4 * len(items)


WEIRD = np.array([np.nan, np.inf, -np.inf, 3.4e38, -3.4e38, 1e-45, -0.0], np.float32)


@settings(max_examples=20)
@given(cases(list(AXES)), st.sampled_from([0, 20, 50, 80, 100]))
def test_any_quality_comes_back(case, quality):
    there_and_back(*case, quality=quality)


@pytest.mark.parametrize("kind", [kind for kind in AXES if kind != "bool"])
def test_more_quality_is_less_error(kind):
    items = training_data(kind)[:20]
    errors, sizes = [], []
    for quality in (5, 45, 85):
        blob, _, found = there_and_back(kind, items, quality=quality)
        errors.append(np.mean((np.stack(found).astype(float) - items) ** 2))
        sizes.append(len(blob))
    assert errors == sorted(errors, reverse=True)
    assert sizes[0] < min(sizes[1:])


@pytest.mark.parametrize("kind", AXES)
@pytest.mark.parametrize("wanted", [15, 30, 55])
def test_psnr_is_met(kind, wanted):
    items = training_data(kind)[:20]
    _, _, found = there_and_back(kind, items, psnr=wanted)
    scaling = codec(kind).model_.coder.scaling
    span = scaling.high - scaling.low if scaling.is_range else float(items.max()) - float(items.min())
    error = np.mean((np.stack(found).astype(float) - items.astype(float)) ** 2)
    assert error <= span**2 * 10 ** (-wanted / 10) * 1.000001


@pytest.mark.parametrize("wanted", [20, 30])
def test_psnr_is_met_in_many_chunks_of_unlike_items(monkeypatch, wanted):
    monkeypatch.setattr(chunk, "MOST_ITEMS", 40)
    digits = training_data("digits")
    items = np.concatenate([digits, digits // 4, 16 - digits])
    blob, _, found = there_and_back("digits", items, psnr=wanted)
    assert ArchiveReader(blob, "x.narrow").header.chunk_items == [40] * 12
    error = np.mean((np.stack(found).astype(float) - items) ** 2)
    assert 0.7 < error / (codec("digits").model_.coder.scaling.high ** 2 * 10 ** (-wanted / 10)) <= 1


@settings(max_examples=25)
@given(cases(list(AXES)), st.data())
def test_parts_and_coarse_items_equal_those_of_the_whole(case, draw):
    kind, items = case
    many = [items[index] for index in draw.draw(st.lists(st.integers(0, len(items) - 1), min_size=1, max_size=8))]
    demand = {"max_error": 0.1} if kind == "float32" else {"lossless": True}
    blob = codec(kind).compress(many, **demand)
    whole = list(codec(kind).decompress(blob))
    with Archive(blob, "x.narrow", codec(kind)) as archive:
        chosen = draw.draw(st.lists(st.integers(0, len(many) - 1), min_size=1, max_size=4))
        for one, other in zip(archive[chosen], chosen, strict=True):
            np.testing.assert_array_equal(one, whole[other])
        np.testing.assert_array_equal(archive[chosen[0]], whole[chosen[0]])
        if kind == "float32":
            return
        level = draw.draw(st.integers(1, 3))
        for one, other in zip(archive.read(level=level), whole, strict=True):
            np.testing.assert_array_equal(one, other[(slice(None, None, 2**level),) * archive.spatial_dims])


@pytest.mark.parametrize(("kind", "dtype"), [("digits", np.uint16), ("digits", np.int16), ("uint16", np.uint8)])
def test_a_codec_takes_integers_of_other_types(kind, dtype):
    items = items_like(kind, "like", 0, [(9, 9)] * 3)
    items = np.stack(items).astype(dtype)
    items[0, 0, 0] = np.iinfo(dtype).max
    items[1, 2, 3] = np.iinfo(dtype).min
    _, items, found = there_and_back(kind, items, lossless=True)
    np.testing.assert_array_equal(np.stack(found), np.stack(items))


def test_real_numbers_want_a_bound():
    with pytest.raises(DataError, match="lossless is for integers; give a max error"):
        codec("float32").compress(training_data("float32"), lossless=True)
    with pytest.raises(DataError, match=r"psnr=400.*: cannot be reached"):
        codec("float32").compress(training_data("float32"), psnr=400)


@pytest.mark.parametrize("kind", ["digits", "float32"])
def test_a_saved_codec_is_the_same_codec(kind, tmp_path):
    made, items = codec(kind), training_data(kind)[:10]
    made.save(tmp_path / "m.safetensors")
    again = load(tmp_path / "m.safetensors")
    assert again.fingerprint_ == made.fingerprint_
    assert (again.axes_, again.model_.item_shape, again.channels_) == (
        made.axes_,
        made.model_.item_shape,
        made.channels_,
    )
    assert again.get_params()["epochs"] == 2
    for demand in ({"max_error": 0.1}, {"quality": 40}):
        blob = made.compress(items, **demand)
        assert again.compress(items, **demand) == blob
        np.testing.assert_array_equal(again.decompress(blob), made.decompress(blob))
    again.save(tmp_path / "again.safetensors")
    assert load(tmp_path / "again.safetensors").training_ == again.training_ == made.training_


def test_another_model_is_refused_by_its_fingerprint(tmp_path):
    one, other = codec("digits"), codec("bool")
    blob = one.compress(training_data("digits")[:3], lossless=True)
    (tmp_path / "x.narrow").write_bytes(blob)
    other.save(tmp_path / "m.safetensors")
    with pytest.raises(FormatError, match=f"needs the model {one.fingerprint_[:12]}; .*{other.fingerprint_[:12]}"):
        narrows.open(tmp_path / "x.narrow", model=tmp_path / "m.safetensors")
    with pytest.raises(FormatError, match=f"needs the model {one.fingerprint_[:12]}"):
        other.decompress(blob)


def test_a_model_in_the_file_is_enough(tmp_path):
    items = training_data("bool")[:3]
    (tmp_path / "x.narrow").write_bytes(codec("bool").compress(items, lossless=True, embed_model=True))
    with narrows.open(tmp_path / "x.narrow") as archive:
        np.testing.assert_array_equal(archive[:], items)


def test_training_goes_on_where_it_was_stopped(tmp_path):
    x, checkpoint = training_data("digits"), tmp_path / "c"

    def stop(progress):
        raise KeyboardInterrupt

    straight = Codec(epochs=3, batch_size=16, random_state=4).fit(x)
    assert straight.fingerprint_ == Codec(epochs=3, batch_size=16, random_state=4).fit(x).fingerprint_
    assert straight.fingerprint_ != Codec(epochs=3, batch_size=16, random_state=5).fit(x).fingerprint_
    stopped = interrupted_fit(Codec(epochs=3, batch_size=16, random_state=4), x, checkpoint, after=14)
    assert stopped.training_["complete"] is False
    assert stopped.training_["steps"] == 14
    np.testing.assert_array_equal(stopped.decompress(stopped.compress(x[:5], lossless=True)), x[:5])
    resumed = Codec(epochs=3, batch_size=16, random_state=4).fit(x, checkpoint=checkpoint, resume=True)
    assert resumed.fingerprint_ == straight.fingerprint_
    assert resumed.history_["held_out"] == straight.history_["held_out"]
    interrupted_fit(Codec(epochs=3, batch_size=16, random_state=4), x, checkpoint, after=14)
    with pytest.raises(TrainingError, match="was begun with"):
        Codec(epochs=3, batch_size=16, random_state=4).fit(15 - x, checkpoint=checkpoint, resume=True)


def interrupted_fit(codec, x, checkpoint, after):
    """A codec whose training got SIGINT after so many steps."""
    plain, left = CodecObjective.__call__, [after]

    def counting(self, network, batch, step):
        if step is not None:
            left[0] -= 1
            if left[0] == 0:
                signal.raise_signal(signal.SIGINT)
        return plain(self, network, batch, step)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CodecObjective, "__call__", counting)
        with pytest.raises(KeyboardInterrupt):
            codec.fit(x, checkpoint=checkpoint)
    return codec


def test_data_that_do_not_vary_train_a_codec_too():
    x = np.full((30, 8, 8), 7, np.uint8)
    made = Codec(epochs=1).fit(x)
    for items in (x, np.random.default_rng(0).integers(0, 256, (4, 9, 9), dtype=np.uint8)):
        np.testing.assert_array_equal(made.decompress(made.compress(items, lossless=True)), items)


def test_holes_in_the_training_data_are_no_hindrance():
    x = training_data("float32")
    x[:, 3], x[::2, 5], x[1, 7], x[2, 8] = np.nan, np.nan, np.inf, -np.inf
    made = Codec(epochs=2, axes="NT", batch_size=16).fit(x)
    assert np.isfinite(made.history_["held_out"]).all()
    found, finite = made.decompress(made.compress(x, max_error=0.01)), np.isfinite(x)
    np.testing.assert_array_equal(found[~finite], x[~finite])
    assert np.abs(found[finite] - x[finite]).max() <= 0.01


def fields(n, seed):
    """Waves that move, (n, 40, 56), float32, and a mask of land, (40, 56)."""
    t, y, x = np.meshgrid(np.arange(n) + 100 * seed, np.linspace(0, 6, 40), np.linspace(0, 9, 56), indexing="ij")
    noise = 0.05 * np.random.default_rng(seed).normal(size=t.shape)
    return (15 + 8 * np.sin(x + 0.3 * t) * np.cos(y) + noise).astype(np.float32), (np.sin(y) > 0.2 * x - 0.5)[0]


@pytest.fixture(scope="module")
def sea_codec():
    x, land = fields(24, 0)
    return Codec(epochs=30).fit(np.where(land, np.float32(np.nan), x))


@pytest.mark.parametrize("fill", [np.nan, 1e20, -9999])
def test_land_costs_nothing_but_its_mask(sea_codec, fill):
    x, land = fields(8, 1)
    x[:, land] = fill
    content = sea_codec.compress(x, max_error=0.02)
    found = sea_codec.decompress(content)
    assert np.abs(found - x)[:, ~land].max() <= 0.02
    np.testing.assert_array_equal(found[:, land], x[:, land])
    x[:, land] = 15  # without land
    assert len(content) < 0.9 * len(sea_codec.compress(x, max_error=0.02))


@pytest.mark.parametrize(("fill", "dtype", "mode"), [(1e20, "float32", {"max_error": 0.02}), (-32768, "int16", {})])
def test_training_looks_past_land(fill, dtype, mode):
    made, land = fields(32, 0)
    x = np.where(land, fill, made if dtype == "float32" else np.round(100 * made)).astype(dtype)
    codec = Codec(epochs=3).fit(x[:24])
    assert max(codec.model_.scaling.scale) < 1000
    content = codec.compress(x[24:], **(mode or {"lossless": True}))
    assert len(content) < 0.4 * x[24:].nbytes
    found = codec.decompress(content)
    np.testing.assert_array_equal(found[:, land], x[24:, land])
    assert np.abs(found - x[24:])[:, ~land].max() <= mode.get("max_error", 0)


@pytest.mark.parametrize(("fill", "dtype"), [(65535, "uint16"), (-9999, "int32")])
def test_drawings_may_have_values_that_are_missing(fill, dtype):
    made, land = fields(24, 0)
    x = np.where(land, fill, 40 * (made // 8 + 1)).astype(dtype)
    codec = Codec(epochs=1).fit(x)
    assert codec.model_.manifest.grid.high <= 255
    np.testing.assert_array_equal(codec.decompress(codec.compress(x[:4], lossless=True)), x[:4])


def test_qualities_refer_to_the_range_without_land(sea_codec):
    x, land = fields(8, 1)
    sizes = []
    for fill in (np.nan, 1e20):
        x[:, land] = fill
        content = sea_codec.compress(x, quality=50)
        np.testing.assert_array_equal(sea_codec.decompress(content)[:, land], x[:, land])
        sizes.append(len(content))
    assert sizes[1] == pytest.approx(sizes[0], rel=0.02)


@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_black_items_are_learned_from(dtype):
    x = np.zeros((6, 12, 16), dtype)
    codec = Codec(epochs=1, axes="NYX").fit(x)
    for mode in ({"lossless": True}, {"quality": 50}, {"max_error": 2}):
        np.testing.assert_array_equal(codec.decompress(codec.compress(x, **mode)), x)


def test_fill_values_do_not_tell_the_unit():
    made, land = fields(24, 0)
    x = np.where(land, 1e20, np.clip(made / 32, 0, 1))
    codec = Codec(epochs=1).fit(x.astype(np.float32))
    assert codec.model_.scaling.is_range
    found = codec.decompress(codec.compress(x[:4], quality=50))
    np.testing.assert_array_equal(found[:, land], x[:4, land])


def test_a_failed_refit_leaves_the_codec_as_it_was():
    made, x = Codec(epochs=1, axes="NYX").fit(training_data("digits")), training_data("digits")[:4]
    blob, state = made.compress(x, lossless=True), dict(vars(made))
    with pytest.raises(DataError):
        made.set_params(axes=None).fit(np.zeros((50, 9)))
    with pytest.raises(TrainingError):
        made.fit(x, checkpoint="missing.checkpoint", resume=True)
    assert {**vars(made), "axes": "NYX"} == state
    np.testing.assert_array_equal(made.decompress(blob), x)


def test_a_table_is_refused():
    with pytest.raises(DataError, match="rows of a table; a codec takes signals, images or volumes"):
        Codec(epochs=1).fit(np.zeros((50, 9)))


def test_it_is_an_estimator():
    made = Codec(epochs=7, axes="NYX")
    assert clone(made).get_params() == made.get_params()
    for call in (lambda: made.compress(np.zeros((1, 8, 8), np.uint8), lossless=True), lambda: made.decompress(b"")):
        with pytest.raises(NotFittedError):
            call()
    with pytest.raises(NotFittedError):
        made.save("m.safetensors")


@pytest.mark.parametrize(
    ("demand", "words"),
    [
        ({}, "expected one of lossless, max_error, quality and psnr; found 0"),
        ({"lossless": True, "psnr": 30}, "found 2 of them"),
        ({"max_error": -1}, "expected a number from 0"),
        ({"quality": 101}, "expected a number from 0 to 100"),
    ],
)
def test_demands_that_make_no_sense(demand, words):
    with pytest.raises(ParameterError, match=words):
        codec("digits").compress(training_data("digits"), **demand)


@pytest.mark.parametrize(
    "items",
    [
        np.zeros((3, 8, 8, 3), np.uint8),
        np.zeros((3, 8, 8), np.float32),
        np.zeros((3, 8, 8)),
    ],
)
def test_items_of_another_kind_are_refused(items):
    with pytest.raises(DataError) as caught:
        codec("digits").compress(items, lossless=True)
    assert "\n" not in str(caught.value)


def test_a_file_is_as_small_as_its_model_says(digits_codec):
    made, x = load(digits_codec), data.read("digits:test").values
    plan = made.model_.coder.pixel_plan(made.model_.coder.bounded(0, x.dtype))
    bits = made.model_.coder.encode(plan, x).bits.sum()
    sizes = ArchiveReader(made.compress(x, lossless=True), "archive").sizes()
    assert sizes["header"] < 40
    assert sizes["payload"] < 1.01 * bits / 8 + 4


def test_compressing_what_it_was_trained_for_makes_it_small(digits_codec):
    made, x = load(digits_codec), data.read("digits:test").values
    assert 8 * len(made.compress(x, lossless=True)) / x.size < 2.7
    assert json.loads(json.dumps(made.training_))["steps"] > 0


def test_real_numbers_far_from_those_of_training_reach_any_psnr():
    made, x = codec("float32"), training_data("float32")[:4] + np.float32(1e7)
    x[0, 0], x[1, 1] = np.nan, np.inf
    found = made.decompress(made.compress(x, psnr=60))
    finite = np.isfinite(x)
    np.testing.assert_array_equal(found[~finite], x[~finite])
    assert np.abs(found[finite] - x[finite]).max() < 0.2


@pytest.mark.parametrize("demand", [{"quality": 50}, {"psnr": 40}, {"max_error": 0.1}], ids=str)
@pytest.mark.parametrize("value", [1e300, -1.7976931348623157e308])
def test_marks_as_large_as_numbers_can_be_come_back(demand, value):
    made, x = codec("float32"), training_data("float32")[:4].astype(np.float64)
    x[0, 0] = value
    found = made.decompress(made.compress(x, **demand))
    assert found[0, 0].tolist() == x[0, 0].tolist()
    assert np.sqrt(np.mean((found[1:] - x[1:]) ** 2)) < 0.2


@pytest.mark.parametrize("demand", [{"quality": 5}, {"psnr": 10}, {"max_error": 2**33}], ids=str)
def test_integers_of_the_widest_ranges_come_back(demand):
    X = np.cumsum(np.random.default_rng(0).normal(size=(30, 64)), 1)
    X = (2**52 * X).astype(np.int64)
    codec = Codec(axes="NT", epochs=1).fit(X)
    errors = [
        abs(int(a) - int(b)) for a, b in zip(codec.decompress(codec.compress(X, **demand)).flat, X.flat, strict=True)
    ]
    assert max(errors) <= 2**33


@pytest.mark.parametrize("target", [{"psnr": 20}, {"quality": 20}])
def test_no_lossy_file_is_larger_than_the_lossless_one(target):
    """However little was learned, of data that the lossy models find hard."""
    noise = np.random.default_rng(0).integers(0, 2, (40, 16, 16)).astype(np.uint8) * 255
    made = Codec(epochs=1).fit(noise)
    assert len(made.compress(noise, **target)) <= len(made.compress(noise, lossless=True)) + 4


def test_smooth_pictures_are_no_drawings():
    """Though most pixels have the grey of a pixel nearby, by chance."""
    smooth = 30 * waves((20, 40, 40)) + np.random.default_rng(0).normal(0, 0.5, (20, 40, 40))
    made = Codec(epochs=1).fit(smooth.round().clip(0).astype(np.uint8))
    assert made.model_.manifest.design.lossless.alphabet == "mixtures"


def test_within_a_bound_repeated_colours_are_kept_exactly():
    blocks = np.random.default_rng(0).integers(0, 4, (60, 6, 6, 1)) * np.array([80, 60, 40])
    colours = blocks.repeat(4, axis=1).repeat(4, axis=2).astype(np.uint8)
    made = Codec(epochs=2).fit(colours[:40])
    bounded = made.compress(colours[40:], max_error=1)
    assert len(bounded) <= len(made.compress(colours[40:], lossless=True)) + 4
    np.testing.assert_array_equal(made.decompress(bounded), colours[40:])


def test_what_is_no_bytes_is_refused():
    with pytest.raises(ParameterError, match="expected bytes"):
        codec("digits").decompress(training_data("digits"))
