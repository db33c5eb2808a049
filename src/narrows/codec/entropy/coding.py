"""What an alphabet is in coding: its weights, and how it codes the passes of items; what alphabets of tokens share."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from narrows.codec.entropy import tokens
from narrows.codec.entropy.design import Design
from narrows.codec.entropy.distributions import Distributions
from narrows.codec.entropy.engines import bits_of, predictor
from narrows.codec.entropy.exact_predictor import ExactPredictor, check_whole, part
from narrows.codec.entropy.pass_context import PassContext
from narrows.codec.entropy.symbol_stream import SymbolStream, blocks

BLOCK = 2**12  # values whose tokens, and then extra bits, follow each other in the bitstream


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
    missing : bool array (n, C, *S), optional
        Indices that need not be coded, True where they are missing.
    """

    k: np.ndarray
    x: np.ndarray | None = None
    weight: float = 0.0
    missing: np.ndarray | None = None

    def targets(self, context: PassContext) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the indices of a pass, and its true values where other indices may be chosen, (n x count,)."""
        index = context.item_index(tuple(self.k.shape[2:]))
        x = None if self.x is None or not self.weight else self.x[index].reshape(-1)
        return self.k[index].reshape(-1), x


class Coding(ABC):
    """Codes n items of one shape, in either direction.

    The passes code planes: the indices themselves, unless an alphabet overrides `begin` and `indices`.

    Parameters
    ----------
    stream : SymbolStream
        The entropy coder.

    Attributes
    ----------
    dtype : dtype
        Type of the planes.
    progressive : bool
        Whether the passes of coarse levels alone give indices.
    missing : bool array (n, C, *S), optional
        Indices that an alphabet may leave out.
    """

    dtype: type = np.int32
    progressive = True
    missing: np.ndarray | None = None

    def __init__(self, stream: SymbolStream) -> None:
        self.stream = stream

    def begin(self, request: EncodeRequest | None, count: int) -> EncodeRequest | None:
        """Code what precedes the passes.

        Parameters
        ----------
        request : EncodeRequest, optional
            Indices to encode; None to decode.
        count : int
            Number of indices.

        Returns
        -------
        EncodeRequest, optional
            The planes to encode.
        """
        return request

    def features(self, known: np.ndarray) -> np.ndarray:
        """Return what windows hold for known planes."""
        return known

    @abstractmethod
    def code(self, context: PassContext, target: np.ndarray | None, x: np.ndarray | None) -> np.ndarray:
        """Code a pass -> its values (n x count,).

        Parameters
        ----------
        context : PassContext
            The pass.
        target : int array (n x count,), optional
            The values to encode; None to decode.
        x : ndarray (n x count,), optional
            The true values, where the encoder may choose other indices.
        """

    def indices(self, planes: np.ndarray) -> np.ndarray:
        """Return the indices (n, C, *S), int32, of planes."""
        return planes


class Tables(ABC):
    """The weights of an alphabet, checked against its design."""

    main: ExactPredictor  # which predicts most values; signals have none

    @abstractmethod
    def coding(self, stream: SymbolStream, step: int, size: int, weight: float) -> Coding:
        """Return what codes items.

        Parameters
        ----------
        stream : SymbolStream
            The entropy coder.
        step : int
            Row of the table of steps.
        size : int
            Width of a cell.
        weight : float
            Squared steps that the encoder spends to save a bit.
        """


class LinearTables(Tables):
    """The weights of linear predictions, and of a perceptron whose inputs and outputs are relative to these.

    ValueError where they do not fit the design.
    """

    def __init__(self, design: Design, tensors: Mapping[str, np.ndarray], device: str = "cpu") -> None:
        self.design = design
        self.main = predictor(part(tensors, "main."), design.groups(), device)
        self.main.check(design.input_sizes(), design.places, design.steps, design.outputs)
        weights = part(tensors, "prediction.")
        check_whole(weights, 16)  # so that sums are exact
        self.prediction = {key: each.astype(np.int32) for key, each in weights.items()}
        sizes = design.window_sizes()
        if [self.prediction[key].shape for key in sizes] != [(size,) for size in sizes.values()]:
            raise ValueError("predictions of other sizes than the design says")


class TokenCoding(Coding):
    """Codes values as their distances from predictions: tokens and extra bits.

    Parameters
    ----------
    stream : SymbolStream
        The entropy coder.
    weight : float
        Squared steps that the encoder spends to save a bit.

    Attributes
    ----------
    largest : int
        Magnitude that no value exceeds.
    """

    largest = 2**23

    def __init__(self, stream: SymbolStream, weight: float = 0.0) -> None:
        super().__init__(stream)
        self.weight = weight

    @abstractmethod
    def prediction(
        self, context: PassContext, target: np.ndarray | None
    ) -> Callable[[np.ndarray], tuple[np.ndarray, Distributions]]:
        """Return what maps a block of a pass to its predictions (P,), int64, and the distributions of its symbols."""

    def left_out(self, context: PassContext) -> tuple[np.ndarray, np.ndarray]:
        """Return the values of a pass (n x count,), int64, where they are not coded, and the places of the others."""
        return np.zeros(len(context.bases), np.int64), np.arange(len(context.bases))

    def symbols(self, token: np.ndarray) -> np.ndarray:
        """Return the symbols of tokens."""
        return token

    def tokens(self, symbols: np.ndarray) -> np.ndarray:
        """Return the tokens of symbols; the inverse of `symbols`."""
        return symbols

    def code(self, context: PassContext, target: np.ndarray | None, x: np.ndarray | None) -> np.ndarray:
        """Code a pass; see `Coding.code`."""
        k, places = self.left_out(context)
        predicted = self.prediction(context, target)
        for block, (nearest, given) in self.stream.ahead(predicted, blocks(places, BLOCK)):
            symbols, extra = None, None
            if target is not None:
                wanted = target[block].astype(np.int64)
                if x is not None:
                    wanted = self._optimised(wanted, x[block], nearest, given)
                token, extra, _ = tokens.split(wanted - nearest)
                symbols = self.symbols(token)
            token = self.tokens(self.stream.symbols(context, block, given, symbols))
            extra = self.stream.extra_bits(context, block, tokens.extra_bits(token), extra)
            k[block] = np.clip(nearest + tokens.join(token, extra), -self.largest, self.largest)
        return k

    def _optimised(self, target: np.ndarray, x: np.ndarray, nearest: np.ndarray, given: Distributions) -> np.ndarray:
        """Return the best of each index and its two neighbours, by squared error plus weighted bits."""
        candidates = target[:, None] + np.arange(-1, 2)
        token, _, extra = tokens.split(candidates - nearest[:, None])
        bits = bits_of(given, self.symbols(token).astype(np.int64)) + extra
        cost = (x[:, None] - candidates.astype(np.float32)) ** 2 + self.weight * bits
        return np.asarray(target + cost.argmin(1) - 1)
