"""SpanCache: stretches of pieces that were read for uploads, kept while memory allows. Pure; owned by a swarm.

The cache holds arena slots and never frees them itself: the owner evicts when it wants memory, and releases what it is
given. A span that is being sent is pinned and stays.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from itertools import islice
from typing import Generic, TypeVar

from blobtorrent.storage.jobs import Span

K = TypeVar("K", bound=Hashable)


class Reads:
    """How many spans were read: ahead of what was asked for, or alone. Written by one thread, read by any."""

    __slots__ = ("ahead", "alone")

    def __init__(self) -> None:
        self.ahead = 0
        self.alone = 0


class SpanCache(Generic[K]):
    """Spans by key, least recently used first. Every operation but `evict` takes constant time.

    `reads` counts what comes, of all caches that share it.
    """

    def __init__(self, reads: Reads | None = None) -> None:
        self._reads = reads or Reads()
        self._spans: dict[K, Span] = {}
        self._pins: dict[K, int] = {}
        self._idle: OrderedDict[K, None] = OrderedDict()      # without pins, least recently used first
        self.num_slots = 0

    def __len__(self) -> int:
        return len(self._spans)

    def get(self, key: K) -> Span | None:
        """The span, now the most recently used one; None when it is not here."""
        if key in self._idle:
            self._idle.move_to_end(key)
        return self._spans.get(key)

    def latest(self, count: int) -> list[K]:
        """The keys of the spans that were read last, the last one first."""
        return list(islice(reversed(self._spans), count))

    def put(self, key: K, span: Span, *, is_ahead: bool = True) -> None:
        """Keep a span that was just read. The key is new."""
        if is_ahead:
            self._reads.ahead += 1
        else:
            self._reads.alone += 1
        self._spans[key] = span
        self._idle[key] = None
        self.num_slots += len(span.slots)

    def pin(self, key: K) -> None:
        """Keep this span until as many calls of `unpin` have come."""
        pins = self._pins.get(key, 0)
        if not pins:
            del self._idle[key]
        self._pins[key] = pins + 1

    def unpin(self, key: K) -> None:
        pins = self._pins[key] - 1
        if pins:
            self._pins[key] = pins
        else:
            del self._pins[key]
            self._idle[key] = None

    def evict(self, count: int) -> list[int]:
        """Drop the least recently used spans without pins until `count` slots are free, or none is left.

        Returns the slots of what went, to be released by the caller; whole spans, so it may be more than `count`.
        """
        slots: list[int] = []
        while len(slots) < count and self._idle:
            key, _ = self._idle.popitem(last=False)
            slots += self._spans.pop(key).slots
        self.num_slots -= len(slots)
        return slots
