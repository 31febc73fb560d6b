"""A client of /v1/events, for tests."""

from __future__ import annotations

import json
import socket
from types import TracebackType
from typing import Any


class Listener:
    """Asks over `sock`, which becomes its own, and reads chunk after chunk. Used as a context manager."""

    def __init__(self, sock: socket.socket, query: str = "", *, token: str | None = None, since: str = "") -> None:
        self.sock = sock
        lines = [f"GET /v1/events{query} HTTP/1.1", "Host: localhost"]
        if token is not None:
            lines.append(f"Authorization: Bearer {token}")
        if since:
            lines.append(f"Last-Event-ID: {since}")
        sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self._stream = sock.makefile("rb")
        self.status = int(self._stream.readline().split()[1])
        self.headers: dict[str, str] = {}
        while line := self._stream.readline().decode().strip():
            name, _, value = line.lower().partition(": ")
            self.headers[name] = value
        self._text = b""
        if self.status == 200:
            self._read_to(b"retry: 2000\n\n")

    def __enter__(self) -> Listener:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        self.sock.close()

    def next(self) -> dict[str, Any]:
        """The next event."""
        while True:
            frame = self._read_to(b"\n\n")
            data = [line[6:] for line in frame.split(b"\n") if line.startswith(b"data: ")]
            if data:
                event = json.loads(data[0])
                assert isinstance(event, dict)
                return event

    def is_over(self) -> bool:
        """Whether the stream was ended in order, without another event."""
        return self._text == b"" and self._stream.readline() == b"0\r\n"

    def next_of(self, *types: str) -> dict[str, Any]:
        """The next event of one of these types; those before it are passed over."""
        while True:
            event = self.next()
            if event["type"] in types:
                return event

    def _read_to(self, end: bytes) -> bytes:
        while end not in self._text:
            size = int(self._stream.readline(), 16)
            assert size, "the stream ended"
            self._text += self._stream.read(size)
            self._stream.readline()
        frame, _, self._text = self._text.partition(end)
        return frame
