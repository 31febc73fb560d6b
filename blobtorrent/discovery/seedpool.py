"""Threads `webseed-k`: each reads one order of FetchParts after the other, straight into slots of the arena."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from stat import S_ISREG
from typing import Protocol

from blobtorrent.discovery.seedmessages import FetchEnded, FetchParts, Part, PartsFetched
from blobtorrent.model.errors import BlobTorrentError, BugError
from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.network.binding import Binding
from blobtorrent.protocol.webseed import SecretHeader, read_headers
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.worker import Pool

log = logging.getLogger(__name__)

TELL_BYTES = 512 << 10                 # so much at least goes with one message, unless it is the last
MAX_HEADER_FILE = 64 << 10
_OTHERS_MAY_READ = 0o007


class Memory(Protocol):
    """The part of the arena that is used here."""

    def segments(self, slots: Sequence[int], size: int) -> list[memoryview]: ...

    def release(self, slots: Sequence[int]) -> None: ...


class SeedPool:
    """Takes FetchParts by `post`; its threads start with the first. `headers_file` names the file with secret headers.

    `allow_local`: also URLs with a query may lead to loopback and private addresses; without `asks_loopback` none leads
    to loopback.
    """

    def __init__(self, memory: Memory, threads: int, clock: Clock, binding: Binding, *,
                 allow_local: bool = False, asks_loopback: bool = True, headers_file: Path | None = None) -> None:
        self._memory = memory
        self._clock = clock
        self._binding = binding
        self._allow_local = allow_local
        self._asks_loopback = asks_loopback
        self._secret_headers = HeaderFile(headers_file) if headers_file is not None else _no_headers
        self._is_stopping = False
        self._pool: Pool[FetchParts] = Pool("webseed", threads, self._fetch)
        self._has_started = False

    def post(self, order: FetchParts) -> None:
        """For one thread only."""
        if not self._has_started:
            self._has_started = True
            self._pool.start()
        self._pool.post(order)

    def stop(self, timeout_s: float) -> bool:
        """Give up what is being read, and end. True when that was done in time."""
        self._is_stopping = True
        return self._pool.stop(timeout_s)

    def _fetch(self, order: FetchParts) -> None:
        # Loaded here: whoever posts is a network thread, and must not wait for it.
        from blobtorrent.discovery.seedreader import SeedReader, Way
        from blobtorrent.discovery.seedstream import Cancelled, Progress

        sink = _Slots(self._memory, order)
        reader, file = order.reader or SeedReader(order.seed, order.content), None
        error: BlobTorrentError | None = BugError("bug.webseed", "reading from a web seed failed; the log says how")
        progress = Progress(lambda: order.is_cancelled or self._is_stopping, self._clock, order, order.bytes_per_s)
        way = Way(self._clock, self._binding, self._secret_headers, self._allow_local, self._asks_loopback)
        try:
            for asked in order.content.ranges((part.piece, part.begin, part.length) for part in order.parts):
                file = asked.file
                if asked.is_pad:
                    sink.fill_with_zeros(asked.length)
                else:
                    reader.read(asked, sink, progress, way)
            error = None
        except Cancelled:
            reader.close()
            error = None
        except BlobTorrentError as caught:
            error = caught
        finally:
            left = sink.end()
            for part in left:
                self._memory.release(part.slots)
            order.reply_to.post(FetchEnded(
                order.token, reader, left, error, None if error is None else file, reader.retry_after_s,
                reader.has_ranges))


def _no_headers() -> Sequence[SecretHeader]:
    return ()


class _Slots:
    """The sink of an order: its parts one after the other. Tells of those that are filled."""

    def __init__(self, memory: Memory, order: FetchParts) -> None:
        self._memory = memory
        self._order = order
        self._at = 0                   # the part that is being filled
        self._told = 0                 # parts that were told of
        self._untold_bytes = 0
        self._segments: list[memoryview] = []              # what is empty of it, the next one last

    def place(self, limit: int) -> memoryview:
        if not self._segments:
            part = self._order.parts[self._at]
            self._segments = self._memory.segments(part.slots, part.length)[::-1]
        return self._segments[-1][:limit]

    def filled(self, count: int) -> None:
        rest = self._segments.pop()[count:]
        if rest:
            self._segments.append(rest)
        if not self._segments:
            self._untold_bytes += self._order.parts[self._at].length
            self._at += 1
            if self._untold_bytes >= TELL_BYTES:
                self._tell([])

    def fill_with_zeros(self, count: int) -> None:
        while count:
            place = self.place(count)
            place[:] = bytes(len(place))
            self.filled(len(place))
            count -= len(place)

    def end(self) -> list[Part]:
        """Tell of what is filled, of the last part too by whole blocks; returns the parts that are not."""
        left = self._order.parts[self._at:]
        blocks = (left[0].length - sum(map(len, self._segments))) // BLOCK_SIZE if self._segments else 0
        if not blocks:
            self._tell([])
            return left
        part, size = left[0], blocks * BLOCK_SIZE
        self._tell([part._replace(length=size, slots=part.slots[:blocks])])
        rest = part._replace(begin=part.begin + size, length=part.length - size, slots=part.slots[blocks:])
        return [rest, *left[1:]]

    def _tell(self, more: list[Part]) -> None:
        parts = self._order.parts[self._told:self._at] + more
        if parts:
            self._order.reply_to.post(PartsFetched(self._order.token, parts))
            self._told, self._untold_bytes = self._at, 0


class HeaderFile:
    """The secret headers, read again whenever the file is another one. Called by any of the threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: tuple[object, Sequence[SecretHeader]] = (None, ())

    def __call__(self) -> Sequence[SecretHeader]:
        known, headers = self._known
        try:
            with open(os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), encoding="ascii") as file:
                stat = os.fstat(file.fileno())
                if not S_ISREG(stat.st_mode):
                    raise ValueError("it is no regular file")
                stamp = (stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_size)
                if stamp == known:
                    return headers
                if stat.st_mode & _OTHERS_MAY_READ:
                    raise ValueError("others than its owner and group may read it: chmod o= it")
                headers = read_headers(file.read(MAX_HEADER_FILE))
        except (OSError, ValueError) as error:
            if known != (reason := _reason(error)):
                log.warning("the file with headers for web seeds cannot be used: %s", reason)
            self._known = (reason, ())
            return ()
        self._known = (stamp, headers)
        return headers


def _reason(error: OSError | ValueError) -> str:
    """Without the file's content: it is secret."""
    if isinstance(error, UnicodeError):
        return "it is not ASCII text"
    return (error.strerror or "unreadable") if isinstance(error, OSError) else str(error)
