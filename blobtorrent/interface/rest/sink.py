"""StreamSink: what a Push writes becomes bytes of its connection. Owned by the thread `rest`."""

from __future__ import annotations

from typing import Protocol

from blobtorrent.interface.rest.streams import Push

_LAST_CHUNK = b"0\r\n\r\n"


class Carrier(Protocol):
    """The connection that a stream goes out on."""

    @property
    def backlog_bytes(self) -> int: ...

    def push(self, data: bytes) -> None: ...

    def end_stream(self, last: bytes) -> None: ...


class StreamSink:
    """The sink of one Push: in chunks (RFC 9112, 7.1) for a client that knows them."""

    def __init__(self, carrier: Carrier, push: Push, *, is_chunked: bool) -> None:
        self._carrier: Carrier | None = carrier
        self._push = push
        self._is_chunked = is_chunked
        self._has_begun = False

    @property
    def backlog_bytes(self) -> int:
        return 0 if self._carrier is None else self._carrier.backlog_bytes

    def begin(self) -> None:
        """Have it written to."""
        self._has_begun = True
        self._push.begin(self)

    def write(self, data: bytes) -> None:
        if self._carrier is not None and data:             # a chunk of nothing would be the last
            self._carrier.push(b"%x\r\n%b\r\n" % (len(data), data) if self._is_chunked else data)

    def close(self) -> None:
        carrier = self._carrier
        if carrier is not None:
            self.detach()
            carrier.end_stream(_LAST_CHUNK if self._is_chunked else b"")

    def detach(self) -> None:
        """The connection has no more to do with it."""
        self._carrier = None
        if self._has_begun:
            self._push.end()
