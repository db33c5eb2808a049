"""Training that is stopped keeps what it has, and says how to go on."""

import json
import os
import pty
import shlex
import signal
import subprocess
import sys
import time

import pytest

from narrows import load

from .conftest import NARROWS, narrows, spawned


def begin(*arguments):
    """A training with a terminal for its standard error, once its progress bar shows a held-out loss."""
    terminal, end = pty.openpty()
    process = subprocess.Popen([*NARROWS, *map(str, arguments)], stdout=subprocess.PIPE, stderr=end)
    os.close(end)
    shown = b""
    while b"held out" not in shown:
        assert process.poll() is None, shown
        shown += os.read(terminal, 4096)
    return process, terminal


def rest_of(terminal):
    """What is still written to a terminal until its other end is closed, as the screen's last lines show it."""
    shown = b""
    while True:
        try:
            shown += os.read(terminal, 4096)
        except OSError:
            return shown.decode().replace("\r\n", "\n")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_training_can_go_on(number, tmp_path):
    model = tmp_path / "m.safetensors"
    train = ("train", "autoencoder", "digits", "-o", model, "--architecture", "linear", "--epochs", 400)
    process, terminal = begin(*train)
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


def test_a_checkpoint_about_to_be_lost_is_mentioned(tmp_path):
    model, checkpoint = tmp_path / "m.safetensors", tmp_path / "m.safetensors.checkpoint"
    checkpoint.write_bytes(b"of another run")
    ran = narrows("train", "autoencoder", "digits", "-o", model, "--architecture", "linear", "--epochs", 3)
    assert ran.code == 0
    assert "m.safetensors.checkpoint: left by a run that was stopped" in ran.err
