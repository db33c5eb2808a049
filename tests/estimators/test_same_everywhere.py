"""The same bytes and the same values whatever the machine: threads, instructions, device, company."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from .codecs import codec, items_like, training_data
from .same_everywhere import ENTRY, digests

PROGRAM = Path(__file__).with_name("same_everywhere.py")
OLDEST = {"OPENBLAS_CORETYPE": "NEHALEM", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Models, items, and files of the lossy modes that this machine made."""
    folder = tmp_path_factory.mktemp("machines")
    for kind in ("digits", "int16"):
        made = codec(kind)
        items = np.stack([*training_data(kind)[:20], *items_like(kind, "noise", 0, [training_data(kind).shape[1:]])])
        made.save(folder / f"{kind}.safetensors")
        np.save(folder / f"{kind}.npy", items)
        coder = made.model_.coder
        (folder / f"{kind}.narrow").write_bytes(made.compress(items, psnr=35))
        coded = coder.encode(coder.transform_plan(ENTRY, items.dtype), items)
        (folder / f"{kind}.latents").write_bytes(coded.payload)
    return folder


def elsewhere(folder, device="cpu", **environment):
    ran = subprocess.run(
        [sys.executable, str(PROGRAM), str(folder), device],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(ran.stdout)


@pytest.mark.parametrize("threads", ["1", "2", "3"])
@pytest.mark.parametrize("instructions", [{}, OLDEST], ids=["its own", "oldest"])
def test_threads_and_instructions_change_nothing(threads, instructions, folder):
    assert elsewhere(folder, OMP_NUM_THREADS=threads, **instructions) == digests(folder)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_changes_nothing(folder):
    assert elsewhere(folder, "cuda") == elsewhere(folder)


@pytest.mark.parametrize("kind", ["digits", "colour", "int16", "float32", "3d"])
@pytest.mark.parametrize("bound", [0, 3])
def test_company_and_order_change_nothing(kind, bound):
    """Items alone, in other company and in another order have the same values."""
    bound = bound or (0.01 if kind == "float32" else 0)
    made, items = codec(kind), training_data(kind)[:7]
    together = made.decompress(made.compress(items, max_error=bound))
    turned = made.decompress(made.compress(items[::-1], max_error=bound))[::-1]
    alone = np.concatenate([made.decompress(made.compress(item[None], max_error=bound)) for item in items])
    np.testing.assert_array_equal(turned, together)
    np.testing.assert_array_equal(alone, together)
