"""docs/format.md is enough to read a file: its reader reads what the code writes, and its examples are real files."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest

from narrows.codec.container.archive_file import ArchiveReader, write_archive
from narrows.codec.container.metadata import ArchiveMetadata
from narrows.data.picture_metadata import PictureMetadata

PAGE = (Path(__file__).parents[2] / "docs" / "format.md").read_text(encoding="utf-8")
EXAMPLES = [bytes.fromhex(lines) for lines in re.findall(r"(?m)^((?: {4}(?:[0-9a-f]{2} ?)+\n)+)", PAGE)]
FINGERPRINT = "3f2a9c01d4e7"
FIELDS = [
    dict(mode={"psnr": 33.8}, chunk_items=[1], chunks=[b"\x78\x56\x34\x12digit"]),
    dict(
        mode={"lossless": True},
        axes="NYXC",
        dtype="uint8",
        shapes=np.array([[2, 3, 3], [4, 5, 3], [30, 2, 3]]),
        names=["cat.png", "dog.png", "zoo/owl.png"],
        chunk_items=[2, 1],
        chunks=[b"\1\0\0\0first", b"\2\0\0\0second"],
        parameters=b"\x07",
        model=b"MODEL",
    ),
    dict(mode={"max_error": 300}, chunk_items=[1, 3, 2], chunks=[b"", b"b" * 300, b"c"]),
    dict(
        mode={"quality": 7}, chunk_items=[4, 4, 1], chunks=[b"a", b"b", b"c"], axes="NT", dtype="int16", shapes=(999,)
    ),
    dict(
        mode={"quality": 0.125},
        chunk_items=[300],
        chunks=[b"a"],
        axes="NYX",
        dtype="float64",
        shapes=(np.arange(600) % 300 + 1).reshape(300, 2),
        names=[f"folder/picture {index}.png" for index in range(300)],
        metadata=ArchiveMetadata(axes="NXY", pictures=(PictureMetadata(profile=b"profile", resolution=(2.0, 3.5)),)),
    ),
]


def written(fields):
    target = io.BytesIO()
    write_archive(target, fingerprint=FINGERPRINT, **fields)
    return target.getvalue()


@pytest.mark.parametrize("fields", FIELDS, ids=range(len(FIELDS)))
def test_the_reader_of_the_page_reads_what_is_written(fields):
    page = {}
    exec(re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1], page)
    file = page["read"](written(fields))
    ((mode, value),) = fields["mode"].items()
    assert file["fingerprint"] == FINGERPRINT
    assert file["mode"] == (mode, None if mode == "lossless" else value)
    assert file["items"] == fields["chunk_items"]
    assert file["chunks"] == fields["chunks"]
    assert file["parameters"] == fields.get("parameters", b"")
    assert file["model"] == fields.get("model", b"")
    if "metadata" in fields:
        assert file["metadata"] == json.loads(fields["metadata"].to_bytes())
    for name in ("axes", "dtype", "names"):
        assert file.get(name) == fields.get(name)
    if "shapes" in fields:
        assert np.array_equal(file["shapes"], np.broadcast_to(fields["shapes"], np.shape(file["shapes"])))


@pytest.mark.parametrize("index", range(2))
def test_the_examples_of_the_page_are_files(index):
    """Not compared byte by byte: another zlib may deflate names otherwise."""
    reader, fields = ArchiveReader(EXAMPLES[index], "x.narrow"), FIELDS[index]
    assert (reader.header.mode, reader.header.names) == (fields["mode"], fields.get("names"))
    assert np.array_equal(reader.header.shapes, fields.get("shapes"))
    assert [reader.chunk(i) for i in range(len(fields["chunks"]))] == fields["chunks"]
    assert reader.model() == fields.get("model")
    assert sum(reader.sizes()[part] for part in ("header", "model", "payload")) == len(EXAMPLES[index])
