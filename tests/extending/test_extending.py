"""Extensions defined outside the package, found by their entry points and used from the command line.

docs/extending.md shows the files beside this one.
"""

import json

import numpy as np
import pytest

from narrows import data


@pytest.fixture
def stars(tmp_path):
    """A file of five images in the example format."""
    digits = data.read("digits:test").select(slice(5))
    (tmp_path / "digits.star").write_bytes(b"STARFIELD 5 8 8\n" + digits.values.tobytes())
    return "digits.star"


def test_a_format_is_read_and_written(narrows, model, stars, tmp_path):
    narrows(f"encode {model} {stars} -o codes.npy")
    narrows(f"decode {model} codes.npy -o decoded.star")
    assert len(np.load(tmp_path / "codes.npy")) == 5
    assert (tmp_path / "decoded.star").read_bytes().startswith(b"STARFIELD 5 8 8\n")


def test_errors_of_a_format_are_one_line(narrows, model, tmp_path):
    (tmp_path / "cut.star").write_bytes(b"STARFIELD 2 8 8\n1234")
    said = narrows(f"encode {model} cut.star -o codes.npy", fails=True)
    assert "cut.star: not a complete starfield file" in said
    assert said.count("\n") == 1


def test_plugins_are_found_from_python_too(narrows, stars):
    program = "import sys; from narrows import data; print(len(data.read(sys.argv[1])))"
    assert narrows(stars, program=program) == "5\n"


def test_a_peer_is_compared_with(narrows, model):
    found = json.loads(narrows(f"evaluate {model} digits:test --json"))
    assert 0 < found["nmf"]["mse"] < 1
    assert found["nmf"]["components"] == found["pca"]["components"]


def test_a_noise_is_removed(narrows):
    narrows("train denoiser digits -o den.safetensors --noise stripes:0.2 --epochs 20")
    found = json.loads(narrows("evaluate den.safetensors digits:test --noise stripes:0.2 --json"))
    assert found["mse"] < 0.5 * found["before"]["mse"]


def test_a_mask_is_filled(narrows):
    narrows("train imputer digits -o fill.safetensors --holes border:0.3+pixels:0.1 --epochs 20")
    found = json.loads(narrows("evaluate fill.safetensors digits:test --holes border:0.3 --json"))
    assert found["mse"] < found["mean"]["mse"]


def test_an_upsampling_kind_is_trained(narrows):
    narrows("train autoencoder digits -o ae.safetensors --upsampling smooth --code 4x2x2 --epochs 10")
    assert "upsampling smooth" in narrows("info ae.safetensors")
    assert "smooth" in narrows("train autoencoder digits -o x.safetensors --upsampling none", fails=True)


def test_a_tool_is_trained_and_used(narrows, tmp_path):
    narrows("train atlas digits -o atlas.safetensors --epochs 20")
    narrows("locate atlas.safetensors digits:test -o places.npy")
    places = np.load(tmp_path / "places.npy")
    assert places.shape == (898, 2)
    assert places.std(0).min() > 0.05
    assert "tool" in narrows("info atlas.safetensors")
    assert json.loads(narrows("evaluate atlas.safetensors digits:test --json"))["code"] == 2
    assert "needs an autoencoder" in narrows("encode atlas.safetensors digits -o codes.npy", fails=True)


def test_a_model_of_a_tool_is_loaded(narrows):
    narrows("train atlas digits -o atlas.safetensors --epochs 20")
    program = "import sys, narrows; print(type(narrows.load(sys.argv[1])).__name__)"
    assert narrows("atlas.safetensors", program=program) == "Atlas\n"


def test_a_tool_with_its_own_network_is_trained_and_used(narrows, tmp_path):
    narrows("train anomaly digits -o anomaly.safetensors --epochs 30")
    narrows("score anomaly.safetensors digits:test -o errors.npy")
    errors = np.load(tmp_path / "errors.npy")
    noise = np.random.default_rng(0).integers(0, 17, (50, 8, 8)).astype(np.uint8)
    np.save(tmp_path / "noise.npy", noise)
    narrows("score anomaly.safetensors noise.npy -o noisy.npy")
    assert np.load(tmp_path / "noisy.npy").mean() > 3 * errors.mean()
    assert "threshold" in narrows("info anomaly.safetensors")
    assert 0 < json.loads(narrows("evaluate anomaly.safetensors digits:test --json"))["anomalies"] < 0.3
    narrows("report anomaly.safetensors digits:test -o report.html")
    assert "Anomalies" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "--quantile 7.0: expected a number from 0 to 1" in narrows(
        "train anomaly digits -o x.safetensors --quantile 7", fails=True
    )


def test_a_tab_of_a_tool_is_shown(narrows):
    narrows("train anomaly digits -o anomaly.safetensors --epochs 30")
    program = (
        "import sys; from narrows import data; from narrows.models import load_model;"
        "from narrows.viewer.app import build_page; from narrows.viewer.session import Session;"
        "items = data.read('digits'); model = load_model(sys.argv[1]);"
        "session = Session({'anomaly': model}, 9, items.select, 'digits');"
        "print('Anomaly' in str(build_page(session).config))"
    )
    assert narrows("anomaly.safetensors", program=program) == "True\n"


def test_an_architecture_is_trained(narrows):
    narrows("train autoencoder digits -o ae.safetensors --architecture deep --code 8 --epochs 10")
    assert "deep" in narrows("info ae.safetensors")
    assert json.loads(narrows("evaluate ae.safetensors digits:test --json"))["code"] == 8
