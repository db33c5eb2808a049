"""Items go into an archive and come out of it, in chunks, on all cores, whole or in part."""

import io
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from narrows.artifacts import lookup
from narrows.codec import archive, chunk, parallel, rate_control
from narrows.codec.archive import Archive
from narrows.codec.chunk import MOST_ITEMS, MOST_VALUES, chunks_of
from narrows.codec.container.archive_file import ArchiveReader
from narrows.codec.container.mode import Mode
from narrows.codec.encoding import ItemEncoder
from narrows.codec.model import CodecModel
from narrows.data import Items
from narrows.data.picture_metadata import PictureMetadata
from narrows.errors import DataError, FormatError, ParameterError

from .stand_in_model import StandInModel

LOSSLESS = Mode("lossless")
SIZES = [(12, 12), (9, 14), (12, 12), (1, 1), (40, 3)]


@pytest.fixture(params=[1, 3])
def threads(request, monkeypatch):
    monkeypatch.setattr(parallel, "usable_cores", lambda: request.param)


def pictures(sizes, dtype=np.uint8):
    """Slopes, which the stand-in makes small, no two alike."""
    return [
        (np.add.outer(np.arange(y), np.arange(x)) + index % 150).astype(dtype) for index, (y, x) in enumerate(sizes)
    ]


def uniform(count=2500, dtype=np.uint8):
    return Items.from_array(np.stack(pictures([(12, 12)] * count, dtype)), "NYX")


def ragged(count=30, **details):
    return Items.from_list(pictures((SIZES * count)[:count]), "YX", **details)


def blob_of(items, mode=LOSSLESS, codec=None, **options):
    target = io.BytesIO()
    sizes = (codec or StandInModel()).compress(items, mode, target, **options)
    assert sizes["total"] == len(target.getvalue()) == sizes["header"] + sizes["model"] + sizes["payload"]
    assert sizes["raw"] == sum(item.nbytes for item in items)
    return target.getvalue()


def opened(blob, codec=None, **options):
    return Archive(blob, "x.narrow", codec or StandInModel(), **options)


def same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "items", [uniform(), uniform(3), uniform(1), ragged(), ragged(1), uniform(5, np.uint16), uniform(5, np.int16)]
)
def test_items_come_back(items, threads):
    found = opened(blob_of(items)).read()
    same(found, items)
    assert (found.axes, found.uniform, found.names, found.skipped) == (items.axes, items.uniform, None, [])


def test_the_bytes_do_not_depend_on_the_cores(monkeypatch):
    blobs = []
    for cores in (1, 2, 5):
        monkeypatch.setattr(parallel, "usable_cores", lambda cores=cores: cores)
        blobs.append(blob_of(uniform()))
    assert blobs[0] == blobs[1] == blobs[2]


def test_real_numbers_are_not_for_a_codec_of_integers():
    with pytest.raises(DataError, match="array: float32 values; this model was trained on uint8 ones"):
        blob_of(Items.from_array(np.zeros((2, 12, 12), np.float32)), Mode("max_error", 1))


def test_a_bound_is_kept():
    items = uniform(200)
    archived = opened(blob_of(items, Mode("max_error", 8)))
    assert archived.mode == Mode("max_error", 8)
    errors = archived.read().values.astype(int) - items.values
    assert 0 < np.abs(errors).max() <= 8


def test_one_item_such_as_the_model_knows_costs_28_bytes_beside_its_payload():
    codec, items = StandInModel(), uniform(1)
    coded = codec.coder.encode(rate_control.choose_plan(ItemEncoder(codec.coder, items), LOSSLESS), items.values)
    assert len(blob_of(items)) - len(coded.payload) <= 28
    assert len(blob_of(uniform(1, np.uint16))) > len(blob_of(items))


def test_names_come_back():
    names = [f"a/{index}.jpg" for index in range(30)]
    with opened(blob_of(ragged(names=names))) as archived:
        assert archived.names == names
        assert archived.read().names == names
        assert archived.read([3, 1]).names == ["a/1.jpg", "a/3.jpg"]


def test_chunks_keep_their_limits():
    many, long = Items.from_array(np.zeros((3000, 2, 2), np.uint8)), MOST_VALUES // 4
    assert [len(run) for run in chunks_of(many)] == [MOST_ITEMS, MOST_ITEMS, 3000 - 2 * MOST_ITEMS]
    sizes = [(long, 1), (long, 1), (2, long), (1, 1), (5, long), *[(1, 1)] * 1025]
    different = Items.ragged(np.zeros(sum(y * x for y, x in sizes), np.uint8), sizes, "NYX")
    assert [len(run) for run in chunks_of(different)] == [3, 1, 1, MOST_ITEMS, 1]
    assert [run.start for run in chunks_of(different)] == [0, 3, 4, 5, 5 + MOST_ITEMS]


@pytest.mark.parametrize("items", [uniform(), ragged(60)])
def test_what_is_asked_for_is_what_is_given(items):
    archived, last = opened(blob_of(items)), len(items) - 1
    for index in (0, 17, last, -1, np.int64(5)):
        np.testing.assert_array_equal(archived[index], items[int(index) % len(items)])
    for chosen in (slice(10, 20), slice(last, None), slice(None, None, 7), [5, 3, 3], np.array([0, last])):
        same(archived[chosen], [items[index] for index in np.arange(len(items))[chosen]])
    same(archived.read([40, 2]), [items[2], items[40]])
    same(list(archived), items)
    assert archived[5:5] == []
    assert isinstance(archived[1:3], np.ndarray) == items.uniform
    for index in (len(items), -len(items) - 1):
        with pytest.raises(IndexError):
            archived[index]


def test_only_the_chunks_that_are_needed_are_decoded():
    codec = StandInModel()
    archived = opened(blob_of(uniform()), codec)
    archived[2400], archived[2401], archived[2400]
    assert [shape[0] for shape, _ in codec.coder.decoded] == [452]
    archived.read([0, 1500])
    assert [shape[0] for shape, _ in codec.coder.decoded[1:]] == [MOST_ITEMS] * 2


@pytest.mark.parametrize(("axes", "model_axes"), [(None, "XNY"), ("XNY", "NYX"), ("XNY", "XNY")])
def test_axes_are_those_of_the_arrays_that_were_compressed(axes, model_axes):
    items, codec = replace(uniform(4), array_axes=axes), StandInModel(axes=model_axes)
    archived = opened(blob_of(items, codec=codec), codec)
    np.testing.assert_array_equal(archived[:], items.values.transpose(2, 0, 1))
    np.testing.assert_array_equal(archived[2], items[2].T)
    np.testing.assert_array_equal(next(iter(archived)), items[0].T)
    assert archived.read().output_axes == "XNY"


def test_an_item_without_an_axis_of_items_comes_back_without_one():
    items = Items.from_array(uniform(1).values[0], "YX")
    found = opened(blob_of(items)).read()
    assert (found.output_axes, found.values.shape) == ("YX", (1, 12, 12))


def test_what_files_say_beside_the_values_comes_back():
    pictures = [
        PictureMetadata(profile=b"profile" * 30, resolution=(300.0, 150.5)),
        PictureMetadata(),
        PictureMetadata(scheme="imagej", scale=(("unit", "µm"), ("spacing", 0.5), ("fps", 2)), axes="YX"),
        PictureMetadata(),
    ]
    for facts in ({"pictures": pictures}, {"pictures": pictures[:1] * 4}, {"bits": [24] * 4}, {"bits": [24, 32] * 2}):
        items = replace(uniform(4), **facts)
        archived = opened(blob_of(items))
        for only in (None, [1, 2]):
            found = archived.read(only)
            for name, values in facts.items():
                assert getattr(found, name) == [values[index] for index in only or range(4)]
    assert opened(blob_of(replace(uniform(4), pictures=[PictureMetadata()] * 4))).read().pictures is None


def test_items_too_large_for_the_memory_are_refused(monkeypatch):
    items = uniform(1)
    blob = blob_of(items)
    monkeypatch.setattr(chunk, "_ALWAYS_VALUES", 100)
    monkeypatch.setattr(chunk, "free_memory", lambda: 144 * chunk.BYTES_A_VALUE - 1)
    with pytest.raises(DataError, match=r"an item of 144 values takes .* GiB of memory"):
        blob_of(items)
    with pytest.raises(FormatError, match=r"x\.narrow: chunk 1 of 1: an item of 144 values takes .* GiB of memory"):
        opened(blob).read()
    assert opened(blob).read(level=1).item_shape == (6, 6)


def test_values_that_decode_otherwise_than_they_were_compressed_are_named():
    items, codec = uniform(3), StandInModel()
    blob = blob_of(items)
    right = codec.coder.values
    codec.coder.values = lambda *given: right(*given) ^ np.uint8(1)
    archived = opened(blob, codec)
    with pytest.raises(FormatError, match=r"x\.narrow: chunk 1 of 1: decodes to other values than those that were"):
        archived.read()
    assert archived.read(level=1).item_shape == (6, 6)  # parts cannot be checked
    codec.coder.values = right
    same(opened(blob, codec).read(), items)


@pytest.mark.parametrize("items", [uniform(7), ragged(7)])
def test_coarse_items(items):
    found = opened(blob_of(items)).read(level=1)
    same(found, [item[::2, ::2] for item in items])


def damaged(blob, chunk):
    lengths = ArchiveReader(blob, "x").header.chunk_lengths
    at = len(blob) - sum(lengths[chunk:]) + lengths[chunk] // 2
    return bytes([*blob[:at], blob[at] ^ 1, *blob[at + 1 :]])


@pytest.mark.parametrize("names", [None, [f"{index}.png" for index in range(2500)]])
def test_whole_chunks_of_a_damaged_archive(names, threads):
    items = Items.from_array(uniform().values, names=names)
    archived = opened(damaged(blob_of(items), 1))
    with pytest.raises(FormatError, match=r"x\.narrow: chunk 2 of 3 fails its checksum .* keep_going=True"):
        archived.read()
    found = archived.read(keep_going=True)
    good = [*range(MOST_ITEMS), *range(2 * MOST_ITEMS, 2500)]
    same(found, [items[index] for index in good])
    assert found.names == [names[index] if names else f"{index:05d}" for index in good]
    name, reason = found.skipped[0]
    assert (len(found.skipped), name) == (MOST_ITEMS, "1024.png" if names else "01024")
    assert "chunk 2 of 3" in reason
    with pytest.raises(FormatError, match="no other of these items can be read either"):
        archived.read([1100, 1200], keep_going=True)
    np.testing.assert_array_equal(archived[3], items[3])


def test_a_payload_that_does_not_fit_is_named():
    codec = StandInModel()
    right = codec.coder.encode
    codec.coder.encode = lambda plan, x, missing: replace(right(plan, x), payload=b"no payload", bits=np.ones(len(x)))
    with pytest.raises(FormatError, match=r"x\.narrow: chunk 1 of 1: a payload that does not fit"):
        opened(blob_of(uniform(3), codec=codec)).read()


def test_progress(threads):
    told = []
    items = uniform()
    blob = blob_of(items, progress=lambda done, total: told.append((done, total)))
    assert told == [(1024, 2500), (2048, 2500), (2500, 2500)]
    told.clear()
    opened(blob).read(range(1000, 2100), progress=lambda done, total: told.append((done, total)))
    assert told == [(24, 1100), (1048, 1100), (1100, 1100)]


def test_another_model_is_refused():
    with pytest.raises(FormatError, match=r"x\.narrow: needs the model 0123456789ab; the one given is fedcba987654"):
        opened(blob_of(uniform(2)), StandInModel("fedcba9876543210"))


def test_a_model_that_is_not_there_is_named():
    with pytest.raises(FormatError, match=r"x\.narrow: needs the model 0123456789ab, which is not beside it"):
        Archive(blob_of(uniform(2)), "x.narrow")


@pytest.fixture
def loadable(monkeypatch):
    """Models that the stand-in saved can be loaded."""

    def from_bytes(content, source):
        if not content.startswith(b"model "):
            raise FormatError("not a model", source=source)
        return StandInModel(content[6:].decode())

    monkeypatch.setattr(CodecModel, "from_bytes", from_bytes)
    monkeypatch.setattr(CodecModel, "load", lambda path: from_bytes(path.read_bytes(), str(path)))


def test_a_model_in_the_file_is_used(loadable):
    items = uniform(2)
    blob = blob_of(items, embed_model=True)
    same(Archive(blob, "x.narrow").read(), items)
    assert ArchiveReader(blob, "x").sizes()["model"] == 6 + 16


def test_a_file_that_holds_another_model_is_refused(loadable):
    for content, words in (
        (b"model fedcba9876543210", "but holds fedcba987654"),
        (b"what", "model in it: not a model"),
    ):
        codec = StandInModel(content=content)
        with pytest.raises(FormatError, match=rf"x\.narrow.*{words}"):
            Archive(blob_of(uniform(2), codec=codec, embed_model=True), "x.narrow")


def test_open_finds_the_model_beside_the_file_or_in_the_current_folder(loadable, tmp_path, monkeypatch):
    stated = lambda path: path.read_bytes()[6:].decode(errors="replace")  # noqa: E731
    monkeypatch.setattr(lookup, "stored_fingerprint", stated)
    beside, here = tmp_path / "beside", tmp_path / "here"
    for folder in (beside, here):
        folder.mkdir()
        StandInModel("f" * 16).save(folder / "a.safetensors")
    (beside / "x.narrow").write_bytes(blob_of(uniform(2)))
    monkeypatch.chdir(here)
    with pytest.raises(FormatError, match="needs the model 0123456789ab"):
        archive.open("../beside/x.narrow")
    for folder in (beside, here):
        StandInModel().save(folder / "b.safetensors")
        with archive.open(beside / "x.narrow") as archived:
            assert len(archived) == 2
        (folder / "b.safetensors").unlink()
    with pytest.raises(FormatError, match=r"needs the model 0123456789ab; .*a\.safetensors is ffffffffffff"):
        archive.open(beside / "x.narrow", beside / "a.safetensors")
    StandInModel().save(tmp_path / "c.safetensors")
    same(archive.open(str(beside / "x.narrow"), str(tmp_path / "c.safetensors"))[:], uniform(2))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"axes": "NZYX"}, "does not take items such as these"),
        ({"channels": 3}, "does not take items such as these"),
        ({"dtype": np.dtype(np.float32)}, "does not take items such as these"),
        ({"item_shape": None}, "does not take items such as these"),
    ],
)
def test_a_header_that_does_not_go_with_its_model_is_refused(change, words):
    blob = blob_of(uniform(2) if "item_shape" in change else ragged(3))
    with pytest.raises(FormatError, match=words):
        opened(blob, StandInModel(**change))


@pytest.fixture
def on_disk(loadable, tmp_path):
    """An archive of several chunks in a file."""
    path = tmp_path / "x.narrow"
    path.write_bytes(blob_of(uniform(2500)))
    with archive.open(path, model=StandInModel()) as found:
        yield found


def test_threads_that_share_an_archive_get_their_own_items(on_disk):
    class Overtaken(Archive):
        """Another thread reads an item of another chunk as soon as one has been decoded."""

        def __setattr__(self, name, value):
            super().__setattr__(name, value)
            if name == "_cached" and value[0] == 0:
                self[2000]

    items = uniform(2500)
    on_disk.__class__ = Overtaken
    assert np.array_equal(on_disk[17], items[17])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_processes_that_are_forked_read_at_their_own_place(on_disk, tmp_path):
    # In a process of its own, because one with threads should not be forked.
    reader, path = ArchiveReader(on_disk._file, "x.narrow"), str(tmp_path / "x.narrow")
    script = (
        "import os, sys\n"
        "from narrows.codec.container.archive_file import ArchiveReader\n"
        "reader = ArchiveReader(open(sys.argv[1], 'rb'), 'x')\n"
        "child = os.fork()\n"
        "for _ in range(2000):\n"
        "    for index in range(len(reader.header.chunk_items)):\n"
        "        reader.chunk(index)\n"
        "if child == 0:\n"
        "    os._exit(0)\n"
        "sys.exit(os.waitpid(child, 0)[1])\n"
    )
    assert len(reader.header.chunk_items) == 3
    assert subprocess.run([sys.executable, "-c", script, path], capture_output=True).returncode == 0


def test_what_is_no_codec_is_refused(on_disk, tmp_path):
    for model in (5, ["x"], np.zeros(3), object()):
        with pytest.raises(ParameterError, match="expected a fitted codec or its file"):
            archive.open(tmp_path / "x.narrow", model=model)
