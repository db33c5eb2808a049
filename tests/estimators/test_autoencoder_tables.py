"""The autoencoder on tables with cells of any type."""

from dataclasses import replace

import numpy as np
import pytest

from narrows import Autoencoder, DataError, FormatError, load
from narrows.data.tables import frames as tables
from narrows.models import load_model

from ..made_up_tables import people

pd = pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def model():
    return Autoencoder(code=4, epochs=60).fit(people(400))


def test_what_comes_back_is_the_table(model):
    frame = people(100, seed=1)
    back = model.reconstruct(frame)
    assert (back.dtypes == frame.dtypes).all()
    assert back.index.equals(frame.index)
    assert back.columns.equals(frame.columns)
    for name in ("sex", "town", "smoker"):
        assert (back[name].astype(str) == frame[name].astype(str)).mean() > 0.9
    assert (back["always"] == "x").all()
    assert (back["age"] - frame["age"]).abs().mean() < 2
    assert (np.log(back["income"]) - np.log(frame["income"])).abs().mean() < 0.3


def test_codes_there_and_back(model):
    frame = people(30, seed=2)
    codes = model.transform(frame)
    assert (codes.dtype, codes.shape) == (np.float64, (30, 4))
    back = model.inverse_transform(pd.DataFrame(codes, index=frame.index))
    pd.testing.assert_frame_equal(back, model.reconstruct(frame))
    np.testing.assert_allclose(model.transform(frame.iloc[3:4])[0], codes[3], rtol=1e-9)
    np.testing.assert_array_equal(model.transform(tables.frame_to_items(frame)), codes)


def test_saved_and_loaded(model, tmp_path):
    model.save(tmp_path / "m.safetensors")
    again = load(tmp_path / "m.safetensors")
    assert again.columns_ == model.columns_
    assert again.feature_names_in_.tolist() == model.feature_names_in_.tolist()
    assert again.n_features_in_ == model.n_features_in_ == 7
    pd.testing.assert_frame_equal(again.reconstruct(people(9)), model.reconstruct(people(9)))


def test_a_description_that_does_not_fit_is_refused(model):
    file = model.model_.to_file()
    for part in ("table", "columns"):
        wrong = replace(file, document={**file.document, part: file.document[part][1:]})
        with pytest.raises(FormatError, match="do not fit together"):
            load_model(wrong.to_bytes())


def test_set_output_and_names(model):
    frame = people(20)
    model.set_output(transform="pandas")
    codes = model.transform(frame)
    model.set_output(transform="default")
    assert codes.columns.tolist() == [f"autoencoder{number}" for number in range(4)]
    assert codes.index.equals(frame.index)


def test_a_column_without_any_value_is_left_out(model):
    frame = people(50).assign(nothing=np.nan, name=[f"name {number}" for number in range(50)])
    back = Autoencoder("linear", code=2, epochs=5).fit(frame).reconstruct(frame)
    assert back["nothing"].isna().all()
    assert back["name"].isna().all()  # of which no category is learnt
    assert back["age"].notna().all()


def test_categories_never_seen_are_encoded(model):
    frame = people(5)
    frame["sex"] = "other"
    assert np.isfinite(model.transform(frame)).all()
    assert set(model.reconstruct(frame)["sex"]) <= {"m", "f"}


def test_tables_that_are_not_the_one_learnt_from(model):
    frame = people(5)
    for other in (frame.drop(columns="age"), frame.assign(more=1), frame[frame.columns[::-1]]):
        with pytest.raises(ValueError, match="feature names should match"):
            model.transform(other)
        with pytest.raises(DataError, match=r"no column 'age'|not trained on column 'more'|another order"):
            model.transform(tables.frame_to_items(other))
    with pytest.raises(
        DataError, match="column 'age' holds category cells, but the model was trained on integer cells"
    ):
        model.transform(frame.assign(age="old"))
    with pytest.raises(DataError, match="expected a data frame"):
        model.transform(np.zeros((3, 7)))
    with pytest.raises(DataError, match="no rows"):
        model.transform(frame.iloc[:0])


def test_tables_from_which_nothing_can_be_learnt():
    with pytest.raises(DataError, match="no column of it varies"):
        Autoencoder(epochs=2).fit(people(1))
    with pytest.raises(DataError, match="column 'mixed' holds cells of the types int, str"):
        Autoencoder(epochs=2).fit(people(20).assign(mixed=[1, "a"] * 10))


def test_one_column():
    frame = people(60)[["town"]]
    back = Autoencoder("linear", code=2, epochs=80).fit(frame).reconstruct(frame)
    pd.testing.assert_frame_equal(back, frame)


def test_a_table_of_numbers_takes_arrays_too():
    frame = people(80)[["age", "income"]]
    model = Autoencoder("linear", code=1, epochs=10).fit(frame)
    with pytest.warns(UserWarning, match="feature names"):
        codes = model.transform(frame.to_numpy())
    np.testing.assert_array_equal(codes, model.transform(frame))


def test_a_model_of_arrays_takes_tables_of_numbers_alone():
    model = Autoencoder("linear", code=1, epochs=10).fit(people(80)[["age", "income"]].to_numpy())
    numbers = tables.frame_to_items(people(5)[["age", "income"]])
    assert model.transform(numbers).shape == (5, 1)
    with pytest.raises(DataError, match="column 'sex' holds category cells"):
        model.transform(tables.frame_to_items(people(5)[["age", "sex"]]))


def test_fitting_again_forgets_the_table():
    model = Autoencoder("linear", code=1, epochs=5).fit(people(60))
    model.fit(np.random.default_rng(0).random((60, 5)) * [1, 2, 3, 4, 5])
    assert model.columns_ is None
    assert isinstance(model.reconstruct(np.zeros((2, 5))), np.ndarray)


def frame_with_holes(share, rows=300):
    rng = np.random.default_rng(0)
    x = rng.normal(size=rows)
    frame = pd.DataFrame(
        {
            "a": x + 0.1 * rng.normal(size=rows),
            "b": 2 * x + 0.1 * rng.normal(size=rows),
            "c": np.where(x > 0, "high", "low"),
            "d": (x * 10).round().astype(int),
            "e": x > 0.5,
        }
    )
    return frame.mask(rng.random(frame.shape) < share), frame


def test_tables_with_missing_cells_are_learned_from():
    holed, whole = frame_with_holes(0.2)
    model = Autoencoder(code=2, epochs=60, random_state=0).fit(holed)
    codes = model.transform(holed)
    assert np.isfinite(codes).all()
    found = model.reconstruct(holed)
    assert not found.isna().any().any()
    missing = holed["b"].isna()
    assert np.corrcoef(found["b"][missing], whole["b"][missing])[0, 1] > 0.9
    assert (found["c"] == whole["c"])[holed["c"].isna()].mean() > 0.8
    assert np.isfinite(model.score_samples(holed)).all()
    assert model.score(whole) > -0.5


def test_missing_cells_do_not_count_as_errors():
    holed, whole = frame_with_holes(0.2)
    model = Autoencoder(code=2, epochs=60).fit(whole)
    errors = -model.score_samples(holed)
    assert errors.mean() < 5 * -model.score_samples(whole).mean() + 0.5


def test_a_table_without_a_known_cell_is_refused():
    with pytest.raises(DataError, match="no known cell"):
        Autoencoder(epochs=1).fit(pd.DataFrame({"a": [np.nan] * 5, "b": [np.nan] * 5}))


def test_evaluation_tells_the_share_of_wrong_categories():
    from narrows.evaluation import evaluate

    holed, whole = frame_with_holes(0.1)
    model = Autoencoder(code=2, epochs=60).fit(whole)
    found = evaluate(model, model._items(holed))
    assert set(found.wrong) == {"c", "e"}
    assert all(0 <= share < 0.3 for share in found.wrong.values())
    assert found.to_dict()["wrong"] == found.wrong
    assert "wrong categories" in dict(found.summary().facts)
