"""The answer to an HTTP request, read from its bytes as they come (RFC 9112). No I/O.

Answers come from strangers. So what is kept and what is looked at has a limit, whatever lengths are announced, and
nothing but NetworkError is raised. Where servers are known to be careless this is not strict: lines may end without a
carriage return, and an answer may end before its announced length.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum

from blobtorrent.model.errors import NetworkError
from blobtorrent.runtime.machine import Machine, Table

MAX_HEAD_BYTES = 64 << 10              # of one line, and of all: the head, those before it (1xx), chunk sizes, trailers
FRAMING_SHARE = 16                     # with chunks one byte more for so many of the body that are allowed

_STATUS = re.compile(rb"HTTP/1\.([0-9]) +([1-9][0-9]{2})(?: .*)?", re.DOTALL)
_LENGTH = re.compile(r"[0-9]{1,18}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?", re.DOTALL)
_WITHOUT_BODY = frozenset((204, 304))


class State(Enum):
    STATUS = "status"                  # the first line
    HEADERS = "headers"
    BODY = "body"                      # of a length that was announced, or up to the end of the connection
    CHUNK_SIZE = "chunk size"
    CHUNK = "chunk"
    CHUNK_END = "chunk end"            # the line break behind a chunk
    TRAILERS = "trailers"
    DONE = "done"


class Event(Enum):
    BEGUN = "begun"
    INTERIM = "interim"                # it was a 1xx: another head follows
    PLAIN = "plain"                    # a body without chunks
    CHUNKED = "chunked"
    SIZE = "size"
    LAST_SIZE = "last size"
    COMPLETE = "complete"              # what the state is about has come


ANSWER = Table(
    {
        State.STATUS: {Event.BEGUN: State.HEADERS},
        State.HEADERS: {Event.INTERIM: State.STATUS, Event.PLAIN: State.BODY, Event.CHUNKED: State.CHUNK_SIZE,
                        Event.COMPLETE: State.DONE},
        State.BODY: {Event.COMPLETE: State.DONE},
        State.CHUNK_SIZE: {Event.SIZE: State.CHUNK, Event.LAST_SIZE: State.TRAILERS},
        State.CHUNK: {Event.COMPLETE: State.CHUNK_END},
        State.CHUNK_END: {Event.COMPLETE: State.CHUNK_SIZE},
        State.TRAILERS: {Event.COMPLETE: State.DONE},
    },
    home=State.STATUS,
    ends=(State.DONE,),
)


class HttpAnswer:
    """One answer to a GET or POST. `feed` it until `is_done`; `headers` have names in lower case.

    `feed` and `end` raise NetworkError: "net.bad-http", or "net.too-large" for a body of more than `max_bytes`. With
    None for that the answer is done with its head, and a body is not looked at.
    """

    def __init__(self, max_bytes: int | None) -> None:
        self.status = 0                # 0 until it is known
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self._has_body = max_bytes is not None
        self._max_bytes = max_bytes or 0
        self._lines_left = MAX_HEAD_BYTES          # bytes that lines may still have
        self._machine = Machine(ANSWER)
        self._rest = bytearray()       # came, and is not looked at yet
        self._left: int | None = 0     # bytes to come of the body or chunk; None: all up to the end of the connection
        self._is_kept = False

    @property
    def is_done(self) -> bool:
        return self._machine.state is State.DONE

    @property
    def can_go_on(self) -> bool:
        """Whether the connection can carry another request: the answer is complete, and nothing came behind it."""
        return self.is_done and self._is_kept and not self._rest

    def feed(self, data: bytes) -> None:
        """Take what came next."""
        self._rest += data
        while not self.is_done and _STEPS[self._machine.state](self):
            pass

    def end(self) -> None:
        """The connection ended: so does the answer, if it may end here."""
        if self._machine.state is not State.BODY:
            raise _bad("it ends too early")
        self._is_kept = False
        self._machine.fire(Event.COMPLETE)

    # ---- steps; each tells whether there may be more to do with what came

    def _on_status(self) -> bool:
        line = self._line()
        if line is None:
            return False
        match = _STATUS.fullmatch(line)
        if match is None:
            raise _bad("no status line")
        self.status = int(match.group(2))
        self.headers = {}
        self._is_kept = match.group(1) != b"0"
        self._machine.fire(Event.BEGUN)
        return True

    def _on_headers(self) -> bool:
        line = self._line()
        if line is None:
            return False
        if line:
            self._add_header(line)
        elif 100 <= self.status < 200:
            self._machine.fire(Event.INTERIM)
        else:
            self._on_head()
        return True

    def _add_header(self, line: bytes) -> None:
        """Lines that are no header are passed over, as are continuations: nothing that matters here needs any."""
        name, colon, value = line.decode("latin-1").partition(":")
        if colon and name[:1] not in (" ", "\t"):
            name, value = name.strip().lower(), value.strip()
            self.headers[name] = f"{self.headers[name]}, {value}" if name in self.headers else value

    def _on_head(self) -> None:
        """The head is complete: what follows it?"""
        if "connection" in self.headers:
            said = self.headers["connection"].lower()
            self._is_kept = "close" not in said and (self._is_kept or "keep-alive" in said)
        length = self.headers.get("content-length", "").partition(",")[0].strip()
        if self.status in _WITHOUT_BODY:
            self._machine.fire(Event.COMPLETE)
        elif not self._has_body:
            self._is_kept = False
            self._machine.fire(Event.COMPLETE)
        elif "chunked" in self.headers.get("transfer-encoding", "").lower():
            self._lines_left += self._max_bytes // FRAMING_SHARE
            self._machine.fire(Event.CHUNKED)
        else:
            self._left = int(length) if _LENGTH.fullmatch(length) else None
            self._is_kept = self._is_kept and self._left is not None
            self._machine.fire(Event.PLAIN)

    def _on_body(self) -> bool:
        """As much of the body, or of a chunk, as there is."""
        count = len(self._rest) if self._left is None else min(len(self._rest), self._left)
        if len(self.body) + max(count, self._left or 0) > self._max_bytes:
            raise NetworkError("net.too-large", f"an answer of more than {self._max_bytes} bytes")
        self.body += self._rest[:count]
        del self._rest[:count]
        if self._left is None:
            return False
        self._left -= count
        if self._left:
            return False
        self._machine.fire(Event.COMPLETE)
        return True

    def _on_chunk_size(self) -> bool:
        line = self._line()
        if line is None:
            return False
        match = _CHUNK.fullmatch(line)
        if match is None:
            raise _bad("no size of a chunk")
        self._left = int(match.group(1), 16)
        self._machine.fire(Event.SIZE if self._left else Event.LAST_SIZE)
        return True

    def _on_chunk_end(self) -> bool:
        line = self._line()
        if line is None:
            return False
        if line:
            raise _bad("a chunk is longer than it says")
        self._machine.fire(Event.COMPLETE)
        return True

    def _on_trailers(self) -> bool:
        line = self._line()
        if line is None:
            return False
        if not line:
            self._machine.fire(Event.COMPLETE)
        return True

    def _line(self) -> bytes | None:
        """The next line without its end; None while that has not come."""
        limit = min(self._lines_left, MAX_HEAD_BYTES)
        end = self._rest.find(b"\n", 0, limit)
        if end < 0:
            if len(self._rest) >= limit:
                raise _bad("lines beyond reason")
            return None
        line = bytes(self._rest[:end])
        del self._rest[:end + 1]
        self._lines_left -= end + 1
        return line.removesuffix(b"\r")


_STEPS: dict[State, Callable[[HttpAnswer], bool]] = {
    State.STATUS: HttpAnswer._on_status,
    State.HEADERS: HttpAnswer._on_headers,
    State.BODY: HttpAnswer._on_body,
    State.CHUNK_SIZE: HttpAnswer._on_chunk_size,
    State.CHUNK: HttpAnswer._on_body,
    State.CHUNK_END: HttpAnswer._on_chunk_end,
    State.TRAILERS: HttpAnswer._on_trailers,
}


def _bad(reason: str) -> NetworkError:
    return NetworkError("net.bad-http", f"not an HTTP answer ({reason})")
