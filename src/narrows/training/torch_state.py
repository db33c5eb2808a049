"""torch's global state: what a caller may have set for other purposes must not change what this package computes."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

_lock = threading.Lock()
_depth = 0  # blocks that are open in all threads
_before: dict[str, Any] = {}  # settings of the whole process outside them


@contextmanager
def default_torch_state() -> Iterator[None]:
    """Compute with torch's defaults, whatever the caller has set; also a decorator.

    Within the block, the default dtype is float32 and the default device the CPU; autocast and inference mode are off
    and gradients are on; products and convolutions of float32 are computed in float32, and operations need not be
    deterministic by torch's own rules. Afterwards everything is as it was. Threads that the block starts need a block
    of their own.

    Examples
    --------
    >>> torch.set_default_dtype(torch.float64)
    >>> with default_torch_state():
    ...     torch.zeros(1).dtype
    torch.float32
    >>> torch.zeros(1).dtype
    torch.float64
    >>> torch.set_default_dtype(torch.float32)
    """
    with ExitStack() as own:
        own.enter_context(torch.inference_mode(False))
        own.enter_context(torch.enable_grad())
        if torch.get_default_device().type != "cpu":  # the mode slows every operation down
            own.enter_context(torch.device("cpu"))
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                own.enter_context(torch.autocast(device, enabled=False))
        _enter_process_wide()
        own.callback(_leave_process_wide)
        yield


def _enter_process_wide() -> None:
    global _depth, _before
    with _lock:
        if _depth == 0:
            _before = {
                "dtype": torch.get_default_dtype(),
                "deterministic": torch.are_deterministic_algorithms_enabled(),
                "warn_only": torch.is_deterministic_algorithms_warn_only_enabled(),
                "precision": [settings.fp32_precision for settings in _precisions()],
            }
            torch.set_default_dtype(torch.float32)
            if _before["deterministic"]:
                torch.use_deterministic_algorithms(False)
            for settings in _precisions():
                settings.fp32_precision = "ieee"
        _depth += 1


def _leave_process_wide() -> None:
    global _depth
    with _lock:
        _depth -= 1
        if _depth == 0:
            torch.set_default_dtype(_before["dtype"])
            if _before["deterministic"]:
                torch.use_deterministic_algorithms(True, warn_only=_before["warn_only"])
            for settings, precision in zip(_precisions(), _before["precision"], strict=True):
                settings.fp32_precision = precision


def _precisions() -> list[Any]:
    """Return the settings of precision, by backend and operation; torch before 2.9 has none for the CPU alone."""
    cpu, cuda = torch.backends.mkldnn, torch.backends.cuda
    found = [getattr(cpu, "matmul", None), getattr(cpu, "conv", None), cuda.matmul]
    return [settings for settings in found if hasattr(settings, "fp32_precision")]
