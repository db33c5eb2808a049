"""Every form that is written is read back as it was."""

import gzip
import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from narrows import data
from narrows.errors import DataError, ParameterError

numbers = st.sampled_from([np.dtype(code) for code in "?BbHhIiQqefd"])
idx_numbers = st.sampled_from([np.dtype(code) for code in "Bbhifd"])
layouts = st.sampled_from(["NF", "NT", "NTC", "NYX", "NYXC", "NZYX", "NZYXC"])


@st.composite
def uniform_items(draw, dtypes=numbers, layouts=layouts, max_side=4):
    axes = draw(layouts)
    shape = draw(st.tuples(*[st.integers(1, max_side)] * len(axes)))
    values = draw(hnp.arrays(draw(dtypes), shape, elements={"allow_nan": False}))
    return data.Items(values, axes)


@st.composite
def ragged_images(draw, dtypes=numbers):
    dtype = draw(dtypes)
    channels = draw(st.sampled_from([(), (1,), (2,), (3,), (4,)]))
    shapes = draw(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=5))
    rng = np.random.default_rng(0)
    return data.Items.from_list(
        [(rng.random((*shape, *channels)) * 255).astype(dtype) for shape in shapes], "NYXC"[: 3 + len(channels)]
    )


def assert_same(got, wanted):
    assert got.axes == wanted.axes
    assert len(got) == len(wanted)
    for one, other in zip(got, wanted, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


@given(uniform_items(), st.sampled_from(["x.npy", "x.npy.gz", "x.npz", "deep/er/x.npy"]))
def test_numpy_files(tmp_path_factory, items, name):
    path = tmp_path_factory.mktemp("forms") / name
    data.write(items, path)
    assert_same(data.read(path, axes=items.axes), items)


@given(uniform_items(idx_numbers), st.sampled_from(["x.idx", "x-idx3-ubyte", "x.idx.gz", "x-ubyte.gz"]))
def test_idx_files(tmp_path_factory, items, name):
    path = tmp_path_factory.mktemp("forms") / name
    data.write(items, path)
    assert_same(data.read(path, axes=items.axes), items)


no_bool = numbers.filter(lambda dtype: dtype.kind != "b")


@given(uniform_items(no_bool, layouts.filter(lambda axes: axes != "NF")))
def test_tiff_stacks_say_their_own_axes(tmp_path_factory, items):
    path = tmp_path_factory.mktemp("forms") / "x.tif"
    data.write(items, path)
    assert_same(data.read(path), items)


@given(ragged_images())
def test_npz_files_of_different_sizes(tmp_path_factory, items):
    path = tmp_path_factory.mktemp("forms") / "x.npz"
    data.write(items, path)
    assert_same(data.read(path, axes=items.axes if items.uniform else items.axes[1:]), items)


@given(ragged_images(no_bool))
def test_tiff_pages_of_different_sizes(tmp_path_factory, items):
    path = tmp_path_factory.mktemp("forms") / "x.tif"
    data.write(items, path)
    assert_same(data.read(path), items if items.uniform else without_axis_of_one_channel(items))


def without_axis_of_one_channel(items):
    arrays = [array[..., 0] if array.ndim == 3 and array.shape[-1] == 1 else array for array in items]
    return data.Items.from_list(arrays, "NYXC"[: 1 + arrays[0].ndim])


def squeezed(items):
    """What a folder gives back: one channel is no channel axis, and opaque alpha is dropped."""
    if items.channels in (2, 4) and items.dtype == np.uint8 and all((array[..., -1] == 255).all() for array in items):
        items = data.Items.from_list([array[..., :-1] for array in items], items.axes)
    return without_axis_of_one_channel(items)


@given(ragged_images(no_bool))
def test_folders_of_images(tmp_path_factory, items):
    folder = tmp_path_factory.mktemp("forms") / "images"
    data.write(items, folder)
    assert_same(data.read(folder), squeezed(items))


@given(ragged_images(st.just(np.dtype(np.uint8))))
def test_zips_of_images(tmp_path_factory, items):
    folder = tmp_path_factory.mktemp("forms")
    data.write(items, folder / "images")
    with zipfile.ZipFile(folder / "x.zip", "w") as archive:
        for path in (folder / "images").iterdir():
            archive.write(path, f"sub/{path.name}")
    assert_same(data.read(folder / "x.zip"), squeezed(items))


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        *(("x.png", 1), ("x.png", 2), ("x.png", 3), ("x.png", 4), ("x.webp", 3), ("x.webp", 4)),
        *(("x.bmp", 1), ("x.bmp", 3), ("x.tif", 1), ("x.tif", 3), ("x.tif", 5)),
    ],
)
def test_single_images(tmp_path, name, channels):
    values = np.random.default_rng(0).integers(0, 256, (1, 7, 5, channels)).astype(np.uint8)
    items = data.Items(values, "NYXC")
    data.write(items, tmp_path / name)
    got = data.read(tmp_path / name)
    np.testing.assert_array_equal(got.values.reshape(values.shape), values)
    assert got.names == [name] or name == "x.tif"


@pytest.mark.parametrize("form", ["x.npy", "x.npz", "x.idx", "x.png", "x.tif", "x.npy.gz", "x.zip"])
def test_standard_input_takes_every_file(tmp_path, form):
    items = data.Items(np.arange(20, dtype=np.uint8).reshape(1, 4, 5), "NYX")
    if form == "x.zip":
        with zipfile.ZipFile(tmp_path / form, "w") as archive:
            data.write(items, tmp_path / "a.png")
            archive.write(tmp_path / "a.png", "a.png")
    else:
        data.write(items, tmp_path / form)
    assert_same(data.read("-", stdin=io.BytesIO((tmp_path / form).read_bytes())), items)


def test_standard_output_is_a_npy_that_standard_input_takes(mnist):
    items = mnist[1].select(slice(10))
    stdout = io.BytesIO()
    data.write(items, "-", stdout)
    stdout.seek(0)
    assert_same(data.read("-", stdin=stdout), items)


def test_arrays_larger_than_the_memory_are_mapped_not_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr("narrows.data.memory.free_memory", lambda: 40)
    data.write(data.Items(np.zeros((2, 3, 4), np.uint8), "NYX"), tmp_path / "x.npy")
    data.write(data.Items(np.zeros((2, 3, 4), np.uint8), "NYX"), tmp_path / "x.tif")
    data.write(data.Items(np.zeros((2, 3, 4), np.uint8), "NYX"), tmp_path / "x.idx")
    for name in ("x.npy", "x.tif", "x.idx"):
        items = data.read(tmp_path / name)
        assert isinstance(items.values, np.memmap)
        assert isinstance(items.select(slice(1)).values, np.memmap)
        assert not isinstance(items.batch(np.array([1, 0])), np.memmap)


def test_fortran_order_is_read_as_it_is_meant(tmp_path):
    array = np.asfortranarray(np.arange(24).reshape(2, 3, 4))
    np.save(tmp_path / "x.npy", array)
    np.testing.assert_array_equal(data.read(tmp_path / "x.npy").values, array)
    np.testing.assert_array_equal(data.read("-", stdin=open(tmp_path / "x.npy", "rb")).values, array)  # noqa: SIM115


def test_one_array_of_several_is_named_by_its_key(tmp_path):
    np.savez(tmp_path / "x.npz", X=np.ones((3, 4, 4)), y=np.zeros(3))
    assert data.read(f"{tmp_path}/x.npz:X").axes == "NYX"
    with pytest.raises(DataError, match=r"holds several arrays \(X 3x4x4, y 3\); name one, as in .*x\.npz:X"):
        data.read(tmp_path / "x.npz")
    with pytest.raises(DataError, match=r"no array 'Z'; it has X, y"):
        data.read(f"{tmp_path}/x.npz:Z")


def test_arrays_that_belong_together_are_items_with_names(tmp_path):
    np.savez(tmp_path / "x.npz", cat=np.ones((3, 4)), dog=np.ones((5, 4)))
    items = data.read(tmp_path / "x.npz")
    assert (items.axes, items.names, items.uniform) == ("NYX", ["cat", "dog"], False)


def npy_of(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


GOOD = npy_of(np.ones((3, 4)))
IDX = b"\0\0\x08\x02" + (3).to_bytes(4, "big") + (4).to_bytes(4, "big") + bytes(12)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.npy", b"", "empty, 0 bytes"),
        ("x.npy", GOOD[:-1], r"promises float64 of shape \(3, 4\), 96 bytes, but 95 follow"),
        ("x.npy", GOOD + b"more", "but 100 follow"),
        ("x.npy", GOOD[:40], "no array of numbers"),
        ("x.npy", npy_of(np.array([{}, {}])), "pickled"),
        ("x.npy", npy_of(np.ones((2, 2), complex)), "complex128"),
        ("x.npy", npy_of(np.array([["a"]])), "<U1"),
        ("x.npy", npy_of(np.zeros(3, [("a", "i4")])), "values of type"),
        ("x.npy", npy_of(np.zeros((0, 4))), "no values"),
        ("x.npy", npy_of(np.ones((2, 3, 4, 5))), "specify the axes"),
        ("x.idx", IDX[:-1], "12 bytes, but 11 follow"),
        ("x.idx", IDX[:6], "promises 2 axes, but the file ends after 6 bytes"),
        ("x.idx", b"\0\0\x08\x03" + b"\xff" * 12, "promises uint8"),
        ("x.npy.gz", gzip.compress(GOOD, mtime=0)[:-9], "damaged .gz"),
        ("x.npz", b"PK\x03\x04" + bytes(50), "damaged archive"),
        ("x.csv", b"a,b\n1,2,3\n", "line 2 has 3 cells; line 1 names 2 columns"),
        ("x.png", b"a text that calls itself an image", "not an image of a known format"),
        ("x.tif", b"II*\0" + bytes(30), "x.tif: "),
    ],
)
def test_damaged_and_foreign_files_are_named_with_what_is_wrong(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        data.read(path)
    assert str(error.value).startswith(f"{path}: ") or f"{path} has" in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(DataError, match="standard input"):
        data.read("-", stdin=io.BytesIO(content))


def test_an_archive_with_a_file_of_no_name_is_refused_in_one_line(tmp_path):
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo(""), b"1")
    with pytest.raises(DataError, match="no images or recordings"):
        data.read(path)


@pytest.mark.parametrize("name", ["x.npy", "x.idx", "x.npz", "x.tif", "x.png", "x.npy.gz"])
def test_a_file_cut_anywhere_is_refused_in_one_line(tmp_path, name):
    values = np.random.default_rng(0).integers(0, 256, (1, 9, 11)).astype(np.uint8)
    data.write(data.Items(values, "NYX"), tmp_path / name)
    content = (tmp_path / name).read_bytes()
    for length in range(0, len(content) - 20, 7):
        (tmp_path / name).write_bytes(content[:length])
        try:
            data.read(tmp_path / name)
        except DataError as error:
            assert "\n" not in str(error)  # noqa: PT017
        else:
            pytest.fail(f"{length} of {len(content)} bytes were read as if whole")


def test_a_name_in_an_npz_that_is_not_utf8(tmp_path):
    data.write(data.Items(np.zeros((2, 3, 3), np.uint8), "NYX"), tmp_path / "x.npz")
    content = bytearray((tmp_path / "x.npz").read_bytes())
    content[7] |= 8  # the name in the local header is in UTF-8
    content[30] = 0xA9
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.npz: array 'X' cannot be read"):
        data.read(tmp_path / "x.npz")


@pytest.mark.parametrize("name", ["x.npy", "x.idx", "x.npz", "x.tif", "x.png", "x.npy.gz", "x.webp"])
@given(st.data())
def test_damage_anywhere_is_read_or_refused_in_one_line(tmp_path_factory, name, draw):
    path = tmp_path_factory.mktemp("damage") / name
    values = np.random.default_rng(0).integers(0, 256, (1, 9, 11, 3)).astype(np.uint8)
    data.write(data.Items(values, "NYXC"), path)
    content = bytearray(path.read_bytes())
    for position in draw.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=3)):
        content[position] = draw.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        data.read(path)
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    ("items", "target", "message"),
    [
        (data.Items(np.ones((2, 3, 3)), "NYX"), "x.png", "cannot hold several items; name a folder"),
        (data.Items(np.ones((1, 3, 3)), "NYX"), "x.png", "PNG cannot hold float64"),
        (data.Items(np.ones((1, 3, 3, 3), np.uint16), "NYXC"), "x.png", "write .tif"),
        (data.Items(np.ones((1, 3, 3, 4), np.uint8), "NYXC"), "x.jpg", "JPEG cannot hold uint8 in 4 channels"),
        (data.Items(np.ones((2, 3)), "NF"), "folder/", "neither images nor recordings"),
        (data.Items(np.ones((2, 3)), "NF"), "x.tif", "write .npy"),
        (data.Items(np.ones((2, 3, 3, 3)), "NZYX"), "folder/", "neither images nor recordings"),
        (data.Items(np.ones((2, 3), np.uint16), "NF"), "x.idx", "not uint16; write .npy"),
        (data.Items(np.ones((2, 3)), "NF"), "x.doc", "unknown format '.doc'"),
        (data.Items(np.ones((2, 3)), "NF"), "x.bmp.gz", r"\.npy\.gz"),
        (data.Items.from_list([np.ones((2, 3)), np.ones((3, 3))], "YX"), "x.npy", "write .npz"),
        (data.Items.from_list([np.ones(3), np.ones(4)], "T"), "x.tif", "write .npz"),
    ],
)
def test_a_target_that_cannot_hold_the_items_says_which_could(tmp_path, items, target, message):
    with pytest.raises(DataError, match=message) as error:
        data.write(items, f"{tmp_path}/{target}")
    assert str(error.value).startswith(f"{tmp_path}/{target}: ")
    assert not list(tmp_path.iterdir()), "nothing may be left behind"


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.idx"
    data.write(data.Items(np.ones((2, 3), np.uint8), "NF"), path)
    before = path.read_bytes()
    with pytest.raises(DataError):
        data.write(data.Items(np.ones((2, 3), np.uint16), "NF"), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["x.idx"]


def test_what_is_not_there_is_said_with_the_names_that_are(tmp_path):
    with pytest.raises(DataError, match=r"no such file or folder, and no named data set .*mnist, digits"):
        data.read(f"{tmp_path}/nothing")
    with pytest.raises(ParameterError, match="unknown letter"):
        data.read(tmp_path, axes="QRS")


def test_images_cannot_be_told_other_axes(tmp_path):
    data.write(data.Items(np.ones((2, 3, 3), np.uint8), "NYX"), tmp_path)
    assert data.read(tmp_path, axes="YX").axes == "NYX"
    with pytest.raises(DataError, match="the items have the axes NYX"):
        data.read(tmp_path, axes="NZYX")


def test_pages_are_a_volume_if_the_user_says_so(tmp_path):
    data.write(data.Items(np.ones((4, 5, 6), np.uint8), "NYX"), tmp_path / "x.tif")
    items = data.read(tmp_path / "x.tif", axes="ZYX")
    assert (items.axes, items.item_shape) == ("NZYX", (4, 5, 6))
