"""A few bytes that announce a machine full of values are refused before anything is decoded."""

import pytest

from narrows.codec.container.archive_file import ArchiveReader, write_archive
from narrows.errors import FormatError


def announcing(shape, count, padding=0):
    import io

    file = io.BytesIO()
    items = [2**14] * (count // 2**14) + [count % 2**14] * bool(count % 2**14)
    if shape[0] * shape[1] * items[0] > 2**24:
        items = [1] * count
    write_archive(
        file,
        fingerprint="0" * 12,
        mode={"lossless": True},
        chunk_items=items,
        chunks=[bytes(padding)] + [b""] * (len(items) - 1),
        axes="NYX",
        dtype="uint8",
        shapes=shape,
    )
    return file.getvalue()


@pytest.mark.parametrize(("shape", "count"), [((2**14, 2**14), 1), ((1, 1), 8_000_000), ((2**20, 2**20), 1)])
def test_a_few_bytes_may_not_announce_very_much(shape, count):
    content = announcing(shape, count)
    with pytest.raises(FormatError, match=r"header announces .* if you trust the file, raise the limit: max_pixels="):
        ArchiveReader(content, "x.narrow")
    values = shape[0] * shape[1] * count
    assert ArchiveReader(content, "x.narrow", max_pixels=values).header.count == count


@pytest.mark.parametrize(("shape", "count", "size"), [((2**16, 2**15), 1, 2**20), ((4, 4), 10_000_000, 2**20)])
def test_data_of_that_size_may(shape, count, size):
    assert ArchiveReader(announcing(shape, count, size), "x.narrow").header.count == count
