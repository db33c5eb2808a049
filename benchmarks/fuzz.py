"""Damage files in many ways, and check that each is refused or read in bounded memory and time.

    python benchmarks/fuzz.py [--count N]                    # a sample of every form that is read: 50,000 cases
    python benchmarks/fuzz.py FILE ... [--model M.safetensors] [--count N] [--seed S] [--memory MiB] [--seconds T]
    python benchmarks/fuzz.py FILE.narrow --container        # header and checksums alone: thousands a second

Files are data of any form, models, checkpoints, codes and `.narrow` files. Case n of a seed is the same file in every
run. The kinds of damage:

    file        accidents: bits, bytes and runs are changed, lost, repeated or moved
    header      the same near the beginning and the end; of a .narrow file, in its header with a valid checksum
    inside      deliberate changes of the structure with valid checksums: values of documents, tensors, chunks of PNG,
                members of archives, entries of TIFF directories, cells of tables
    parameters, payload, model      of .narrow files, with valid checksums: the coder's parameters, a chunk, the model

Possible outcomes: "refused" in one line that names the file; "partly", some chunks are refused; "read". A failure is
any other exception, wrong values after an accident where there are checksums, too much memory, too much time, or the
end of the process; its file is kept.
"""

import argparse
import contextlib
import multiprocessing
import resource
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from fuzz_subjects import Subject, check_message, subject_of, write_samples
from narrows.errors import NarrowsError

OUTCOMES = ("refused", "partly", "read", "FAILED")
START_SECONDS = 300  # a reader may take this long to import everything and to read the whole files


@dataclass(frozen=True)
class Task:
    """What a reader is to do. memory: MiB beyond what it holds after reading every whole file once."""

    paths: list[Path]
    model: Path | None
    container: bool
    seed: int
    memory: int

    def subjects(self) -> list[Subject]:
        """Return the files."""
        return [subject_of(path, self.model, self.container) for path in self.paths]


@dataclass(frozen=True)
class Outcome:
    """What came of a case: one of `OUTCOMES`, and why if it failed."""

    kind: str
    what: str
    reason: str = ""


def read_cases(connection: Connection, task: Task) -> None:
    """Read case after case as their numbers come in, and answer with outcomes: the life of a reader's process."""
    warnings.simplefilter("ignore")
    subjects = task.subjects()
    whole = [subject.read(subject.path) for subject in subjects]
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = used + task.memory * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    connection.send("ready")
    with tempfile.TemporaryDirectory() as folder:
        while (numbers := connection.recv()) is not None:
            index, case = numbers
            connection.send(run_case(subjects[index], whole[index], task.seed, case, Path(folder)))


def run_case(subject: Subject, whole: dict[Any, Any], seed: int, case: int, folder: Path) -> Outcome:
    """Return the outcome of a case."""
    kind, content = subject.damaged(seed, case)
    path = folder / subject.path.name
    try:
        path.write_bytes(content)
        found = subject.read(path)
    except NarrowsError as error:
        try:
            check_message(error, path.name)
        except AssertionError as unclear:
            return Outcome(kind, "FAILED", str(unclear))
        return Outcome(kind, "refused")
    except BaseException as error:
        return Outcome(kind, "FAILED", f"{type(error).__name__}: {error}".splitlines()[0])
    finally:
        path.unlink()
    wrong = [part for part in found if found[part] not in (None, whole.get(part))]
    if subject.has_checksums and kind == "file" and wrong:
        return Outcome(kind, "FAILED", f"{wrong[0]} is wrong, and nothing said so")
    return Outcome(kind, "partly" if None in found.values() else "read")


class Reader:
    """A process that reads cases, so that whatever happens to it happens to nobody else."""

    def __init__(self, task: Task) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=read_cases, args=(theirs, task), daemon=True)
        self.process.start()
        theirs.close()
        if self.answer(START_SECONDS) != "ready":
            sys.exit("the whole files cannot be read to begin with")

    def answer(self, seconds: float) -> Any:
        """What the process says; None where it says nothing for so long, EOFError where it has ended."""
        return self.connection.recv() if self.connection.poll(seconds) else None

    def run(self, index: int, case: int, seconds: float) -> Outcome:
        """The outcome of a case; the process is gone where it took too long or ended."""
        self.connection.send((index, case))
        with contextlib.suppress(EOFError, ConnectionResetError):
            outcome = self.answer(seconds)
            if outcome is not None:
                return outcome
            self.stop()
            return Outcome("?", "FAILED", f"more than {seconds:g} s")
        self.process.join()
        return Outcome("?", "FAILED", f"the process ended with code {self.process.exitcode}")

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.join()


def main() -> int:
    """Run the cases, and print what came of them."""
    arguments = parsed()
    folder = Path(tempfile.mkdtemp(prefix="narrows-fuzz-"))
    paths = arguments.files or write_samples(folder)
    task = Task(paths, arguments.model, arguments.container, arguments.seed, arguments.memory)
    subjects, counts = task.subjects(), [Counter[str]() for _ in paths]
    kinds: Counter[tuple[str, str]] = Counter()
    began, reader = time.perf_counter(), Reader(task)
    for number in range(arguments.first, arguments.first + arguments.count):
        case, index = divmod(number, len(paths))
        outcome = reader.run(index, case, arguments.seconds)
        if not reader.process.is_alive():
            reader = Reader(task)
        counts[index][outcome.what] += 1
        kinds[outcome.kind, outcome.what] += 1
        if outcome.what == "FAILED":
            kind, content = subjects[index].damaged(task.seed, case)
            kept = Path(f"fuzz-{task.seed}-{case}-{paths[index].name}")
            kept.write_bytes(content)
            print(f"case {number}, {kind}: {outcome.reason}; kept as {kept}", flush=True)
    reader.stop()
    shutil.rmtree(folder)
    failures = sum(count["FAILED"] for count in counts)
    seconds = time.perf_counter() - began
    print(f"{arguments.count:,} cases of seed {task.seed} in {seconds:.0f} s, {failures} failures")
    print_table([(path.name, count) for path, count in zip(paths, counts, strict=True)])
    print_table(
        [(kind, Counter({what: kinds[kind, what] for what in OUTCOMES})) for kind in sorted({k for k, _ in kinds})]
    )
    return 1 if failures else 0


def print_table(rows: list[tuple[str, Counter[str]]]) -> None:
    """Print how often each outcome came, by row."""
    print(f"{'':32}" + "".join(f"{outcome:>10}" for outcome in OUTCOMES))
    for name, count in rows:
        print(f"{name:32}" + "".join(f"{count[outcome]:>10,}" for outcome in OUTCOMES))


def parsed() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", metavar="FILE", type=Path, help="whole files; by default one of every form")
    parser.add_argument("--model", type=Path, help="of .narrow files that do not hold theirs")
    parser.add_argument("--container", action="store_true", help="read header and chunks of .narrow files, undecoded")
    parser.add_argument("--count", type=int, default=50_000, help="how many cases (50,000)")
    parser.add_argument("--first", type=int, default=0, help="the number of the first case (0)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--memory", type=int, default=1024, help="MiB that a reader may take in addition (1024)")
    parser.add_argument("--seconds", type=float, default=20, help="that a case may take (20)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
