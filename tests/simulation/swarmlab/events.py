"""Virtual time: what happens when, to the microsecond, and a digest of what was said on the wire."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable
from struct import Struct

US = 1_000_000                         # microseconds of a second

_ENTRY = Struct(">QHHBQ")


class Events:
    """Callbacks in the order of (time, when they were set): never of what they are."""

    def __init__(self) -> None:
        self.now_us = 0
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = 0

    @property
    def now(self) -> float:
        """Seconds."""
        return self.now_us / US

    def at(self, time_us: int, callback: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (max(time_us, self.now_us), self._sequence, callback))
        self._sequence += 1

    def after(self, delay_us: int, callback: Callable[[], None]) -> None:
        self.at(self.now_us + delay_us, callback)

    def run(self, end_us: int) -> None:
        """Do all that is due before that time, which it is then."""
        heap = self._heap
        while heap and heap[0][0] < end_us:
            self.now_us, _, callback = heapq.heappop(heap)
            callback()
        self.now_us = end_us


class Journal:
    """What everybody said, as a digest: two runs that agree in it went the same way."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self.entries = 0

    def note(self, time_us: int, sender: int, receiver: int, kind: int, key: int) -> None:
        """A message of the kind `kind` (its id on the wire); `key` is of the block or piece that it is about."""
        self._digest.update(_ENTRY.pack(time_us, sender, receiver, kind, key))
        self.entries += 1

    def hexdigest(self) -> str:
        return self._digest.hexdigest()
