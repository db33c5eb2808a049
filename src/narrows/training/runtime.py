"""Where and how training runs: device, placement of data and networks, and signals to the process.

Whoever adds a device or a process layout for training changes this module alone. The loop asks it for a device, hands
it networks and data to place, and looks up whether a signal came.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from narrows.errors import ParameterError

Net = TypeVar("Net", bound=nn.Module)
NOT_INDEXABLE_ON_GPU = (torch.uint16, torch.uint32, torch.uint64)
MAX_RESIDENT_SHARE = 0.5  # of the free memory of a GPU, that items may take


def choose_device(name: str) -> torch.device:
    """Return the device of a name.

    Parameters
    ----------
    name : {"auto", "cpu", "cuda"}
        "auto" is the GPU where torch sees one.

    Raises
    ------
    ParameterError
        If there is no such device.

    Examples
    --------
    >>> choose_device("cpu")
    device(type='cpu')
    """
    if name not in ("auto", "cpu", "cuda"):
        raise ParameterError("expected auto, cpu or cuda", parameter="device", value=name)
    if name == "cuda" and not torch.cuda.is_available():
        raise ParameterError("torch sees no such device here; use cpu or auto", parameter="device", value=name)
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def place_network(network: Net, device: torch.device) -> Net:
    """Return the network on the device on which it is trained."""
    return network.to(device)


def place_items(items: Tensor, device: torch.device) -> Tensor:
    """Return all items, from which batches are taken by an index: on the device where they fit, else where they are."""
    if device.type == "cuda" and items.dtype not in NOT_INDEXABLE_ON_GPU:
        free, _ = torch.cuda.mem_get_info(device)
        if items.nbytes < MAX_RESIDENT_SHARE * free:
            return items.to(device)
    return items


def place_batch(values: Tensor, device: torch.device) -> Tensor:
    """Return a batch on the device."""
    return values.to(device)


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Note SIGINT, SIGTERM and SIGHUP within the block instead of ending the process; a second SIGINT ends it.

    A second SIGTERM or SIGHUP does not, because where a terminal closes or a session ends, one comes from the system
    and one from the shell. A SIGHUP that the process ignores, as under nohup, stays ignored.

    Yields
    ------
    callable
        Whether a signal came. Always False in other threads than the main one, where Python takes no signals.
    """
    came: list[int] = []  # a lock, such as an Event has, would never be released to a signal that interrupts its owner
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    # None: a handler that was not set from Python, which could not be restored.
    before = {number: handler for number, handler in before.items() if handler is not None}
    hangup = getattr(signal, "SIGHUP", None)
    if before.get(hangup) == signal.SIG_IGN:
        del before[hangup]

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, frame: Any) -> None:
        came.append(number)
        if number == signal.SIGINT:
            signal.signal(number, before[number])

    for number in before:
        signal.signal(number, note)
    try:
        yield lambda: bool(came)
    finally:
        restore()
