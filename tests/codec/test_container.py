"""The .narrow file: what was written is read, and whatever else is there ends in a FormatError."""

import io
import json
import random
import struct
import threading
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import to_builtins

from narrows.codec.container.archive_file import FORMAT, MAGIC, ArchiveReader, write_archive
from narrows.codec.container.fields import MAX_INFLATED, pack_block, pack_number, pack_varint
from narrows.codec.container.header import AXES, DTYPES
from narrows.data.picture_metadata import PictureMetadata
from narrows.errors import DataError, FormatError

FINGERPRINT = "0123456789abcdef" * 4
PAYLOADS = [bytes([index]) * (40 + 7 * index) for index in range(5)]
HOSTILE_NAMES = (
    *("", ".", "..", "../a", "a/..", "a/../../b", "./a", "/etc/passwd", "a//b", "a/", "//a"),
    *("C:a", "c:/a", "C:\\a", "\\a", "a\\..\\b", "a\nb", "a\n", "\x1b[2J", "a\x7f", "\x85"),
)
HOSTILE_METADATA = (
    *(b"[]", b"{", b"\xff", b"[" * 9999, b'{"bits":' + b"9" * 30 + b"}"),
    *(b'{"axes":"NYY"}', b'{"axes":"Q"}', b'{"axes":3}', b'{"bits":0}', b'{"bits":[8,8]}', b'{"bits":true}'),
    *(b'{"pictures":3}', b'{"pictures":[3]}', b'{"pictures":[],"picture_of":[0]}', b'{"picture_of":[0]}'),
    *(
        json.dumps({"pictures": [{**to_builtins(PictureMetadata()), **fact}]}).encode()
        for fact in (
            *({"profile": 3}, {"profile": "no base64!"}, {"resolution": [1]}, {"resolution": [1, -1]}, {"unit": 9}),
            *({"resolution": [1, float("inf")]}, {"scheme": "x"}, {"axes": "y"}, {"scale": [["a b", 1]]}),
            *({"scale": [["a", "\x1b"]]}, {"scale": [["a", float("nan")]]}, {"scale": 3}),
        )
    ),
)


def written(**fields):
    fields = {"fingerprint": FINGERPRINT, "mode": {"lossless": True}, "chunk_items": [1], "chunks": [b"pay"], **fields}
    target = io.BytesIO()
    sizes = write_archive(target, **fields)
    content = target.getvalue()
    assert ArchiveReader(content, "x.narrow", max_pixels=2**99).sizes() == sizes
    assert sizes["total"] == len(content)
    return content


def sealed(header, rest=b""):
    """A file of any header, with a checksum that fits."""
    start = MAGIC + bytes([FORMAT]) + pack_varint(len(header)) + header
    return start + struct.pack("<I", zlib.crc32(start)) + rest


def crafted(flags, *fields, count=1, chunks=None):
    """A file by its fields, none of them checked. chunks: their table, with the checks; that of one chunk if None."""
    counted = pack_varint(count) if flags & 0x80 else b""
    return sealed(b"".join([b"model\0", pack_varint(flags), counted, b"\0" * 4 if chunks is None else chunks, *fields]))


def tried(read):
    """What `read` gives, or None where it ends in a FormatError, which must be one line that names the file."""
    try:
        return read()
    except FormatError as error:
        message = str(error)
    assert one_line(message)
    return None


def everything(content):
    """All that a reader can give: the header, the model and each chunk; None for what is damaged."""
    reader = tried(lambda: ArchiveReader(content, "x.narrow"))
    if reader is None:
        return None
    chunks = [tried(lambda i=i: reader.chunk(i)) for i in range(len(reader.header.chunk_items))]
    assert reader.sizes()["total"] == len(content)
    assert reader.verify() == [index for index, chunk in enumerate(chunks) if chunk is None]
    return [reader.header, tried(reader.model), *chunks]


def one_line(message):
    return message.startswith("x.narrow: ") and "\n" not in message and len(message) < 400


def refused(content, words, **options):
    with pytest.raises(FormatError, match=words) as error:
        ArchiveReader(content, "x.narrow", **options)
    assert one_line(str(error.value))


SAMPLES = {
    "one item": dict(),
    "digits": dict(chunk_items=[8, 8, 8, 8, 3], chunks=PAYLOADS, mode={"max_error": 8}, parameters=b"\x01\x02"),
    "pictures": dict(
        chunk_items=[1, 3, 2],
        chunks=PAYLOADS[:3],
        mode={"psnr": 33.8},
        axes="NYXC",
        dtype="uint16",
        shapes=np.array([[5, 6, 3], [700, 8, 3], [5, 6, 3], [1, 1, 3], [9, 9, 3], [64, 64, 3]]),
        names=["a.png", "b/ü.png", "b/c.png", "b/d", "e", "日本.png"],
        parameters=b"parameters",
        model=b"a model" * 20,
    ),
}


numbers = st.integers(0, 70_000) | st.floats(0, allow_nan=False, allow_infinity=False)
letters = st.characters(codec="utf-8", exclude_categories=("Cc",), exclude_characters="/\\:.")
paths = st.lists(st.text(letters, min_size=1, max_size=9), min_size=1, max_size=3).map("/".join)


@st.composite
def contents(draw):
    """Fields of `write`, in every combination."""
    chunk_items = draw(st.lists(st.integers(1, 5), min_size=1, max_size=6) | st.just([4, 4, 4, 1]) | st.just([3, 3, 4]))
    count = sum(chunk_items)
    fields = {
        "chunk_items": chunk_items,
        "chunks": draw(st.lists(st.binary(max_size=30), min_size=len(chunk_items), max_size=len(chunk_items))),
        "mode": draw(
            st.just({"lossless": True})
            | st.dictionaries(st.sampled_from(["psnr", "quality"]), numbers, min_size=1, max_size=1)
        ),
        "parameters": draw(st.binary(max_size=9)),
        "model": draw(st.none() | st.binary(min_size=1, max_size=200)),
        "names": draw(st.none() | st.lists(paths, min_size=count, max_size=count, unique=True)),
    }
    if draw(st.booleans()):
        axes, dtype = draw(st.sampled_from(AXES)), draw(st.sampled_from(DTYPES))
        small, large = st.integers(1, 3), st.integers(1, draw(st.sampled_from([9, 255, 256, 65_536])))
        sizes = draw(st.permutations([large] + [small] * (len(axes) - 2)))
        shape = tuple(draw(st.tuples(*sizes)))
        if axes != "NF" and draw(st.booleans()):
            rows = np.tile(np.array(shape), (count, 1))
            rows[:, 0] = draw(st.lists(sizes[0], min_size=count, max_size=count))
            fields |= {"axes": axes, "dtype": dtype, "shapes": rows}
        else:
            fields |= {"axes": axes, "dtype": dtype, "shapes": shape}
    return fields


@given(contents())
def test_what_was_written_is_read(fields):
    reader = ArchiveReader(written(**fields), "x.narrow", max_pixels=2**99)
    header = reader.header
    assert header.fingerprint == FINGERPRINT[:12]
    assert header.count == sum(fields["chunk_items"])
    for name in ("mode", "names", "parameters", "chunk_items"):
        assert getattr(header, name) == fields[name]
    for name in ("axes", "dtype"):
        assert getattr(header, name) == fields.get(name)
    assert type(header.shapes) is type(fields.get("shapes"))
    assert np.array_equal(header.shapes, fields.get("shapes")) or header.shapes is fields.get("shapes")
    assert reader.model() == fields["model"]
    assert [reader.chunk(index) for index in range(len(header.chunk_items))] == fields["chunks"]
    assert reader.verify() == []


@pytest.mark.parametrize("name", SAMPLES)
def test_from_a_file_as_from_its_bytes(name, tmp_path):
    content = written(**SAMPLES[name])
    path = tmp_path / "x.narrow"
    path.write_bytes(content)
    with open(path, "rb") as file:
        reader = ArchiveReader(file, "x.narrow")
        assert [reader.model(), reader.chunk(0)] == everything(content)[1:3]


@pytest.mark.parametrize(
    ("mode", "size"),
    [
        ({"lossless": True}, 20),
        ({"quality": 50}, 21),
        ({"max_error": 0}, 21),
        ({"psnr": 30.0}, 21),
        ({"psnr": 33.8}, 22),
    ],
    ids=str,
)
def test_what_one_item_costs(mode, size):
    """Of the model's shape: the contract of docs/format.md is 21 bytes, and a whole number of decibels."""
    assert len(written(mode=mode, chunks=[b""])) == size


def test_what_many_items_cost():
    ten = written(chunk_items=[1024] * 9 + [784], chunks=[b"x" * 10_000] * 10)
    assert len(ten) - 100_000 <= 22 + 10 * (4 + 2)


@pytest.mark.parametrize(
    ("number", "size"),
    [(0, 1), (126, 1), (0.01, 2), (33.8, 2), (126.99, 2), (127, 9), (255, 9), (1 / 3, 9), (1e300, 9)],
)
def test_numbers_are_exact_and_short(number, size):
    assert len(pack_number(number)) == size
    assert ArchiveReader(written(mode={"psnr": number}), "x.narrow").header.mode == {"psnr": number}


def test_names_and_shapes_of_many_pictures_are_short():
    count = 10_000
    shapes = np.array([[480, 640], [640, 480]])[np.arange(count) // 7 % 2]
    names = [f"training/class {index // 500}/picture {index:05d}.png" for index in range(count)]
    content = written(chunk_items=[50] * 200, chunks=[b""] * 200, axes="NYX", dtype="uint8", shapes=shapes, names=names)
    assert len(content) < 4 * count


def test_every_truncation_is_noticed():
    for fields in SAMPLES.values():
        content = written(**fields)
        for length in range(len(content)):
            parts = everything(content[:length])
            assert parts is None or None in parts[2:], length


def test_every_flipped_bit_is_noticed_and_harms_its_chunk_alone():
    for fields in SAMPLES.values():
        content = written(**fields)
        header, model, *chunks = everything(content)
        payload = len(content) - sum(header.chunk_lengths)
        for bit in range(8 * len(content)):
            damaged = bytearray(content)
            damaged[bit // 8] ^= 1 << bit % 8
            parts = everything(bytes(damaged))
            if bit // 8 < payload - len(model or b""):
                assert parts is None, bit
            elif bit // 8 < payload:
                assert parts[1] is None
                assert parts[2:] == chunks
            else:
                assert parts[1] == model
                assert [read == chunk for read, chunk in zip(parts[2:], chunks, strict=True)].count(False) == 1


def test_chunks_beside_a_damaged_one(tmp_path):
    content = bytearray(written(**SAMPLES["digits"]))
    reader = ArchiveReader(bytes(content), "x.narrow")
    start = len(content) - sum(reader.header.chunk_lengths[2:])
    content[start + 5] ^= 1
    reader = ArchiveReader(bytes(content), "x.narrow")
    assert reader.verify() == [2]
    assert [reader.chunk(index) for index in (0, 1, 3, 4)] == [PAYLOADS[index] for index in (0, 1, 3, 4)]
    words = f"x.narrow: chunk 3 of 5 fails its checksum at byte {start}; to read the other chunks, use: keep_going=True"
    with pytest.raises(FormatError, match=words):
        reader.chunk(2)


def test_one_chunk_has_no_others():
    content = bytearray(written())
    content[-1] ^= 1
    with pytest.raises(FormatError, match=r"chunk 1 of 1 fails its checksum at byte 20$"):
        ArchiveReader(bytes(content), "x.narrow").chunk(0)


def test_swapped_chunks_are_noticed():
    content = written(chunk_items=[2, 2], chunks=[b"aaaa", b"bbbb"])
    assert ArchiveReader(content[:-8] + content[-4:] + content[-8:-4], "x.narrow").verify() == [0, 1]


def test_thousands_of_headers_that_lie():
    """Random changes within the header, each with a checksum that fits: as nobody writes who means well."""
    rng = random.Random(0)
    opened = 0
    for fields in SAMPLES.values():
        content = written(**fields)
        header = everything(content)[0].to_bytes()
        rest = content[ArchiveReader(content, "x.narrow").sizes()["header"] :]
        for _ in range(2500):
            changed = bytearray(header)
            for _ in range(rng.choice([1, 1, 1, 2, 5])):
                at = rng.randrange(len(changed))
                change = rng.randrange(5)
                if change == 0:
                    changed[at] ^= 1 << rng.randrange(8)
                elif change == 1:
                    changed[at] = rng.choice([0, 1, 127, 128, 255])
                elif change == 2:
                    changed[at:at] = rng.choice([b"\xff" * 8 + b"\x7f", b"\x80" * 12, rng.randbytes(4), b"\0"])
                elif change == 3:
                    del changed[at : at + rng.randrange(1, 6)]
                else:
                    changed[at:] = changed[at:] * 2
            opened += everything(sealed(bytes(changed), rest)) is not None
    assert opened > 500  # else the changes were too coarse to reach what lies behind the first check


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_header_at_all(header, rest):
    everything(sealed(header, rest))
    everything(header + rest)


@given(st.integers(0, 255), st.lists(st.binary(max_size=12) | st.integers(0, 2**63 - 1).map(pack_varint), max_size=12))
def test_any_flags_with_any_numbers(flags, fields):
    everything(crafted(flags, *fields, chunks=b""))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a .narrow file"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 30, "not a .narrow file"),
        (MAGIC, "not a .narrow file"),
        (MAGIC + b"\0" * 30, "not a .narrow file"),
        (MAGIC + b"\3" + b"\0" * 30, "of format 3; this narrows reads up to format 2; upgrade it"),
        (MAGIC + b"\1", "its header is invalid"),
        (MAGIC + b"\1" + b"\xff" * 30, "its header is invalid: a number without an end"),
        (MAGIC + b"\1" + b"\xff" * 8 + b"\x7f" + b"\0" * 30, "truncated: its 43 bytes end inside its header"),
        (MAGIC + b"\1\x10" + b"\0" * 30, "its header fails its checksum"),
        (sealed(b""), "6 bytes wanted where 0 are left"),
        (crafted(0x80, count=0), "it holds no items"),
        (crafted(0x80, count=2**33 + 1), "8,589,934,593 values or more; the limit is 67,534,848"),
        (crafted(0xC0, count=2**33, chunks=b"\1" + b"\0" * 99), "8,589,934,592 values or more; the limit is"),
        (crafted(0xC0, count=2, chunks=b"\0\2\x09\0" + b"\0" * 3), "2 chunks where 5 bytes are left"),
        (crafted(0xC0, count=2, chunks=b"\0\2\x09\0" + b"\0" * 7), "4 bytes wanted where 3 are left"),
        (crafted(0xC0, count=2, chunks=b"\0\2\x09\0" + b"\0" * 8), "one without items"),
        (crafted(0xC0, count=2, chunks=b"\0\0" + b"\0" * 8), "0 chunks where 8 bytes"),
        (crafted(0x80, count=2**16 + 1), "a chunk of 65,537 items, and 65,536 are allowed"),
        (crafted(0x84, b"\x03" + pack_varint(2**12) * 2, count=2), "a chunk of 33,554,432 values"),
        (
            crafted(0x88, b"\x03" + pack_block(np.array([1, 1, 2**12, 2**12], "<u2").tobytes()), count=2),
            "a chunk of 16,777,217 values",
        ),
        (crafted(1, b"\x7f" + struct.pack("<d", float("nan"))), "not a number from 0 on"),
        (crafted(3, b"\x7f" + struct.pack("<d", -1.0)), "not a number from 0 on"),
        (crafted(4, b"\x07\x05"), "unknown axes 7"),
        (crafted(4, bytes([12 << 3]) + b"\x05"), "unknown axes 0 or dtype 12"),
        (crafted(4, b"\x03\x05\x00"), "items without values"),
        (crafted(4, b"\x03" + pack_varint(2**40) * 2), "the limit is"),
        (crafted(8, b"\x03" + pack_block(b"\x05\0")), "items without values"),
        (crafted(8, b"\x03" + pack_block(b"\x05\x05\x05")), "3 bytes for the shapes of 1 items"),
        (crafted(8, b"\x03" + pack_block(b"\xff" * 16)), "items without values|the limit is"),
        (crafted(8, b"\x00" + pack_block(b"\x05")), "different numbers of features"),
        (crafted(0x88, b"\x04" + pack_block(b"\x05\x05\x03\x05\x05\x04"), count=2), "different numbers of channels"),
        (crafted(12, b"\x03\x05\x05"), "shapes of kind 3"),
        (crafted(0x10, pack_block(b"a\0b")), "2 names for 1 items"),
        (crafted(0x10, pack_block(b"\xff\xfe")), "names that are not UTF-8"),
        (crafted(0x90, pack_block(b"a\0a"), count=2), "two items have the name 'a'"),
        (crafted(0x10, pack_varint(2 * 50) + b"short"), "50 bytes wanted where 5 are left"),
        (crafted(0x10, pack_varint(2 * 5 + 1) + b"short"), "deflated bytes that"),
        (crafted(0x200), "unknown flags 0x200"),
        *[(crafted(0x100, pack_block(text)), "its header is invalid") for text in HOSTILE_METADATA],
    ],
    ids=range(38 + len(HOSTILE_METADATA)),
)
def test_what_is_refused(content, words):
    refused(content, words)


def test_names_of_too_many_levels():
    assert ArchiveReader(written(names=["a/" * 255 + "b"]), "x.narrow").header.count == 1
    refused(crafted(0x10, pack_block(b"a/" * 256 + b"b")), "more than 256 levels")


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_names_that_lead_out_of_the_folder(name):
    refused(crafted(0x10, pack_block(name.encode())), "no relative path")
    with pytest.raises(DataError, match="no relative path"):
        written(names=[name])


@pytest.mark.parametrize(
    "name", ["a", "..a", "a..", "...", "a b/ü\u3000.png", ".hidden", ":a", "1:2", "日本", "🙂", "-"]
)
def test_names_that_stay_inside(name):
    assert ArchiveReader(written(names=[name]), "x.narrow").header.names == [name]


@pytest.mark.parametrize("names", [["a\0b"], ["a", "b", "a"], ["\udcff"]])
def test_names_that_are_none(names):
    def never():
        raise AssertionError("names are checked before anything is coded")
        yield

    with pytest.raises(DataError):
        written(names=names, chunk_items=[len(names)], chunks=never())


def deflated(content):
    """A block like `pack_block`'s, whatever the size of the content."""
    deflater = zlib.compressobj(9, wbits=-15)
    content = deflater.compress(content) + deflater.flush()
    return pack_varint(2 * len(content) + 1) + content


BOMBS = {
    "a long name": lambda: crafted(0x10, deflated(b"a" * MAX_INFLATED)),
    "a longer name": lambda: crafted(0x10, deflated(b"a" * 2 * MAX_INFLATED)),
    "names alike": lambda: crafted(0x90, deflated(b"a\0" * 8_000_000 + b"a"), count=8_000_001),
    "shapes": lambda: crafted(0x88, b"\x03" + deflated(b"\1" * MAX_INFLATED), count=MAX_INFLATED // 2),
    "chunks": lambda: crafted(0xC0, count=2**33, chunks=b"\1" + b"\0" * 99),
    "chunks without end": lambda: crafted(0xC0, count=2**33, chunks=b"\0" + pack_varint(2**62) + b"\0" * 99),
    "empty chunks": lambda: crafted(0xC0, count=100_000, chunks=b"\1" + b"\0" * (5 * 100_000)),
    "a model": lambda: crafted(0x20, pack_varint(2**62), b"\0" * 4),
    "a shape": lambda: crafted(4, b"\x06" + pack_varint(2**62) * 4),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_take_little_memory(bomb):
    content = BOMBS[bomb]()
    tracemalloc.start()
    try:
        everything(content)
        assert tracemalloc.get_traced_memory()[1] < 25 * MAX_INFLATED
    finally:
        tracemalloc.stop()


def test_a_long_hole_at_the_end_is_not_read(tmp_path):
    path = tmp_path / "x.narrow"
    content = written(axes="NYX", dtype="uint8", shapes=(9, 9))
    with open(path, "wb") as file:
        file.write(content)
        file.truncate(2**32)
    with open(path, "rb") as file, pytest.raises(FormatError, match="too many for what it holds"):
        ArchiveReader(file, "x.narrow").chunk(0)


def test_the_limit_of_values():
    shapes = np.array([[100, 100], [50, 50]])
    content = written(chunk_items=[2], axes="NYX", dtype="uint8", shapes=shapes)
    assert ArchiveReader(content, "x.narrow", max_pixels=12_500).header.count == 2
    refused(content, "12,500 values or more; the limit is 12,499; .* max_pixels=12500", max_pixels=12_499)


def test_what_the_model_says_is_filled_in():
    reader = ArchiveReader(written(chunk_items=[3]), "x.narrow", max_pixels=3 * 784)
    reader.complete("NYX", "uint8", (28, 28))
    assert (reader.header.axes, reader.header.dtype, reader.header.shapes) == ("NYX", "uint8", (28, 28))
    assert reader.chunk(0) == b"pay"
    with pytest.raises(FormatError, match="max_pixels="):
        ArchiveReader(written(chunk_items=[3]), "x.narrow", max_pixels=3 * 784 - 1).complete("NYX", "uint8", (28, 28))
    for axes, shape in (("NYX", ()), ("NYX", (4, 4, 4)), ("NYX", (2**12, 2**12))):
        with pytest.raises(FormatError, match=r"x\.narrow: does not fit its model: "):
            ArchiveReader(written(chunk_items=[3]), "x.narrow").complete(axes, "uint8", shape)
    own = ArchiveReader(written(axes="NT", dtype="int16", shapes=(7,)), "x.narrow")
    own.complete("NYX", "uint8", (28, 28))
    assert own.header.shapes == (7,)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (dict(fingerprint="short"), "not of 12 hex digits"),
        (dict(mode={}), "not one of"),
        (dict(mode={"psnr": 3, "quality": 3}), "not one of"),
        (dict(mode={"best": 1}), "not one of"),
        (dict(mode={"psnr": float("inf")}), "not a number from 0 on"),
        (dict(chunk_items=[]), "no chunks"),
        (dict(chunk_items=[1, 0]), "one without items"),
        (dict(chunk_items=[1, 1]), "1 chunks came where chunk_items has 2"),
        (dict(axes="NYX"), "all three"),
        (dict(axes="NYX", dtype="uint8", shapes=(3,)), "other axes than NYX"),
        (dict(axes="NYX", dtype="complex64", shapes=(3, 3)), "complex64"),
        (dict(axes="NYX", dtype="uint8", shapes=np.ones((2, 2), np.int64)), "2 shapes for 1 items"),
        (dict(names=["a", "b"]), "2 names for 1 items"),
    ],
    ids=str,
)
def test_fields_that_do_not_fit_are_not_written(fields, words):
    target = io.BytesIO()
    fields = {"fingerprint": FINGERPRINT, "mode": {"psnr": 3}, "chunk_items": [1], "chunks": [b"pay"], **fields}
    with pytest.raises(ValueError, match=words):
        write_archive(target, **fields)
    assert target.getvalue() == b""


def test_many_threads_read_one_file(tmp_path):
    path = tmp_path / "x.narrow"
    payloads = [bytes([index]) * 5000 for index in range(64)]
    path.write_bytes(written(chunk_items=[1] * 64, chunks=payloads))
    with open(path, "rb") as file:
        reader = ArchiveReader(file, "x.narrow")
        read = [[] for _ in range(4)]
        threads = [
            threading.Thread(target=lambda own=own: own.extend(reader.chunk(index) for index in range(64)))
            for own in read
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert read == [payloads] * 4
