"""Call the compiled kernel with wrong arguments, built with AddressSanitizer and UBSan (Linux, gcc).

    python benchmarks/fuzz_kernel.py [--count N] [--seed S]

Codecs of all alphabets are trained for an epoch, and compress and decompress items with the instrumented kernel. The
calls that this makes are recorded, and repeated with other numbers, and buffers of other lengths and contents. Each
must return or raise an exception. An access outside a buffer and an undefined operation end the process with a report,
and the script with status 1.
"""

import argparse
import importlib.util
import io
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

KERNEL = "narrows.codec.entropy._kernel"
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]
KEPT = 40  # calls of each function
NUMBERS = (-(2**31), -1, 0, 1, 2, 255, 2**31 - 1)
REFUSALS = (ValueError, TypeError, OverflowError, BufferError, MemoryError)


def item_sets() -> dict[str, np.ndarray]:
    """Return a few items for each alphabet, by its name."""
    rng = np.random.default_rng(0)
    slopes = np.add.outer(np.arange(40), 2 * np.arange(36)) * 300 + rng.normal(0, 400, (12, 40, 36))
    palette = rng.integers(0, 256, (5, 4), np.uint8)
    return {
        "values": (rng.random((40, 9, 8)) < 0.3) * rng.integers(0, 16, (40, 9, 8), np.uint8),
        "mixtures": np.clip(slopes, 0, 65535).astype(np.uint16),
        "colours": palette[rng.integers(0, 5, (12, 6, 5)).repeat(4, 1).repeat(4, 2)],
        "signals": np.cumsum(rng.normal(0, 40, (3, 2, 3000)), 2).astype(np.int16),
    }


def build(folder: Path) -> None:
    """Compile the kernel with sanitizers into a folder."""
    source = Path(importlib.util.find_spec("narrows").origin).parent / "codec" / "entropy" / "_kernel.c"
    flags = ["-O1", "-g", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off", "-shared", "-fPIC", *SANITIZERS]
    include = sysconfig.get_path("include")
    subprocess.run(["gcc", *flags, f"-I{include}", str(source), "-o", str(folder / "_kernel.abi3.so")], check=True)


def train(folder: Path) -> None:
    """Save the items of all sets, and a codec for each."""
    import narrows

    for name, items in item_sets().items():
        axes = {"values": "NYX", "mixtures": "NYX", "colours": "NYXC", "signals": "NCT"}[name]
        narrows.Codec(epochs=1, axes=axes, random_state=0).fit(items).save(folder / f"{name}.safetensors")
        np.save(folder / f"{name}.npy", items)


class Recorder:
    """The kernel, with copies of the arguments of some calls of each function."""

    def __init__(self, kernel: Any) -> None:
        self.kernel, self.calls = kernel, defaultdict(list)

    def __getattr__(self, name: str) -> Any:
        """Return a function of the kernel, which records its calls."""
        function = getattr(self.kernel, name)
        if not callable(function):
            return function

        def recorded(*arguments: Any) -> Any:
            calls = self.calls[name]
            if len(calls) < KEPT:
                calls.append(copied(arguments))
            return function(*arguments)

        return recorded


def copied(argument: Any) -> Any:
    """Return a copy of arguments whose buffers end where their memory ends."""
    if isinstance(argument, tuple | list):
        return tuple(copied(each) for each in argument)
    return argument.copy() if isinstance(argument, np.ndarray) else argument


def changed(rng: np.random.Generator, argument: Any) -> Any:
    """Return an argument that differs from a good one."""
    if isinstance(argument, tuple):
        if not argument:
            return argument
        number = rng.integers(len(argument))
        return tuple(changed(rng, each) if index == number else each for index, each in enumerate(argument))
    if isinstance(argument, np.ndarray):
        return changed_buffer(rng, argument.reshape(-1))
    if isinstance(argument, int):
        return int(rng.choice([*NUMBERS, argument - 1, argument + 1]))
    return argument


def changed_buffer(rng: np.random.Generator, buffer: np.ndarray) -> np.ndarray:
    """Return a buffer of another length, or with other contents.

    Integers of 64 bits are places, which may be anything; others stay within their range, which callers check.
    """
    kind = rng.integers(3)
    if kind == 0:
        return buffer[: rng.integers(len(buffer) + 1)].copy()
    if kind == 1:
        return np.concatenate([buffer, buffer[: rng.integers(1, 9)]])
    buffer = buffer.copy()
    if len(buffer) and buffer.dtype == np.int64:
        buffer[rng.integers(len(buffer), size=rng.integers(1, 4))] = rng.choice(NUMBERS)
    elif len(buffer):
        rng.shuffle(buffer)
    return buffer


def fuzz(folder: Path, count: int, seed: int) -> None:
    """Record the calls that coding makes, and repeat them with changed arguments."""
    specification = importlib.util.spec_from_file_location(KERNEL, folder / "_kernel.abi3.so")
    sys.modules[KERNEL] = kernel = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(kernel)
    from narrows import data
    from narrows.codec.container.mode import Mode
    from narrows.codec.entropy import engines
    from narrows.codec.model import CodecModel

    if engines.kernel is not kernel:
        sys.exit("the kernel of this source is not the one in use")
    engines.kernel = recorder = Recorder(kernel)
    for path in sorted(folder.glob("*.npy")):
        model = CodecModel.from_bytes(path.with_suffix(".safetensors").read_bytes())
        items = data.read(path, axes=model.axes)
        for mode in (Mode("lossless"), Mode("max_error", 3), Mode("psnr", 30)):
            target = io.BytesIO()
            model.compress(items, mode, target)
            model.decompress(target.getvalue())
        print(f"{path.stem}: compressed and decompressed", flush=True)
    for instructions in {"avx2", kernel.instructions()}:
        kernel.instructions(instructions)
        print(f"{instructions}: {repeat(recorder, kernel, count // 2, seed)}", flush=True)


def repeat(recorder: Recorder, kernel: Any, count: int, seed: int) -> str:
    """Repeat recorded calls with changed arguments; return what came of them."""
    refused, rng = 0, np.random.default_rng(seed)
    calls: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
        (getattr(kernel, name), arguments) for name, those in recorder.calls.items() for arguments in those
    ]
    for _ in range(count):
        function, arguments = calls[rng.integers(len(calls))]
        try:
            function(*changed(rng, copied(arguments)))
        except REFUSALS:
            refused += 1
    return f"{count:,} calls of {len(recorder.calls)} functions with wrong arguments, {refused:,} refused"


def main() -> int:
    """Build and train, then run `fuzz` in a process that loads the sanitizers first."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=60_000, help="how many calls (60,000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.folder is not None:
        fuzz(arguments.folder, arguments.count, arguments.seed)
        return 0
    with tempfile.TemporaryDirectory() as name:
        build(Path(name))
        train(Path(name))
        library = subprocess.check_output(["gcc", "-print-file-name=libasan.so"], text=True).strip()
        settings = {"LD_PRELOAD": library, "ASAN_OPTIONS": "detect_leaks=0", "PYTHONMALLOC": "malloc"}
        command = [sys.executable, __file__, *sys.argv[1:], "--folder", name]
        return subprocess.run(command, env=os.environ | settings, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
