"""Which members of a torrent a client asks for, compiled once, and the rows that come of it.

Used by all threads of the interface at once: what is shared is replaced by single stores into dicts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from blobtorrent.interface.rest.encode import TORRENT, as_of, json_bytes
from blobtorrent.model.errors import Invalid
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.status import TorrentStatus
from blobtorrent.runtime.pacing import Pace

ROWS_PER_PART = 32                     # of an answer: the parts are sent as they are and never joined
ROWS_PER_LOOK = 8                      # at the time
MAX_KEPT = 4                           # selections whose rows are kept: clients that poll ask for the same again

_GROWING = frozenset(("active_s", "seeding_s"))        # they change without a new snapshot
_ALL = tuple(TORRENT.readers)


class Selection:
    """These members, in the order of TORRENT."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._members = [(name, TORRENT.readers[name]) for name in names]
        self._grows = not _GROWING.isdisjoint(names)
        self._rows: dict[InfoHash, tuple[TorrentStatus, bytes]] = {}
        self._parts: dict[int, tuple[Sequence[TorrentStatus], bytes]] = {}

    def object_of(self, status: TorrentStatus, wall: float) -> dict[str, Any]:
        if self._grows:
            status = as_of(status, wall)
        return {name: read(status) for name, read in self._members}

    def row(self, status: TorrentStatus, wall: float) -> bytes:
        """The torrent as JSON. That of the same snapshot is not made again."""
        if self._grows and status.counted_at:
            return json_bytes(self.object_of(status, wall))
        kept = self._rows.get(status.info_hash)
        if kept is not None and kept[0] is status:
            return kept[1]
        row = json_bytes(self.object_of(status, wall))
        self._rows[status.info_hash] = (status, row)
        return row

    def parts(self, page: Sequence[TorrentStatus], wall: float) -> Iterator[bytes]:
        """The members of a JSON list of these, in parts, with pauses for the threads of the network.

        A part that has the same snapshots as the time before is not made again: a list that is asked for over and over
        takes almost no time, and so needs no pause, which is long when the processors are busy.
        """
        pace = Pace()
        for begin in range(0, len(page), ROWS_PER_PART):
            chunk = page[begin:begin + ROWS_PER_PART]
            kept_chunk, part = self._parts.get(begin, (None, b""))
            if kept_chunk != chunk or self._grows and any(status.counted_at for status in chunk):
                part = b",".join(self._rows_of(chunk, wall, pace))
                if begin:
                    part = b"," + part
                self._parts[begin] = (chunk, part)
            yield part

    def _rows_of(self, chunk: Sequence[TorrentStatus], wall: float, pace: Pace) -> Iterator[bytes]:
        for number, status in enumerate(chunk, 1):
            yield self.row(status, wall)
            if number % ROWS_PER_LOOK == 0:
                pace.look()

    def forget_beyond(self, torrents: int) -> None:
        """Of torrents that are gone nothing needs to be kept; so many there are."""
        if len(self._rows) > torrents:
            self._rows, self._parts = {}, {}


class Selections:
    """The compiled ones. Those that were asked for last keep their rows."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, ...], Selection] = {}

    def get(self, names: tuple[str, ...]) -> Selection:
        selection = self._kept.pop(names, None) or Selection(names)
        self._kept[names] = selection
        for surplus in list(self._kept)[:-MAX_KEPT]:
            self._kept.pop(surplus, None)
        return selection


def read_names(value: str | None) -> tuple[str, ...]:
    """The members that `fields=a,b` names, each once, in the order of TORRENT; all when nothing is given.

    Raises Invalid ("option.bad-value").
    """
    if value is None:
        return _ALL
    wanted = set(value.split(","))
    unknown = wanted - TORRENT.readers.keys()
    if unknown:
        raise Invalid("option.bad-value", f"fields has {min(unknown)!r}; there are {', '.join(_ALL)}")
    return tuple(name for name in _ALL if name in wanted)
