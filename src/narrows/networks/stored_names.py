"""Names of tensors in files, where they differ from those in the code."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import nn


class StoredNames(nn.Module):
    """A network whose state dictionary has the names of tensors that model files and checkpoints have.

    Subclasses set `STORED_NAMES`: from an attribute that holds a tensor or a module to its name in files. Such a
    network is no part of another one.
    """

    STORED_NAMES: ClassVar[Mapping[str, str]] = {}

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """Return the tensors by their names in files."""
        return renamed(super().state_dict(*args, **kwargs), self.STORED_NAMES)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Load tensors by their names in files."""
        attributes = {stored: name for name, stored in self.STORED_NAMES.items()}
        return super().load_state_dict(renamed(state_dict, attributes), strict, assign)


def renamed(tensors: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return tensors with the first part of each dotted name replaced where `names` has another."""
    found: OrderedDict[str, Any] = OrderedDict()
    for name, tensor in tensors.items():
        first, dot, rest = name.partition(".")
        found[names.get(first, first) + dot + rest] = tensor
    return found
