"""Channels: what a connection sends and receives by. One that is encrypted is in `tls`."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Protocol

from blobtorrent.runtime.loop import EVENT_READ, EVENT_WRITE

RECEIVE_BYTES = 16 << 10
TURN_BYTES = 256 << 10                 # sent at once to one client; then others get their turn


class Channel(Protocol):
    """A non-blocking stream. What cannot be done yet raises BlockingIOError, anything else that fails OSError."""

    turn_bytes: int                    # as much as one `send` may be given
    blocked_on: int                    # the event to wait for before what was tried last is tried again

    def fileno(self) -> int: ...

    def establish(self) -> None:
        """To be called, again whenever it has blocked, before anything is sent or received."""

    def receive(self) -> bytes:
        """What has come; nothing when the other end has closed."""

    def send(self, parts: Sequence[memoryview]) -> int:
        """How many bytes of the parts are on their way. After it blocked it must be given the same bytes again."""

    def finish(self) -> None:
        """Tell the other end that nothing more will come. What it still sends can be received."""

    def close(self) -> None: ...


class PlainChannel:
    """A socket as it is. Takes it over."""

    turn_bytes = TURN_BYTES

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.blocked_on = EVENT_READ

    def fileno(self) -> int:
        return self._sock.fileno()

    def establish(self) -> None:
        """There is nothing to agree on."""

    def receive(self) -> bytes:
        self.blocked_on = EVENT_READ
        return self._sock.recv(RECEIVE_BYTES)

    def send(self, parts: Sequence[memoryview]) -> int:
        self.blocked_on = EVENT_WRITE
        return self._sock.sendmsg(parts)

    def finish(self) -> None:
        self._sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._sock.close()
