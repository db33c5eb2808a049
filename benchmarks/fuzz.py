"""Corrupt a .narrow file in many ways, and check that each is refused or read in bounded memory and time.

    python benchmarks/fuzz.py FILE [--model M.safetensors] [--count N] [--seed S] [--memory MiB] [--seconds T]
    python benchmarks/fuzz.py FILE --container        # header and checksums alone, no model: thousands a second

Case n of a seed is the same file in every run. The kinds of damage:

    file        accidents: bits, bytes and runs are changed, lost, repeated or moved
    header      deliberate changes within the header, with a valid checksum
    parameters  the same within the coder's parameters
    payload     the same within a chunk
    model       the same within the model, where the file holds one

Possible outcomes: "refused", a FormatError at opening; "partly", some chunks are FormatErrors; "whole", all were
read. A failure is any other exception, wrong values without a valid checksum, too much memory, too much
time, or the end of the process; its file is kept. Small files of several chunks are the best to start from.
"""

import argparse
import contextlib
import hashlib
import io
import multiprocessing
import random
import resource
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

import narrows
from narrows.codec.container.archive_file import FORMAT, MAGIC, ArchiveReader, write_archive
from narrows.codec.container.fields import pack_varint
from narrows.errors import FormatError

KINDS = ("file", "header", "parameters", "payload", "model")
START_SECONDS = 300  # a decoder may take this long to import everything and to load the model
TIMES_MORE_VALUES = 10  # than the whole file has are allowed


@dataclass(frozen=True)
class Task:
    """What a decoder is to do. memory: MiB beyond what it holds after reading the whole file once."""

    path: Path
    model: Path | None
    container: bool
    seed: int
    memory: int


@dataclass(frozen=True)
class Outcome:
    """What came of a case: "refused", "partly" or "whole", or what is no FormatError."""

    kind: str
    what: str
    failed: bool = False


def damaged(content: bytes, seed: int, case: int) -> tuple[str, bytes]:
    """The kind of damage of a case, and the damaged file."""
    rng = random.Random(f"{seed} {case}")
    reader = ArchiveReader(content, "original", max_pixels=2**99)
    header, model = reader.header, reader.model()
    kind = rng.choice(KINDS[: 5 if model else 4])
    if kind == "file":
        return kind, changed(content, rng)
    if kind == "header":
        described = changed(header.to_bytes(), rng)
        start = MAGIC + bytes([FORMAT]) + pack_varint(len(described)) + described
        return kind, start + zlib.crc32(start).to_bytes(4, "little") + content[reader.sizes()["header"] :]
    chunks = [reader.chunk(index) for index in range(len(header.chunk_items))]
    parameters = header.parameters
    if kind == "parameters":
        parameters = changed(parameters, rng)
    elif kind == "payload":
        index = rng.randrange(len(chunks))
        chunks[index] = changed(chunks[index], rng)
    else:
        model = changed(model or b"", rng)
    target = io.BytesIO()
    write_archive(
        target,
        fingerprint=header.fingerprint,
        mode=header.mode,
        chunk_items=header.chunk_items,
        chunks=chunks,
        axes=header.axes,
        dtype=header.dtype,
        shapes=header.shapes,
        names=header.names,
        parameters=parameters,
        model=model,
    )
    return kind, target.getvalue()


def changed(content: bytes, rng: random.Random) -> bytes:
    """The bytes with one change, or a few."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        at = rng.randrange(len(data) + 1)
        run = slice(at, at + rng.choice((1, 1, 2, 4, 8, 64, 1024)))
        match rng.randrange(9):
            case 0 | 1 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 2 if at < len(data):
                data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 3:
                data[run] = rng.randbytes(len(data[run]))
            case 4:
                data[run] = bytes([rng.choice((0, 0xFF))]) * len(data[run])
            case 5:
                data[at:at] = rng.choice((rng.randbytes(rng.randrange(1, 9)), b"\xff" * 8 + b"\x7f", b"\0" * 99))
            case 6:
                del data[run]
            case 7:
                data[at:at] = data[rng.randrange(len(data) + 1) :][: rng.choice((1, 8, 64, 1024))]
            case 8 if rng.random() < 0.3:
                del data[at:]
    return bytes(data)


def read(path: Path, task: Task, model: Any, max_pixels: int) -> Iterator[tuple[Any, bytes | None]]:
    """The digests of the header, of each chunk and of the preview, None where they are damaged.

    FormatError at the opening.
    """
    if task.container:
        with open(path, "rb") as file:
            reader = ArchiveReader(file, path.name, max_pixels)
            yield "header", reader.header.to_bytes()
            with contextlib.suppress(FormatError):
                reader.model()
            for index in range(len(reader.header.chunk_items)):
                yield f"chunk {index}", digest(lambda index=index: [np.frombuffer(reader.chunk(index), np.uint8)])
        return
    with narrows.open(path, model=model, max_pixels=max_pixels) as archive:
        yield "header", archive.header.to_bytes()
        start = 0
        for index, count in enumerate(archive.header.chunk_items):
            yield f"chunk {index}", digest(lambda part=slice(start, start + count): archive[part])
            start += count
        yield "preview", digest(lambda: archive.read(level=1))


def digest(get: Any) -> bytes | None:
    """Of the arrays that `get` gives; None for a FormatError."""
    try:
        items = get()
    except FormatError as error:
        if not clear(error):
            raise AssertionError(f"unclear: {error}") from None
        return None
    total = hashlib.sha256()
    for item in items:
        total.update(f"{item.dtype} {item.shape} ".encode())
        total.update(np.ascontiguousarray(item).tobytes())
    return total.digest()


def clear(error: FormatError) -> bool:
    """Whether a message is one line that names the file."""
    return "\n" not in str(error) and ".narrow" in str(error)


def decode(connection: Connection, task: Task) -> None:
    """Decode case after case as their numbers come in, and answer with outcomes: the life of a decoder's process."""
    content = task.path.read_bytes()
    model = narrows.load(task.model) if task.model else None
    whole = dict(read(task.path, task, model, 2**99))
    values = values_in(content, task, model)
    limit = held() + task.memory * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    connection.send("ready")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / task.path.name
        while (case := connection.recv()) is not None:
            kind, changed_content = damaged(content, task.seed, case)
            path.write_bytes(changed_content)
            try:
                found = dict(read(path, task, model, TIMES_MORE_VALUES * values))
                wrong = [index for index in found if found[index] not in (None, whole.get(index))]
                if kind == "file" and wrong:
                    outcome = Outcome(kind, f"{wrong[0]} is wrong, and nothing said so", failed=True)
                else:
                    outcome = Outcome(kind, "partly" if None in found.values() else "whole")
            except FormatError as error:
                outcome = Outcome(kind, *("refused",) if clear(error) else (f"unclear: {error}", True))
            except BaseException as error:
                outcome = Outcome(kind, f"{type(error).__name__}: {error}".splitlines()[0], failed=True)
            connection.send(outcome)


def values_in(content: bytes, task: Task, model: Any) -> int:
    """The values in the file that is whole, or its items where only a model knows their shape and none is wanted."""
    header = ArchiveReader(content, "original", max_pixels=2**99).header
    if header.shapes is None and task.container:
        return header.count
    if header.shapes is None:
        with narrows.open(task.path, model=model) as archive:
            return int(sum(np.size(item) for item in archive))
    return int(np.prod(header.shapes, axis=-1).sum() * (header.count if isinstance(header.shapes, tuple) else 1))


def held() -> int:
    """Bytes of address space in use."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


class Decoder:
    """A process that decodes cases, so that whatever happens to it happens to nobody else."""

    def __init__(self, task: Task) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=decode, args=(theirs, task), daemon=True)
        self.process.start()
        theirs.close()
        if self.answer(START_SECONDS) != "ready":
            sys.exit(f"{task.path}: cannot be read to begin with")

    def answer(self, seconds: float) -> Any:
        """What the process says; None where it says nothing for so long, EOFError where it has ended."""
        return self.connection.recv() if self.connection.poll(seconds) else None

    def run(self, case: int, seconds: float) -> Outcome:
        """The outcome of a case; the process is gone where it is neither right nor an exception."""
        self.connection.send(case)
        with contextlib.suppress(EOFError, ConnectionResetError):
            outcome = self.answer(seconds)
            if outcome is not None:
                return outcome
            self.stop()
            return Outcome("?", f"more than {seconds:g} s", failed=True)
        self.process.join()
        return Outcome("?", f"the process ended with code {self.process.exitcode}", failed=True)

    def stop(self) -> None:
        self.process.kill()
        self.process.join()


def main() -> int:
    arguments = parsed()
    task = Task(arguments.file, arguments.model, arguments.container, arguments.seed, arguments.memory)
    content, counts, failures = task.path.read_bytes(), Counter[tuple[str, str]](), 0
    began, decoder = time.perf_counter(), Decoder(task)
    for case in range(arguments.first, arguments.first + arguments.count):
        outcome = decoder.run(case, arguments.seconds)
        if not decoder.process.is_alive():
            decoder = Decoder(task)
        kind, changed_content = (outcome.kind, b"") if not outcome.failed else damaged(content, task.seed, case)
        counts[kind, "FAILED" if outcome.failed else outcome.what] += 1
        if outcome.failed:
            failures += 1
            kept = Path(f"fuzz-{task.seed}-{case}.narrow")
            kept.write_bytes(changed_content)
            print(f"case {case}, {kind}: {outcome.what}; kept as {kept}", flush=True)
    decoder.stop()
    seconds = time.perf_counter() - began
    print(f"{task.path}: {arguments.count:,} cases of seed {task.seed} in {seconds:.0f} s, {failures} failures")
    columns = ("refused", "partly", "whole", "FAILED")
    print(f"{'':12}" + "".join(f"{column:>10}" for column in columns))
    for kind in KINDS:
        print(f"{kind:12}" + "".join(f"{counts[kind, column]:>10,}" for column in columns))
    return 1 if failures else 0


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="a .narrow file that is whole")
    parser.add_argument("--model", type=Path, help="its model, where the file does not hold it")
    parser.add_argument("--container", action="store_true", help="read header and chunks, and decode nothing")
    parser.add_argument("--count", type=int, default=1000, help="how many cases (1000)")
    parser.add_argument("--first", type=int, default=0, help="the number of the first case (0)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--memory", type=int, default=1024, help="MiB that a decoder may take in addition (1024)")
    parser.add_argument("--seconds", type=float, default=20, help="that a case may take (20)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
