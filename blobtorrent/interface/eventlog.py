"""EventLog: the latest events of this run, from which a client that was away goes on. Pure; owned by one thread."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from blobtorrent.interface.chronicle import event_id
from blobtorrent.model.ids import InfoHash

KEPT_EVENTS = 10_000

_ID = re.compile(r"([0-9a-f]+)-([0-9]{1,15})")


class Entry(NamedTuple):
    """An event as it is kept; `frame` is what goes to a client that wants it."""

    number: int                        # 0: of an event that is not kept
    type: str
    info_hash: InfoHash | None
    labels: tuple[str, ...]
    frame: bytes


class EventLog:
    """A ring of the last `size` entries, whose numbers follow each other from 1."""

    def __init__(self, run: str, size: int = KEPT_EVENTS) -> None:
        self.run = run
        self.last = 0                  # number of the newest entry
        self._size = size
        self._entries: list[Entry] = []

    def add(self, entry: Entry) -> None:
        """The next one, with the number after `last`."""
        place = self.last % self._size
        self.last = entry.number
        if place < len(self._entries):
            self._entries[place] = entry
        else:
            self._entries.append(entry)

    @property
    def first(self) -> int:
        """Number of the oldest entry that is still here; `last + 1` when there is none."""
        return self.last - len(self._entries) + 1

    def after(self, number: int) -> Iterator[Entry]:
        """What is still here of all that came after `number`, oldest first."""
        for later in range(max(number + 1, self.first), self.last + 1):
            yield self._entries[(later - 1) % self._size]

    def id_of(self, number: int) -> str:
        return event_id(self.run, number)

    def number_of(self, text: str) -> int | None:
        """The number of an id that a client saw last; None when it is not of this run."""
        found = _ID.fullmatch(text)
        if found is None or found[1] != self.run or int(found[2]) > self.last:
            return None
        return int(found[2])
