"""The alphabet "residuals" in coding: differences from a linear prediction, as tokens and extra bits."""

import numpy as np
import torch
from torch import Tensor

from narrows.codec.entropy import tokens
from narrows.codec.entropy.context_features import features_of_residuals, nearest_index
from narrows.codec.entropy.design import Design
from narrows.codec.entropy.integer_network import ExactPredictor, part
from narrows.codec.entropy.pass_context import PassContext
from narrows.codec.entropy.symbol_stream import SymbolStream, bits_of, blocks, frequencies_of
from narrows.codec.entropy.value_coding import BLOCK

LARGEST_INDEX = 2**23  # either way


class ResidualTables:
    """The weights of a context model of residuals, checked against its design; ValueError where they do not fit."""

    def __init__(self, design: Design, tensors: dict[str, np.ndarray], device: torch.device) -> None:
        self.design, self.device = design, device
        inputs = design.window_sizes()
        self.main = ExactPredictor(part(tensors, "main."), design.groups(), device)
        self.main.check(design.input_sizes(), design.places, design.steps, design.outputs)
        self.decay = torch.from_numpy(tokens.decay()).to(device)
        self.prediction = {
            key: torch.from_numpy(weights.astype(np.float64)).to(device)
            for key, weights in part(tensors, "prediction.").items()
        }
        if [self.prediction[key].shape for key in inputs] != [(size,) for size in inputs.values()]:
            raise ValueError("predictions of other sizes than the design says")


class ResidualCoding:
    """Codes the residuals of n items.

    Parameters
    ----------
    tables : ResidualTables
        The weights.
    stream : SymbolStream
        The entropy coder.
    step : int
        Row of the table of steps.
    weight : float
        Squared steps that the encoder spends to save a bit.
    """

    def __init__(self, tables: ResidualTables, stream: SymbolStream, step: int, weight: float) -> None:
        self.tables, self.stream, self.step, self.weight = tables, stream, step, weight

    def features(self, known: Tensor) -> Tensor:
        """Return what windows hold for known indices."""
        return known

    def code(self, context: PassContext, target: Tensor | None, x: Tensor | None) -> Tensor:
        """Code a pass -> its indices (n x count,); parameters are those of `ValueCoding.code`."""
        device, top = self.stream.device, self.tables.design.top
        k = torch.zeros(len(context.bases), dtype=torch.int64, device=device)
        for block in blocks(torch.arange(len(context.bases), device=device), BLOCK):
            windows = context.windows(block).double()
            predicted = windows @ self.tables.prediction[context.key] / tokens.WEIGHT_UNIT
            features = features_of_residuals(windows, predicted, top).float()
            _, place = context.split(block)
            logits = self.tables.main(context.key, features, place, self.step)
            frequencies = frequencies_of(logits, self.tables.decay)
            nearest = nearest_index(predicted, top).long()
            token, extra = None, None
            if target is not None:
                wanted = target[block].long()
                if x is not None:
                    wanted = self.optimise(wanted, x[block], nearest, frequencies)
                token, extra, _ = tokens.split((wanted - nearest).cpu().numpy())
            symbols = None if token is None else torch.from_numpy(token).to(device)
            token = self.stream.symbols(context, block, frequencies, symbols).cpu().numpy()
            extra = self.stream.extra_bits(context, block, tokens.extra_bits(token), extra)
            difference = torch.from_numpy(tokens.join(token, extra)).to(device)
            k[block] = (nearest + difference).clamp(-LARGEST_INDEX, LARGEST_INDEX)
        return k

    def optimise(self, target: Tensor, x: Tensor, nearest: Tensor, frequencies: Tensor) -> Tensor:
        """Return the best of each index and its two neighbours, by squared error plus weighted bits."""
        bits, costs = bits_of(frequencies), []
        for candidate in (target - 1, target, target + 1):
            token, _, extra = tokens.split((candidate - nearest).cpu().numpy())
            cost = bits.gather(1, torch.from_numpy(token).long().to(target.device)[:, None])[:, 0]
            cost = cost + torch.from_numpy(extra).to(target.device)
            costs.append((x - candidate) ** 2 + self.weight * cost)
        return target + torch.argmin(torch.stack(costs), 0) - 1
