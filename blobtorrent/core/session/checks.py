"""Checking what lies on disk: how the pieces of a torrent are cut into jobs, and whose turn it is. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.errors import Invalid, StorageError
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.model.payload import PayloadMap
from blobtorrent.storage.jobs import PiecesChecked

T = TypeVar("T", bound=Hashable)

JOB_BYTES = 32 << 20                   # few wake-ups, and all threads still end within some 50 ms of each other


def require_piece_hashes(metainfo: Metainfo) -> None:
    """Raises Invalid ("torrent.no-piece-hashes") for a v2 torrent without its piece layers: nothing can be checked."""
    if not metainfo.has_piece_hashes:
        raise Invalid("torrent.no-piece-hashes", f"{metainfo.name} came without the hashes of its pieces")


class CheckPlan:
    """One pass over the pieces of the mask `pieces`, or over all, at most `parallel` jobs at a time.

    `good` are the pieces that match; `bad` and `missing` list the others in the order of the answers. `error` is the
    first trouble with the disk: nothing more is posted after it.
    """

    def __init__(self, metainfo: Metainfo, parallel: int, pieces: int | None = None) -> None:
        geometry = metainfo.geometry
        self.good = Bitfield(geometry.num_pieces)
        self.bad: list[int] = []
        self.missing: list[int] = []
        self.good_bytes = 0            # both without padding
        self.checked_bytes = 0
        self.error: StorageError | None = None
        self._payload = PayloadMap(metainfo)
        self.pieces = (1 << geometry.num_pieces) - 1 if pieces is None else pieces
        self._pieces_per_job = max(1, JOB_BYTES // geometry.piece_length)
        self._parallel = parallel
        self._left = self.pieces       # not posted yet
        self._in_flight = 0

    def next_jobs(self) -> list[range]:
        """The ranges of pieces to post now; asked for at the start and after every answer."""
        jobs = []
        while self._in_flight < self._parallel and self._left:
            job = first_run(self._left, self._pieces_per_job)
            self._left &= -1 << job.stop
            self._in_flight += 1
            jobs.append(job)
        return jobs

    def on_checked(self, answer: PiecesChecked) -> None:
        self._in_flight -= 1
        payload_of = self._payload.of_piece
        for index in answer.good:
            self.good.add(index)
            self.good_bytes += payload_of(index)
        self.checked_bytes += sum(map(payload_of, answer.indices))
        self.bad += answer.bad
        self.missing += answer.missing
        if answer.error is not None and self.error is None:
            self.error = answer.error
            self.abandon()

    def abandon(self) -> None:
        """Post no more; what is in flight still answers."""
        self._left = 0

    @property
    def is_done(self) -> bool:
        """Nothing is in flight and nothing is left to post."""
        return self._in_flight == 0 and not self._left


def first_run(mask: int, limit: int) -> range:
    """The lowest set bits of a mask that follow each other, at most `limit` of them. `mask` is not 0."""
    start = (mask & -mask).bit_length() - 1
    shifted = mask >> start
    length = (~shifted & (shifted + 1)).bit_length() - 1
    return range(start, start + min(limit, length))


class CheckQueue(Generic[T]):
    """One torrent of a device is checked at a time, first come first served: two would only make the disk seek."""

    def __init__(self) -> None:
        self._lines: dict[int, deque[T]] = {}

    def enter(self, device: int, torrent: T) -> bool:
        """Join the line of a device; True when it is this torrent's turn at once."""
        line = self._lines.setdefault(device, deque())
        line.append(torrent)
        return len(line) == 1

    def num_ahead_of(self, device: int, torrent: T) -> int:
        """How many of the same device are before it."""
        return self._lines[device].index(torrent)

    def leave(self, device: int, torrent: T) -> T | None:
        """Leave the line, from any place; returns the torrent whose turn it is now, if that changed."""
        line = self._lines[device]
        was_first = line[0] == torrent
        line.remove(torrent)
        if not line:
            del self._lines[device]
            return None
        return line[0] if was_first else None
