"""The training loop: repeatable, resumable, held out honestly, and never content with the mean of the data."""

import itertools
import os
import random
import signal
import subprocess
import sys
import threading
from dataclasses import asdict
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import narrows.training.loop
from narrows import Autoencoder, FormatError, TrainingError, data
from narrows.networks import Architecture, build
from narrows.objectives.reconstruction import difference
from narrows.training import Settings, TrainingTask, train
from narrows.training.batches import Batches

from ..made_up import table, waves

CPU = torch.device("cpu")

# What takes part in a resumed run: each optimiser, each memory layout, crops, a code of positions, a table.
RUNS = {
    "linear": lambda: (Autoencoder("linear", code=4, epochs=12), waves(60, 12, 12)),
    "dense": lambda: (Autoencoder("dense", code=4, epochs=12), waves(60, 9)[..., None]),
    "table": lambda: (Autoencoder(code=3, epochs=12), table(60)),
    "conv": lambda: (Autoencoder("conv", code="4x3x3", epochs=12), waves(60, 12, 12)),
    "colour": lambda: (Autoencoder("conv", code=5, upsampling="transpose", epochs=12), waves(60, 12, 12, channels=3)),
    "unpool": lambda: (Autoencoder("conv", code="4x3x3", upsampling="unpool", epochs=12), waves(60, 12, 12)),
    "signals": lambda: (Autoencoder("conv", code="2x8", axes="NT", epochs=12), waves(60, 32)),
    "crops": lambda: (
        Autoencoder("conv", code="4x3x3", epochs=6),
        [*waves(20, 12, 17), *waves(20, 9, 12, seed=1), *waves(2, 5, 5, seed=2)],
    ),
}


def weights(model):
    return {name: tensor.numpy() for name, tensor in model.network_.state_dict().items()}


def assert_equal_weights(one, other):
    one, other = weights(one), weights(other)
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def interrupt_at(step, number=signal.SIGINT):
    """A report callback that sends this process a signal after so many calls."""
    calls = 0

    def report(now):
        nonlocal calls
        calls += 1
        if calls == step:
            os.kill(os.getpid(), number)

    return report


@pytest.fixture
def report_each_step(monkeypatch):
    monkeypatch.setattr(narrows.training.loop, "REPORT_SECONDS", 0.0)


@cache
def whole_run(name):
    model, X = RUNS[name]()
    return model.fit(X)


@pytest.mark.parametrize("name", RUNS)
def test_two_runs_end_at_the_same_weights(name):
    whole = whole_run(name)
    again, X = RUNS[name]()
    assert_equal_weights(whole, again.fit(X))
    untimed = {"epoch", "loss", "held_out"}
    assert {key: whole.history_[key] for key in untimed} == {key: again.history_[key] for key in untimed}


def test_another_seed_ends_elsewhere():
    whole = whole_run("linear")
    other, X = RUNS["linear"]()
    other.set_params(random_state=1).fit(X)
    assert not np.array_equal(weights(whole)["encoder.0.weight"], weights(other)["encoder.0.weight"])


@pytest.mark.parametrize("name", RUNS)
def test_an_interrupted_run_resumes_to_the_same_weights(name, tmp_path, report_each_step):
    checkpoint = tmp_path / "run"
    whole = whole_run(name)
    steps = whole.training_["steps"]
    # Before the first validation; in the middle; before the last step.
    for begun, step in enumerate((1, steps // 2, steps - 2 - steps // 2)):
        stopped, X = RUNS[name]()
        with pytest.raises(KeyboardInterrupt):
            stopped.fit(X, checkpoint=checkpoint, resume=begun > 0, report=interrupt_at(step))
    resumed, _ = RUNS[name]()
    resumed.fit(X, checkpoint=checkpoint, resume=True)
    assert_equal_weights(whole, resumed)
    assert resumed.training_["complete"]
    assert resumed.training_["steps"] == steps
    assert resumed.history_["held_out"] == whole.history_["held_out"]
    assert resumed.history_["loss"] == whole.history_["loss"]


def test_a_run_in_its_second_attempt_resumes_to_the_same_weights(mnist, tmp_path, report_each_step):
    X = mnist[0].values[:400]
    whole, stopped, resumed = (Autoencoder("linear", code=16, epochs=6, learning_rate=1.0) for _ in range(3))
    whole.fit(X)
    assert whole.training_["attempts"] > 1
    checkpoint = tmp_path / "run"

    def report(now):
        if now.attempt and now.progress > 0.5:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        stopped.fit(X, checkpoint=checkpoint, report=report)
    resumed.fit(X, checkpoint=checkpoint, resume=True)
    assert_equal_weights(whole, resumed)
    assert resumed.training_["attempts"] == whole.training_["attempts"]


KILLED = """
import os, signal, sys
import narrows.training.loop
from narrows import Autoencoder
sys.path.insert(0, sys.argv[1])
from made_up import waves

narrows.training.loop.REPORT_SECONDS = narrows.training.loop.FIRST_CHECKPOINT_SECONDS = 0.0
narrows.training.loop.CHECKPOINT_SECONDS = 0.0
calls = 0

def report(now):
    global calls
    calls += 1
    if calls == 30:
        os.kill(os.getpid(), signal.SIGKILL)

Autoencoder("conv", code="4x3x3", epochs=12).fit(waves(60, 12, 12), checkpoint=sys.argv[2], report=report)
"""


def test_a_killed_run_resumes_to_the_same_weights(tmp_path):
    checkpoint = tmp_path / "run"
    killed = subprocess.run([sys.executable, "-c", KILLED, Path(__file__).parents[1], checkpoint], timeout=120)
    assert killed.returncode == -signal.SIGKILL
    resumed, X = RUNS["conv"]()
    resumed.fit(X, checkpoint=checkpoint, resume=True)
    assert_equal_weights(whole_run("conv"), resumed)


def test_what_an_interrupted_run_leaves(tmp_path, report_each_step):
    """A usable estimator with the best weights so far, marked as incomplete, and the handlers as they were."""
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    model, X = RUNS["linear"]()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, report=interrupt_at(40))
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert model.training_["complete"] is False
    assert model.training_["steps"] == 40
    assert model.training_["held_out_loss"] == min(model.history_["held_out"])
    assert model.reconstruct(X).shape == X.shape


def test_a_run_that_is_interrupted_with_nothing_to_show(tmp_path, report_each_step):
    """Not fitted with something worse than the mean, not blamed on the settings, and resumable."""
    checkpoint = tmp_path / "run"
    model, X = RUNS["linear"]()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, checkpoint=checkpoint, report=interrupt_at(1))
    assert not hasattr(model, "network_")
    assert checkpoint.exists()


def test_a_second_signal_ends_a_run_at_once(report_each_step):
    model, X = RUNS["linear"]()

    def report(now):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        model.fit(X, report=report)
    assert not hasattr(model, "network_")


def test_training_in_another_thread():
    """Where Python takes no signals."""
    model, X = RUNS["linear"]()
    thread = threading.Thread(target=model.fit, args=(X,))
    thread.start()
    thread.join()
    assert_equal_weights(whole_run("linear"), model)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Of a conv run that is stopped in its middle."""
    path = tmp_path_factory.mktemp("checkpoint") / "run"
    model, X = RUNS["conv"]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(narrows.training.loop, "REPORT_SECONDS", 0.0)
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, checkpoint=path, report=interrupt_at(40))
    return path


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"epochs": 13}, "epochs=12, not 13"),
        ({"epochs": None, "minutes": 1.0}, "minutes=None, not 1.0"),
        ({"batch_size": 7}, "batch_size=8, not 7"),
        ({"learning_rate": 0.5}, "learning_rate=.*, not 0.5"),
        ({"random_state": 5}, "seed=0, not 5"),
        ({"loss": "mae"}, "loss=mse, not mae"),
        ({"code": "4x6x6"}, r"code=\[4, 3, 3\], not \[4, 6, 6\]"),
        ({"code": 9}, r"code=\[4, 3, 3\], not 9"),
        ({"upsampling": "bilinear"}, "upsampling=nearest, not bilinear"),
        ({"preset": "lesson"}, "preset=default, not lesson"),
        ({"architecture": "dense", "code": 4}, "kind=conv, not dense"),
    ],
)
def test_resuming_with_other_settings_is_refused_by_name(parameters, named, checkpoint):
    model, X = RUNS["conv"]()
    with pytest.raises(TrainingError, match=named) as error:
        model.set_params(**parameters).fit(X, checkpoint=checkpoint, resume=True)
    assert str(checkpoint) in str(error.value)
    assert "\n" not in str(error.value)


def test_resuming_with_other_data_is_refused(checkpoint):
    model, X = RUNS["conv"]()
    for other, named in (
        (X[:50], "items=60, not 50"),
        (X.astype(np.int16), "dtype=uint8, not int16"),
        (X[:, :9], r"shape=\[12, 12\], not \[9, 12\]"),
        (waves(60, 12, 12, seed=1), "mean_loss="),
    ):
        with pytest.raises(TrainingError, match=named):
            model.fit(other, checkpoint=checkpoint, resume=True)


def test_resuming_from_nothing_is_refused(tmp_path):
    model, X = RUNS["conv"]()
    with pytest.raises(TrainingError, match="nowhere: there is no such checkpoint"):
        model.fit(X, checkpoint=tmp_path / "nowhere", resume=True)
    with pytest.raises(TrainingError, match="checkpoint"):
        model.fit(X, resume=True)


def test_a_checkpoint_that_cannot_be_written_is_refused_before_any_work(tmp_path):
    model, X = RUNS["conv"]()
    with pytest.raises(TrainingError, match=r"run: there is no folder .*nowhere; make it first"):
        model.fit(X, checkpoint=tmp_path / "nowhere" / "run", report=interrupt_at(1))


def test_a_damaged_checkpoint(checkpoint, tmp_path):
    content = checkpoint.read_bytes()
    rng = random.Random(0)
    damaged = tmp_path / "damaged"
    changes = [content[: rng.randrange(len(content))] for _ in range(10)]
    for position in [rng.randrange(len(content)) for _ in range(20)]:
        changes.append(content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :])
    for change in [b"", b"not a checkpoint", *changes]:
        damaged.write_bytes(change)
        model, X = RUNS["conv"]()
        with pytest.raises(FormatError) as error:
            model.fit(X, checkpoint=damaged, resume=True)
        assert str(error.value).startswith(f"{damaged}: ")
        assert "\n" not in str(error.value)


def test_a_model_is_no_checkpoint(tmp_path):
    model, X = RUNS["conv"]()
    model.fit(X).save(tmp_path / "m.safetensors")
    with pytest.raises(FormatError, match="not a checkpoint"):
        model.fit(X, checkpoint=tmp_path / "m.safetensors", resume=True)


@pytest.fixture
def clock(monkeypatch):
    """Time that goes on by a hundredth of a second whenever training looks."""
    ticks = itertools.count()
    monkeypatch.setattr(narrows.training.loop, "time", SimpleNamespace(monotonic=lambda: next(ticks) / 100))
    return ticks


def test_a_budget_in_minutes_is_kept(clock):
    model = Autoencoder("linear", code=4, minutes=0.1).fit(waves(200, 16, 16))
    seconds = model.history_["seconds"]
    assert seconds == sorted(seconds)
    assert seconds[-1] == pytest.approx(6, abs=0.03)
    assert model.training_["steps"] == pytest.approx(300, abs=5)
    assert model.training_["complete"]
    assert "epochs" not in model.training_


def test_the_budget_in_minutes_is_that_of_all_attempts(mnist, clock):
    model = Autoencoder("linear", code=16, minutes=0.2, learning_rate=1.0).fit(mnist[0].values[:500])
    assert model.training_["attempts"] > 1
    assert model.history_["seconds"][-1] == pytest.approx(12, abs=0.03)


def test_what_is_left_of_the_minutes_is_left_to_the_resumed_run(clock, tmp_path, report_each_step):
    stopped, resumed = (Autoencoder("linear", code=4, minutes=0.1) for _ in range(2))
    X = waves(200, 16, 16)
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(X, checkpoint=tmp_path / "run", report=interrupt_at(100))
    next(itertools.islice(clock, 10_000, None))  # a pause, which does not count
    resumed.fit(X, checkpoint=tmp_path / "run", resume=True)
    assert resumed.history_["seconds"][-1] == pytest.approx(6, abs=0.03)
    assert resumed.training_["steps"] == pytest.approx(300, abs=5)


def test_a_run_of_the_clock_ends(monkeypatch):
    monkeypatch.setattr("narrows.training.loop.PATIENCE", 1.0)  # only the clock ends it
    model = Autoencoder("conv", code=4, minutes=0.02).fit(waves(200, 16, 16))
    assert model.history_["seconds"][-1] >= 1.2


def test_settings_say_what_is_wrong():
    valid = {"minutes": None, "epochs": 2, "batch_size": 8, "learning_rate": 1e-3, "seed": 0}
    Settings(**valid)
    for change, message in (
        ({"epochs": None}, "budget either in minutes or in epochs"),
        ({"minutes": 1.0}, "budget either in minutes or in epochs"),
        ({"epochs": 0}, "epochs=0: expected a whole number above 0"),
        ({"epochs": 1.5}, "epochs=1.5: expected a whole number above 0"),
        ({"epochs": None, "minutes": float("inf")}, "minutes=inf: expected"),
        ({"batch_size": -1}, "batch_size=-1: expected a whole number above 0"),
        ({"learning_rate": "fast"}, "learning_rate='fast': expected a number above 0"),
        ({"seed": -1}, "random_state=-1: expected a whole number from 0 to 4294967295"),
        ({"seed": 2**70}, "random_state=1180591620717411303424: expected a whole number from 0 to"),
        ({"learning_rate": float("nan")}, "learning_rate=nan: expected"),
    ):
        with pytest.raises(ValueError, match=message):
            Settings(**{**valid, **change})


class Watched:
    """A training whose objective notes which items it sees, to learn from them and to judge by them."""

    def __init__(self, X, **settings):
        items = data.Items.from_array(X)
        self.batches = Batches(items, data.Scaling.learn(items), 8, 0, CPU)
        defaults = {"minutes": None, "epochs": 6, "batch_size": 8, "learning_rate": 1e-2, "seed": 0}
        self.settings = Settings(**defaults | settings)
        self.learned, self.judged = set(), set()
        self.architecture = Architecture("linear", 1, X.shape[1:], 32)

    def objective(self, network, x, step):
        assert network.training == torch.is_grad_enabled()
        seen = self.learned if torch.is_grad_enabled() else self.judged
        seen.update(item.numpy().tobytes() for item in x)
        return difference("mse", network(x), x)

    def train(self):
        task = TrainingTask(
            lambda seed: build(self.architecture, seed), self.objective, self.batches, self.settings, 0.05
        )
        return train(task)


@pytest.mark.parametrize("count", [20, 60, 500])
def test_held_out_items_are_never_learnt_from(count):
    X = waves(count, 8, 8)
    watched = Watched(X)
    watched.train()
    assert len(watched.learned) + len(watched.judged) == len(np.unique(X, axis=0))
    assert not watched.learned & watched.judged
    assert len(watched.judged) == max(1, count // 20)


def test_a_handful_of_items_is_judged_by_itself():
    watched = Watched(waves(7, 8, 8), epochs=60)
    watched.train()
    assert len(watched.learned) == 7
    assert watched.learned == watched.judged


def test_the_best_weights_are_those_that_come_back(monkeypatch):
    """The held-out loss rises when few items are overfitted; it also ends the run early."""
    rng = np.random.default_rng(0)
    X = (waves(40, 8, 8, dtype=np.float32) + rng.normal(0, 0.2, (40, 8, 8))).clip(0, 1)
    watched = Watched(X, epochs=300)
    trained = watched.train()
    history = trained.state.history
    assert history["epoch"][-1] < 300
    assert history["held_out"][-1] > min(history["held_out"])
    with torch.no_grad():
        losses = [
            (float(watched.objective(trained.network.eval(), x, None)), len(x)) for x in watched.batches.held_out()
        ]
    found = sum(loss * count for loss, count in losses) / sum(count for _, count in losses)
    assert found == pytest.approx(min(history["held_out"]), rel=1e-6)
    assert trained.state.best == min(history["held_out"])
    assert not trained.network.training


def test_history_and_facts():
    model = Autoencoder("linear", code=4, epochs=10, random_state=3).fit(waves(400, 6, 6))
    history, facts = model.history_, model.training_
    assert {len(values) for values in history.values()} == {len(history["epoch"])}
    assert history["epoch"][-1] == 10
    assert history["epoch"] == sorted(set(history["epoch"]))
    assert facts["items"] == 400
    assert facts["seed"] == 3
    assert facts["epochs"] == 10
    assert facts["attempts"] == 1
    assert facts["complete"] is True
    assert facts["held_out_loss"] == min(history["held_out"]) < facts["mean_loss"]
    assert facts["history"] == history
    assert facts["seconds"] == pytest.approx(history["seconds"][-1], abs=0.01)


def test_the_mean_loss_is_that_of_the_mean():
    X = waves(100, 6, 6)
    model = Autoencoder("linear", code=4, epochs=5).fit(X)
    # The mean of the 95 % that are trained on, as a prediction of the 5 % that are held out.
    assert model.training_["mean_loss"] == pytest.approx((X / 255).var(axis=0).mean(), rel=0.5)


def test_reports(report_each_step):
    reports = []
    model = Autoencoder("linear", code=4, epochs=10).fit(waves(60, 12, 12), report=reports.append)
    assert len(reports) == model.training_["steps"]
    progress = [report.progress for report in reports]
    assert progress == sorted(progress)
    assert 0 <= progress[0] < progress[-1] < 1
    assert reports[0].loss is None
    assert reports[-1].held_out == pytest.approx(model.history_["held_out"][-2])
    assert all(report.items_per_second > 0 and report.seconds_left >= 0 and report.attempt == 0 for report in reports)
    assert set(asdict(reports[0])) >= {"epoch", "loss", "held_out"}


def test_a_learning_rate_that_collapses_is_noticed_and_lowered(mnist):
    """A sigmoid and squared error on mostly black pictures: at this rate the first attempt ends all black."""
    X = mnist[0].values[:1000]
    reports = []
    model = Autoencoder("linear", code=16, epochs=5, learning_rate=1.0).fit(X, report=reports.append)
    assert model.training_["attempts"] > 1
    assert model.training_["held_out_loss"] < 0.6 * model.training_["mean_loss"]
    squared = ((model.reconstruct(X) / 255 - X / 255) ** 2).mean()
    assert squared < 0.6 * (X / 255).var(axis=0).mean()


def test_a_learning_rate_without_measure_is_refused_in_words(mnist):
    """Also where the loss is not a number at all."""
    for rate in (1e4, 1e38):
        with pytest.raises(TrainingError, match="did not beat the mean of the data") as error:
            Autoencoder("dense", code=4, epochs=2, learning_rate=rate).fit(mnist[0].values[:200])
        assert "in 3 attempt" in str(error.value)


def test_what_cannot_be_learnt_gives_no_model():
    noise = np.random.default_rng(0).integers(0, 256, (200, 8, 8), np.uint8)
    for architecture in ("linear", "conv"):
        model = Autoencoder(architecture, code=1, epochs=4)
        with pytest.raises(TrainingError, match="did not beat the mean"):
            model.fit(noise)
        assert not hasattr(model, "network_")


def test_too_short_a_budget_gives_no_model():
    with pytest.raises(TrainingError, match="larger budget"):
        Autoencoder("conv", code=4, minutes=1e-5).fit(waves(100, 16, 16))


@pytest.mark.parametrize("value", [0, 7, 255])
@pytest.mark.parametrize("architecture", ["linear", "conv"])
def test_constant_data_has_nothing_to_beat(architecture, value):
    X = np.full((40, 8, 8), value, np.uint8)
    model = Autoencoder(architecture, code=2, epochs=3).fit(X)
    assert np.abs(model.reconstruct(X).astype(int) - value).max() <= 1


def test_constant_rows():
    X = np.full((40, 5), 3.25)
    np.testing.assert_allclose(Autoencoder(code=2, epochs=3).fit(X).reconstruct(X), X, atol=0.05)
