"""Files of forms that are not read: errors that say what they are, and what to do about it."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import NoReturn

from narrows.data.formats import ReadOptions, find_format
from narrows.data.formats.content import Content
from narrows.data.formats.foreign_signatures import EXPORT_TABLE, SAVE_ARRAY, recognise
from narrows.errors import DataError

FORMS = (
    "images, WAV recordings, TIFF, .npy, .npz, IDX, .csv, .tsv, .parquet, and folders and zip archives of images or "
    "recordings"
)
_MEMBERS = (  # of a zip archive
    (re.compile(r"xl/"), "an Excel workbook", EXPORT_TABLE),
    (re.compile(r"(word|ppt)/|META-INF/|mimetype"), "a document", EXPORT_TABLE),
    (re.compile(r".*data\.pkl"), "a PyTorch file", SAVE_ARRAY),
)
_BY_SUFFIX = {
    (".csv", ".tsv", ".txt", ".parquet"): "a table is one file: name one of them",
    (".npy", ".npz"): "name one of them, or put the items into one .npy or .npz",
    (".flac", ".mp3", ".ogg", ".m4a", ".aiff", ".aif"): "of audio, WAV alone is read: convert them",
    (".safetensors",): "those are models; name the data",
}


def read(content: Content, name: str, options: ReadOptions) -> NoReturn:
    """Raise DataError, which says what the file is."""
    found = recognise(content)
    assert found is not None
    what, remedy = found
    if name.lower().endswith(find_format("image").members):
        raise DataError(f"not an image of a known format, but {what}", source=name)
    raise DataError(f"is {what}", source=name, hint=remedy)


def unknown_form(name: str) -> DataError:
    """Return the error for a file that nothing recognises."""
    return DataError("of unknown form", source=name, hint=f"what is read: {FORMS}")


def no_members(source: str, others: Iterable[str], archive: bool = False) -> DataError:
    """Return the error for a folder, a glob or a zip archive without images and recordings, from its files' names."""
    names = [name for name in others if not PurePosixPath(name).name.startswith(".") and "__MACOSX" not in name]
    if archive:
        for pattern, what, remedy in _MEMBERS:
            if any(map(pattern.match, names)):
                return DataError(f"is {what}", source=source, hint=remedy)
    if not names:
        return DataError("holds no images or recordings, nor other files", source=source)
    (suffix, count), *_ = Counter(PurePosixPath(name).suffix.lower() for name in names).most_common(1)
    remedies = [remedy for suffixes, remedy in _BY_SUFFIX.items() if suffix in suffixes]
    files = f"{count} {suffix} file{'s' * (count > 1)}" if suffix else f"{count} file(s) without a suffix"
    remedy = remedies[0] if remedies else f"what is read: {FORMS}"
    return DataError(
        f"holds no images or recordings, but {files}", source=source, hint="unpack it; " * archive + remedy
    )
