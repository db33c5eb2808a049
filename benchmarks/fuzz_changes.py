"""Changes to files: anywhere, in the header, or within their structure with checksums that fit again."""

import io
import json
import math
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from narrows.artifacts import checkpoint
from narrows.artifacts.model_file import CHECK, DOCUMENT_CHECK, FORMAT, KEY, fingerprint, read_metadata, sha256
from narrows.artifacts.packed_tensors import NAME, unpack

HEADER_BYTES = 512  # at either end of a file, where most formats have theirs
ODD: list[Any] = [None, True, False, -1, 0, 1, 2**40, 2**70, 0.5, -1.5, math.nan, math.inf, "", "x", "nan", "\x1b[31m"]
ODD += ["\u202e", [], {}, [1, 2], [0], [-3], ["a"], [[]], [2**40] * 3, {"a": 1}, "uint8", "float64", "NYX", 10**400]
ODD_NUMBERS = (0, 1, 2, 3, 7, 255, 256, 65535, 2**31 - 1, 2**31, 2**32 - 1)
ODD_NAMES = ("", "..", "../x.png", "/x.png", "a\\b.png", "x\0.png", "x" * 300, "a/" * 500 + "x.png")


def changed(content: bytes, rng: random.Random) -> bytes:
    """Return bytes with one change, or a few."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        at = rng.randrange(len(data) + 1)
        run = slice(at, at + rng.choice((1, 1, 2, 4, 8, 64, 1024)))
        match rng.randrange(9):
            case 0 | 1 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 2 if at < len(data):
                data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 3:
                data[run] = rng.randbytes(len(data[run]))
            case 4:
                data[run] = bytes([rng.choice((0, 0xFF))]) * len(data[run])
            case 5:
                data[at:at] = rng.choice((rng.randbytes(rng.randrange(1, 9)), b"\xff" * 8 + b"\x7f", b"\0" * 99))
            case 6:
                del data[run]
            case 7:
                data[at:at] = data[rng.randrange(len(data) + 1) :][: rng.choice((1, 8, 64, 1024))]
            case 8 if rng.random() < 0.3:
                del data[at:]
    return bytes(data)


def changed_header(content: bytes, rng: random.Random) -> bytes:
    """Return bytes with changes near the beginning or the end."""
    if rng.random() < 0.7:
        return changed(content[:HEADER_BYTES], rng) + content[HEADER_BYTES:]
    return content[:-HEADER_BYTES] + changed(content[-HEADER_BYTES:], rng)


def changed_inside(name: str, content: bytes, rng: random.Random) -> bytes:
    """Return a file changed within the structure that its name's suffix stands for, with checksums that fit."""
    return STRUCTURES.get(PurePath(name).suffix, changed)(content, rng)


def changed_document(document: Any, rng: random.Random) -> Any:
    """Return a copy of a JSON document with one value replaced, removed or added."""
    document = json.loads(json.dumps(document))
    *parents, key = rng.choice([path for path in _leaves(document) if path[0] != "format"])
    place = document
    for parent in parents:
        place = place[parent]
    action = rng.random()
    if action < 0.1:
        del place[key]
    elif action < 0.2 and isinstance(place, dict):
        place["surplus"] = rng.choice(ODD)
    else:
        place[key] = rng.choice(ODD)
    return document


def _leaves(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each value in a document."""
    children: Any = ()
    if isinstance(document, (dict, list)):
        children = document.items() if isinstance(document, dict) else enumerate(document)
    for key, child in list(children)[:30]:
        yield (*path, key)
        yield from _leaves(child, (*path, key))


def _changed_tensors(tensors: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """Return tensors of which one has other values, another type or another shape, or is gone."""
    tensors, name = dict(tensors), rng.choice(sorted(tensors))
    tensor = np.array(tensors[name])
    match rng.randrange(5):
        case 0:
            del tensors[name]
        case 1:
            tensors[name] = tensor.reshape(-1)
        case 2:
            tensors[name] = tensor.astype(rng.choice(("float64", "int8", "uint16", "bool", "float16", "int64")))
        case 3:
            tensors[name] = tensor[:-1] if tensor.ndim else tensor.reshape(1)
        case 4 if tensor.size:
            tensor.reshape(-1)[rng.randrange(tensor.size)] = (
                rng.choice((0, 1, 127, -1, 1e30, np.nan, np.inf))
                if (tensor.dtype.kind == "f")
                else np.iinfo(tensor.dtype).max
            )
            tensors[name] = tensor
    return tensors


def _model(content: bytes, rng: random.Random) -> bytes:
    document, tensors = json.loads(read_metadata(io.BytesIO(content))[KEY]), load(content)
    if NAME in tensors:
        if rng.random() < 0.1:
            packed = changed(tensors[NAME].tobytes(), rng)
            return save({NAME: np.frombuffer(packed, np.uint8)}, read_metadata(io.BytesIO(content)))
        document["format"], tensors = FORMAT, unpack(tensors[NAME])  # as models were stored before, which is quicker
    if rng.random() < 0.7:
        document = changed_document(document, rng)
    else:
        tensors = _changed_tensors(tensors, rng)
    tensors = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    text = json.dumps(document)
    return save(tensors, {KEY: text, CHECK: fingerprint(tensors, document), DOCUMENT_CHECK: sha256(text)})


def _checkpoint(content: bytes, rng: random.Random) -> bytes:
    import torch

    document, tensors = json.loads(read_metadata(io.BytesIO(content))[checkpoint.KEY]), load(content)
    if rng.random() < 0.7:
        document = changed_document(document, rng)
    else:
        tensors = _changed_tensors(tensors, rng)
    tensors = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    as_torch = {name: torch.from_numpy(tensor) for name, tensor in tensors.items()}
    return save(tensors, {checkpoint.KEY: json.dumps(document), checkpoint.CHECK: checkpoint.check(as_torch, document)})


def _gzip(content: bytes, rng: random.Random) -> bytes:
    import gzip

    return gzip.compress(changed(gzip.decompress(content), rng), 1, mtime=0)


def _zip(content: bytes, rng: random.Random) -> bytes:
    """Change a member, or its name."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as out:
        names = source.namelist()
        chosen = rng.randrange(len(names))
        for index, name in enumerate(names):
            member = source.read(name)
            if index == chosen and rng.random() < 0.7:
                member = changed_inside(name, member, rng)
            elif index == chosen:
                name = rng.choice((*ODD_NAMES, *names))
            out.writestr(zipfile.ZipInfo(name), member)
    return target.getvalue()


def _png(content: bytes, rng: random.Random) -> bytes:
    """Change, repeat, move or remove a chunk, with checksums that fit."""
    chunks, at = [], 8
    while at < len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        chunks.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + length]))
        at += length + 12
    chosen = rng.randrange(len(chunks))
    kind, data = chunks[chosen]
    match rng.randrange(6):
        case 0:
            del chunks[chosen]
        case 1:
            chunks.insert(rng.randrange(len(chunks) + 1), (kind, data))
        case 2:
            kinds = (b"IHDR", b"PLTE", b"IDAT", b"tRNS", b"eXIf", b"iCCP", b"pHYs", b"tEXt", b"zTXt", b"iTXt", b"acTL")
            chunks.insert(1, (rng.choice(kinds), rng.choice((data, rng.randbytes(rng.randrange(40))))))
        case 3 if kind == b"IDAT":
            chunks[chosen] = kind, zlib.compress(changed(zlib.decompress(data), rng), 1)
        case _:
            chunks[chosen] = kind, changed(data, rng)
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return content[:8] + b"".join(parts)


def _npy(content: bytes, rng: random.Random) -> bytes:
    """Replace a field of the header."""
    length = int.from_bytes(content[8:10], "little")
    header = eval(content[10 : 10 + length], {"__builtins__": {}})
    field = rng.choice((*header, "surplus"))
    types = ("<f4", ">f8", "|u1", "|b1", "<c8", "|O", "<U3", "|S4", "<M8[s]", "|V3", "<f2", "|i1", "<u8", "x")
    shapes = ((), (0,), (1,), (-2, -4), (True, 2, 4), (2**40,), (2**63, 2), (1,) * 70, (3, 0, 5), (2.0,), (2, 3), [2])
    header[field] = rng.choice((*ODD, *types, *shapes, [("a", "<f4"), ("b", "|u1")]))
    text = repr(header).encode("latin-1", "replace")
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return content[:8] + struct.pack("<H", len(text) & 0xFFFF) + text + content[10 + length :]


def _tiff(content: bytes, rng: random.Random) -> bytes:
    """Change an entry of a directory."""
    data = bytearray(content)
    order = "<" if data[:2] == b"II" else ">"
    directories, at = [], struct.unpack_from(f"{order}I", data, 4)[0]
    while at and len(directories) < 99:
        directories.append(at)
        count = struct.unpack_from(f"{order}H", data, at)[0]
        at = struct.unpack_from(f"{order}I", data, at + 2 + 12 * count)[0]
    start = rng.choice(directories)
    count = struct.unpack_from(f"{order}H", data, start)[0]
    entry = start + 2 + 12 * rng.randrange(count)
    match rng.randrange(4):
        case 0:
            struct.pack_into(f"{order}H", data, entry, rng.choice((254, 256, 258, 259, 262, 273, 274, 277, 320, 34675)))
        case 1:
            struct.pack_into(f"{order}H", data, entry + 2, rng.randrange(18))
        case 2:
            struct.pack_into(f"{order}I", data, entry + 4, rng.choice(ODD_NUMBERS))
        case 3:
            struct.pack_into(f"{order}I", data, entry + 8, rng.choice((*ODD_NUMBERS, start, len(data) - 1)))
    return bytes(data)


def _text(content: bytes, rng: random.Random) -> bytes:
    """Replace, remove or repeat cells, lines and separators of a table."""
    pieces = (
        b"",
        b'"',
        b'""',
        b",",
        b"\n",
        b"\r",
        b"\0",
        b"nan",
        b"1e999",
        b"-",
        b"9" * 400,
        b"\xff\xfe",
        b"\xef\xbb\xbf",
    )
    pieces += ("−3,5".encode(), b"2024-02-30", b"true", b"x" * 200_000, b"=1+1", "\u2028".encode(), b",,,,,,,,")
    lines = content.split(b"\n")
    for _ in range(rng.choice((1, 1, 2, 8))):
        row = rng.randrange(len(lines))
        cells = lines[row].split(b",")
        match rng.randrange(4):
            case 0:
                cells[rng.randrange(len(cells))] = rng.choice(pieces)
            case 1:
                cells.insert(rng.randrange(len(cells) + 1), rng.choice(pieces))
            case 2:
                del cells[rng.randrange(len(cells))]
            case 3:
                lines.insert(row, rng.choice(lines))
        lines[row] = b",".join(cells)
    return b"\n".join(lines)


STRUCTURES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    ".safetensors": _model,
    ".checkpoint": _checkpoint,
    ".gz": _gzip,
    ".zip": _zip,
    ".npz": _zip,
    ".png": _png,
    ".npy": _npy,
    ".tif": _tiff,
    ".csv": _text,
    ".tsv": _text,
}
