"""What a run has computed survives full disks, signals and closed streams; what cannot be written is refused first."""

import os
import platform
import signal
import stat
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest

from narrows import Autoencoder, data, load
from narrows.artifacts import atomic
from narrows.errors import DataError, TrainingError
from narrows.training import loop, runtime

from .conftest import NARROWS, narrows, spawned

LINEAR = ("--architecture", "linear", "--code", 4)
posix = pytest.mark.skipif(sys.platform == "win32", reason="needs signals and locks of POSIX")


@pytest.fixture(scope="module")
def linear(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "m.safetensors"
    assert narrows("train", "autoencoder", "digits", "-o", path, *LINEAR, "--epochs", 2).code == 0
    return path


@pytest.fixture
def full_disk(monkeypatch):
    """Nothing can be written below a folder called full."""
    replace = os.replace

    def refuse(source, target):
        if "full" in os.fspath(target):
            raise OSError(28, "No space left on device", os.fspath(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)


def test_a_model_that_cannot_be_written_goes_elsewhere(tmp_path, full_disk, monkeypatch):
    (tmp_path / "full").mkdir()
    monkeypatch.chdir(tmp_path)
    ran = narrows("train", "autoencoder", "digits", "-o", "full/m.safetensors", *LINEAR, "--epochs", 2)
    assert ran.code == 1
    (line,) = ran.err.splitlines()
    assert "full/m.safetensors: cannot be written (No space left on device); the model is in " in line
    assert load(line.rpartition(" ")[2]).training_["complete"]


def test_a_checkpoint_that_cannot_be_written_is_a_warning(tmp_path, full_disk, monkeypatch):
    monkeypatch.setattr(loop, "FIRST_CHECKPOINT_SECONDS", 0)
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0)
    (tmp_path / "full").mkdir()
    model = Autoencoder("linear", code=2, epochs=2)
    with pytest.warns(RuntimeWarning, match=r"full.c: the checkpoint cannot be written \(No space left") as warned:
        model.fit(np.random.default_rng(0).normal(size=(600, 4)).cumsum(1), checkpoint=tmp_path / "full" / "c")
    assert len(warned) == 1
    assert model.training_["complete"]


@posix
@pytest.mark.parametrize("kill", [signal.SIGHUP, signal.SIGKILL])
def test_a_short_run_that_was_killed_can_be_resumed(kill, tmp_path):
    model, checkpoint = tmp_path / "m.safetensors", tmp_path / "m.safetensors.checkpoint"
    train = ("train", "autoencoder", "digits", "-o", model, "--minutes", 0.3)
    heeded = partial(signal.signal, signal.SIGHUP, signal.SIG_DFL)  # what runs under nohup ignores it
    process = subprocess.Popen([*NARROWS, *map(str, train)], stderr=subprocess.DEVNULL, preexec_fn=heeded)
    while not checkpoint.exists():
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(kill)
    assert process.wait(60) == (1 if kill == signal.SIGHUP else -kill)
    assert model.exists() == (kill == signal.SIGHUP)
    assert spawned(*train, "--resume").code == 0
    assert load(model).training_["complete"]


@posix
def test_an_ignored_hangup_stays_ignored(tmp_path):
    train = [*NARROWS, "train", "autoencoder", "digits", "-o", "m.safetensors", *map(str, LINEAR), "--minutes", "0.1"]
    ignoring = subprocess.Popen(
        train, cwd=tmp_path, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN), stdout=subprocess.DEVNULL
    )
    time.sleep(4)
    ignoring.send_signal(signal.SIGHUP)
    assert ignoring.wait(60) == 0


@posix
@pytest.mark.parametrize("hangups", [0, 1, 2])
def test_a_run_whose_terminal_closes_keeps_its_model(hangups, tmp_path):
    """The system sends SIGHUP and the shell another, and nothing can be written to the terminal any more."""
    model, checkpoint = tmp_path / "m.safetensors", tmp_path / "m.safetensors.checkpoint"
    command = [*NARROWS, *map(str, ("train", "autoencoder", "digits", "-o", model, *LINEAR, "--minutes", 1))]
    terminal, end = os.openpty()
    process = subprocess.Popen(
        command, stdin=end, stdout=subprocess.DEVNULL, stderr=end, start_new_session=True, preexec_fn=take_terminal
    )
    os.close(end)
    while not checkpoint.exists():
        assert process.poll() is None
        os.read(terminal, 1000)
    os.close(terminal)
    for _ in range(hangups):
        process.send_signal(signal.SIGHUP)
    assert process.wait(60) == 1
    assert load(model).training_["complete"] is False
    assert checkpoint.exists()


def take_terminal():
    """Make standard input the controlling terminal; heed SIGHUP, which what runs under nohup ignores."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def test_handlers_that_python_did_not_set_are_left_alone(monkeypatch):
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(signal, "getsignal", lambda number: None)
    with runtime.interruptible() as came:
        assert not came()
    monkeypatch.undo()
    assert signal.getsignal(signal.SIGINT) == before


@posix
def test_a_signal_may_come_while_another_is_noted():
    """As where a terminal closes: one comes from the system and one from the shell. Here one comes at every call."""
    code = (
        "import os, signal, sys\n"
        "from narrows.training.runtime import interruptible\n"
        "sent = []\n"
        "def send(frame, event, argument):\n"
        "    if event == 'call' and len(sent) < 9:\n"
        "        sent.append(1)\n"
        "        os.kill(os.getpid(), signal.SIGHUP)\n"
        "with interruptible() as came:\n"
        "    sys.setprofile(send)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    noted = came()\n"
        "    sys.setprofile(None)\n"
        "sys.exit(not noted)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


@posix
def test_a_full_log_does_not_end_training(tmp_path):
    """Nor does it together with a folder that is gone: the checkpoint fails, and so does the warning."""
    (tmp_path / "gone").mkdir()
    code = (
        "import sys; from narrows.cli import main; from narrows.training import loop\n"
        "loop.FIRST_CHECKPOINT_SECONDS = loop.CHECKPOINT_SECONDS = 0\n"
        "write = loop.Checkpoints.write\n"
        "def fail(*each):\n"
        "    import shutil; shutil.rmtree('gone', ignore_errors=True); write(*each)\n"
        "loop.Checkpoints.write = fail\n"
        "main(sys.argv[1:])"
    )
    train = ("train", "autoencoder", "digits", "-o", "gone/m.safetensors", *map(str, LINEAR), "--epochs", "2")
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", code, *train], stderr=full, cwd=tmp_path, timeout=60)
    assert done.returncode == 1
    (kept,) = tmp_path.glob("narrows-*/m.safetensors")
    assert load(kept).training_["complete"]


def test_a_checkpoint_that_is_a_folder_is_refused_before_training(tmp_path):
    with pytest.raises(TrainingError, match="is a folder; name a file in it"):
        Autoencoder("linear", code=2, epochs=2).fit(np.random.default_rng(0).normal(size=(60, 4)), checkpoint=tmp_path)


def test_empty_names_are_refused_in_python(tmp_path, monkeypatch):
    items = data.read("digits:test")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="the name of the target is empty"):
        data.write(items, "")
    with pytest.raises(DataError, match="the name of the source is empty"):
        data.read("")
    assert os.listdir(tmp_path) == []


@posix
def test_temporary_files_of_processes_that_ended_are_removed(tmp_path, monkeypatch):
    own = tmp_path / ".notes.partial"
    own.write_bytes(b"x")
    with atomic.replacing(tmp_path / "a.npy") as stale:
        stale.write_bytes(b"x")
        os.link(stale, kept := tmp_path / "kept")
    os.rename(kept, stale)
    monkeypatch.setattr(platform, "node", lambda: "another machine")
    with atomic.replacing(tmp_path / "a.npy") as foreign:
        foreign.write_bytes(b"x")
        os.link(foreign, kept)
    os.rename(kept, foreign)
    (tmp_path / "a.npy").unlink()
    monkeypatch.undo()
    writer = (
        "import sys, time; from narrows.artifacts import atomic\n"
        "with atomic.replacing(sys.argv[1]) as path: print(path, flush=True); time.sleep(60)"
    )
    living = subprocess.Popen([sys.executable, "-c", writer, str(tmp_path / "b.npy")], stdout=subprocess.PIPE)
    used = living.stdout.readline().decode().strip()
    assert not stale.exists()  # the process that began to write there removed it
    atomic.remove_stale.cache_clear()
    with atomic.replacing(tmp_path / "c.npy") as path:
        path.write_bytes(b"y")
    assert os.path.exists(used)
    living.kill()
    living.wait()
    atomic.remove_stale.cache_clear()
    with atomic.replacing(tmp_path / "c.npy") as path:
        path.write_bytes(b"y")
    assert sorted(os.listdir(tmp_path)) == sorted([".notes.partial", "c.npy", foreign.name])


@posix
def test_a_replaced_file_keeps_its_mode_and_a_link_its_target(tmp_path):
    file, link = tmp_path / "a", tmp_path / "link"
    file.write_bytes(b"old")
    file.chmod(0o640)
    link.symlink_to("a")
    with atomic.replacing(link) as path:
        path.write_bytes(b"new")
    assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode), link.is_symlink()) == (b"new", 0o640, True)


@posix
def test_a_file_system_without_modes_takes_a_file(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chmod", refuse)
    for content in (b"old", b"new"):
        with atomic.replacing(tmp_path / "a") as path:
            path.write_bytes(content)
    assert (tmp_path / "a").read_bytes() == b"new"


@posix
def test_a_link_to_standard_output_is_written_to(linear, tmp_path):
    (link := tmp_path / "z.npy").symlink_to("/dev/stdout")
    ran = spawned("encode", linear, "digits:test", "-o", link)
    assert (ran.code, ran.out[:6], link.is_symlink()) == (0, b"\x93NUMPY", True)


@posix
def test_devices_and_pipes_are_written_to_as_they_are(linear, tmp_path):
    pipe = tmp_path / "pipe.npy"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE)
    assert narrows("encode", linear, "digits:test", "-o", pipe, "--force").code == 0
    assert reader.communicate(timeout=60)[0].startswith(b"\x93NUMPY")
    assert pipe.is_fifo()


@pytest.mark.parametrize(
    "command",
    [
        ("encode", "MODEL", "digits", "-o", ""),
        ("encode", "MODEL", "digits", "--errors", ""),
        ("encode", "MODEL", "", "-o", "z.npy"),
        ("encode", "", "digits", "-o", "z.npy"),
        ("decode", "MODEL", "", "-o", "z.npy"),
        ("evaluate", "MODEL", ""),
        ("report", "MODEL", "digits", "-o", ""),
        ("train", "autoencoder", "digits", "-o", ""),
        ("train", "denoiser", "", "-o", "m.safetensors"),
        ("compress", "MODEL", "digits", "-o", "", "--lossless"),
        ("decompress", "", "-o", "z.npy"),
        ("preview", "x.narrow", "-o", ""),
        ("info", ""),
    ],
    ids=" ".join,
)
def test_empty_names_are_wrong_usage(command, linear, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = narrows(*(linear if word == "MODEL" else word for word in command))
    assert (ran.code, ran.out) == (2, b"")
    assert "is empty; name a file or a value" in ran.err
    assert os.listdir(tmp_path) == []


@posix
def test_an_output_in_a_folder_that_takes_no_files_is_refused_before_the_work(linear):
    for verb in (("encode", linear, "nothing.npy"), ("decode", linear, "nothing.npy")):
        ran = narrows(*verb, "-o", "/proc/nope/z.npy")
        assert (ran.code, ran.err.count("\n")) == (1, 1)
        assert "/proc/nope" in ran.err


@posix
@pytest.mark.parametrize(
    ("redirection", "code", "words"),
    [
        ("2>&-", 0, ""),
        (">&-", 1, "narrows: error: standard output is closed\n"),
        ("> /dev/full", 1, "narrows: error: standard output: No space left on device\n"),
        ("< /dev/null", 0, ""),
    ],
)
@pytest.mark.parametrize("verb", ["info {model}", "encode {model} digits:test -o -"])
def test_closed_and_full_streams(redirection, code, words, verb, linear):
    shell = f"{sys.executable} -m narrows {verb.format(model=linear)} {redirection}"
    done = subprocess.run(["sh", "-c", shell], capture_output=True, timeout=60)
    assert (done.returncode, done.stderr.decode()) == (code, words)


@posix
@pytest.mark.parametrize("verb", ["encode {model} -", "decode {model} -", "decompress -"])
def test_closed_standard_input(verb, linear):
    shell = f"{sys.executable} -m narrows {verb.format(model=linear)} -o - <&-"
    done = subprocess.run(["sh", "-c", shell], capture_output=True, timeout=60)
    assert (done.returncode, done.stderr.decode()) == (1, "narrows: error: standard input: is closed\n")


def test_a_training_that_fails_leaves_no_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "FIRST_CHECKPOINT_SECONDS", 0)
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0)
    noise = np.random.default_rng(0).normal(size=(200, 12))
    with pytest.raises(TrainingError, match="did not beat the mean"):
        Autoencoder("linear", code=1, epochs=3, learning_rate=1e-9).fit(noise, checkpoint=tmp_path / "c")
    assert not list(tmp_path.iterdir())


@posix
def test_a_link_that_leads_into_no_folder_is_refused_before_the_work(linear, tmp_path):
    for name, line in {
        "m.safetensors": ("train", "autoencoder", "nothing"),
        "z.npz": ("encode", linear, "nothing"),
        "r.html": ("report", linear, "nothing"),
    }.items():
        (link := tmp_path / name).symlink_to(tmp_path / "nowhere" / name)
        ran = narrows(*line, "-o", link)
        assert ran.err == f"narrows: error: {link}: there is no folder {tmp_path / 'nowhere'}; create it first\n"


@posix
def test_a_report_that_does_not_fit_is_named(linear, tmp_path):
    import resource

    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (4096, 4096))
    ran = spawned("report", linear, "digits:test", "-o", tmp_path / "r.html", preexec_fn=limit)
    assert (ran.code, ran.err) == (1, f"narrows: error: {tmp_path / 'r.html'}: File too large\n")
    assert os.listdir(tmp_path) == []


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_at_the_very_end_or_beginning_shows_no_traceback(number, tmp_path):
    console = "from narrows import cli; import os, sys, atexit; sys.argv = ['narrows', 'datasets']; "
    at_end = f"atexit.register(lambda: os.kill(os.getpid(), {int(number)})); cli.console()"
    # A shell lets what runs in its background ignore signals.
    noticed = partial(signal.signal, number, signal.SIG_DFL)
    started = partial(subprocess.run, capture_output=True, timeout=60, preexec_fn=noticed)
    done = started([sys.executable, "-c", console + at_end])
    assert (done.returncode, done.stderr) == (-number, b"")
    if number == signal.SIGINT:
        at_start = f"cli.main = lambda: os.kill(os.getpid(), {int(number)}); cli.console()"
        done = started([sys.executable, "-c", console + at_start])
        assert (done.returncode, done.stderr) == (1, b"narrows: stopped\n")


def test_warnings_that_are_errors_elsewhere_do_not_end_the_work(tmp_path):
    table = tmp_path / "x.csv"
    table.write_text("a,b\n" + "".join(f"{index * 7919 % 101},{index * 104729 % 89}\n" for index in range(60)))
    strict = {**os.environ, "PYTHONWARNINGS": "error"}
    ran = spawned("train", "imputer", table, "-o", tmp_path / "m.safetensors", "--epochs", 1, env=strict)
    assert (ran.code, (tmp_path / "m.safetensors").exists()) == (0, True), ran.err
    assert "do not predict" in ran.err


def test_what_memory_cannot_hold_is_said_so(linear, tmp_path):
    ran = narrows("train", "autoencoder", "digits", "-o", tmp_path / "m.safetensors", "--code", 10**13, "--epochs", 1)
    assert (ran.code, ran.err) == (1, "narrows: error: not enough memory\n")
