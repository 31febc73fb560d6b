"""Tiers: the pieces that nobody works on, sorted by how few peers have them, and in each tier by what else counts.

They are made for all peers together, once a second or when some picks were made from them; a peer's own choice among
them costs a few operations on big integers. Pure; owned by a picker.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from collections.abc import Iterable, Sequence
from math import inf, log, log2
from typing import NamedTuple

from blobtorrent.core.swarm.availability import Availability
from blobtorrent.core.swarm.masks import lowest
from blobtorrent.core.swarm.weights import Weights

MOST_TIERS = 8                         # of one priority; what is more common is one tier more


class Near(NamedTuple):
    """Pieces near those under way: in the same files, in the same extents. The masks may be of any pieces."""

    files: int = 0
    extents: int = 0


class Cell(NamedTuple):
    """Pieces that are worth the same. `score` is that over the temperature, and the logarithm of `num_pieces`."""

    mask: int
    num_pieces: int
    score: float


class Tier(NamedTuple):
    """Pieces of one priority that equally many peers have. Seeds do not count as peers."""

    mask: int
    peers: int
    cells: list[Cell]
    is_rest: bool = False              # `peers` or more


def make_tiers(
    levels: Iterable[tuple[int, int]], availability: Availability, near: Near, weights: Weights, temperature: float,
) -> list[Tier]:
    """`levels` are priorities, the highest first, with their pieces. In each, the rarest come first."""
    tiers = []
    for priority, pieces in levels:
        rest = pieces
        masks = availability.rarest(pieces, MOST_TIERS)
        for mask in masks:
            rest ^= mask
        if rest:
            masks.append(rest)
        for mask in masks:
            rarest = mask if mask is not rest else availability.rarest(rest, 1)[0]
            peers = availability.leeches_with(lowest(rarest))
            worth = rarity_term(weights, peers) + weights.priority * priority
            tiers.append(Tier(mask, peers, list(_cells(mask, worth, near, weights, temperature)), mask is rest))
    return tiers


def rarity_term(weights: Weights, peers: int) -> float:
    """What it is worth that so many peers have a piece, seeds not among them: a ratio counts, not a difference."""
    return -weights.rarity * log2(max(1, peers))


def _cells(mask: int, worth: float, near: Near, weights: Weights, temperature: float) -> Iterable[Cell]:
    parts: Sequence[tuple[int, float]] = ((mask, worth),)
    for which, weight in ((near.files, weights.open_files), (near.extents, weights.extent)):
        if which and weight:
            parts = [half for part, worth in parts for half in (
                (part & which, worth + weight), (part ^ (part & which), worth)) if half[0]]
    for part, worth in parts:
        count = part.bit_count()
        yield Cell(part, count, log(count) + (0.0 if temperature == inf else worth / temperature))
