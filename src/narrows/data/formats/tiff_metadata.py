"""Profile, resolution and scale of TIFF files: reading them, and the arguments with which tifffile writes them."""

import math
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from narrows.data.picture_metadata import PictureMetadata

if TYPE_CHECKING:
    from tifffile import TiffFile

_X_RESOLUTION, _Y_RESOLUTION, _UNIT, _PROFILE = 282, 283, 296, 34675
_NO_UNIT, _INCH = 1, 2
_IMAGEJ = (
    *("unit", "yunit", "zunit", "xorigin", "yorigin", "zorigin", "spacing", "finterval", "fps", "tunit"),
    *("loop", "mode", "min", "max"),
)
_OME = ("PhysicalSizeX", "PhysicalSizeY", "PhysicalSizeZ", "TimeIncrement")
_IMAGEJ_TYPES = ("uint8", "uint16", "float32")


def read_metadata(file: "TiffFile", page: Any, turned: bool) -> PictureMetadata:
    """Return what a file says about a picture, one of its pages. turned: whether rows become columns."""
    resolution = tuple(_number(page.tags.valueof(code)) for code in (_X_RESOLUTION, _Y_RESOLUTION))
    unit = int(page.tags.valueof(_UNIT, _INCH))
    known = all(resolution) and (unit != _NO_UNIT or resolution != (1, 1))  # square pixels, of no known size
    scheme, scale = "", {}
    if file.is_imagej:
        scheme, described = "imagej", file.imagej_metadata or {}
        scale = {key: described[key] for key in _IMAGEJ if isinstance(described.get(key), str | int | float)}
    elif file.is_ome:
        scheme, scale = "ome", _ome_scale(file.ome_metadata or "")
    profile = page.tags.valueof(_PROFILE)
    return PictureMetadata(
        profile=profile if isinstance(profile, bytes) else None,
        resolution=(resolution[::-1] if turned else resolution) if known else None,  # type: ignore[arg-type]
        unit=unit if known else _INCH,
        scheme=scheme,
        scale=tuple(scale.items()),
        axes=file.series[0].axes if scheme else "",
    )


def write_options(metadata: PictureMetadata, channels: int) -> dict[str, Any]:
    """Return the arguments of tifffile that write the profile and the resolution."""
    options: dict[str, Any] = {"iccprofile": metadata.profile_for(channels)}
    if metadata.resolution is not None:
        options |= {"resolution": metadata.resolution, "resolutionunit": metadata.unit}
    return options


def scheme_options(metadata: PictureMetadata, axes: str, dtype: Any) -> dict[str, Any] | None:
    """Return the arguments of tifffile that write an array in the scheme it was read in; None where they cannot."""
    same = len(axes) == len(metadata.axes) and all(axes.find(axis) == metadata.axes.find(axis) for axis in "YX")
    if not metadata.scheme or not same or (metadata.scheme == "imagej" and dtype.name not in _IMAGEJ_TYPES):
        return None
    return {metadata.scheme: True, "metadata": {"axes": metadata.axes, **dict(metadata.scale)}}


def _number(value: Any) -> float:
    """Return the value of a rational tag; 0 where it has none."""
    number = value[0] / value[1] if isinstance(value, tuple) and len(value) == 2 and value[1] else 0.0
    return number if math.isfinite(number) and number > 0 else 0.0


def _ome_scale(xml: str) -> dict[str, str]:
    """Return the sizes of pixels, and their units, of the first image that an OME description has."""
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return {}
    pixels = next((element for element in root.iter() if element.tag.endswith("}Pixels")), None)
    if pixels is None:
        return {}
    sizes = {key: pixels.attrib[key] for key in _OME if key in pixels.attrib}
    return sizes | {f"{key}Unit": pixels.attrib[f"{key}Unit"] for key in sizes if f"{key}Unit" in pixels.attrib}
