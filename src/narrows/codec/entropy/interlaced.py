"""Indices of items to a bitstream and back, in the interlaced order, with the exact probabilities of a context model.

One loop serves both directions: it fills the lattice pass by pass with what the entropy coder returns, so that the
encoder sees at each moment what the decoder will see.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np

from narrows.codec.entropy.coding import Coding, EncodeRequest, Tables
from narrows.codec.entropy.colour_coding import ColourTables
from narrows.codec.entropy.design import Design
from narrows.codec.entropy.exact_predictor import check_whole
from narrows.codec.entropy.lattice import LatticePass
from narrows.codec.entropy.mixture_coding import MixtureTables
from narrows.codec.entropy.pass_context import iterate_passes
from narrows.codec.entropy.range_coder import Decoder, Encoder
from narrows.codec.entropy.residual_coding import ResidualTables
from narrows.codec.entropy.signal_coding import SignalTables
from narrows.codec.entropy.symbol_stream import SymbolStream
from narrows.codec.entropy.value_coding import ValueTables
from narrows.codec.parallel import working_ahead

ALPHABETS: dict[str, Callable[[Design, Mapping[str, np.ndarray], str], Tables]] = {
    "values": ValueTables,
    "mixtures": MixtureTables,
    "residuals": ResidualTables,
    "colours": ColourTables,
    "signals": SignalTables,
}


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
        self.tables = ALPHABETS[design.alphabet](design, tensors, device)

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
        with working_ahead() as ahead:
            stream = SymbolStream(encoder, n, ahead)
            coding = self.tables.coding(stream, step, size, request.weight)
            coding.missing = request.missing
            return self._run(coding, tuple(shape), request), stream.costs

    def decode(
        self,
        decoder: Decoder,
        n: int,
        shape: tuple[int, ...],
        step: int,
        size: int,
        coarsest: int = 0,
        missing: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return the indices (n, C, *S), int32; of every ``2**coarsest``-th value along each axis.

        missing: as in the `EncodeRequest`.
        """
        with working_ahead() as ahead:
            coding = self.tables.coding(SymbolStream(decoder, n, ahead), step, size, 0.0)
            coding.missing = missing
            return self._run(coding, shape, coarsest=coarsest)

    def _run(
        self, coding: Coding, shape: tuple[int, ...], request: EncodeRequest | None = None, coarsest: int = 0
    ) -> np.ndarray:
        n = coding.stream.n
        known: np.ndarray = np.zeros((n, self.design.planes, *(1 for _ in shape)), coding.dtype)

        def lattice_values(lattice_pass: LatticePass) -> np.ndarray:
            nonlocal known
            if not lattice_pass.is_origin:
                known = refine(known, shape, lattice_pass.level)
            return coding.features(known)

        request = coding.begin(request, n * self.design.channels * math.prod(shape))
        last = coarsest if coding.progressive else 0
        for context in iterate_passes(self.design, shape, lattice_values, last, changing=True):
            target, x = (None, None) if request is None else request.targets(context)
            k = coding.code(context, target, x)
            known[context.lattice_index] = k.reshape(known[context.lattice_index].shape)
        k = coding.indices(known)
        return k[(slice(None), slice(None), *(slice(None, None, 2 ** (coarsest - last)) for _ in shape))]


def refine(known: np.ndarray, shape: tuple[int, ...], level: int) -> np.ndarray:
    """Return the known indices on the lattice of a level, zero where nothing is known."""
    sizes = [-(-size // 2**level) for size in shape]
    if list(known.shape[2:]) == sizes:
        return known
    finer = np.zeros((*known.shape[:2], *sizes), known.dtype)
    finer[(slice(None), slice(None), *(slice(None, None, 2) for _ in sizes))] = known
    return finer
