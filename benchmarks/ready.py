"""Make a ready-made model of a trained one: round its weights, measure it, and write it with its card.

    narrows train denoiser train.npy -o den.safetensors --noise gaussian:0-0.22 --no-clip --minutes 60
    python benchmarks/ready.py den.safetensors photo-denoiser-grey --held-out test.npy --data bsds --command "..."

Its figures are for the held-out photographs, which the training must not have seen. `--bits 8,7,6` only prints what
rounding to fewer bits costs.
"""

import argparse
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from model_cards import PAGE, model_cards
from narrows import data
from narrows.artifacts.model_file import ModelFile
from narrows.codec.container.mode import Mode
from narrows.data import Items
from narrows.evaluation import evaluate
from narrows.models.trained_model import model_of
from narrows.ready import FOLDER, Figure, ReadyModel, TrainingData, ready_models

BITS, FINE_BITS = 10, 16
FINE = ("ups.", "restored.")  # layers that enlarge grids: errors of their weights show as a pattern of columns and rows
COMPARED = 4  # of so many held-out photographs, one is enough to compare numbers of bits
NOISES = {
    **{f"gaussian:{sigma / 255}": f"Gaussian noise of {sigma}/255" for sigma in (25, 15, 50)},
    f"gaussian:{15 / 255}+jpeg:75": "Gaussian noise of 15/255, then JPEG of quality 75",
    f"poisson:200+correlated:{10 / 255}": "shot noise of 200 events and correlated noise of 10/255",
}
HOLES = {
    "pixels:0.5": "half of the pixels missing",
    "strokes:0.05": "strokes over 5 %",
    "blocks:0.01": "boxes over 1 %",
}
COLOURS = {1: "grey", 3: "colour"}
DATA = {
    "bsds": TrainingData("BSDS500 photographs", 332, "for research (Arbelaez et al. 2011)"),
    "bsds-halved": TrainingData("BSDS500 photographs at half size", 332, "for research (Arbelaez et al. 2011)"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="what narrows train wrote")
    parser.add_argument("name", help="of the ready-made model: ITEMS-TOOL-COLOURS")
    parser.add_argument("--held-out", required=True, help="8-bit photographs that the training has not seen")
    parser.add_argument("--data", required=True, type=lambda text: text.split(","), help=f"some of {', '.join(DATA)}")
    parser.add_argument("--command", required=True, help="the command line that trained the model")
    parser.add_argument("--bits", type=lambda text: list(map(int, text.split(","))), default=[BITS], metavar="N,...")
    given = parser.parse_args()
    trained, held_out = ModelFile.from_path(given.model), data.read(given.held_out)
    if len(given.bits) > 1:
        compare(trained, held_out, given.bits)
        return
    file = trained if trained.tool == "codec" else rounded(trained, given.bits[0])
    card = describe(file, given.name, held_out, [DATA[name] for name in given.data], given.command)
    file.write(FOLDER / f"{given.name}.safetensors")
    (FOLDER / f"{given.name}.json").write_text(json.dumps(card.to_dict(), indent=2) + "\n", encoding="utf-8")
    ready_models.cache_clear()
    PAGE.write_text(model_cards(), encoding="utf-8")
    print("\n".join([f"{given.name}: {card.size:,} bytes, within {card.within}", *map(str, card.figures)]))


def rounded(file: ModelFile, bits: int) -> ModelFile:
    """Return a model file for values of any range, whose weights are small integers times powers of two.

    The largest weight of a tensor has so many bits; in vectors and in layers that enlarge grids, which are small, more.
    """

    def bits_of(name: str, tensor: np.ndarray) -> int:
        return FINE_BITS if tensor.ndim == 1 or name.startswith(FINE) else bits

    tensors = {name: round_tensor(tensor, bits_of(name, tensor)) for name, tensor in file.tensors.items()}
    document = {name: value for name, value in file.document.items() if name not in ("format", "narrows")}
    return ModelFile.create(tensors, {**document, "any_range": True}, packed=True)


def round_tensor(tensor: np.ndarray, bits: int) -> np.ndarray:
    """Return a tensor of floats as integers of so many bits, the sign among them, times one power of two."""
    largest = float(np.abs(tensor).max())
    if tensor.dtype.kind != "f" or largest == 0:
        return tensor
    step = 2.0 ** np.ceil(np.log2(largest / (2 ** (bits - 1) - 0.5)))
    return (np.rint(tensor / step) * step + 0.0).astype(tensor.dtype)


def compare(trained: ModelFile, held_out: Items, bits: Iterable[int]) -> None:
    """Print bytes and figures of a model before and after rounding to some numbers of bits."""
    for count in (None, *bits):
        file = trained if count is None else rounded(trained, count)
        figures = measured(model_of(file), held_out.select(slice(None, None, COMPARED)))
        print(count or "as trained", f"{len(file.to_bytes()):,} bytes", *figures, sep="; ")


def describe(file: ModelFile, name: str, held_out: Items, sources: list[TrainingData], command: str) -> ReadyModel:
    """Return the card of a model, with its figures on held-out photographs."""
    model = model_of(file)
    return ReadyModel(
        name=name,
        tool=model.tool,
        what=f"{COLOURS[model.channels]} photographs{' of 8 bits' * (model.tool == 'codec')}",
        channels=model.channels,
        size=len(file.to_bytes()),
        fingerprint=file.fingerprint,
        figures=tuple(measured(model, held_out)),
        measured_on=f"{len(held_out)} held-out photographs of {'x'.join(map(str, held_out.item_shape[:2]))} pixels",
        within=coverage(model, held_out),
        data=tuple(sources),
        command=command,
        seed=model.training.seed,
    )


def measured(model: Any, held_out: Items) -> list[Figure]:
    """Return how well a model does on photographs, and its peers; a PSNR is the mean of those of the pictures."""
    return {"denoiser": denoising, "imputer": imputation, "codec": compression}[model.tool](model, held_out)


def denoising(model: Any, held_out: Items) -> list[Figure]:
    """Return figures for kinds of noise, which is not clipped but by JPEG."""
    found = []
    for noise, task in NOISES.items():
        noisy = model.add_noise(held_out, noise)
        before, after = psnr(noisy, held_out), psnr(model.denoise(noisy), held_out)
        found.append(Figure(task, "dB", after, "noisy", before))
    return found


def imputation(model: Any, held_out: Items) -> list[Figure]:
    """Return figures for hidden pixels, beside biharmonic inpainting."""
    found = []
    for holes, task in HOLES.items():
        hidden = model.hide(held_out, holes)
        smooth = replace(hidden, values=np.stack(list(map(fill_smoothly, hidden.values, hidden.mask))))
        found.append(Figure(task, "dB", psnr(model.fill(hidden), held_out), "biharmonic", psnr(smooth, held_out)))
    return found


def fill_smoothly(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return a picture whose missing pixels a biharmonic function of those around them fills."""
    from skimage.restoration import inpaint_biharmonic

    missing, channels = (mask, None) if mask.ndim == 2 else (mask[..., 0].copy(), -1)
    return np.rint(255 * inpaint_biharmonic(picture / 255, missing, channel_axis=channels)).clip(0, 255)


def compression(model: Any, held_out: Items) -> list[Figure]:
    """Return bits per pixel without loss, of a file for each picture, as of JPEG XL."""
    import imagecodecs

    each = (held_out.select([index]) for index in range(len(held_out)))
    size = sum(model.compress(item, Mode("lossless"), io.BytesIO())["total"] for item in each)
    peer = sum(len(imagecodecs.jpegxl_encode(picture, lossless=True, effort=7)) for picture in held_out)
    pixels = held_out.values.size / held_out.channels
    bits = (round(8 * count / pixels, 3) for count in (size, peer))
    return [Figure("lossless, without the model", "bits per pixel", next(bits), "JPEG XL", next(bits))]


def psnr(found: Items, clean: Items) -> float:
    """Return the mean PSNR of 8-bit pictures in dB."""
    return round(float(psnr_of_each(found.values, clean.values).mean()), 2)


def psnr_of_each(found: np.ndarray, clean: np.ndarray, where: np.ndarray | None = None) -> np.ndarray:
    """Return the PSNR (N,) of 8-bit pictures (N, Y, X) or (N, Y, X, C) in dB; `where` says which values count."""
    squares = np.square(np.clip(found, 0, 255).astype(np.float64) - clean)
    counted = np.ones(squares.shape, bool) if where is None else where
    return 10 * np.log10(255**2 / squares.mean(axis=tuple(range(1, squares.ndim)), where=counted))


def coverage(model: Any, held_out: Items) -> tuple[float, float] | None:
    """Return the shares of values within one and two predictive standard deviations."""
    options: Mapping[str, Any] = {
        "denoiser": {"noise": next(iter(NOISES))},
        "imputer": {"holes": next(iter(HOLES))},
    }
    if model.tool == "codec":
        return None
    one, two = evaluate(model, held_out, **options[model.tool]).within
    return round(one, 3), round(two, 3)


if __name__ == "__main__":
    main()
