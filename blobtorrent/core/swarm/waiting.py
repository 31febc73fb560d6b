"""WaitingRequests: what one peer asked for and was not sent yet, in order, at 12 bytes a request.

A peer may have thousands wait, and each a run of its own: as tuples in a list they took about 100 bytes each. So only
the first run, which is served next, is a tuple. Those behind it are numbers in two arrays, which are there only while
there are any: who asks for a block when it has got one never needs them. A key is `index << 32 | begin`, as it stands
in a block's header. Pure; owned by a link.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import chain

from blobtorrent.core.swarm.outstanding import BLOCK_BITS
from blobtorrent.model.geometry import BLOCK_SIZE

SPAN_BITS = 19
SPAN_BYTES = 1 << SPAN_BITS            # what is read at once: no run goes beyond one
MIN_GAP = 64                           # runs whose places are given back together; `array` keeps those of a few

Run = tuple[int, int]                  # key and count of neighbouring whole blocks; an odd request has minus its length


class WaitingRequests:
    """`len()` is the number of runs. Odd requests are those that are not for a whole block."""

    __slots__ = ("_behind", "_gap", "first")

    def __init__(self) -> None:
        self.first: Run | None = None  # to be served next
        self._behind: tuple[array[int], array[int]] | None = None      # keys and counts of the others
        self._gap = 0                  # so many at their front were taken

    def __len__(self) -> int:
        if self._behind is None:
            return int(self.first is not None)
        return 1 + len(self._behind[0]) - self._gap

    def __iter__(self) -> Iterator[Run]:
        """All runs in order; none may be added or taken meanwhile."""
        if self.first is None:
            return iter(())
        if self._behind is None:
            return iter((self.first,))
        self._close_gap(*self._behind)
        return chain((self.first,), zip(*self._behind))

    def append(self, key: int, count: int) -> None:
        """Add a run, or make the last one longer when this continues it within one span."""
        first, behind = self.first, self._behind
        if first is None:
            self.first = key, count
        elif behind is None:
            begin, before = first
            if count > 0 and before > 0 and begin + (before << BLOCK_BITS) == key and key & SPAN_BYTES - 1:
                self.first = begin, before + count
            else:
                self._behind = array("Q", (key,)), array("i", (count,))
        else:
            keys, counts = behind
            if count > 0 and key & SPAN_BYTES - 1:
                before = counts[-1]
                if before > 0 and keys[-1] + (before << BLOCK_BITS) == key:
                    counts[-1] = before + count
                    return
            keys.append(key)
            counts.append(count)

    def take(self, run: Run) -> None:
        """Take off the first run, or so many blocks of its beginning."""
        first, behind = self.first, self._behind
        if run is not first:
            assert first is not None and first[0] == run[0] and 0 < run[1] < first[1], (run, first)
            self.first = run[0] + (run[1] << BLOCK_BITS), first[1] - run[1]
        elif behind is None:
            self.first = None
        else:
            keys, counts = behind
            gap = self._gap
            self.first = keys[gap], counts[gap]
            self._gap = gap = gap + 1
            if gap == len(keys):
                self._behind = None
                self._gap = 0
            elif gap >= MIN_GAP and 2 * gap >= len(keys):
                self._close_gap(keys, counts)

    def cancel(self, key: int, length: int) -> int:
        """Take a request off wherever it waits; returns how many times it did."""
        if self.first is None:
            return 0
        is_whole = length == BLOCK_SIZE and not key & BLOCK_SIZE - 1
        lowest = key & -SPAN_BYTES if is_whole else key    # where a run that holds it may begin
        places = [0] if lowest <= self.first[0] <= key else []
        if self._behind is not None:
            places += [at for at, first in enumerate(self._behind[0], 1 - self._gap)
                       if lowest <= first <= key and at > 0]
        return self._cancel_at(places, key, length, is_whole=is_whole) if places else 0

    def clear(self) -> None:
        """Take everything off."""
        self.first = self._behind = None
        self._gap = 0

    def _cancel_at(self, places: list[int], key: int, length: int, *, is_whole: bool) -> int:
        """The same among the runs with these numbers. What is left has arrays that are no longer than it."""
        assert self.first is not None
        keys, counts = array("Q", self.first[:1]), array("i", self.first[1:])
        if self._behind is not None:
            keys += self._behind[0][self._gap:]
            counts += self._behind[1][self._gap:]
        found = 0
        for at in reversed(places):
            first, count = keys[at], counts[at]
            if not (key < first + (count << BLOCK_BITS) if is_whole else count == -length):
                continue
            found += 1
            del keys[at], counts[at]
            before = key - first >> BLOCK_BITS
            for start, blocks in (key + BLOCK_SIZE, count - before - 1), (first, before):
                if blocks > 0:
                    keys.insert(at, start)
                    counts.insert(at, blocks)
        if found:
            self.clear()
            if keys:
                self.first = keys[0], counts[0]
            if len(keys) > 1:
                self._behind = keys[1:], counts[1:]
        return found

    def _close_gap(self, keys: array[int], counts: array[int]) -> None:
        del keys[:self._gap], counts[:self._gap]
        self._gap = 0
