"""File formats: a registry, and one module per format with its reader and writer beside each other.

To add a format, write a module and register it: with a line at the end of this file, or with `register_format` from
another package. Reading, writing and the command line then know it. The module has these functions:

``read(content, name, options) -> Items``
    The items in a file. `content` is a `pathlib.Path` or bytes, `name` what messages call it, and `options` the
    `ReadOptions`. Raises `DataError` for a file that is corrupt.
``write(items, file, name)``
    Writes `items` to an open binary file whose name, in lower case, is `name`; for a directory, `file` is its path.
    Raises `DataError` for items that the format cannot hold, with a hint at formats that can.

The `kind` of a format says what else its module has:

"array"
    ``read_array(content, name)``: the array, or the list of arrays, for files that do not say which axis is which.
"table"
    ``open_table(content, name, columns, cell_text) -> TableReader`` and
    ``open_writer(file, name, source, fills) -> TableWriter`` (see `narrows.data.formats.table_files`), so that tables
    larger than memory go from file to file.
"image", "audio"
    Nothing, unless the format has `members`, files that make a set when they lie in a folder or a zip archive:
    ``read_files(files, source, options) -> Items``, and ``suffix_for(items)``, the suffix under which each of the
    items can be written as such a file, or None.
"container"
    Nothing: for folders and archives.
"wrapper"
    ``unwrap(content, name) -> Content`` in place of `read`: compression around another format.
"""

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from narrows.data.formats.content import Content, first_bytes
from narrows.data.formats.foreign_signatures import is_foreign
from narrows.data.formats.signatures import TIFF_MAGIC, Sniff, anything, is_idx, is_npz, is_text, is_wav, magic
from narrows.errors import DataError
from narrows.progress import Progress, no_progress
from narrows.registry import load_plugins

if TYPE_CHECKING:
    from narrows.data.items import Items
    from narrows.data.tables.cell_text import CellText
    from narrows.data.tables.columns import Columns

Kind = Literal["array", "table", "image", "audio", "container", "wrapper"]
MOST_CELLS = 2**24  # of a table in memory; of a larger one, a sample of the rows is read


@dataclass(frozen=True)
class ReadOptions:
    """How to read.

    Parameters
    ----------
    axes : str, optional
        Which axis is which, as the user says, such as ``"NZYX"``.
    expected_axes : str, optional
        Which axis is which where neither the user nor the file says; tried with and without N.
    strict : bool
        Whether a file of a set that cannot be read is an error rather than skipped.
    columns : Columns, optional
        The columns that a table must have.
    cell_text : CellText, optional
        How the text of a table's cells is read.
    progress : callable
        Called with (description, done, total or None).
    member : str
        Which array of a file of several; all of them where empty.
    most_cells : int
        Of a table with more cells, a random sample of the rows is read.
    """

    axes: str | None = None
    expected_axes: str | None = None
    strict: bool = False
    columns: "Columns | None" = None
    cell_text: "CellText | None" = None
    progress: Progress = no_progress
    member: str = ""
    most_cells: int = MOST_CELLS


@dataclass(frozen=True)
class Format:
    """A file format, or a directory that holds items.

    Parameters
    ----------
    name : str
        Its name in the registry.
    module : str
        The module that reads and writes it, imported when it is needed; see `narrows.data.formats`.
    sniff : callable
        ``sniff(head, content) -> bool``: whether content that begins with the 16 bytes `head` is of this format. Of a
        directory, `head` is empty.
    kind : {"array", "table", "image", "audio", "container", "wrapper"}
        What the module offers beside `read` and `write`.
    suffixes : tuple of str
        How names of its files end, in lower case. `write` chooses the format by them.
    members : tuple of str
        How names of files end that are one item each of a set, in a folder or a zip archive.
    writable : bool
        Whether the module has `write`.
    by_suffix : bool
        Whether a name with one of the suffixes decides, whatever the content looks like.
    directory : bool
        Whether it is a directory rather than a file.
    keyed : bool
        Whether ``"file:key"`` names one array in a file, which `read` gets as ``options.member``.

    Examples
    --------
    >>> fits = Format("fits", "astronomy.fits_files", magic(b"SIMPLE  ="), suffixes=(".fits",))
    >>> fits.matches("SKY.FITS")
    True
    """

    name: str
    module: str
    sniff: Sniff
    kind: Kind = "array"
    suffixes: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    writable: bool = True
    by_suffix: bool = False
    directory: bool = False
    keyed: bool = False

    def load(self) -> Any:
        """Import the module that reads and writes the format."""
        return importlib.import_module(self.module)

    def matches(self, name: str) -> bool:
        """Whether a file's name ends in one of the suffixes."""
        return name.lower().endswith(self.suffixes)


_FORMATS: dict[str, Format] = {}


def register_format(format: Format) -> None:
    """Add a format, or replace the one of that name.

    The latest is tried first, so that a format may claim files that an earlier one would take.

    Parameters
    ----------
    format : Format
        The format; its module is imported when a file needs it.

    Examples
    --------
    >>> register_format(Format("fits", "astronomy.fits_files", magic(b"SIMPLE  ="), suffixes=(".fits",)))
    >>> find_by_name("sky.fits").name
    'fits'
    >>> unregister_format("fits")
    """
    _FORMATS.pop(format.name, None)
    _FORMATS[format.name] = format


def unregister_format(name: str) -> None:
    """Remove a format."""
    del _FORMATS[name]


def registered_formats() -> list[Format]:
    """Return all formats, the latest registered first."""
    load_plugins()
    return list(reversed(_FORMATS.values()))


def find_format(name: str) -> Format:
    """Return the format that is registered under a name."""
    load_plugins()
    return _FORMATS[name]


def find_by_name(name: str, *kinds: Kind) -> Format | None:
    """Return the writable format, of these kinds if any are given, of the longest suffix that a name ends in."""
    found = [
        (len(suffix), format)
        for format in registered_formats()
        for suffix in format.suffixes
        if format.writable and (not kinds or format.kind in kinds) and name.lower().endswith(suffix)
    ]
    return max(found, key=lambda each: each[0])[1] if found else None


def writable_suffixes(*kinds: Kind) -> tuple[str, ...]:
    """Return the suffixes of all writable formats, or of those of some kinds."""
    chosen = [format for format in registered_formats() if format.writable and (not kinds or format.kind in kinds)]
    return tuple(suffix for format in chosen for suffix in format.suffixes)


def member_suffixes() -> tuple[str, ...]:
    """Return the suffixes of files that are items of a set."""
    return tuple(suffix for format in registered_formats() for suffix in format.members)


def identify(content: Content, name: str) -> tuple[Format, Content]:
    """Return the format of a file, and its content with any wrapper around it removed.

    Raises
    ------
    DataError
        If the file is empty, or the wrapper is corrupt.
    """
    found = _recognise(content, name)
    if found.kind == "wrapper":
        content = found.load().unwrap(content, name)
        found = _recognise(content, name)
        if found.kind == "wrapper":  # some unpack to themselves
            raise DataError("is compressed twice", source=name, hint="unpack it first")
    return found, content


def _recognise(content: Content, name: str) -> Format:
    directory = isinstance(content, Path) and content.is_dir()
    head = b"" if directory else first_bytes(content)
    if not head and not directory:
        raise DataError("empty, 0 bytes", source=name)
    candidates = [format for format in registered_formats() if format.directory == directory]
    return next(each for each in candidates if (each.by_suffix and each.matches(name)) or each.sniff(head, content))


def read_content(content: Content, name: str, options: ReadOptions) -> "Items":
    """Return the items in a file or directory, by what it contains.

    Raises
    ------
    DataError
        If the content is corrupt, or does not fit the options.
    """
    format, content = identify(content, name)
    items: Items = format.load().read(content, name, options)
    return items


# Tried from the last to the first; messages list them in that order.
for _format in (
    Format("folder", "narrows.data.formats.folders", anything, "container", directory=True),
    Format(
        "image",
        "narrows.data.formats.image_files",
        anything,  # Pillow reads many formats, and some of them have no signature
        "image",
        suffixes=(".png", ".jpg", ".jpeg", ".webp", ".bmp"),
        members=(
            *(".apng", ".avif", ".bmp", ".dib", ".gif", ".ico", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg"),
            *(".pbm", ".pcx", ".pfm", ".pgm", ".png", ".pnm", ".ppm", ".qoi", ".sgi", ".tga", ".tif", ".tiff"),
            ".webp",
        ),
    ),
    Format("foreign", "narrows.data.formats.foreign", is_foreign, "container", writable=False),
    Format(
        "gzip",
        "narrows.data.formats.gzip_files",
        magic(b"\x1f\x8b"),
        "wrapper",
        suffixes=(".npy.gz", ".idx.gz", "-ubyte.gz"),
    ),
    Format(
        "csv",
        "narrows.data.formats.csv_files",
        is_text,
        "table",
        suffixes=(".csv", ".tsv", ".csv.gz", ".tsv.gz"),
        by_suffix=True,
    ),
    Format("wav", "narrows.data.formats.wav", is_wav, "audio", suffixes=(".wav",), members=(".wav",)),
    Format("tiff", "narrows.data.formats.tiff_stacks", magic(*TIFF_MAGIC), "image", suffixes=(".tif", ".tiff")),
    Format("zip", "narrows.data.formats.zips", magic(b"PK"), "container", suffixes=(".zip",), writable=False),
    Format("parquet", "narrows.data.formats.parquet", magic(b"PAR1"), "table", suffixes=(".parquet",)),
    Format("idx", "narrows.data.formats.idx", is_idx, suffixes=(".idx", "-ubyte")),
    Format("npz", "narrows.data.formats.npz", is_npz, suffixes=(".npz",), keyed=True),
    Format("npy", "narrows.data.formats.npy", magic(b"\x93NUMPY"), suffixes=(".npy",)),
):
    register_format(_format)
