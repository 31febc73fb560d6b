"""EventLog: the latest events of this run, from which a client that was away goes on. Pure; owned by one thread."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from blobtorrent.interface.chronicle import event_id
from blobtorrent.model.ids import InfoHash

KEPT_EVENTS = 10_000
KEPT_BYTES = 32 << 20                  # usual events need a tenth of it; their torrents may have many long labels

_ID = re.compile(r"([0-9a-f]+)-([0-9]{1,15})")


class Entry(NamedTuple):
    """An event as it is kept; `frame` is what goes to a client that wants it."""

    number: int                        # 0: of an event that is not kept
    type: str
    info_hash: InfoHash | None
    labels: tuple[str, ...]
    frame: bytes


# As it stands in the log, its number being its place: type, the info-hash' digests, labels, frame. A plain tuple of
# plain values: collections of garbage leave it out, and there are many of them where there are few other objects.
_Kept: TypeAlias = "tuple[str, bytes, bytes, tuple[str, ...], bytes]"


class EventLog:
    """The last `size` entries, or fewer when they have more than `size_bytes` together; their numbers follow each other
    from 1.
    """

    def __init__(self, run: str, size: int = KEPT_EVENTS, size_bytes: int = KEPT_BYTES) -> None:
        self.run = run
        self.last = 0                  # number of the newest entry
        self._size = size
        self._size_bytes = size_bytes
        self._entries: deque[_Kept] = deque()
        self._bytes = 0

    def add(self, entry: Entry) -> None:
        """The next one, with the number after `last`."""
        self.last = entry.number
        v1, v2 = entry.info_hash or (b"", b"")
        self._entries.append((entry.type, v1, v2, entry.labels, entry.frame))
        self._bytes += len(entry.frame)
        while len(self._entries) > self._size or self._bytes > self._size_bytes:
            self._bytes -= len(self._entries.popleft()[-1])

    @property
    def first(self) -> int:
        """Number of the oldest entry that is still here; `last + 1` when there is none."""
        return self.last - len(self._entries) + 1

    def after(self, number: int) -> Iterator[Entry]:
        """What is still here of all that came after `number`, oldest first."""
        entries, first = self._entries, self.first         # it is quick to find those near either end
        for later in range(max(number + 1, first), self.last + 1):
            kind, v1, v2, labels, frame = entries[later - first]
            yield Entry(later, kind, InfoHash(v1, v2) if v1 or v2 else None, labels, frame)

    def id_of(self, number: int) -> str:
        return event_id(self.run, number)

    def number_of(self, text: str) -> int | None:
        """The number of an id that a client saw last; None when it is not of this run."""
        found = _ID.fullmatch(text)
        if found is None or found[1] != self.run or int(found[2]) > self.last:
            return None
        return int(found[2])
