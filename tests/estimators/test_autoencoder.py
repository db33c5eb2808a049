"""The autoencoder on items of every number of axes, size and channel, through every kind of network."""

import math
from functools import cache

import numpy as np
import pytest

import narrows
from narrows import Autoencoder, DataError, data
from narrows.networks import upsampling_kinds

from ..made_up import table, waves

AXES = {1: "NT", 2: "NYX", 3: "NZYX"}
SHAPES = {1: (13,), 2: (11, 14), 3: (5, 7, 6)}  # odd and even sizes
GRIDS = {1: (4,), 2: (3, 4), 3: (2, 2, 2)}  # of two halvings
COUNTS = {1: 60, 2: 60, 3: 40}

NETWORKS = [
    *(("conv", preset, upsampling) for preset in ("default", "lesson") for upsampling in upsampling_kinds()),
    ("linear", "default", "nearest"),
    ("dense", "default", "nearest"),
]


def items_of(spatial, channels, count=None, shape=None, seed=0):
    return waves(
        count or COUNTS[spatial], *(shape or SHAPES[spatial]), channels=channels if channels > 1 else 0, seed=seed
    )


@cache
def fitted(kind, preset, upsampling, spatial, channels, grid):
    """Few epochs: the codes of a network that has moved from where it began."""
    axes = AXES[spatial] + "C" * (channels > 1)
    code = (4, *GRIDS[spatial]) if grid else 6
    # The guard is for users; what is tested here holds for any weights.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("narrows.training.loop.MUST_BEAT", 1e6)
        return Autoencoder(kind, code, upsampling, preset, axes=axes, epochs=2).fit(items_of(spatial, channels))


@pytest.mark.parametrize("grid", [False, True], ids=["flat", "grid"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("spatial", [1, 2, 3])
@pytest.mark.parametrize(("kind", "preset", "upsampling"), NETWORKS, ids=map("-".join, NETWORKS))
def test_codes_and_reconstructions(kind, preset, upsampling, spatial, channels, grid):
    grid = grid and kind == "conv"
    model, X = fitted(kind, preset, upsampling, spatial, channels, grid), items_of(spatial, channels, 7, seed=1)
    Z = model.transform(X)
    assert Z.dtype == np.float32
    assert model.code_shape_ == ((*GRIDS[spatial], 4) if grid else (6,))
    positions = Z.shape[1] - math.prod(model.code_shape_)
    assert Z.shape == (7, len(model.get_feature_names_out()))
    if upsampling == "unpool":
        assert positions > 0
        windows = Z[:, -positions:]
        assert np.array_equal(windows, np.rint(windows))
        assert 0 <= windows.min() <= windows.max() < 2**spatial
    else:
        assert positions == 0

    decoded, rebuilt = model.inverse_transform(Z), model.reconstruct(X)
    for result in (decoded, rebuilt):
        assert result.shape == X.shape
        assert result.dtype == X.dtype
    assert np.abs(decoded.astype(int) - rebuilt).max() <= 1
    assert (decoded != rebuilt).mean() < 0.01


@pytest.mark.parametrize("upsampling", upsampling_kinds())
@pytest.mark.parametrize("preset", ["default", "lesson"])
@pytest.mark.parametrize("channels", [1, 3])
def test_items_of_other_sizes_through_a_grid_code(upsampling, preset, channels):
    model = fitted("conv", preset, upsampling, 2, channels, True)
    for shape in ((1, 1), (3, 20), (23, 9), (16, 16)):
        X = items_of(2, channels, 5, shape)
        Z, rebuilt = model.transform(X), model.reconstruct(X)
        assert rebuilt.shape == X.shape
        decoded = model.inverse_transform(Z, shape)
        assert decoded.shape == X.shape
        assert np.abs(decoded.astype(int) - rebuilt).max() <= 1
        if upsampling != "unpool":
            assert Z.shape == (5, 4 * math.ceil(shape[0] / 4) * math.ceil(shape[1] / 4))


@pytest.mark.parametrize("upsampling", ["nearest", "transpose", "unpool"])
@pytest.mark.parametrize(("spatial", "channels"), [(1, 1), (2, 1), (2, 3), (3, 2)])
def test_items_of_different_sizes(spatial, channels, upsampling):
    """One by one or together: the same codes, at every item's own size, a single value among them."""
    model = fitted("conv", "default", upsampling, spatial, channels, True)
    sizes = [size[:spatial] for size in ((1, 1, 1), (5, 9, 3), (12, 4, 6), (5, 9, 3), (17, 30, 8))]
    X = [items_of(spatial, channels, 1, size, seed)[0] for seed, size in enumerate(sizes)]
    Z = model.transform(X)
    assert isinstance(Z, list)
    assert len(Z) == len(X)
    rebuilt = model.reconstruct(X)
    decoded = model.inverse_transform(Z, sizes)
    assert isinstance(decoded, list)
    for x, code, result, again in zip(X, Z, rebuilt, decoded, strict=True):
        np.testing.assert_allclose(code, model.transform(x[None])[0], rtol=1e-4, atol=1e-4)
        for back in (result, again):
            assert back.shape == x.shape
            assert back.dtype == x.dtype
        assert np.abs(result.astype(int) - again).max() <= 1
    from_items = model.reconstruct(data.Items.from_list(X, model.axes_))
    assert all(np.array_equal(one, other) for one, other in zip(from_items, rebuilt, strict=True))
    assert -1 < model.score(X) < 0


def test_a_list_of_items_of_one_size():
    """A list in, a list out; its codes are rows, for one shape or for a shape each."""
    model, X = fitted("conv", "default", "nearest", 2, 1, True), items_of(2, 1, 4, (20, 9))
    Z = model.transform(list(X))
    np.testing.assert_array_equal(Z, model.transform(X))
    rebuilt = model.reconstruct(list(X))
    assert isinstance(rebuilt, list)
    np.testing.assert_array_equal(rebuilt, model.reconstruct(X))
    for shapes in ((20, 9), [20, 9], np.array([[20, 9]] * 4)):
        np.testing.assert_array_equal(model.inverse_transform(Z, shapes), model.inverse_transform(Z, (20, 9)))
    each = model.inverse_transform(list(Z), [(20, 9)] * 4)
    assert isinstance(each, list)
    assert np.abs(np.array(each, int) - model.inverse_transform(Z, (20, 9))).max() <= 1


def test_learning_from_items_of_different_sizes():
    X = [*waves(30, 12, 17), *waves(30, 20, 9, seed=1), *waves(1, 1, 1, seed=2)]
    model = Autoencoder(code="8x5x5", epochs=30).fit(X)
    error = np.concatenate([(x / 255.0 - y / 255.0).ravel() for x, y in zip(X, model.reconstruct(X), strict=True)])
    assert (error**2).mean() < 0.5 * np.concatenate([x.ravel() / 255 for x in X]).var()
    assert model.network_.architecture.shape == (20, 17)


def test_signals_of_different_lengths():
    X = [signal[: 20 + index % 9] for index, signal in enumerate(waves(60, 28))]
    model = Autoencoder(code="4x7", axes="NT", epochs=20).fit(X)
    assert [back.shape for back in model.reconstruct(X)] == [x.shape for x in X]
    for axes in (None, "NF"):
        with pytest.raises(DataError, match="rows of different lengths; if they are signals"):
            Autoencoder(axes=axes).fit(X)


def test_large_pictures_are_learnt_from_crops():
    X = waves(6, 150, 140)
    model = Autoencoder("conv", preset="lesson", code="4x38x35", epochs=6).fit(X)
    assert model.training_["steps"] == 6 * math.ceil(6 * 9 / 8)
    assert model.reconstruct(X).shape == X.shape
    assert model.transform(X).shape == (6, 4 * 38 * 35)


def test_the_code_is_flattened_from_the_grid_with_its_channels_last():
    """An item's left half decides about the left half of its code."""
    model = fitted("conv", "lesson", "nearest", 2, 1, True)
    X = waves(1, 40, 40)
    changed = X.copy()
    changed[:, :, :4] = 255 - changed[:, :, :4]
    codes = [model.transform(each).reshape(10, 10, 4) for each in (X, changed)]
    where = np.argwhere((codes[0] != codes[1]).any(axis=2))
    assert len(where)
    assert where[:, 1].max() <= 2


def test_real_digits(mnist):
    """Little training tells digits it has not seen from their mean, and much from noise."""
    train, test = mnist
    for architecture, code, epochs in (("linear", 16, 12), ("conv", "4x7x7", 4)):
        model = Autoencoder(architecture, code=code, epochs=epochs).fit(train.select(slice(0, 1500)))
        X = test.values[:200]
        squared = ((model.reconstruct(X) / 255 - X / 255) ** 2).mean()
        assert squared < 0.5 * (X / 255).var(axis=0).mean()
        assert model.score(X) == pytest.approx(-squared, rel=0.05)  # the score does not round to whole greys


def test_the_order_of_the_axes_is_the_users():
    X = waves(60, 12, 10, channels=3)
    model = Autoencoder("linear", code=5, axes="NYXC", epochs=10).fit(X)
    Z, rebuilt = model.transform(X), model.reconstruct(X)
    for axes, order in (("NCYX", (0, 3, 1, 2)), ("YXCN", (1, 2, 3, 0)), ("CNXY", (3, 0, 2, 1))):
        other = Autoencoder("linear", code=5, axes=axes, epochs=10).fit(X.transpose(order))
        np.testing.assert_array_equal(other.transform(X.transpose(order)), Z)
        np.testing.assert_array_equal(other.reconstruct(X.transpose(order)), rebuilt.transpose(order))
        np.testing.assert_array_equal(other.inverse_transform(Z), model.inverse_transform(Z).transpose(order))
        as_items = data.Items.from_array(X, "NYXC")
        np.testing.assert_array_equal(other.reconstruct(as_items), rebuilt)


def test_a_list_in_the_users_order_of_axes():
    X = [*waves(20, 12, 10, channels=3), *waves(20, 9, 13, channels=3)]
    first = [x.transpose(2, 0, 1) for x in X]
    model = Autoencoder(code="4x3x4", axes="CYX", epochs=3).set_params(preset="lesson").fit(first)
    rebuilt = model.reconstruct(first)
    assert [x.shape for x in rebuilt] == [x.shape for x in first]
    decoded = model.inverse_transform(model.transform(first), [x.shape[1:] for x in first])
    assert [x.shape for x in decoded] == [x.shape for x in first]


def test_one_item_without_its_axis():
    X = waves(1, 300, 200)[0]
    model = Autoencoder(code="4x75x50", preset="lesson", axes="YX", epochs=20).fit(X)
    assert model.transform(X).shape == (1, 4 * 75 * 50)
    assert model.reconstruct(X).shape == X.shape
    assert model.reconstruct(np.stack([X, X])).shape == (2, *X.shape)


def test_a_table_as_an_array_or_as_items():
    X = table(80)
    model = Autoencoder("linear", code=3, epochs=20).fit(X)
    items = data.Items.from_array(X, "NF")
    np.testing.assert_array_equal(model.transform(items), model.transform(X))
    np.testing.assert_array_equal(model.reconstruct(items), model.reconstruct(X))
    again = Autoencoder("linear", code=3, epochs=20).fit(items)
    np.testing.assert_array_equal(again.transform(X), model.transform(X))
    assert again.n_features_in_ == 8


def test_what_is_chosen():
    assert Autoencoder(epochs=2).fit(waves(100, 16, 16)).network_.architecture.kind == "conv"
    table_model = Autoencoder(epochs=10).fit(table(100))
    assert table_model.network_.architecture.kind == "dense"
    assert table_model.code_shape_ == (32,)


def test_nested_lists_and_tuples():
    X = waves(60, 8, 8)
    Z = Autoencoder("linear", code=3, epochs=20).fit_transform(X)
    for same in (X.tolist(), tuple(X), list(X)):
        model = Autoencoder("linear", code=3, epochs=20)
        np.testing.assert_array_equal(model.fit_transform(np.asarray(same, X.dtype)), Z)
        assert model.fit(same).transform(same).shape == (60, 3)
        assert np.shape(model.reconstruct(same)) == X.shape
    rows = table(40).tolist()
    assert Autoencoder("linear", code=3, epochs=20).fit_transform(rows).shape == (40, 3)


def test_parameters_that_are_numbers_of_numpy(tmp_path):
    """As a grid search hands them over."""
    model = Autoencoder(
        "linear", np.int64(3), epochs=np.int32(20), batch_size=np.int64(8), learning_rate=np.float32(0.01)
    )
    model.fit(waves(60, 8, 8)).save(tmp_path / "m.safetensors")
    assert narrows.load(tmp_path / "m.safetensors").epochs == 20


def test_losses():
    X = waves(100, 12, 12)
    for loss in ("mse", "mae", "bce"):
        model = Autoencoder("linear", code=6, epochs=20, loss=loss).fit(X)
        assert model.training_["loss"] == loss
        assert 0 < model.training_["held_out_loss"] < 0.6 * model.training_["mean_loss"]


def test_predictions_change_nothing():
    model, X = fitted("conv", "default", "nearest", 2, 1, True), items_of(2, 1, 5)
    before = {name: tensor.clone() for name, tensor in model.network_.state_dict().items()}
    first = model.transform(X)
    model.score(X), model.reconstruct(X), model.inverse_transform(first)
    np.testing.assert_array_equal(model.transform(X), first)
    assert all((before[name] == tensor).all() for name, tensor in model.network_.state_dict().items())


def test_many_items_are_taken_in_parts(monkeypatch):
    model, X = fitted("linear", "default", "nearest", 2, 1, False), items_of(2, 1, 50)
    whole = model.transform(X), model.reconstruct(X), model.inverse_transform(model.transform(X)), model.score(X)
    monkeypatch.setattr("narrows.models.autoencoder_model.VALUES_AT_ONCE", 1000)
    np.testing.assert_allclose(model.transform(X), whole[0], rtol=1e-5, atol=1e-5)
    assert np.abs(model.reconstruct(X).astype(int) - whole[1]).max() <= 1
    assert np.abs(model.inverse_transform(whole[0]).astype(int) - whole[2]).max() <= 1
    assert model.score(X) == pytest.approx(whole[3], rel=1e-5)


@pytest.mark.parametrize(
    ("parameters", "X", "message"),
    [
        ({"architecture": "tree"}, waves(40, 8, 8), "architecture='tree': expected one of linear, dense, conv"),
        ({"upsampling": "cubic"}, waves(40, 8, 8), "upsampling='cubic': expected one of"),
        ({"preset": "tiny"}, waves(40, 8, 8), "preset='tiny': expected one of default, lesson"),
        ({"code": "many"}, waves(40, 8, 8), "code='many': expected a number like 32"),
        ({"code": 0}, waves(40, 8, 8), "code=0: expected a whole number from 1"),
        ({"code": 2.5}, waves(40, 8, 8), "code=2.5: expected a number like 32"),
        ({"code": "4x3x3"}, waves(40, 8, 8), "a grid of 3 is not 8 halved; it can be 8, 4, 2, 1"),
        ({"loss": "rms"}, waves(40, 8, 8), "loss='rms': expected one of mse, mae, bce"),
        ({"device": "tpu"}, waves(40, 8, 8), "device='tpu': expected auto, cpu or cuda"),
        ({"axes": "NYX"}, waves(40, 8), "axes='NYX': names 3 axes, not 2"),
        ({"axes": "NYQ"}, waves(40, 8, 8), "unknown letter 'Q'"),
        ({"epochs": 2, "minutes": 1}, waves(40, 8, 8), "either in minutes or in epochs"),
        ({"epochs": 0}, waves(40, 8, 8), "epochs=0: expected a whole number above 0"),
        ({"epochs": 2.5}, waves(40, 8, 8), "epochs=2.5: expected a whole number above 0"),
        ({"epochs": "3"}, waves(40, 8, 8), "epochs='3': expected a whole number above 0"),
        ({"batch_size": 0}, waves(40, 8, 8), "batch_size=0: expected a whole number above 0"),
        ({"random_state": -1}, waves(40, 8, 8), "random_state=-1: expected a whole number from 0"),
        ({"learning_rate": -1}, waves(40, 8, 8), "learning_rate=-1: expected a number above 0"),
        ({"architecture": "conv"}, table(40), "for tables, use dense or linear"),
        ({"code": "4x2"}, table(40), "a dense code is one number"),
        (
            {},
            waves(10, 5, 5, 5),
            "X: shape (10, 5, 5, 5) does not say which axis is which; specify the axes (NZYX for volumes",
        ),
        ({"code": 9}, [*waves(9, 8, 8), *waves(9, 7, 9)], "its items have different sizes, which a flat code of 9"),
        (
            {},
            [waves(1, 8, 8)[0], waves(1, 8, 8, dtype=np.float32)[0]],
            "item 1: float32 of shape (8, 8), unlike the first item, uint8",
        ),
        ({"axes": "NYXC"}, [waves(1, 8, 8, channels=3)[0], waves(1, 9, 8, channels=2)[0]], "numbers of channels"),
        ({}, np.zeros((5, 0, 3)), "holds no values"),
        ({}, np.zeros((5, 3, 3), complex), "complex"),
        ({}, np.full((5, 3, 3), "a"), "expected booleans, integers or real numbers"),
        ({"loss": "bce"}, waves(40, 8, 8).astype(np.int16) - 100, "loss='bce': needs values of a known range"),
        ({"loss": "bce"}, table(40), "loss='bce': needs values of a known range"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, (str, dict)) else "",
)
def test_what_cannot_be_learnt_is_said(parameters, X, message):
    model = Autoencoder(**{"epochs": 2 if "minutes" not in parameters else None, **parameters})
    with pytest.raises(ValueError) as error:  # noqa: PT011
        model.fit(X)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert not hasattr(model, "network_")


def test_items_that_do_not_fit_the_model_are_refused():
    flat, grid = (fitted("conv", "default", "nearest", 2, channels, True) for channels in (1, 3))
    fixed = fitted("linear", "default", "nearest", 2, 1, False)
    for model, X, message in (
        (fixed, waves(4, 11, 15), r"this model takes items of shape \(11, 14\) alone"),
        (fixed, [*waves(1, 11, 14), *waves(1, 9, 9)], "takes items of shape"),
        (flat, waves(4, 11, 14, channels=3), "axes='NYX': names 3 axes, not 4"),
        (grid, waves(4, 11, 14), None),
        (grid, waves(4, 11, 14, channels=2), "trained on axes NYXC with 3 channel"),
        (flat, data.Items.from_array(table(5), "NF"), "trained on axes NYX"),
    ):
        for method in (model.transform, model.reconstruct, model.score):
            with pytest.raises(DataError, match=message) as error:
                method(X)
            assert "\n" not in str(error.value)


def test_codes_that_do_not_fit_the_model_are_refused():
    model = fitted("conv", "default", "nearest", 2, 1, True)
    Z = model.transform(items_of(2, 1, 3))
    ragged = model.transform([*waves(1, 11, 14), *waves(1, 20, 14)])
    for codes, shapes, message in (
        (Z[:, :-1], None, r"codes of 47 values: this model's codes have 48 for items of shape \(11, 14\)"),
        (Z, (40, 40), r"codes of 48 values: this model's codes have 400 for items of shape \(40, 40\)"),
        (Z, [(11, 14)] * 2, "3 codes and 2 shapes"),
        (ragged, None, "codes of different lengths: specify the shapes of their items"),
        (ragged, [(11, 14)], "2 codes and 1 shapes"),
        (ragged, [(11, 14), (11, 14)], "codes of 80 values"),
        (Z[0], None, "1D array"),
        (np.full_like(Z, np.nan), None, "NaN"),
        (Z, (11,), r"expected 2 sizes from 1, like \(11, 14\), or one such row for each code; found \[11\]"),
        (Z, (0, 14), "expected 2 sizes from 1"),
        (Z, [(11, 14, 1)] * 3, "expected 2 sizes from 1"),
    ):
        with pytest.raises(ValueError, match=message):
            model.inverse_transform(codes, shapes)
    for kind in ("linear", "conv"):
        fixed = fitted(kind, "default", "nearest", 2, 1, False)
        with pytest.raises(
            DataError, match=r"items of shape \(8, 8\): the codes of this model are for \(11, 14\) alone"
        ):
            fixed.inverse_transform(np.zeros((3, 6)), (8, 8))


def test_nothing_is_done_before_fitting():
    for method in ("transform", "inverse_transform", "reconstruct", "score"):
        with pytest.raises(ValueError, match="not fitted"):
            getattr(Autoencoder(), method)(waves(3, 8, 8))


def test_a_failed_second_fit_leaves_the_first():
    model = Autoencoder("linear", code=4, epochs=20)
    X = waves(60, 8, 8)
    Z = model.fit(X).transform(X)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(np.full((30, 8, 8), np.nan))
    np.testing.assert_array_equal(model.transform(X), Z)
