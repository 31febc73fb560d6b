"""Histogram: how long things took, counted by classes of time. Any thread notes, without a lock, and anybody may read.

Each thread counts in a share of its own, and the shares are summed when somebody asks: a note costs less than a
microsecond. A thread that came after another one with the same number goes on with its share, so there are never more
than there were threads at the same time.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from bisect import bisect_left
from collections.abc import Sequence
from threading import get_ident
from typing import NamedTuple

# Upper ends of classes, in seconds: from what a cache does to what somebody complains of.
OF_WORK = (0.0005, 0.002, 0.01, 0.05, 0.2, 1.0, 5.0, 20.0)
OF_CALLS = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)     # to others, over the internet


class Reading(NamedTuple):
    """`counts` are of the classes, none of which holds another; the last has no upper end."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum_s: float


class _Share:
    __slots__ = ("counts", "sum_s")

    def __init__(self, num_classes: int) -> None:
        self.counts = [0] * num_classes
        self.sum_s = 0.0


class Histogram:
    """`bounds` ascend; what takes as long as one of them belongs to the class below it."""

    __slots__ = ("_shares", "bounds")

    def __init__(self, bounds: tuple[float, ...] = OF_WORK) -> None:
        self.bounds = bounds
        self._shares: dict[int, _Share] = {}

    def note(self, seconds: float) -> None:
        share = self._shares.get(get_ident())
        if share is None:
            share = self._shares[get_ident()] = _Share(len(self.bounds) + 1)
        share.counts[bisect_left(self.bounds, seconds)] += 1
        share.sum_s += seconds

    def read(self) -> Reading:
        return summed([Reading(self.bounds, tuple(share.counts), share.sum_s) for share in list(self._shares.values())],
                      self.bounds)


def summed(readings: Sequence[Reading], bounds: tuple[float, ...]) -> Reading:
    """Of histograms with these bounds, as one."""
    columns = zip(*(reading.counts for reading in readings))
    counts = tuple(map(sum, columns)) or (0,) * (len(bounds) + 1)
    return Reading(bounds, counts, sum(reading.sum_s for reading in readings))
