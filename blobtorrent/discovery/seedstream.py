"""How the bytes of a web seed come: watched while they do, held back to a limit, left when they stall. Blocking.

A `SeedStream` is a connection as `http.client` reads it; the `Progress` of the order that reads decides how long it
waits and how much it takes at once.
"""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from blobtorrent.model.errors import NetworkError, TimedOut
from blobtorrent.runtime.clock import Clock

if TYPE_CHECKING:
    from typing_extensions import Buffer

STALL_S = 15.0                         # so many seconds for every ...
STALL_BYTES = 16 << 10                 # ... so many bytes of an order, whatever lies between them
RANGE_BYTES = 2 << 10                  # a range that came counts as so many at least: files may be small
READ_AHEAD_BYTES = 8 << 10             # of a range, which may come with the head
LOOK_S = 0.25                          # between two looks whether all this is still wanted
MAX_HEAD_BYTES = 256 << 10             # of one answer, and of all that a server says before it
MAX_RECEIVE = 1 << 20                  # bytes at a time: what is limited comes in smaller ones
SAVED_S = 0.25                         # of a limit is kept while nothing comes


class Cancelled(Exception):
    """Nobody wants it any more."""


class Tally(Protocol):
    """Who wants to know how an order goes."""

    received_bytes: int


class Progress:
    """Watches one order while it is read: whether it is still wanted, whether bytes come, how fast they may.

    The time for bytes is one for the whole order: new answers, heads and redirects do not renew it, only what was asked
    for does. `is_cancelled` is asked now and then. `bytes_per_s` of 0 is no limit.
    """

    def __init__(self, is_cancelled: Callable[[], bool], clock: Clock, tally: Tally, bytes_per_s: int = 0) -> None:
        self._is_cancelled = is_cancelled
        self._clock = clock
        self._tally = tally
        self._bytes_per_s = bytes_per_s
        self._due_at = clock.now()                         # when the limit lets the next byte through
        self._armed_at = self._due_at
        self._since = 0                                    # bytes since then
        self._head_bytes: int | None = None                # while a head is read
        self.most_at_once = max(1024, min(MAX_RECEIVE, bytes_per_s // 8)) if bytes_per_s else MAX_RECEIVE

    def look(self) -> None:
        """Raises Cancelled."""
        if self._is_cancelled():
            raise Cancelled

    @contextmanager
    def head(self) -> Iterator[None]:
        """The head of an answer is awaited: it is nothing that was asked for."""
        self._head_bytes = 0
        try:
            yield
        finally:
            self._head_bytes = None

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What is done here has a time limit of its own."""
        began_at = self._clock.now()
        try:
            yield
        finally:
            self._armed_at += self._clock.now() - began_at

    def range_came(self, length: int) -> None:
        """All of a range is here."""
        self._count(max(RANGE_BYTES, min(length, READ_AHEAD_BYTES)))

    def _count(self, count: int) -> None:
        self._since += count
        if self._since >= STALL_BYTES:
            self._armed_at = self._clock.now()
            self._since = 0

    def wait_s(self) -> float:
        """How long to wait for the next byte before this is asked again. Raises TimedOut, Cancelled."""
        self.look()
        left_s = self._armed_at + STALL_S - self._clock.now()
        if left_s <= 0:
            raise TimedOut("net.timed-out", f"less than {STALL_BYTES} bytes in {STALL_S:.0f} s")
        return min(left_s, LOOK_S)

    def came(self, count: int) -> None:
        """So many bytes came; holds the thread as long as the limit asks for. Raises Cancelled, NetworkError."""
        if self._head_bytes is not None:
            self._head_bytes += count
            if self._head_bytes > MAX_HEAD_BYTES:          # a limit stops the clock: time alone would never end it
                raise NetworkError("net.bad-http", "the head of an answer has no end")
        else:
            self._tally.received_bytes += count
            self._count(count)
        if self._bytes_per_s:
            now = self._clock.now()
            self._due_at = max(self._due_at, now - SAVED_S) + count / self._bytes_per_s
            self._armed_at += max(0.0, self._due_at - now)             # our own slowness is not the server's
            while (left_s := self._due_at - self._clock.now()) > 0:
                self.look()
                time.sleep(min(left_s, LOOK_S))


class SeedStream:
    """What HTTPResponse reads from. One for a connection: what was read ahead belongs to the next answer."""

    def __init__(self, sock: socket.socket, progress: Progress) -> None:
        self.progress = progress       # of the order that reads now
        self._file = _KeptOpen(_Receiver(sock, self))
        self._answer: io.BufferedIOBase | None = None      # what reads from here

    def makefile(self, _mode: str) -> io.BufferedReader:
        return self._file

    def serve(self, answer: io.BufferedIOBase) -> None:
        """The next answer reads from here; the one before ends."""
        self.end()
        self._answer = answer

    def end(self) -> None:
        """Nothing more is read of the last answer. One that is left open flushes our file when it is collected, which
        may be gone by then."""
        if self._answer is not None:
            self._answer.close()


class _KeptOpen(io.BufferedReader):
    """An answer closes its file when it ends; the connection goes on."""

    def close(self) -> None:
        return


class _Receiver(io.RawIOBase):
    def __init__(self, sock: socket.socket, stream: SeedStream) -> None:
        self._sock = sock
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        progress = self._stream.progress
        view = memoryview(buffer)[:progress.most_at_once]
        while True:
            self._sock.settimeout(progress.wait_s())
            try:
                count = self._sock.recv_into(view)
            except TimeoutError:
                continue
            progress.came(count)
            return count
