"""Origins: what rows were made of, by which it is seen that making them again would make the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import NamedTuple

from blobtorrent.interface.rtorrent.downloads.download import Download
from blobtorrent.interface.rtorrent.values import Row
from blobtorrent.runtime.pacing import let_go

MAX_ROWS = 10_000                      # of one download that are kept

# What no getter of a download reads, or what is never another.
_UNREAD = (
    "file_wishes", "files_queued", "hash", "info_hash", "is_gone", "is_new", "phase", "queue_wished", "tracked_at",
    "tracker_rows")
marks_of: Callable[[Download], tuple[object, ...]] = attrgetter(
    *(name for name in Download.__slots__ if name not in _UNREAD))


class Origin(NamedTuple):
    """Of the rows of what is in a download: these very `parts`, and the download as it is."""

    download: Download
    parts: object
    marks: tuple[object, ...]

    def is_like(self, other: Origin) -> bool:
        return self.download is other.download and self.parts is other.parts and self.marks == other.marks


def origin_of(download: Download, parts: object) -> Origin:
    return Origin(
        download, parts, (*marks_of(download), dict(download.file_wishes), dict(download.files_queued)))


class LatestList:
    """The list of what is in a download that was asked for last, of these columns at `asked_at`: who looks at one
    download asks for it again and again."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.asked_at = 0.0
        self._columns: object = None
        self._origin: Origin | None = None

    def get(self, columns: object, origin: Origin, now: float) -> Sequence[Row] | None:
        """The rows, when they would be the same."""
        if self._columns is not columns or self._origin is None or not self._origin.is_like(origin):
            return None
        self.asked_at = now
        return self.rows

    def put(self, columns: object, origin: Origin, rows: list[Row], now: float) -> None:
        self.clear()
        if len(rows) <= MAX_ROWS:
            self.rows, self.asked_at, self._columns, self._origin = rows, now, columns, origin

    def clear(self) -> None:
        self._columns = self._origin = None
        let_go(self.rows)
