"""Exceptions. Each carries what it is about, so that every surface can print it in its own words."""

from collections.abc import Callable, Mapping
from typing import Any

_LONGEST = 600  # characters of a message
_LEARNING = {"torch": "torch", "sklearn": "scikit-learn", "scipy": "scipy"}  # what the extra "torch" installs


def as_keyword(name: str, value: Any) -> str:
    """Format a parameter as Python source: ``axes='NYX'``."""
    return f"{name}={value!r}"


class NarrowsError(Exception):
    """Base class of the exceptions that this package raises.

    Parameters
    ----------
    message : str
        What was found, in one line without a final full stop.
    source : str, optional
        The file or argument at fault.
    parameter : str, optional
        Name of the Python parameter at fault, such as ``"code"``.
    value : object, optional
        The value of that parameter.
    hint : str, optional
        What to do about it, in one line.
    suggestion : mapping, optional
        Parameters to set, such as ``{"axes": "NYX"}``.

    Examples
    --------
    >>> str(NarrowsError("3 axes", source="x.npy", hint="specify which axis is which", suggestion={"axes": "NYX"}))
    "x.npy: 3 axes; specify which axis is which: axes='NYX'"
    """

    def __init__(
        self,
        message: str,
        *,
        source: str | None = None,
        parameter: str | None = None,
        value: Any = None,
        hint: str | None = None,
        suggestion: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message, self.source, self.parameter, self.value = message, source, parameter, value
        self.hint, self.suggestion = hint, dict(suggestion or {})

    def describe(self, option: Callable[[str, Any], str] = as_keyword) -> str:
        """Return the error as one line.

        Parameters
        ----------
        option : callable
            Formats a parameter and its value: as a keyword argument by default, as a flag on the command line.
        """
        message = self.message
        if len(message) > _LONGEST:  # what is quoted in it, such as names in a damaged file, may have any length
            message = f"{message[: _LONGEST // 2]} ... {message[-_LONGEST // 2 :]}"
        text = message if self.parameter is None else f"{option(self.parameter, self.value)}: {message}"
        text = text if self.source is None else f"{self.source}: {text}"
        settings = ", ".join(option(name, value) for name, value in self.suggestion.items())
        remedy = ": ".join(part for part in (self.hint, settings) if part)
        return f"{text}; {remedy}" if remedy else text

    def __str__(self) -> str:
        return self.describe()


class DataError(NarrowsError, ValueError):
    """Data that cannot be read, written or learned from."""


class DataWarning(UserWarning):
    """Data that are taken, though they may not be what was meant."""


class FormatError(NarrowsError, ValueError):
    """A model or a compressed file that is corrupt, too new, or of another program."""


class ParameterError(NarrowsError, ValueError):
    """A parameter whose value is not allowed, or that does not go with the others."""


class TrainingError(NarrowsError, RuntimeError):
    """Training that did not lead to a useful model."""


def missing_for_learning(error: BaseException) -> str | None:
    """Return what to install where an error is that a package of the extra ``torch`` is missing; else None.

    Examples
    --------
    >>> missing_for_learning(ModuleNotFoundError(name="sklearn.base"))
    "needs scikit-learn; pip install 'narrows[torch]'"
    """
    missing = str(error.name).partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    return f"needs {_LEARNING[missing]}; pip install 'narrows[torch]'" if missing in _LEARNING else None


def cannot_import(what: str, package: str, extra: str | None, error: Exception) -> DataError:
    """Return the error for something that needs a package: how to install it, or why the installed one fails.

    Examples
    --------
    >>> str(cannot_import("a table", "pandas", "tables", ModuleNotFoundError(name="pandas")))
    "a table needs pandas; pip install 'narrows[tables]'"
    >>> str(cannot_import("a table", "pandas", "tables", ImportError("needs another NumPy")))
    'a table needs pandas, which is installed but cannot be imported (needs another NumPy)'
    """
    if isinstance(error, ModuleNotFoundError) and str(error.name).partition(".")[0] == package:
        wanted = f"'narrows[{extra}]'" if extra else package
        return DataError(f"{what} needs {package}", hint=f"pip install {wanted}")
    reason = " ".join(str(error).split())
    return DataError(f"{what} needs {package}, which is installed but cannot be imported ({reason})")
