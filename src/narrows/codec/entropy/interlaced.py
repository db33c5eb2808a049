"""Indices of items to a bitstream and back, in the interlaced order, with the exact probabilities of a context model.

One loop serves both directions: it fills the lattice pass by pass with what the entropy coder returns, so that the
encoder sees at each moment what the decoder will see.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from narrows.codec.entropy.colour_coding import ColourCoding, ColourTables
from narrows.codec.entropy.colours import channels_of, colours_of
from narrows.codec.entropy.design import Design
from narrows.codec.entropy.exact_predictor import ExactPredictor, check_whole
from narrows.codec.entropy.lattice import LatticePass
from narrows.codec.entropy.mixture_coding import MixtureCoding, MixtureTables
from narrows.codec.entropy.pass_context import PassContext, iterate_passes
from narrows.codec.entropy.range_coder import Decoder, Encoder
from narrows.codec.entropy.ranks import decode_ranks, encode_ranks
from narrows.codec.entropy.residual_coding import ResidualCoding, ResidualTables
from narrows.codec.entropy.signal_coding import SignalCoding, SignalTables
from narrows.codec.entropy.symbol_stream import SymbolStream
from narrows.codec.entropy.value_coding import ValueCoding, ValueTables
from narrows.codec.entropy.whitening import unwhiten, whiten
from narrows.codec.parallel import working_ahead


@dataclass(frozen=True)
class EncodeRequest:
    """What to encode.

    Parameters
    ----------
    k : ndarray (n, C, *S)
        Indices, int32.
    x : ndarray (n, C, *S), optional
        The true values in steps of the grid, index 0 at 0. With a weight, the encoder may choose other indices.
    weight : float
        Squared steps that the encoder spends to save a bit.
    """

    k: np.ndarray
    x: np.ndarray | None = None
    weight: float = 0.0

    def targets(self, context: PassContext) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the indices of a pass, and its true values where other indices may be chosen, (n x count,)."""
        index = context.item_index(tuple(self.k.shape[2:]))
        x = None if self.x is None or not self.weight else self.x[index].reshape(-1)
        return self.k[index].reshape(-1), x


class InterlacedCoder:
    """Codes the indices of items of one shape with a context model.

    Parameters
    ----------
    design : Design
        The design of the context model.
    tensors : mapping of str to ndarray
        Its weights, as `ContextModel.tensors` returns them.
    device : str
        Where perceptrons are computed: "cpu", without torch, or a device of torch.

    Raises
    ------
    KeyError, ValueError
        If the weights do not fit the design, or might not allow exact arithmetic.
    """

    def __init__(self, design: Design, tensors: Mapping[str, np.ndarray], device: str = "cpu") -> None:
        check_whole(tensors)
        self.design = design
        self.tables: ValueTables | MixtureTables | ResidualTables | ColourTables | SignalTables
        if design.alphabet == "values":
            self.tables = ValueTables(design, tensors, device)
        elif design.alphabet == "mixtures":
            self.tables = MixtureTables(design, tensors, device)
        elif design.alphabet == "residuals":
            self.tables = ResidualTables(design, tensors, device)
        elif design.alphabet == "colours":
            self.tables = ColourTables(design, tensors, device)
        else:
            self.tables = SignalTables(design, tensors)

    @property
    def main(self) -> ExactPredictor | None:
        """The perceptron that predicts most values; signals have none."""
        return None if isinstance(self.tables, SignalTables) else self.tables.main

    def encode(self, encoder: Encoder, request: EncodeRequest, step: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Encode items.

        Parameters
        ----------
        encoder : Encoder
            Takes the symbols.
        request : EncodeRequest
            The items.
        step, size : int
            Row of the model's table of steps, and width of a cell.

        Returns
        -------
        ndarray (n, C, *S) and ndarray (n,)
            The indices that stand in the bitstream, int32, and the cost of each item in bits.
        """
        n, _, *shape = request.k.shape
        if isinstance(self.tables, ColourTables):
            request = EncodeRequest(colours_of(request.k))
        elif isinstance(self.tables, SignalTables):
            request = EncodeRequest(whiten(request.k, self.design.top))
        with working_ahead() as ahead:
            stream = SymbolStream(encoder, n, ahead)
            if self.design.alphabet == "mixtures":
                chosen = request.x is not None and request.weight > 0  # other indices, which may have no rank
                ranks = encode_ranks(encoder, request.k, not chosen)
                if ranks is not None:
                    self._run(stream, tuple(shape), step, size, EncodeRequest(ranks))
                    return request.k, stream.costs
            return self._run(stream, tuple(shape), step, size, request), stream.costs

    def decode(
        self, decoder: Decoder, n: int, shape: tuple[int, ...], step: int, size: int, coarsest: int = 0
    ) -> np.ndarray:
        """Return the indices (n, C, *S), int32; of every ``2**coarsest``-th value along each axis."""
        used = None
        if self.design.alphabet == "mixtures":
            used = decode_ranks(decoder, n * self.design.channels * math.prod(shape))
        with working_ahead() as ahead:
            k = self._run(SymbolStream(decoder, n, ahead), shape, step, size, coarsest=coarsest)
        return k if used is None else used[np.clip(k, 0, len(used) - 1)]

    def _run(
        self,
        stream: SymbolStream,
        shape: tuple[int, ...],
        step: int,
        size: int,
        request: EncodeRequest | None = None,
        coarsest: int = 0,
    ) -> np.ndarray:
        weight = 0.0 if request is None else request.weight
        coding: ValueCoding | MixtureCoding | ResidualCoding | ColourCoding | SignalCoding
        if isinstance(self.tables, ValueTables):
            coding = ValueCoding(self.tables, stream, step, size, weight)
        elif isinstance(self.tables, MixtureTables):
            coding = MixtureCoding(self.tables, stream, step, weight)
        elif isinstance(self.tables, ResidualTables):
            coding = ResidualCoding(self.tables, stream, step, weight)
        elif isinstance(self.tables, ColourTables):
            coding = ColourCoding(self.tables, stream)
        else:
            coding, coarsest, every = SignalCoding(self.tables, stream), 0, 2**coarsest
        colours = isinstance(coding, ColourCoding)
        known = np.zeros((stream.n, self.design.planes, *(1 for _ in shape)), np.int64 if colours else np.int32)

        def lattice_values(lattice_pass: LatticePass) -> np.ndarray:
            nonlocal known
            if not lattice_pass.is_origin:
                known = refine(known, shape, lattice_pass.level)
            return coding.features(known)

        for context in iterate_passes(self.design, shape, lattice_values, coarsest, changing=True):
            target, x = (None, None) if request is None else request.targets(context)
            k = coding.code(context, target, x)
            known[context.lattice_index] = k.reshape(known[context.lattice_index].shape)
        if colours:
            known = np.moveaxis(channels_of(known[:, 0], self.design.channels), -1, 1).astype(np.int32)
        if isinstance(coding, SignalCoding):
            known = unwhiten(known, self.design.top)[..., ::every]
        return known


def refine(known: np.ndarray, shape: tuple[int, ...], level: int) -> np.ndarray:
    """Return the known indices on the lattice of a level, zero where nothing is known."""
    sizes = [-(-size // 2**level) for size in shape]
    if list(known.shape[2:]) == sizes:
        return known
    finer = np.zeros((*known.shape[:2], *sizes), known.dtype)
    finer[(slice(None), slice(None), *(slice(None, None, 2) for _ in sizes))] = known
    return finer
