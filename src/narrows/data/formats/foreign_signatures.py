"""Signatures of files that are not read: what they are, and what to do about it."""

import re

from narrows.data.formats.content import Content, opened
from narrows.data.formats.signatures import looks_like_text

_BEGINNING = 512  # bytes that tell what a file is
EXPORT_TABLE = "export the table as .csv or .parquet"
SAVE_ARRAY = "save the array as .npy"
_RECORDING = "convert it to WAV"
_IMAGE = "convert it to PNG or TIFF"
_PACKED = "unpack it; of compressed files, those of gzip (.gz) are read"

# (offset, bytes there, what it is, what to do)
_SIGNATURES = (
    (0, b"\x89HDF\r\n", "an HDF5 file", f"{SAVE_ARRAY}, or {EXPORT_TABLE}"),
    (0, b"CDF", "a NetCDF file", SAVE_ARRAY),
    (0, b"MATLAB 5.0", "a MATLAB file", SAVE_ARRAY),
    (0, b"SIMPLE  =", "a FITS file", SAVE_ARRAY),
    (344, b"n+1\0", "a NIfTI file", SAVE_ARRAY),
    (344, b"ni1\0", "a NIfTI file", SAVE_ARRAY),
    (128, b"DICM", "a DICOM file", f"{SAVE_ARRAY}, or {_IMAGE.removeprefix('convert it to ')}"),
    (0, b"ARROW1", "a Feather file", EXPORT_TABLE),
    (0, b"FEA1", "a Feather file", EXPORT_TABLE),
    (0, b"ORC", "an ORC file", EXPORT_TABLE),
    (0, b"Obj\x01", "an Avro file", EXPORT_TABLE),
    (0, b"SQLite format 3\0", "an SQLite database", EXPORT_TABLE),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a Microsoft Office document", EXPORT_TABLE),
    (0, b"RDX", "an R data file", EXPORT_TABLE),
    (0, b"X\n\0\0", "an R data file", EXPORT_TABLE),
    *((0, bytes([0x80, protocol]), "a pickle, which could run code", SAVE_ARRAY) for protocol in range(2, 6)),
    (0, b"fLaC", "FLAC audio", _RECORDING),
    (0, b"OggS", "Ogg audio", _RECORDING),
    (0, b"ID3", "MP3 audio", _RECORDING),
    (0, b"\xff\xfb", "MP3 audio", _RECORDING),
    (8, b"AIF", "AIFF audio", _RECORDING),
    (4, b"ftypM4A", "AAC audio", _RECORDING),
    (4, b"ftyphei", "a HEIC image", _IMAGE),
    (4, b"ftypmif1", "a HEIC image", _IMAGE),
    (4, b"ftypmp4", "a video", "extract its frames as images"),
    (4, b"ftypiso", "a video", "extract its frames as images"),
    (0, b"\x1a\x45\xdf\xa3", "a video", "extract its frames as images"),
    (0, b"\x76\x2f\x31\x01", "an OpenEXR image", "convert it to TIFF, or save it as .npy"),
    (0, b"#?RADIANCE", "a Radiance image", "convert it to TIFF, or save it as .npy"),
    (0, b"8BPS", "a Photoshop image", _IMAGE),
    (0, b"%PDF", "a PDF document", _IMAGE),
    (0, b"BZh", "compressed by bzip2", _PACKED),
    (0, b"\xfd7zXZ\0", "compressed by xz", _PACKED),
    (0, b"\x28\xb5\x2f\xfd", "compressed by Zstandard", _PACKED),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", _PACKED),
    (0, b"Rar!", "a RAR archive", _PACKED),
    (257, b"ustar", "a tar archive", _PACKED),
    (8, b'{"', "a .safetensors file, such as a model", "name the data; the model comes before it"),
    (0, b"NRW", "a compressed file (.narrow)", "decompress it first"),
)
_MARKUP = re.compile(rb"\s*<(!doctype html|html|svg|\?xml)", re.IGNORECASE)
_JSON = re.compile(rb"\s*[\[{]")


def is_foreign(head: bytes, content: Content) -> bool:
    """Recognise text, and files of known forms that are not read."""
    return recognise(content) is not None


def recognise(content: Content) -> tuple[str, str] | None:
    """Return what a file of a form that is not read is, and what to do about it; None where nothing recognises it."""
    with opened(content) as file:
        beginning = file.read(_BEGINNING)
    for offset, signature, what, remedy in _SIGNATURES:
        if beginning.startswith(signature, offset):
            return what, remedy
    if not looks_like_text(beginning):
        return None
    if _MARKUP.match(beginning):
        return "an HTML or XML document", "name the data themselves"
    if _JSON.match(beginning):
        return "JSON", EXPORT_TABLE
    return "text", "a table? name it .csv or .tsv"
