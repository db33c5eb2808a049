"""How many threads a computation uses, which is measured: other programs on the machine turn the order round.

Threads of OpenMP wait for each other actively. Where one has no core to itself the others wait for it, so that two
threads beside a busy program can be fifty times slower than one.
"""

import math
import statistics
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from narrows.processor_load import running_threads

Part = TypeVar("Part")
_lock = threading.Lock()
_open, _usual = 0, 1  # blocks of `chosen_threads`, and torch's number outside them: blocks of Python threads overlap
FEWEST_STEPS, MOST_STEPS, TRIAL_SECONDS = 4, 8, 0.1  # of the trial of one number of threads: steps differ in their work
HOPELESS = 1.5  # times the best step so far, a number of threads is given up after
HOPELESS_FIRST, START_SECONDS = 3.0, 0.05  # the same of the first step, which starts the threads in so many seconds
FIRST_PAUSE, PAUSES, FEWEST_PAUSES = 2.0, 100, 10  # seconds between trials, and as multiples of what the last one took
NEXT_LOOK = 0.25  # seconds to the next trial where all numbers but one would have had to wait for others' threads
DOUBTS = 3  # standard errors of a trial's mean, that a step may differ by besides
CHANGED = 1.3  # times slower or faster than in the trial, a step makes another trial come sooner
LOOK_SECONDS = 0.1  # between looks at the load during inference
SMALLEST_STEP = 0.1  # of what an inference computes at once, that is timed


class ThreadChoice:
    """Chooses the number of threads of a loop on the CPU by the time of its steps.

    Parameters
    ----------
    candidates : list of int
        The numbers to choose from, in ascending order.

    Examples
    --------
    >>> choice = ThreadChoice([1])
    >>> choice.step(0.5)
    >>> choice.number
    1
    """

    def __init__(self, candidates: list[int]) -> None:
        self.candidates = candidates
        self.number = self._without_waiting(1)[-1]
        self._seconds = dict.fromkeys(candidates, float("inf"))  # of a step, in the last trial
        self._errors = dict.fromkeys(candidates, 0.0)  # of these means
        self._queue: list[int] = []
        self._steps: list[float] = []
        self._recent = 0.0
        self._began = self._next_trial = self._earliest = self._looked = time.monotonic()

    def step(self, seconds: float) -> None:
        """Take the time of the last step into account, and set the number of threads of the next."""
        if len(self.candidates) < 2:
            return
        if self._queue:
            self._try(seconds)
            return
        self._recent += 0.2 * (seconds - self._recent)
        now, expected = time.monotonic(), self._seconds[self.number]
        usual = DOUBTS * self._errors[self.number]
        changed = not expected / CHANGED - usual < self._recent < expected * CHANGED + usual
        best = min(self._seconds, key=self._seconds.__getitem__)
        slow = self._recent > CHANGED * self._seconds[best] + DOUBTS * self._errors[best]
        if changed and slow and best != self.number:
            self._seconds[self.number] = self._recent
            self._use(best)
            return
        if now >= self._next_trial or (changed and now >= self._earliest):
            self._queue, self._steps, self._began = self._without_waiting(self.number), [], now
            self._seconds = dict.fromkeys(self.candidates, float("inf"))
            torch.set_num_threads(self._queue[0])

    def follow_load(self) -> None:
        """Go on with the fastest number that has cores to itself now, for steps that are long beside a look at it."""
        now = time.monotonic()
        if self._queue or now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        number = min(reversed(self._without_waiting(self.number)), key=self._seconds.__getitem__)
        if number != self.number:
            self._use(number)

    def wait_for_first_trial(self, seconds: float) -> None:
        """Let the first trial wait until its cost is small beside what was done before.

        Parameters
        ----------
        seconds : float
            That a step takes.
        """
        self._next_trial = self._earliest = self._began + max(FIRST_PAUSE, PAUSES * seconds)

    def _without_waiting(self, own: int) -> list[int]:
        """Return the candidates that have cores to themselves beside what others run, and the fewest in any case.

        own: how many threads of this process may be running.
        """
        if len(self.candidates) < 2:
            return self.candidates
        free = self.candidates[-1] - running_threads(own)
        return [number for number in self.candidates if number <= free] or self.candidates[:1]

    def _try(self, seconds: float) -> None:
        """Add a step to the trial of a number of threads; end it when enough is known."""
        self._steps.append(seconds)
        best, (first, *steps) = min(self._seconds.values()), self._steps
        hopeless = min(steps) > HOPELESS * best if steps else first > HOPELESS_FIRST * best + START_SECONDS
        enough = len(steps) >= MOST_STEPS or (len(steps) >= FEWEST_STEPS and sum(steps) >= TRIAL_SECONDS)
        if not hopeless and not enough:
            return
        number = self._queue.pop(0)
        self._seconds[number] = sum(steps) / len(steps) if steps else first
        self._errors[number] = statistics.stdev(steps) / math.sqrt(len(steps)) if len(steps) > 1 else 0.0
        self._steps = []
        if self._queue:
            torch.set_num_threads(self._queue[0])
            return
        self._use(self._fastest())
        now = time.monotonic()
        took = now - self._began
        if sum(map(math.isfinite, self._seconds.values())) == 1:  # perhaps for a moment's work of another program
            self._next_trial = self._earliest = now + NEXT_LOOK
            return
        self._next_trial = now + max(FIRST_PAUSE, PAUSES * took)
        self._earliest = now + max(FIRST_PAUSE, FEWEST_PAUSES * took)

    def _fastest(self) -> int:
        """Return the fastest number of the last trial, or the largest one where steps differ too much to tell."""
        tried = [number for number in self.candidates if math.isfinite(self._seconds[number])]
        best, largest = min(tried, key=self._seconds.__getitem__), tried[-1]
        slower = self._seconds[largest] - self._seconds[best]
        return best if slower > math.hypot(self._errors[best], self._errors[largest]) else largest

    def _use(self, number: int) -> None:
        """Go on with a number of threads."""
        self.number = number
        if math.isfinite(self._seconds[number]):
            self._recent = self._seconds[number]
        torch.set_num_threads(number)


@contextmanager
def chosen_threads(threads: int | None, measured: bool) -> Iterator[ThreadChoice]:
    """Choose the number of threads within the block; afterwards it is what it was.

    Parameters
    ----------
    threads : int or None
        The number; None for that of torch.
    measured : bool
        Whether to measure which is best, up to that of torch, where `threads` is None.
    """
    global _open, _usual
    before = torch.get_num_threads()
    with _lock:
        _usual = before if _open == 0 else _usual
        _open += 1
        most = threads or _usual
    numbers = {1, most // 2, most} - {0} if measured and threads is None else {most}
    choice = ThreadChoice(sorted(numbers))
    torch.set_num_threads(choice.number)
    try:
        yield choice
    finally:
        with _lock:
            _open -= 1
            torch.set_num_threads(before if _open else _usual)


def timed(parts: Iterable[tuple[Part, float]], device: torch.device) -> Iterator[Part]:
    """Yield the parts of an inference, each with the number of threads that is best then.

    The load is looked at now and then; an inference of many parts is timed as a training is.

    Parameters
    ----------
    parts : iterable of (part, float)
        What the caller computes one by one, and how much that is: 1 for as much as is computed at once.
    device : torch.device
        Where the inference runs.
    """
    seconds, done, first = 0.0, 0.0, True
    with chosen_threads(None, measured=device.type == "cpu") as choice:
        for part, work in parts:
            choice.follow_load()
            began = time.monotonic()
            yield part
            seconds, done = seconds + time.monotonic() - began, done + work
            if done < SMALLEST_STEP:
                continue
            if first:
                choice.wait_for_first_trial(seconds)
            choice.step(seconds / done)
            seconds, done, first = 0.0, 0.0, False
