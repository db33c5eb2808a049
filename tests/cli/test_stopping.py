"""Training that is stopped keeps what it has, and says how to go on."""

import json
import shlex
import signal
import sys
import time

import pytest

from narrows import load

from .conftest import begin, narrows, rest_of, spawned


@pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal of POSIX")
@pytest.mark.parametrize(
    ("tool", "number"),
    [
        ("autoencoder --architecture linear --epochs 400", signal.SIGINT),
        ("autoencoder --architecture linear --epochs 400", signal.SIGTERM),
        ("codec --epochs 5", signal.SIGINT),
    ],
)
def test_a_stopped_training_can_go_on(tool, number, tmp_path):
    model = tmp_path / "m.safetensors"
    train = ("train", *tool.split(), "digits", "-o", model)
    process, terminal = begin("held out", *train)
    time.sleep(0.5)
    process.send_signal(number)
    said = rest_of(terminal)
    assert process.wait(60) == 1
    assert process.stdout.read() == b""
    (line,) = [line for line in said.splitlines() if "to go on: " in line]
    assert load(model).training_["complete"] is False

    checkpoint = f"{model}.checkpoint"
    assert b"--resume" in narrows("info", checkpoint).out
    assert json.loads(narrows("info", checkpoint, "--json").out)["state"]["step"] > 0
    if number == signal.SIGTERM:
        return
    other = narrows(*train, "--resume", "--seed", 5)
    assert other.code == 1
    assert "was begun with" in other.err
    command = shlex.split(line.partition("to go on: ")[2])
    assert command[0] == "narrows"
    ran = spawned(*command[1:])
    assert (ran.code, ran.err) == (0, "")
    assert load(model).training_["complete"] is True
    assert list(tmp_path.iterdir()) == [model]


def test_the_checkpoint_of_a_stopped_run_is_kept_unless_it_is_to_be_replaced(tmp_path):
    model, checkpoint = tmp_path / "m.safetensors", tmp_path / "m.safetensors.checkpoint"
    checkpoint.write_bytes(b"of another run")
    train = ("train", "autoencoder", "digits", "-o", model, "--architecture", "linear", "--epochs", 3)
    ran = narrows(*train)
    assert (ran.code, ran.out) == (1, b"")
    assert "m.safetensors.checkpoint: left by a run that was stopped; --resume goes on with it, --force" in ran.err
    assert checkpoint.read_bytes() == b"of another run"
    assert narrows(*train, "--force").code == 0
    assert list(tmp_path.iterdir()) == [model]
