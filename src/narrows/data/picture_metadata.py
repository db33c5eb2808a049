"""What the file of a picture says beside its values: colour profile, resolution and scale."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

_SPACES = {1: b"GRAY", 2: b"GRAY", 3: b"RGB ", 4: b"RGB "}
_WITH_PROFILE = ("PNG", "JPEG", "WEBP", "TIFF")
_WITH_DPI = ("PNG", "JPEG", "BMP")
_INCH, _CENTIMETRE = 2, 3
LONGEST_DESCRIPTION = 2**16  # characters


@dataclass(frozen=True)
class PictureMetadata:
    """What the file of a picture says beside its values.

    Parameters
    ----------
    profile : bytes, optional
        The ICC profile.
    resolution : (float, float), optional
        Pixels per unit along a row and along a column.
    unit : int
        The unit of the resolution, as TIFF numbers them: 1 none, 2 inch, 3 centimetre.
    scheme : {"", "imagej", "ome"}
        Which program's description of itself a TIFF has.
    scale : tuple of (str, value)
        Sizes of pixels, their units, and the time between frames, as the scheme names them.
    axes : str
        The axes of a TIFF with a scheme, as tifffile names them.
    description : str
        The text with which a TIFF describes a picture, unless it is that of a scheme.
    unkept : tuple of str
        What else the file says that nothing that is written keeps, such as "names of channels".

    Examples
    --------
    >>> PictureMetadata(resolution=(100.0, 100.0), unit=3).dpi
    (254.0, 254.0)
    """

    profile: bytes | None = None
    resolution: tuple[float, float] | None = None
    unit: int = _INCH
    scheme: str = ""
    scale: tuple[tuple[str, str | int | float], ...] = ()
    axes: str = ""
    description: str = ""
    unkept: tuple[str, ...] = ()

    @property
    def dpi(self) -> tuple[float, float] | None:
        """The resolution in pixels per inch; None where it is not known in such a unit."""
        if self.resolution is None or self.unit not in (_INCH, _CENTIMETRE):
            return None
        factor = 2.54 if self.unit == _CENTIMETRE else 1.0
        return self.resolution[0] * factor, self.resolution[1] * factor

    def profile_for(self, channels: int) -> bytes | None:
        """Return the profile if it is one of such pixels: that of CMYK or Lab is not one of the RGB made of them."""
        fits = self.profile is not None and self.profile[16:20] == _SPACES.get(channels)
        return self.profile if fits else None

    def lost(self, format: str, channels: int) -> set[str]:
        """Return what of this an image format, as Pillow names it, does not keep; "" for a file that is no image."""
        lost = set(self.unkept)
        if self.profile and not (format in _WITH_PROFILE and self.profile_for(channels)):
            lost.add("colour profile")
        if self.resolution and not (format == "TIFF" or (format in _WITH_DPI and self.dpi)):
            lost.add("resolution")
        if self.description and format != "TIFF":
            lost.add("description")
        if self.scale and format != "TIFF":
            lost.add("scale")
        return lost


NOTHING = PictureMetadata()


def in_common(pictures: Sequence[PictureMetadata] | None) -> PictureMetadata:
    """Return the metadata of all pictures of a stack: of each kind what they agree on, or that they differ."""
    if not pictures:
        return NOTHING
    if len(set(pictures)) == 1:
        return pictures[0]
    alike = {
        field.name: getattr(pictures[0], field.name)
        for field in fields(PictureMetadata)
        if len({getattr(each, field.name) for each in pictures}) == 1
    }
    if "unit" not in alike:
        alike.pop("resolution", None)
    unkept = {what for each in pictures for what in each.unkept}
    return PictureMetadata(**alike | {"unkept": (*sorted(unkept), "metadata in which they differ")})
