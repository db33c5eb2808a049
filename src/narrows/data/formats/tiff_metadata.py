"""Profile, resolution and scale of TIFF files: reading them, and the arguments with which tifffile writes them."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from narrows.data.picture_metadata import LONGEST_DESCRIPTION, PictureMetadata

if TYPE_CHECKING:
    from tifffile import TiffFile

_X_RESOLUTION, _Y_RESOLUTION, _UNIT, _PROFILE = 282, 283, 296, 34675
_NO_UNIT, _INCH = 1, 2
_GEOREFERENCE, _NO_DATA = (33550, 33922, 34264, 34735), 42113  # of GeoTIFF and GDAL
_IMAGEJ = (
    *("unit", "yunit", "zunit", "xorigin", "yorigin", "zorigin", "spacing", "finterval", "fps", "tunit"),
    *("loop", "mode", "min", "max"),
)
_OME = ("PhysicalSizeX", "PhysicalSizeY", "PhysicalSizeZ", "TimeIncrement")
_IMAGEJ_UNKEPT = {"Labels": "labels of slices", "LUTs": "lookup tables", "Overlays": "overlays", "ROI": "overlays"}
_IMAGEJ_TYPES = ("uint8", "uint16", "float32")


def file_metadata(file: "TiffFile") -> PictureMetadata:
    """Return what a file says about all of its pictures: the scheme with its scale and axes."""
    scheme, scale, unkept = "", {}, set()
    if file.is_imagej:
        scheme, described = "imagej", file.imagej_metadata or {}
        scale = {key: described[key] for key in _IMAGEJ if isinstance(described.get(key), str | int | float)}
        unkept = {what for key, what in _IMAGEJ_UNKEPT.items() if key in described}
    elif file.is_ome:
        scheme, pixels = "ome", _ome_pixels(file.ome_metadata or "")
        scale = _ome_scale(pixels.attrib)
        if any("Name" in element.attrib for element in pixels.iter() if element.tag.endswith("}Channel")):
            unkept = {"names of channels"}
    return PictureMetadata(
        scheme=scheme,
        scale=tuple(scale.items()),
        axes=file.series[0].axes if scheme else "",
        unkept=tuple(sorted(unkept)),
    )


def page_metadata(page: Any, turned: bool, stated: PictureMetadata) -> PictureMetadata:
    """Return what a file says about a page, beside what is `stated` for all. turned: whether rows become columns."""
    resolution = tuple(_number(page.tags.valueof(code)) for code in (_X_RESOLUTION, _Y_RESOLUTION))
    unit = int(page.tags.valueof(_UNIT, _INCH))
    known = all(resolution) and (unit != _NO_UNIT or resolution != (1, 1))  # square pixels, of no known size
    profile = page.tags.valueof(_PROFILE)
    described = not stated.scheme and page.description != page.shaped_description
    description = page.description if described else ""
    unkept = {"georeference"} if any(code in page.tags for code in _GEOREFERENCE) else set()
    unkept |= {"no-data value"} if _NO_DATA in page.tags else set()
    if len(description) > LONGEST_DESCRIPTION:
        description, unkept = "", unkept | {"description"}
    return replace(
        stated,
        profile=profile if isinstance(profile, bytes) else None,
        resolution=(resolution[::-1] if turned else resolution) if known else None,  # type: ignore[arg-type]
        unit=unit if known else _INCH,
        description=description,
        unkept=tuple(sorted({*stated.unkept, *unkept})),
    )


def write_options(metadata: PictureMetadata, channels: int) -> dict[str, Any]:
    """Return the arguments of tifffile that write the profile, the resolution and the description."""
    options: dict[str, Any] = {"iccprofile": metadata.profile_for(channels)}
    if metadata.description:
        options["description"] = metadata.description.encode()
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


def _ome_pixels(xml: str) -> ElementTree.Element:
    """Return what an OME description says of the pixels of its first image; an empty element where it says nothing."""
    nothing = ElementTree.Element("Pixels")
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return nothing
    return next((element for element in root.iter() if element.tag.endswith("}Pixels")), nothing)


def _ome_scale(stated: dict[str, str]) -> dict[str, str]:
    """Return the sizes of pixels, and their units, among the attributes of an OME description."""
    sizes = {key: stated[key] for key in _OME if key in stated}
    return sizes | {f"{key}Unit": stated[f"{key}Unit"] for key in sizes if f"{key}Unit" in stated}
