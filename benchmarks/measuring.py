"""The machine, and what share of its speed a training reaches."""

import os
import platform
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.flop_counter import FlopCounterMode

SIDE = 2048


@dataclass(frozen=True)
class Machine:
    """Where and when figures were measured. load: the machine's load average before the first of them."""

    date: str
    cpu: str
    cores: int
    threads: int
    torch: str
    python: str
    load: float

    def __str__(self) -> str:
        return (
            f"{self.date}: {self.cpu}, {self.cores} cores, {self.threads} threads, torch {self.torch}, "
            f"Python {self.python}; load average at the start {self.load:.1f}"
        )


def this_machine() -> Machine:
    return Machine(
        date=datetime.now().astimezone().isoformat(" ", "minutes"),
        cpu=cpu_model(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        python=platform.python_version(),
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0,
    )


def cpu_model() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


@dataclass(frozen=True)
class Throughput:
    """How fast a training went.

    flops_per_item: floating point operations of one training step on an item: the matrix products and convolutions of
        forward and backward pass, a multiplication and an addition counted as two. Left out, though the seconds hold
        them: the optimiser, everything that goes value by value, and the tests on held-out items.
    product_speed: operations a second of float32 matrix products on the same threads, measured just before.
    """

    model: str
    batch: int
    items_per_second: float
    flops_per_item: float
    product_speed: float

    @property
    def share(self) -> float:
        """The share of the speed of matrix products that training attains."""
        return self.items_per_second * self.flops_per_item / self.product_speed


def product_speed(repeats: int = 8) -> float:
    """Operations a second of the best of several products of square float32 matrices."""
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.rand(SIDE, SIDE, generator=generator) for _ in range(2))
    product, best = a @ b, float("inf")
    for _ in range(repeats):
        began = time.perf_counter()
        torch.mm(a, b, out=product)
        best = min(best, time.perf_counter() - began)
    return 2 * SIDE**3 / best


def flops_per_item(network: nn.Module, batch: int) -> float:
    """Operations of forward and backward pass of an untrained network on digits, an item of a batch."""
    x = torch.rand(batch, 1, 28, 28)
    with FlopCounterMode(display=False) as counter:
        F.mse_loss(network(x), x).backward()
    return counter.get_total_flops() / batch
