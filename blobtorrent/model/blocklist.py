"""Address ranges by the hundred thousand: packed into arrays, found by bisection.

A range of IPv4 costs 8 bytes, one of IPv6 32; a look-up takes about a microsecond, however many there are. Addresses
are numbers here, and an IPv4 address in the clothes of IPv6 (::ffff:1.2.3.4) is taken for what it is.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import islice

V4_BITS = 32
V6_BITS = 128
RUN = 2048                             # ranges that are sorted in one step, so that no step is long
SLICE = 256                            # sorted ranges that are joined in one step
RUNS_PER_STEP = 64
SAMPLE = 128                           # of so many sorted ranges one is a candidate for a border between two steps
STRIDE = 79                            # from the first candidate of one run to that of the next; odd, so all come by

_MAPPED = 0xFFFF << V4_BITS            # ::ffff:0:0/96
_LOW_64 = (1 << 64) - 1


class Ranges:
    """What RangeBuilder has packed: disjoint ranges in rising order. It never changes, so any thread may look."""

    __slots__ = ("_v4_firsts", "_v4_lasts", "_v6_first_highs", "_v6_first_lows", "_v6_last_highs", "_v6_last_lows")

    def __init__(self) -> None:
        self._v4_firsts, self._v4_lasts = array("I"), array("I")
        self._v6_first_highs, self._v6_first_lows = array("Q"), array("Q")     # upper and lower 64 bits
        self._v6_last_highs, self._v6_last_lows = array("Q"), array("Q")

    @property
    def num_v4(self) -> int:
        return len(self._v4_firsts)

    @property
    def num_v6(self) -> int:
        return len(self._v6_first_highs)

    @property
    def num_bytes(self) -> int:
        """Memory of the ranges."""
        arrays = (getattr(self, name) for name in self.__slots__)
        return sum(packed.buffer_info()[1] * packed.itemsize for packed in arrays)

    def covers(self, is_v6: bool, number: int) -> bool:
        """Whether an address, as `addressfilter.number_of` tells it, lies in one of the ranges."""
        if not is_v6:
            at = bisect_right(self._v4_firsts, number) - 1
            return at >= 0 and number <= self._v4_lasts[at]
        high, low = number >> 64, number & _LOW_64
        begin, end = bisect_left(self._v6_first_highs, high), bisect_right(self._v6_first_highs, high)
        at = bisect_right(self._v6_first_lows, low, begin, end) - 1
        return at >= 0 and number <= self._v6_last_highs[at] << 64 | self._v6_last_lows[at]

    def extend(self, firsts: Sequence[int], lasts: Sequence[int], *, is_v6: bool) -> None:
        """For RangeBuilder: ranges above all others."""
        if not is_v6:
            self._v4_firsts.extend(firsts)
            self._v4_lasts.extend(lasts)
            return
        self._v6_first_highs.extend(first >> 64 for first in firsts)
        self._v6_first_lows.extend(first & _LOW_64 for first in firsts)
        self._v6_last_highs.extend(last >> 64 for last in lasts)
        self._v6_last_lows.extend(last & _LOW_64 for last in lasts)


class RangeBuilder:
    """Takes ranges in any order, overlapping or not; then, in short steps, packs them."""

    def __init__(self) -> None:
        self.count = 0                 # ranges taken
        self._v4: list[int] = []       # a range is one number: its first address, then its last
        self._v6: list[int] = []
        self._v4_runs: list[Sequence[int]] = []            # each sorted
        self._v6_runs: list[Sequence[int]] = []

    def add(self, is_v6: bool, first: int, last: int) -> None:
        """Take the range from `first` to `last`, both included."""
        self.count += 1
        if is_v6 and first >> V4_BITS == last >> V4_BITS == 0xFFFF:
            is_v6, first, last = False, first - _MAPPED, last - _MAPPED
        if is_v6:
            self._v6.append(first << V6_BITS | last)
            if len(self._v6) == RUN:
                self._end_v6_run()
        else:
            self._v4.append(first << V4_BITS | last)
            if len(self._v4) == RUN:
                self._end_v4_run()

    def pack(self, ranges: Ranges) -> Iterator[None]:
        """Fill `ranges`, which is empty; every step takes about a millisecond at most. The builder is empty then."""
        self._end_v4_run()
        self._end_v6_run()
        yield from _pack(self._v4_runs, V4_BITS, ranges)
        yield from _pack(self._v6_runs, V6_BITS, ranges)

    def _end_v4_run(self) -> None:
        self._v4_runs.append(array("Q", sorted(set(self._v4))))            # a fifth of the memory of a list
        self._v4 = []

    def _end_v6_run(self) -> None:
        self._v6_runs.append(sorted(set(self._v6)))
        self._v6 = []


def _pack(runs: list[Sequence[int]], bits: int, ranges: Ranges) -> Iterator[None]:
    """Merge the sorted runs between one border and the next, then join what touches or overlaps."""
    is_v6, mask = bits == V6_BITS, (1 << bits) - 1
    first, last = -1, -2               # the range that may still grow; none yet
    begins = [0] * len(runs)
    samples: list[Sequence[int]] = []
    for number, run in enumerate(runs):
        # Not the same places of every run: these lie near each other when all runs spread over everything.
        samples.append(run[number * STRIDE % SAMPLE::SAMPLE])
        if number % RUNS_PER_STEP == 0:
            yield
    chunk: list[int] = []
    for border in _borders(samples):
        chunk = []
        for number, run in enumerate(runs):
            end = len(run) if border is None else bisect_left(run, border, begins[number])
            chunk += run[begins[number]:end]
            begins[number] = end
            if number % RUNS_PER_STEP == 0:
                yield
        yield
        chunk.sort()
        yield
        for at in range(0, len(chunk), SLICE):
            firsts, lasts = [], []
            for value in chunk[at:at + SLICE]:
                if value >> bits > last + 1:
                    firsts.append(first)
                    lasts.append(last)
                    first, last = value >> bits, value & mask
                elif value & mask > last:
                    last = value & mask
            begin = 1 if firsts and firsts[0] < 0 else 0   # there was none yet
            ranges.extend(firsts[begin:], lasts[begin:], is_v6=is_v6)
            yield
    if first >= 0:
        ranges.extend((first,), (last,), is_v6=is_v6)
    # To give back all memory at once takes long, too; and none is given back while a little of each part is in use.
    chunk.clear()
    while runs:
        runs.pop()
        yield


def _borders(samples: list[Sequence[int]]) -> Iterator[int | None]:
    """Values that divide all ranges into parts of about the size of a run; at the end None, the border of the last."""
    yield from islice(merge(*samples), RUN // SAMPLE - 1, None, RUN // SAMPLE)
    samples.clear()
    yield None
