"""Compare the ready-made denoisers and imputers of photographs with methods that need no training.

    python benchmarks/ready_peers.py photos/grey-test.npy photos/colour-test.npy --page --images docs/images

The photographs are those that `ready_data.py` holds out. All methods get the same noise, the same holes and one core.
PSNR is averaged over photographs, whose values are clipped to 0..255 first. One seed. `--page` puts the tables into
docs/comparison.md, in place of the former ones.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from command_line import Parser, announce, write_figures
from measuring import this_machine
from narrows import data
from narrows.artifacts import atomic
from ready import COLOURS, psnr_of_each
from ready_pictures import draw
from ready_tasks import HOLES, NOISES, OURS, Task, denoising_task, filling_task
from restoring_peers import library, spread

PAGE = Path(__file__).parents[1] / "docs" / "comparison.md"
PARTS = ("denoising", "filling")
PACKAGES = ("bm3d", "PyWavelets", "scikit-image", "opencv-python-headless")
ITEMS = {"denoising": 16, "filling": None}  # photographs that are restored unless asked otherwise; BM3D is slow
WINDOW = 9  # pixels of a side, for local standard deviations


@dataclass(frozen=True, eq=False)
class Result:
    """The PSNR of each photograph by method, over all of its values, and over hidden values alone where there are any.

    seconds: of one core, for one photograph. share: of the pixels that are hidden. texture: the local standard
    deviation of what is hidden in each photograph.
    """

    colours: str
    what: str
    psnr: dict[str, list[float]]
    hidden: dict[str, list[float]]
    seconds: dict[str, float]
    share: float = 0.0
    texture: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.psnr[OURS])


def measured(task: Task) -> Result:
    """Restore the photographs by each method."""
    clean, mask = task.clean.values, task.given.mask
    psnr, hidden, seconds = {}, {}, {}
    for name, method in task.methods.items():
        print(f"... {task.colours}, {task.what}: {name}", file=sys.stderr, flush=True)
        began = time.process_time()
        restored = method(task.given)
        seconds[name] = (time.process_time() - began) / len(clean)
        psnr[name] = psnr_of_each(restored, clean).tolist()
        if mask is not None:
            hidden[name] = psnr_of_each(restored, clean, mask).tolist()
    if mask is None:
        return Result(task.colours, task.what, psnr, hidden, seconds)
    return Result(task.colours, task.what, psnr, hidden, seconds, float(mask.mean()), tuple(texture(clean, mask)))


def texture(clean: np.ndarray, mask: np.ndarray) -> Iterator[float]:
    """Yield the local standard deviation of each photograph, averaged over what is hidden."""
    from scipy.ndimage import uniform_filter

    for picture, hidden in zip(clean.astype(float), mask, strict=True):
        sizes = (WINDOW, WINDOW, 1)[: picture.ndim]
        variance = uniform_filter(picture**2, sizes) - uniform_filter(picture, sizes) ** 2
        yield float(np.sqrt(variance.clip(0))[hidden].mean())


def table(head: tuple[str, ...], rows: list[list[str]], words: int) -> str:
    """Return a Markdown table, whose first columns hold words and the others numbers."""
    lines = [list(head), ["---"] * words + ["---:"] * (len(head) - words), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def in_columns(values: dict[str, str], best: str, methods: list[str]) -> list[str]:
    """Return the cells of a row, the best one bold."""
    return [f"**{values[name]}**" if name == best else values.get(name, "") for name in methods]


def denoising_tables(results: list[Result]) -> str:
    """Return the PSNR of denoised photographs."""
    methods = list(results[0].psnr)
    rows = []
    for result in results:
        means = {name: float(np.mean(each)) for name, each in result.psnr.items()}
        cells = {name: f"{mean:.2f}" for name, mean in means.items()}
        rows.append([result.colours, result.what, str(len(result)), *in_columns(cells, best_of(means), methods)])
    head = ("photographs", "noise", "number", *methods)
    return table(head, rows + seconds_rows(results, methods), words=2)


def filling_tables(results: list[Result]) -> str:
    """Return the PSNR of filled photographs, and how it differs between them."""
    methods = list(results[0].psnr)
    rows, differences = [], []
    for result in results:
        hidden = {name: float(np.mean(each)) for name, each in result.hidden.items()}
        cells = {name: f"{np.mean(result.psnr[name]):.2f} / {mean:.2f}" for name, mean in hidden.items()}
        what = f"{result.what}, {result.share:.1%}"
        rows.append([result.colours, what, str(len(result)), *in_columns(cells, best_of(hidden), methods)])
        peer = best_of({name: mean for name, mean in hidden.items() if name != OURS})
        gains = np.subtract(result.hidden[OURS], result.hidden[peer])
        smooth = np.array(result.texture) <= np.median(result.texture)
        halves = [f"{np.median(gains[half]):+.2f}" if half.any() else "" for half in (smooth, ~smooth)]
        won = f"{np.count_nonzero(gains > 0)} of {len(gains)}"
        differences.append([result.colours, result.what, peer, won, f"{np.median(gains):+.2f}", *halves])
    return "\n\n".join(
        (
            table(("photographs", "hidden", "number", *methods), rows + seconds_rows(results, methods), words=2),
            table(
                ("photographs", "hidden", "best peer", f"{OURS} better", "median difference", "smooth", "textured"),
                differences,
                words=3,
            ),
        )
    )


def best_of(means: dict[str, float]) -> str:
    return max(means, key=lambda name: means[name])


def seconds_rows(results: list[Result], methods: list[str]) -> list[list[str]]:
    """Return a row for each kind of photographs with the seconds for one of them, averaged over the tasks."""
    rows = []
    for colours in COLOURS.values():
        of_kind = [result.seconds for result in results if result.colours == colours]
        means = [np.mean([each[name] for each in of_kind if name in each]) for name in methods]
        cells = ["" if name == "noisy" else f"{mean:.2g} s" for name, mean in zip(methods, means, strict=True)]
        rows.append([colours, "time for one", "", *cells])
    return rows


def put_into_page(name: str, text: str) -> None:
    """Replace what stands between two comments of the page."""
    page = PAGE.read_text(encoding="utf-8")
    start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, _, rest = page.partition(start)
    with atomic.replacing(PAGE) as temporary:
        temporary.write_text(f"{before}{start}\n{text}\n\n{end}{rest.partition(end)[2]}", encoding="utf-8")


def main() -> None:
    parser = Parser(__doc__.partition("\n")[0], PARTS, quick=False)
    parser.add_argument("grey", type=data.read, help="held-out photographs, (N, Y, X) of 8 bits")
    parser.add_argument("colour", type=data.read, help="the same in colour, (N, Y, X, 3)")
    parser.add_argument("--items", metavar="N", type=int, help="how many photographs, evenly spread")
    parser.add_argument("--page", action="store_true", help="put the tables into docs/comparison.md")
    parser.add_argument("--images", metavar="FOLDER", type=Path, help="write the pictures of the page there")
    options = parser.parse()
    missing = [package for package in PACKAGES if library(package) is None]
    if missing:
        parser.error(f"{', '.join(missing)} not installed: pip install --group bench .")

    import cv2

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    machine = this_machine()
    announce(machine, quick=False)
    figures: dict[str, list[dict[str, object]]] = {}
    for part in options.only:
        tasks, cases = (denoising_task, NOISES) if part == "denoising" else (filling_task, HOLES)
        results = []
        for photographs in (options.grey, options.colour):
            number = options.items or ITEMS[part] or len(photographs)
            clean = photographs.select(spread(len(photographs), number))
            results += [measured(tasks(clean, case)) for case in cases]
        text = (denoising_tables if part == "denoising" else filling_tables)(results)
        print(f"\n{text}", flush=True)
        if options.page:
            put_into_page(part, text)
        figures[part] = [asdict(result) for result in results]
        write_figures(options.json, machine, figures)
    if options.images:
        draw((options.grey, options.colour), options.only, options.images)


if __name__ == "__main__":
    main()
