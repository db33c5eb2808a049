"""Linear predictions of context models of residuals, which training leaves as they are."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from narrows.codec.arrays import beside
from narrows.codec.entropy import tokens
from narrows.codec.entropy.plane import near_taps
from narrows.codec.learning.context_model import ContextModel
from narrows.codec.learning.sampling import on_host
from narrows.codec.transforms.quantiser import MOST

PREDICTED_FROM = 20_000  # values, to learn a linear prediction


def learn_prediction(
    model: ContextModel, indices: Sequence[Tensor], seed: int, missing: Sequence[Tensor | None] | None = None
) -> None:
    """Fit the predictions of a context model to indices (N, C, *S); subbands are not predicted.

    seed: of the values that are drawn. missing: which of the indices are not there; None where all are.
    """
    generator = torch.Generator(device=indices[0].device).manual_seed(seed)
    samples: dict[str, list[tuple[np.ndarray, ...]]] = {}
    for each, absent in zip(indices, missing or [None] * len(indices), strict=True):
        known = each.clamp(1 - MOST, MOST - 1)
        k = on_host(known if absent is None else model.filled(known, absent))
        for context in model.contexts(k):
            if model.design.is_detail(context.lattice_pass):
                continue
            values = k[context.item_index(tuple(k.shape[2:]))].reshape(-1)
            count = max(64, PREDICTED_FROM // len(indices) // 4)
            there = np.ones(len(values), bool)
            if absent is not None:
                there = ~absent[context.item_index(tuple(k.shape[2:]))].reshape(-1).cpu().numpy()
            if not there.any():
                continue
            drawn = torch.randint(int(there.sum()), (count,), generator=generator, device=each.device).cpu().numpy()
            chosen = beside(np.flatnonzero(there)[drawn], k)
            pair = (torch.as_tensor(part).double().cpu().numpy() for part in (context.windows(chosen), values[chosen]))
            samples.setdefault(context.key, []).append(tuple(pair))
    for key, pairs in samples.items():
        windows, wanted = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
        weights = linear_prediction(windows, wanted, model.design.taps(*model.keys[key]))
        model.get_buffer(f"prediction-{key}").copy_(torch.from_numpy(weights))


def linear_prediction(windows: np.ndarray, wanted: np.ndarray, taps: tuple[tuple[int, ...], ...]) -> np.ndarray:
    """Return the weights (T,) of a window that predict a value: multiples of 2**-12; its own channel's sum to 1.

    Those of each other channel sum to 0, so that adding the same to all values of a channel adds it to the prediction.
    """
    weights = np.zeros(len(taps))
    ahead = np.array([tap[0] for tap in taps])
    if not (ahead == 0).any():
        return weights
    used = np.array(near_taps(taps))
    means = {other: windows[:, used[ahead[used] == other]].mean(1) for other in np.unique(ahead[used]).tolist()}
    centred = windows[:, used] - np.stack([means[other] for other in ahead[used].tolist()], 1)
    target = wanted - means[0]
    gram = centred.T @ centred
    gram += np.eye(len(used)) * (1e-3 * np.trace(gram) / len(used) + 1e-9)
    found = np.linalg.solve(gram, centred.T @ target)
    for other in means:
        own = ahead[used] == other
        share = np.rint((found[own] + ((other == 0) - found[own].sum()) / own.sum()) * tokens.WEIGHT_UNIT)
        share[np.argmax(np.abs(share))] += tokens.WEIGHT_UNIT * (other == 0) - share.sum()
        weights[used[own]] = share / tokens.WEIGHT_UNIT
    return weights
