"""SCGI: one request a connection, a netstring of headers and a body. Pure: bytes in, a request out.

The first header is CONTENT_LENGTH, as rTorrent wants it; the comma behind the headers is not looked at, as in 0.9.8;
what comes behind the body is not read, as in 0.16.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

MIN_HEADER_BYTES = 17                  # the shortest that can be right
MAX_HEADER_BYTES = 16 << 10            # rTorrent takes 2000; what a web server passes on may be more
MAX_BODY_BYTES = 16 << 20

_MAX_DIGITS = 8                        # of a length


class BadFraming(Exception):
    """What came is no request: the connection is closed without an answer."""


class ScgiRequest(NamedTuple):
    headers: Mapping[str, str]
    body: bytes


class ScgiReader:
    """Bytes of one connection become its request: `feed`, then `read`, until there is one."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._headers: dict[str, str] | None = None
        self._length = 0               # of the body

    @property
    def size_bytes(self) -> int:
        """What is held."""
        return len(self._buffer)

    @property
    def expected_bytes(self) -> int:
        """Of the body; 0 while nobody knows."""
        return self._length

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def read(self) -> ScgiRequest | None:
        """The request, or None while it is incomplete. Raises BadFraming."""
        if self._headers is None:
            block = self._read_header_block()
            if block is None:
                return None
            self._headers, self._length = parse_headers(block)
        if len(self._buffer) < self._length:
            return None
        body = bytes(memoryview(self._buffer)[: self._length])
        self._buffer = bytearray()
        return ScgiRequest(self._headers, body)

    def _read_header_block(self) -> bytes | None:
        """The headers without what frames them, cut from the buffer; None while they are incomplete."""
        buffer = self._buffer
        colon = buffer.find(b":", 0, _MAX_DIGITS + 1)
        digits = bytes(buffer[: _MAX_DIGITS if colon < 0 else colon])
        if colon < 0 and len(buffer) <= _MAX_DIGITS and (not digits or digits.isdigit()):
            return None
        if colon < 0 or not digits.isdigit():
            raise BadFraming("no netstring")
        length = int(digits)
        if not MIN_HEADER_BYTES <= length <= MAX_HEADER_BYTES:
            raise BadFraming(f"{length} bytes of headers")
        end = colon + 1 + length
        if len(buffer) <= end:         # the comma belongs to it
            return None
        block = bytes(buffer[colon + 1:end])
        del buffer[: end + 1]
        return block


def parse_headers(block: bytes) -> tuple[dict[str, str], int]:
    """The headers by name, and the length of the body. Raises BadFraming.

    `block` is a run of NAME NUL VALUE NUL. A name may come again with the same value only: which of two counts would
    depend on who reads.
    """
    fields = block.split(b"\0")
    if fields.pop() or len(fields) % 2:
        raise BadFraming("headers that are no pairs")
    if fields[0] != b"CONTENT_LENGTH":
        raise BadFraming("the first header is not CONTENT_LENGTH")
    digits = fields[1]
    if not digits.isdigit() or len(digits) > _MAX_DIGITS or not 1 <= int(digits) <= MAX_BODY_BYTES:
        raise BadFraming("a body of no or too many bytes")
    headers: dict[str, str] = {}
    for name, value in zip(fields[::2], fields[1::2]):
        text = value.decode("latin-1")
        if headers.setdefault(name.decode("latin-1"), text) != text:
            raise BadFraming("a header with two values")
    return headers, int(digits)


def render_head(content_type: str, length: int, *, is_gzipped: bool = False) -> bytes:
    """What comes before an answer of `length` bytes."""
    encoding = "Content-Encoding: gzip\r\n" if is_gzipped else ""
    return (
        f"Status: 200 OK\r\nContent-Type: {content_type}\r\n{encoding}Content-Length: {length}\r\n\r\n".encode("ascii")
    )
