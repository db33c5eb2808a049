"""Documents from outside as typed records: kinds, choices, ranges and lengths are as their fields declare."""

import json
import sys
from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np
from msgspec import Meta

Record = TypeVar("Record")

NonNegativeInt = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""A whole number from 0."""
PositiveInt = Annotated[int, Meta(ge=1, le=2**63 - 1)]
"""A whole number above 0."""
FiniteFloat = Annotated[float, Meta(ge=-sys.float_info.max, le=sys.float_info.max)]
"""A finite number."""
NonNegativeFloat = Annotated[float, Meta(ge=0, le=sys.float_info.max)]
"""A finite number from 0."""
Text = Annotated[str, Meta(max_length=2**16)]
"""A text of limited length."""
ShortText = Annotated[str, Meta(max_length=2**10, pattern=r"^[^\x00-\x1f\x7f-\x9f]*\Z")]
"""A short text without control characters."""
Shape = Annotated[tuple[NonNegativeInt, ...], Meta(max_length=64)]
"""The shape of an array, of as many axes as NumPy has."""


def parse_document(text: str) -> Any:
    """Return what a JSON text says; ValueError where it is none, or holds whole numbers of more than 64 bits."""
    try:
        return json.loads(text, parse_int=_whole_number)
    except RecursionError:
        raise ValueError("objects nested too deeply") from None


def _whole_number(digits: str) -> int:
    if len(digits) > 20 or not -(2**63) <= int(digits) < 2**64:
        raise ValueError(f"the number {digits[:24]} has more than 64 bits")
    return int(digits)


def typed(kind: Any, value: Any) -> Any:
    """Return a value of a document as a type such as ``str | None``; ValueError where it is of another.

    A `numpy.dtype` is given by its name. Of a dataclass, fields that it does not have are ignored.

    Examples
    --------
    >>> typed(tuple[int, ...] | None, [2, 3])
    (2, 3)
    >>> typed(str, 4)
    Traceback (most recent call last):
        ...
    ValueError: Expected `str`, got `int`
    """
    try:
        return msgspec.convert(value, kind, dec_hook=_from_plain)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None


def _from_plain(kind: type, value: Any) -> Any:
    """Return a value of a type that JSON lacks."""
    if kind is np.dtype and isinstance(value, str):
        return np.dtype(value)
    raise TypeError(f"Expected {kind.__name__}, got {value!r:.40}")


def from_document(record: type[Record], document: Mapping[str, Any]) -> Record:
    """Return the record of a JSON document.

    Parameters
    ----------
    record : type
        A dataclass whose annotations say what each field holds.
    document : mapping
        Plain values by the names of the fields.

    Raises
    ------
    ValueError
        If a field is missing (those whose default is None may be), unknown or of another kind: whole numbers are no
        booleans or fractions, for example.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Size:
    ...     shape: tuple[int, ...]
    >>> from_document(Size, {"shape": [2, 3]})
    Size(shape=(2, 3))
    >>> from_document(Size, {"shape": [2, 3.5]})
    Traceback (most recent call last):
        ...
    ValueError: Expected `int`, got `float` - at `$.shape[...]`
    """
    known = fields(record)  # type: ignore[arg-type]
    unknown = set(document) - {field.name for field in known}
    missing = {field.name for field in known if field.default is not None} - set(document)
    if unknown or missing:
        raise ValueError(f"{'unknown' if unknown else 'missing'} field {min(map(str, unknown or missing))!r}")
    result: Record = typed(record, dict(document))
    return result
