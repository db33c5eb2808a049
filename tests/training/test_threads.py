"""How many threads a training uses."""

import os

import numpy as np
import pytest
import torch

from narrows import Autoencoder, Denoiser, FormatError, ParameterError, data
from narrows.artifacts.checkpoint import read_checkpoint, write_checkpoint
from narrows.cli import waiting
from narrows.plans import denoiser_plan
from narrows.training import loop, threads
from narrows.training.threads import ThreadChoice, chosen_threads, timed

X = np.random.default_rng(0).normal(size=(600, 4)).cumsum(axis=1)


class Machine:
    """Steps that take a time which depends on the number of threads."""

    def __init__(self, monkeypatch, seconds):
        self.now, self.seconds, self.number, self.used = 0.0, seconds, max(seconds), []
        self.others = 0  # threads of other programs that run
        monkeypatch.setattr(threads, "running_threads", lambda own: self.others)
        monkeypatch.setattr(threads.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(torch, "set_num_threads", lambda number: setattr(self, "number", number))

    def run(self, choice, steps):
        for _ in range(steps):
            self.used.append(self.number)
            self.now += self.seconds[self.number]
            choice.step(self.seconds[self.number])


@pytest.mark.parametrize(
    ("seconds", "best"), [({1: 0.02, 2: 0.012}, 2), ({1: 0.02, 2: 0.5}, 1), ({1: 0.03, 2: 0.02, 4: 0.04}, 2)]
)
def test_the_fastest_number_is_used_at_hardly_any_cost(seconds, best, monkeypatch):
    machine = Machine(monkeypatch, seconds)
    choice = ThreadChoice(sorted(seconds))
    machine.run(choice, 20_000)
    assert choice.number == best
    assert machine.now < 1.02 * 20_000 * seconds[best]


def test_another_program_that_begins_is_noticed(monkeypatch):
    machine = Machine(monkeypatch, {1: 0.02, 2: 0.012})
    choice = ThreadChoice([1, 2])
    machine.run(choice, 2_000)
    machine.seconds = {1: 0.03, 2: 0.6}
    machine.run(choice, 60)
    assert choice.number == 1
    machine.seconds = {1: 0.02, 2: 0.012}
    machine.run(choice, 3_000)
    assert choice.number == 2


def test_threads_that_would_wait_are_not_tried(monkeypatch):
    machine = Machine(monkeypatch, {1: 0.02, 2: 0.01, 4: 0.5})
    machine.others = 2
    choice = ThreadChoice([1, 2, 4])
    assert choice.number == 2
    machine.run(choice, 1_000)
    assert (choice.number, 4 in machine.used[1:]) == (2, False)


def test_a_moment_of_another_program_is_soon_over(monkeypatch):
    machine = Machine(monkeypatch, {1: 0.02, 2: 0.012})
    machine.others = 1
    choice = ThreadChoice([1, 2])
    machine.run(choice, 10)
    assert choice.number == 1
    machine.others = 0
    machine.run(choice, 60)
    assert choice.number == 2


def test_steps_of_different_work_do_not_mislead(monkeypatch):
    machine, random = Machine(monkeypatch, {1: 0.018, 2: 0.014}), np.random.default_rng(0)
    choice = ThreadChoice([1, 2])
    for work in random.choice([0.3, 1.0, 2.5], 20_000):
        machine.used.append(machine.number)
        machine.now += work * machine.seconds[machine.number]
        choice.step(work * machine.seconds[machine.number])
    assert machine.used.count(2) > 0.8 * len(machine.used)


@pytest.mark.parametrize(("seconds", "best"), [({1: 0.5, 2: 0.3, 4: 0.2}, 4), ({1: 0.1, 2: 0.2, 4: 0.3}, 1)])
def test_long_inference_is_timed(seconds, best, monkeypatch):
    machine = Machine(monkeypatch, seconds)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    for _ in timed([(None, 1.0)] * 2_000, torch.device("cpu")):
        machine.used.append(machine.number)
        machine.now += seconds[machine.number]
    assert machine.used[0] == 4  # without a trial, until the time has come
    assert set(machine.used[150:1_000]) <= {1, 2, 4}
    assert machine.used[-500:].count(best) > 490
    assert machine.now < 1.02 * (2_000 * seconds[best] + 100 * (seconds[4] - seconds[best]))
    assert machine.number == 4  # as before


def test_inference_follows_the_load(monkeypatch):
    machine = Machine(monkeypatch, {1: 0.2, 2: 0.1, 4: 0.05})
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    for _ in timed(((None, 1.0) for _ in range(40)), torch.device("cpu")):
        machine.used.append(machine.number)
        machine.now += machine.seconds[machine.number]
        machine.others = {10: 2, 20: 4, 30: 0}.get(len(machine.used), machine.others)
    assert (machine.used[5], machine.used[15], machine.used[25], machine.used[35]) == (4, 2, 1, 4)


def test_the_callers_number_comes_back():
    before = torch.get_num_threads()
    with chosen_threads(3, measured=False) as choice:
        assert (torch.get_num_threads(), choice.number) == (3, 3)
    assert torch.get_num_threads() == before
    Autoencoder("linear", code=2, epochs=3, threads=2).fit(X)
    assert torch.get_num_threads() == before


def test_the_callers_number_comes_back_after_blocks_that_overlap():
    before = torch.get_num_threads()
    one, other = chosen_threads(3, measured=False), chosen_threads(None, measured=False)
    one.__enter__()
    assert other.__enter__().number == before
    one.__exit__(None, None, None)
    other.__exit__(None, None, None)
    assert torch.get_num_threads() == before


def test_the_result_is_calibrated_with_as_many(monkeypatch):
    used = []

    def noting(*arguments):
        used.append(torch.get_num_threads())
        return calibrate(*arguments)

    calibrate = denoiser_plan.calibrate
    monkeypatch.setattr(denoiser_plan, "calibrate", noting)
    digits = data.read("digits").select(slice(400))
    Denoiser("gaussian:0.5", learning_rate=4e-3, epochs=7, threads=3).fit(digits)
    assert used == [3]


def test_a_run_is_resumed_with_as_many(tmp_path, monkeypatch):
    checkpoint = tmp_path / "run"
    whole = Autoencoder("linear", code=2, epochs=40, threads=2).fit(X)
    stopped_run(checkpoint, monkeypatch, 2)
    assert read_checkpoint(checkpoint, torch.device("cpu"))[1]["state"]["threads"] == 2
    resumed = Autoencoder("linear", code=2, epochs=40).fit(X, checkpoint=checkpoint, resume=True)
    np.testing.assert_array_equal(resumed.transform(X), whole.transform(X))


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "2", True, 1_000_000, 2**40])
def test_numbers_that_cannot_be(wrong):
    with pytest.raises(ParameterError, match="threads"):
        Autoencoder(epochs=1, threads=wrong).fit(X)


def stop_half_way(progress):
    if progress.progress > 0.5:
        raise KeyboardInterrupt


def stopped_run(checkpoint, monkeypatch, threads):
    """Leave the checkpoint of a run that was stopped half way."""
    for name in ("FIRST_CHECKPOINT_SECONDS", "CHECKPOINT_SECONDS", "REPORT_SECONDS"):
        monkeypatch.setattr(loop, name, 0)
    with pytest.raises(KeyboardInterrupt):
        Autoencoder("linear", code=2, epochs=40, threads=threads).fit(X, checkpoint=checkpoint, report=stop_half_way)


def test_integers_of_numpy_are_kept_in_checkpoints(tmp_path, monkeypatch):
    stopped_run(tmp_path / "run", monkeypatch, np.int64(2))
    assert read_checkpoint(tmp_path / "run", torch.device("cpu"))[1]["state"]["threads"] == 2


@pytest.mark.parametrize("wrong", [0, -1, 1_000_000, 2**40])
def test_checkpoints_with_numbers_that_cannot_be(wrong, tmp_path, monkeypatch):
    checkpoint = tmp_path / "run"
    stopped_run(checkpoint, monkeypatch, None)
    tensors, document = read_checkpoint(checkpoint, torch.device("cpu"))
    document["state"]["threads"] = wrong
    write_checkpoint(checkpoint, tensors, document)
    with pytest.raises(FormatError, match="threads"):
        Autoencoder("linear", code=2, epochs=40).fit(X, checkpoint=checkpoint, resume=True)


@pytest.mark.parametrize(
    ("others", "given", "expected"),
    [
        (0, {}, None),
        (8, {}, "PASSIVE"),
        (8, {"GOMP_SPINCOUNT": "9"}, None),
        (8, {"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE"),
    ],
)
def test_how_threads_wait_follows_from_the_load(others, given, expected, monkeypatch):
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(waiting, "running_threads", lambda: others)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    waiting.wait_passively_if_busy()
    assert os.environ.get("OMP_WAIT_POLICY") == expected
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
