"""What a `.narrow` file keeps of its items beside their values, so that what went in comes out."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import msgspec

from narrows.artifacts.schema import PositiveInt, from_document, parse_document
from narrows.data import Items
from narrows.data.picture_metadata import LONGEST_DESCRIPTION, PictureMetadata

_SCHEMES = ("", "imagej", "ome")
_UNITS = (1, 2, 3)
_KEY, _TEXT = re.compile("[A-Za-z]{1,32}"), re.compile(r"[^\x00-\x1f\x7f-\x9f]{0,99}")


@dataclass(frozen=True)
class ArchiveMetadata:
    """Facts about items that their values, shapes and names do not hold.

    Parameters
    ----------
    axes : str, optional
        The axes of the array that the items came from, in its own order, where they differ from those of the model.
    bits : int or tuple of int, optional
        The bits per sample of all recordings, or of each, where they differ from those of the model.
    pictures : tuple of PictureMetadata, optional
        Colour profiles, resolutions and scales.
    picture_of : tuple of int, optional
        For each item, which of `pictures` is its own; None if all items have the first.
    rate : int, optional
        Sampling rate of recordings in Hz, where no model knows it.

    Raises
    ------
    ValueError
        If a value is not allowed.
    """

    axes: str | None = None
    bits: int | tuple[int, ...] | None = None
    pictures: tuple[PictureMetadata, ...] | None = None
    picture_of: tuple[int, ...] | None = None
    rate: PositiveInt | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        if self.axes is not None and (not set(self.axes) <= set("NFTZYXC") or len(set(self.axes)) < len(self.axes)):
            raise ValueError(f"axes {self.axes!r:.20}")
        each = self.bits if isinstance(self.bits, tuple) else () if self.bits is None else (self.bits,)
        if not all(1 <= bits <= 64 for bits in each):
            raise ValueError("bits per sample that are not 1 to 64")
        if self.picture_of and not (0 <= min(self.picture_of) <= max(self.picture_of) < len(self.pictures or ())):
            raise ValueError("numbers of pictures that are not there")
        for picture in self.pictures or ():
            _check(picture)

    @classmethod
    def of_items(cls, items: Items, model_axes: str, model_bits: int | None) -> Self:
        """Return the metadata of items that a model of some axes and bits per sample compresses."""
        axes, bits, pictures, picture_of = items.output_axes, items.bits, None, None
        if items.pictures and any(picture != PictureMetadata() for picture in items.pictures):
            pictures = tuple(dict.fromkeys(items.pictures))
            if len(pictures) > 1:
                number = {picture: index for index, picture in enumerate(pictures)}
                picture_of = tuple(number[picture] for picture in items.pictures)
        return cls(
            None if axes == model_axes or items.array_axes is None else axes,
            None if not bits or set(bits) == {model_bits} else items.common_bits or tuple(bits),
            pictures,
            picture_of,
        )

    def put_on(self, items: Items, indices: Sequence[int], model_axes: str, model_bits: int | None) -> Items:
        """Return the items at some indices of the file with these facts, where they are absent with the model's."""
        bits = self.bits or model_bits
        each = bits if isinstance(bits, tuple) else None if bits is None else (bits,) * (max(indices) + 1)
        pictures, number = self.pictures, self.picture_of
        return replace(
            items,
            array_axes=self.axes or model_axes,
            bits=None if each is None else [each[index] for index in indices],
            pictures=None if pictures is None else [pictures[number[index] if number else 0] for index in indices],
        )

    def to_bytes(self) -> bytes:
        """Return a JSON document, or nothing where there are no facts; `from_bytes` is the inverse."""
        document = {name: value for name, value in msgspec.to_builtins(self).items() if value is not None}
        return json.dumps(document, sort_keys=True, separators=(",", ":")).encode() if document else b""

    @classmethod
    def from_bytes(cls, content: bytes, count: int) -> Self:
        """Return the metadata of a file of `count` items, fields that are unknown left out; ValueError if invalid."""
        document: Any = parse_document(content.decode()) if content else {}
        if not isinstance(document, dict):
            raise ValueError("metadata that is no JSON object")
        known = {name: value for name, value in document.items() if name in cls.__dataclass_fields__}
        metadata = from_document(cls, known)
        for each in (metadata.bits, metadata.picture_of):
            if isinstance(each, tuple) and len(each) != count:
                raise ValueError(f"metadata of {len(each):,} items, not of {count:,}")
        return metadata


def _check(picture: PictureMetadata) -> None:
    """Raise ValueError for what no file of a picture can say."""
    if picture.resolution and not all(0 < number < math.inf for number in picture.resolution):
        raise ValueError(f"a resolution of {picture.resolution}")
    if picture.unit not in _UNITS or picture.scheme not in _SCHEMES:
        raise ValueError(f"a resolution unit {picture.unit} or scheme {picture.scheme!r:.20}")
    if not re.fullmatch("[A-Z]{0,16}", picture.axes):
        raise ValueError(f"axes {picture.axes!r:.20} of a picture")
    if len(picture.description) > LONGEST_DESCRIPTION:
        raise ValueError(f"a description of {len(picture.description):,} characters")
    if not all(_TEXT.fullmatch(what) for what in picture.unkept):
        raise ValueError("control characters in what a picture does not keep")
    for key, value in picture.scale:
        valid = _TEXT.fullmatch(value) if isinstance(value, str) else math.isfinite(value)
        if not (_KEY.fullmatch(key) and valid):
            raise ValueError(f"a scale {key!r:.20} of {value!r:.20}")
