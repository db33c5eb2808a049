"""Zip archives of images or recordings, read where they lie: nothing is unpacked to disk."""

from narrows.data.formats import ReadOptions
from narrows.data.formats.content import Content, opened_zip
from narrows.data.formats.members import in_zip, read_members
from narrows.data.items import Items


def read(content: Content, name: str, options: ReadOptions) -> Items:
    """Read all files in the archive as one set."""
    with opened_zip(content, name) as archive:
        return read_members(in_zip(archive, name), name, options)
