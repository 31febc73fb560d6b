"""A pipe: one uTP stream and one end of a socket pair, whose other end is a peer's socket to everybody else.

Who is slow holds up who is fast, and nobody keeps more than two buffers: while the pair is full the stream is not read,
so that its receive window closes; while the stream's buffer is full the pair is not read, so that writers wait. An end
of the peer's words is passed on when all before it was; an end of ours is a FIN. Runs on the thread `udp`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from blobtorrent.protocol.utp.states import OVER
from blobtorrent.runtime.loop import EVENT_READ, EVENT_WRITE, SelectorLoop

if TYPE_CHECKING:
    from blobtorrent.protocol.utp.stream import UtpStream

CHUNK_BYTES = 256 << 10                # moved at a time, each way
PAIR_BYTES = 1 << 20                   # that the system keeps in each direction, as far as it lets us
LEAST_BYTES = 4 << 10                  # read for a stream without room, so that it tells when it has some
CHUNKS_PER_PASS = 4                    # of one stream; then others get their turn
MAX_PARTS = 512                        # of one system call, which takes 1024


def make_pair() -> tuple[socket.socket, socket.socket]:
    """Two connected sockets that do not block. Raises OSError when there are no descriptors."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    for sock in (ours, theirs):
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PAIR_BYTES)
    return ours, theirs


class Pipe:
    """Of one stream. `sock` is our end of the pair; `on_closed` hears when nothing more goes through it.
    `received_bytes` and `sent_bytes` went through."""

    __slots__ = ("received_bytes", "sent_bytes", "sock", "stream", "_events", "_has_more", "_is_deaf", "_is_shut",
                 "_loop", "_on_closed", "_rest", "_unwritten")

    def __init__(self, loop: SelectorLoop, stream: UtpStream, sock: socket.socket,
                 on_closed: Callable[[Pipe], None]) -> None:
        self.stream = stream
        self.sock = sock
        self.received_bytes = 0
        self.sent_bytes = 0
        self._loop = loop
        self._on_closed = on_closed
        self._rest: list[bytes | memoryview] = []          # from the stream, for which the pair had no room
        self._has_more = False                             # the stream has what was not read yet
        self._unwritten = b""                              # from the pair, for which the stream had none
        self._is_deaf = False                              # the other end is closed: nobody wants what comes
        self._is_shut = False                              # the other end was told that nothing more comes
        self._events = EVENT_READ
        loop.register(sock, EVENT_READ, self._on_ready)

    @property
    def is_closed(self) -> bool:
        return self.sock.fileno() < 0

    def _on_ready(self, mask: int) -> None:
        if mask & EVENT_WRITE:
            self.deliver()
        if mask & EVENT_READ:
            self._collect()

    # ---- from the peer

    def deliver(self) -> None:
        """The stream has something, has ended, or the pair has room again."""
        for _ in range(CHUNKS_PER_PASS):
            if not self._rest:
                self._rest += self.stream.read(CHUNK_BYTES)
            self._has_more = bool(self._rest)
            if not self._rest:
                break
            if self._is_deaf:
                self._rest.clear()
            elif not self._push():
                break
        if not (self._has_more or self._is_shut) and (self.stream.is_eof or self.stream.state in OVER):
            self._is_shut = True
            try:
                self.sock.shutdown(socket.SHUT_WR)
            except OSError:            # closed meanwhile: that is found when it is read
                pass
        self._watch()

    def _push(self) -> bool:
        """Have the pair take what waits. False when it does not take all."""
        try:
            count = self.sock.sendmsg(self._rest[:MAX_PARTS])
        except BlockingIOError:
            return False
        except OSError:                # the other end is closed; what it said before is still to be read
            self._is_deaf = True
            self._rest.clear()
            return True
        self.received_bytes += count
        done = 0
        for part in self._rest:
            if count < len(part):
                break
            count -= len(part)
            done += 1
        del self._rest[:done]
        if count:
            self._rest[0] = memoryview(self._rest[0])[count:]
        return not self._rest

    # ---- to the peer

    def _collect(self) -> None:
        for _ in range(CHUNKS_PER_PASS):
            if self._unwritten or self.is_closed:
                return
            try:                       # no more than fits: the stream then keeps it as it is, without a copy
                data = self.sock.recv(min(CHUNK_BYTES, max(self.stream.room, LEAST_BYTES)))
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._hang_up()
                return
            taken = self.stream.write(data)
            self.sent_bytes += taken
            if taken < len(data) and self.stream.state not in OVER:
                self._unwritten = data[taken:]
                self._watch()

    def write_on(self) -> None:
        """The stream has room again."""
        if self._unwritten:
            taken = self.stream.write(self._unwritten)
            self.sent_bytes += taken
            self._unwritten = self._unwritten[taken:]
            self._watch()

    # ---- the end

    def end(self) -> None:
        """The stream is over: the other end gets what came before, then hears that it ended."""
        self._unwritten = b""
        if not self.is_closed:
            self.deliver()

    def drop(self) -> None:
        """Close our end now."""
        if not self.is_closed:
            self._hang_up()

    def _hang_up(self) -> None:
        """The other end is closed, and all that it said was read."""
        self._is_deaf = True
        if self._events:
            self._loop.unregister(self.sock)
            self._events = 0
        self.sock.close()
        self.stream.close(self._loop.now)
        self._rest.clear()
        self.deliver()
        self._on_closed(self)

    def _watch(self) -> None:
        """Wait for what is of use now."""
        if self.is_closed:
            return
        events = (0 if self._unwritten else EVENT_READ) | (EVENT_WRITE if self._has_more and not self._is_deaf else 0)
        if events == self._events:
            return
        if not events:
            self._loop.unregister(self.sock)
        elif not self._events:
            self._loop.register(self.sock, events, self._on_ready)
        else:
            self._loop.modify(self.sock, events, self._on_ready)
        self._events = events
