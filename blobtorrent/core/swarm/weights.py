"""Weights: what a picker goes by, and the presets of it.

A piece's utility is the sum of its terms, each a weight times something between -1 and 1, but for the rarity, which is
in doublings: a weight of 4 is worth as much as that the piece is with a sixteenth of the peers. The temperature says
how much better a piece has to be to be nearly always taken: at 0.15, a difference of 0.7 in utility means a hundred
times as often. Pure.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from collections.abc import Mapping
from math import inf
from typing import NamedTuple

MAX_TEMPERATURE = 0.4                  # that raising it may lead to


class Weights(NamedTuple):
    """What counts in a choice. Higher is better, so that a weight of 0 takes a term out of it."""

    rarity: float = 1.0                # for each time that half as many peers have it
    sequence: float = 8.0              # it comes next, for a reader or because pieces are fetched in order
    open_files: float = 1.0            # its file is being written anyway
    extent: float = 0.5                # so are its neighbours on disk
    suggested: float = 0.5             # the peer would like to send it (BEP 6)
    temperature: float = 0.15          # infinite: whatever comes
    guard: float = 2                   # what so few peers have, or fewer, goes first whatever else counts
    reach: int = 16                    # pieces behind the next one in which the sequence counts e times less
    ahead: int = 24                    # pieces that a reader has before it when nothing is urgent any more
    is_in_order: bool = False          # there is always somebody who reads from the start


BALANCED = Weights()
PRESETS: Mapping[str, Weights] = {
    "balanced": BALANCED,
    "rarest": BALANCED._replace(sequence=0.0, open_files=0.0, extent=0.0, temperature=0.05),
    "sequential": BALANCED._replace(sequence=12.0, reach=8, is_in_order=True),
    "archive": BALANCED._replace(open_files=2.0, extent=1.0, guard=3),
    "random": BALANCED._replace(temperature=inf, guard=0),
}


def in_order(weights: Weights) -> Weights:
    """The same for who wants the pieces in their order."""
    sequential = PRESETS["sequential"]
    return weights._replace(
        sequence=max(weights.sequence, sequential.sequence), reach=min(weights.reach, sequential.reach),
        is_in_order=True)


def hotter(temperature: float) -> float:
    """The temperature at which peers that all want the same would choose more differently."""
    return max(temperature, min(2 * temperature, MAX_TEMPERATURE))
