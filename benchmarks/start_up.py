"""Measure how long each verb takes for one small item, beside the import of torch alone.

    python benchmarks/start_up.py [--runs N] [--json FILE]

Whole processes are timed, the verbs in turn with their peers, and the fastest of several runs counts. Verbs that need
torch should take at most 1.3 times as long as ``python -c "import torch"``; the others 0.3 s.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from command_line import Parser, write_figures
from measuring import this_machine
from narrows import Autoencoder, Codec, Denoiser, Imputer, data

TORCH = [sys.executable, "-c", "import torch"]
TIMES_TORCH, SECONDS = 1.3, 0.3
WITH_TORCH = {
    "encode": "encode ae.safetensors item.png -o codes.npy --force",
    "decode": "decode ae.safetensors codes.npy -o item.npy --force",
    "denoise": "denoise den.safetensors item.png -o clean.png --force",
    "fill": "fill imp.safetensors item.png --missing 0 -o filled.png --force",
    "compress": "compress codec.safetensors item.png -o item.narrow --lossless --force",
    "decompress": "decompress item.narrow -m codec.safetensors -o item.png --force",
}
WITHOUT_TORCH = {
    "info": "info ae.safetensors",
    "info of a .narrow": "info item.narrow",
    "datasets": "datasets",
    "--help": "--help",
    "train --help": "train autoencoder --help",
}


def main() -> None:
    parser = Parser(__doc__.partition("\n")[0], quick=False)
    parser.add_argument("--runs", type=int, default=7, help="of each verb")
    options = parser.parse()
    machine, figures = this_machine(), []
    print(machine)
    with tempfile.TemporaryDirectory() as folder:
        make_models(Path(folder))
        print("\n| command | seconds | import torch | ratio | verdict |\n|---|---|---|---|---|")
        for name, line in {**WITH_TORCH, **WITHOUT_TORCH}.items():
            command = [sys.executable, "-m", "narrows", "--quiet", *line.split()]
            times = [(seconds(command, folder), seconds(TORCH, folder)) for _ in range(options.runs)]
            own, peer = (min(each) for each in zip(*times, strict=True))
            met = own <= (TIMES_TORCH * peer if name in WITH_TORCH else SECONDS)
            print(f"| {name} | {own:.2f} | {peer:.2f} | {own / peer:.2f} | {'met' if met else 'missed'} |", flush=True)
            figures.append({"command": name, "seconds": own, "import_torch": peer})
    write_figures(options.json, machine, {"figures": figures})


def make_models(folder: Path) -> None:
    """Train a small model of each tool, and write an item."""
    digits = data.read("digits").select(slice(300))
    Autoencoder("linear", code=8, epochs=40).fit(digits).save(folder / "ae.safetensors")
    Denoiser(noise="gaussian:0.5", epochs=40).fit(digits).save(folder / "den.safetensors")
    Imputer(epochs=40).fit(digits).save(folder / "imp.safetensors")
    Codec(epochs=1).fit(digits).save(folder / "codec.safetensors")
    Image.fromarray(np.asarray(digits[0])).save(folder / "item.png")


def seconds(command: list[str], folder: str) -> float:
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
