"""Masks of what is hidden from a network in training: their registry, and the union of several kinds."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Generator, Tensor

from narrows.corruption.mask_kinds import sample_blocks, sample_channels, sample_lines, sample_pixels, sample_strokes
from narrows.corruption.specification import (
    Alternatives,
    Part,
    draw_members,
    draw_strength,
    parse_alternatives,
    text_of,
)
from narrows.errors import ParameterError
from narrows.registry import load_plugins

MIXED = "mixed"
SHARE_LIMITS = (0.0, 0.99)


@dataclass(frozen=True)
class MaskKind:
    """A kind of mask. Adding one is a call of `register_mask`.

    Parameters
    ----------
    name : str
        Lower-case letters and hyphens.
    sample : callable
        ``sample(shape, share, generator) -> Tensor`` of bool, True where hidden. With a `share`: for items of shape
        (N, *S), of that shape, with the share of positions to hide in each, (N, 1). Without: for items of shape
        (N, C, *S), `share` is None, and the result need only broadcast to that shape.
    share : tuple of float, optional
        The range of the share of an item's positions by default; None for a kind that has no share.
    mixed : bool
        Whether "mixed" samples it too. That changes what models learn by default.
    needs_channels : bool
        Whether it needs items of several channels.
    """

    name: str
    sample: Callable[[tuple[int, ...], Any, Generator], Tensor]
    share: tuple[float, float] | None
    mixed: bool = False
    needs_channels: bool = False


_KINDS: dict[str, MaskKind] = {}


def register_mask(kind: MaskKind) -> None:
    """Add a kind of mask, or replace one.

    Examples
    --------
    >>> def sample_first(shape, share, generator):
    ...     hidden = torch.zeros(shape, dtype=torch.bool)
    ...     hidden[:, 0] = True
    ...     return hidden
    >>> register_mask(MaskKind("first", sample_first, share=(0.1, 0.5)))
    >>> Masks.parse("first").draw((1, 1, 3), torch.Generator()).tolist()
    [[[True, False, False]]]
    >>> del _KINDS["first"]
    """
    _KINDS[kind.name] = kind


def mask_kinds() -> dict[str, MaskKind]:
    """Return all kinds of masks by name, without "mixed"."""
    load_plugins()
    return dict(_KINDS)


@dataclass(frozen=True)
class Masks:
    """Masks of one or more parts, of which each item gets the union. Strengths are shares of an item's positions.

    Of several alternatives, joined by ",", each item draws one, all with the same chance.

    ========= ====================================================================================================
    pixels:P  single positions, 0.1-0.9 of them by default
    blocks:P  one to four rectangles (intervals, cuboids), 0.05-0.4
    lines:P   whole rows or columns (of volumes: slices; of signals: runs) of one to three together, 0.1-0.5
    strokes:P freehand strokes of thick pens, 0.05-0.3
    channels  whole channels, at least one and never all
    mixed     for each item one of these; channels where there are several
    ========= ====================================================================================================

    Examples
    --------
    >>> masks = Masks.parse("blocks:0.25+pixels:0.1")
    >>> masks.draw((8, 1, 28, 28), torch.Generator().manual_seed(0)).dtype
    torch.bool
    """

    alternatives: Alternatives

    @staticmethod
    def parse(text: str) -> "Masks":
        """Return the masks that a text describes, such as "mixed", "blocks:0.25", "pixels:0.2+lines" or "pixels,lines".

        Raises
        ------
        ParameterError
            If the text describes no masks.
        """
        try:
            return Masks(parse_alternatives(text))
        except ValueError as error:
            kinds = mask_kinds()
            with_share = ", ".join(name for name, kind in kinds.items() if kind.share)
            raise ParameterError(
                str(error),
                parameter="holes",
                value=text,
                hint=f"possible are {', '.join(kinds)} and {MIXED}; of these {with_share} with a share such as :0.5 or "
                "a range such as :0.2-0.8, and several of them joined by +, or by a comma for one of them in each item",
            ) from None

    def __str__(self) -> str:
        """Return the text that `parse` reads."""
        return text_of(self.alternatives)

    def __post_init__(self) -> None:
        """Check the values."""
        kinds = mask_kinds()
        for part in chain.from_iterable(self.alternatives):
            if part.kind not in (*kinds, MIXED):
                raise ValueError(f"there are no holes {part.kind!r}")
            if part.strength is not None:
                if part.kind == MIXED or kinds[part.kind].share is None:
                    raise ValueError(f"{part.kind} has no strength")
                part.check_within(*SHARE_LIMITS)

    def draw(self, shape: tuple[int, ...], generator: Generator) -> Tensor:
        """Return a mask, True where hidden; of each item something is hidden, and never all.

        An item of a single value has nothing to hide.

        Parameters
        ----------
        shape : tuple of int
            That of the items, (N, C, *S).
        generator : Generator
            The source of randomness; the mask is on its device.

        Raises
        ------
        ParameterError
            If a kind needs several channels and there is only one.
        """
        n_items, _, *sizes = shape
        if len(self.alternatives) == 1:
            hidden = sample_parts(self.alternatives[0], shape, generator)
        else:
            hidden = torch.zeros(shape, dtype=torch.bool, device=generator.device)
            for choice, members in draw_members(len(self.alternatives), n_items, generator):
                hidden[members] = sample_parts(self.alternatives[choice], (len(members), *shape[1:]), generator)
        hidden = hidden.flatten(2)
        chosen = torch.randint(math.prod(sizes), (n_items, 1, 1), generator=generator, device=generator.device)
        spot = torch.arange(math.prod(sizes), device=generator.device) == chosen
        hidden |= spot & ~hidden.any((1, 2), keepdim=True)
        hidden &= ~(spot & hidden.all((1, 2), keepdim=True))
        return hidden.view(shape)


def sample_parts(parts: tuple[Part, ...], shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Return the union of masks, of `shape` (N, C, *S)."""
    hidden = torch.zeros(shape, dtype=torch.bool, device=generator.device)
    for part in parts:
        hidden |= sample_mixed(shape, generator) if part.kind == MIXED else sample_mask(part, shape, generator)
    return hidden


def sample_mask(part: Part, shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Return a mask of one kind, which broadcasts to `shape` (N, C, *S)."""
    kind = mask_kinds()[part.kind]
    if kind.share is None:
        return kind.sample(shape, None, generator)
    share = draw_strength(part.strength or kind.share, shape[0], 2, generator)
    return kind.sample((shape[0], *shape[2:]), share, generator).unsqueeze(1)


def sample_mixed(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Return a mask of another kind for each item of `shape` (N, C, *S)."""
    kinds = [kind.name for kind in mask_kinds().values() if kind.mixed and (shape[1] > 1 or not kind.needs_channels)]
    hidden = torch.zeros(shape, dtype=torch.bool, device=generator.device)
    for choice, members in draw_members(len(kinds), shape[0], generator):
        hidden[members] = sample_mask(Part(kinds[choice]), (len(members), *shape[1:]), generator)
    return hidden


for _kind in (
    MaskKind("pixels", sample_pixels, share=(0.1, 0.9), mixed=True),
    MaskKind("blocks", sample_blocks, share=(0.05, 0.4), mixed=True),
    MaskKind("lines", sample_lines, share=(0.1, 0.5), mixed=True),
    MaskKind("strokes", sample_strokes, share=(0.05, 0.3), mixed=True),
    MaskKind("channels", sample_channels, share=None, mixed=True, needs_channels=True),
):
    register_mask(_kind)
