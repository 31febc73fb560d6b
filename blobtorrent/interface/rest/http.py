"""HTTP/1.1 requests and responses as far as a small API needs them (RFC 9112). Pure: bytes in, values out.

Stricter than the standard wherever leniency has ever let somebody smuggle a request past a proxy: one way to end a
line, one way to tell a body's length, nothing said twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, Union
from urllib.parse import parse_qsl, unquote

from blobtorrent.interface.rest.grants import NOBODY, Grant
from blobtorrent.interface.rest.streams import Pull, Push
from blobtorrent.model.errors import BlobTorrentError

NO_MORE: Mapping[str, str] = MappingProxyType({})

MAX_LINE_BYTES = 8 << 10
MAX_HEAD_BYTES = 64 << 10
MAX_HEADERS = 100
MAX_BODY_BYTES = 16 << 20
MAX_QUERY_FIELDS = 32

_END_OF_HEAD = b"\r\n\r\n"
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
_REQUEST_LINE = re.compile(r"([A-Z]{1,16}) (/[!-~]*) HTTP/([0-9]\.[0-9])")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~\x80-\xff]*)")
_LENGTH = re.compile(r"[0-9]{1,18}")
# Nothing good comes of two of these: which one counts depends on who reads.
_SINGLE = frozenset((
    "host", "content-length", "transfer-encoding", "authorization", "origin", "content-type", "expect", "sec-fetch-site"
))

_PHRASES = {
    200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 206: "Partial Content", 304: "Not Modified",
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    406: "Not Acceptable", 408: "Request Timeout", 409: "Conflict", 411: "Length Required",
    412: "Precondition Failed", 413: "Content Too Large", 414: "URI Too Long", 415: "Unsupported Media Type",
    416: "Range Not Satisfiable", 421: "Misdirected Request", 422: "Unprocessable Content", 429: "Too Many Requests",
    431: "Request Header Fields Too Large", 500: "Internal Server Error", 503: "Service Unavailable",
    505: "HTTP Version Not Supported", 507: "Insufficient Storage",
}
WITHOUT_BODY = frozenset((204, 304))

# What every answer says: nobody keeps it, no browser guesses what it is or runs anything of it.
_FIXED_HEADERS = (
    "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nContent-Security-Policy: default-src 'none'\r\n"
)


class Refused(BlobTorrentError):
    """A request that is not answered as asked. `status` is the HTTP status; codes are "rest.*"."""

    def __init__(self, status: int, code: str, detail: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(code, detail)
        self.status = status
        self.headers = headers


class Head(NamedTuple):
    """A request without its body. Header names are in lower case, `path` is decoded and split at its slashes."""

    method: str
    path: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    length: int                        # bytes of the body
    keep_alive: bool
    takes_chunks: bool = True          # the client speaks HTTP/1.1

    @property
    def content_type(self) -> str:
        """As the client wrote it; empty when it did not."""
        return self.headers.get("content-type", "")

    @property
    def awaits_consent(self) -> bool:
        """The client holds its body back until it hears "100 Continue"."""
        return self.length > 0 and self.headers.get("expect", "").lower() == "100-continue"


class Request(NamedTuple):
    head: Head
    body: bytes
    grant: Grant = NOBODY

    @property
    def query(self) -> Mapping[str, str]:
        return self.head.query


ResponseBody = Union[bytes, tuple[bytes, ...], Pull, Push]


class Response(NamedTuple):
    """`body` may be in parts, which are sent one after the other and never joined, or come as it is sent. `about` is
    for the audit log, not for the client: what was changed, where the path does not say it."""

    status: int
    body: ResponseBody = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    about: Mapping[str, str] = NO_MORE


class RequestReader:
    """Bytes of one connection become requests: `feed`, then `read_head`, then `read_body`, and again.

    It holds at most one head and the body that was announced, and what came behind them in the same `feed`.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0             # bytes of a head that were looked through already

    @property
    def is_empty(self) -> bool:
        """Nothing of a next request has come."""
        return not self._buffer

    @property
    def size_bytes(self) -> int:
        """What is held."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def read_head(self) -> Head | None:
        """The head, or None while it is incomplete. Raises Refused (400, 411, 413, 414, 431, 505)."""
        buffer, start = self._buffer, self._searched
        # A drip of single bytes must not make us read the same head again and again.
        end = buffer.find(_END_OF_HEAD, max(0, start - len(_END_OF_HEAD) + 1))
        searched_to = end if end >= 0 else len(buffer)
        if _BARE_LINE_FEED.search(buffer, start, searched_to):
            raise _malformed("a line that does not end in CR LF")
        if searched_to > MAX_HEAD_BYTES:
            raise Refused(431, "rest.head-too-large", f"more than {MAX_HEAD_BYTES} bytes of headers")
        if end < 0:
            if len(buffer) > MAX_LINE_BYTES and buffer.find(b"\r\n", 0, MAX_LINE_BYTES) < 0:
                raise _line_too_long()
            self._searched = len(buffer)
            return None
        text = buffer[:end].decode("latin-1")
        del buffer[:end + len(_END_OF_HEAD)]
        self._searched = 0
        return parse_head(text)

    def read_body(self, length: int) -> bytes | None:
        """The body of the head that was read last, or None while it is incomplete."""
        if len(self._buffer) < length:
            return None
        body = bytes(memoryview(self._buffer)[:length])
        del self._buffer[:length]
        return body

    def drop(self) -> None:
        """Forget what came: nobody will read it."""
        self._buffer.clear()


def parse_head(text: str) -> Head:
    """A head without its final empty line, decoded as Latin-1. Raises Refused."""
    lines = text.split("\r\n")
    if len(lines[0]) > MAX_LINE_BYTES:
        raise _line_too_long()
    found = _REQUEST_LINE.fullmatch(lines[0])
    if found is None:
        raise _malformed("not a request line")
    method, target, version = found.groups()
    if version not in ("1.0", "1.1"):
        raise Refused(505, "rest.bad-version", f"HTTP/{version} is not spoken here")
    headers = _parse_headers(lines[1:])
    if version == "1.1" and "host" not in headers:
        raise _malformed("no Host header")
    path, _, query = target.partition("?")
    wishes = {word.strip().lower() for word in headers.get("connection", "").split(",")}
    return Head(
        method, _parse_path(path), _parse_query(query), headers, _body_length(headers),
        keep_alive=version == "1.1" and "close" not in wishes, takes_chunks=version == "1.1",
    )


def render_head(response: Response, *, keep_alive: bool, is_chunked: bool = False) -> bytes:
    """The response as it goes over the wire, up to its body.

    A body whose length nobody knows is sent in chunks if it `is_chunked`, else it ends with the connection.
    Raises ValueError for a header that would be read as more than one line.
    """
    status = response.status
    lines = [f"HTTP/1.1 {status} {_PHRASES[status]}\r\n{_FIXED_HEADERS}"]
    headers = list(response.headers)
    if status not in WITHOUT_BODY:
        headers.append(("Content-Type", response.content_type))
        length = body_length(response)
        if length is not None:
            headers.append(("Content-Length", str(length)))
        elif is_chunked:
            headers.append(("Transfer-Encoding", "chunked"))
    if not keep_alive:
        headers.append(("Connection", "close"))
    for name, value in headers:
        if not _HEADER.fullmatch(f"{name}: {value}"):
            raise ValueError(f"a header {name!r} that cannot be sent: {value!r}")
        lines.append(f"{name}: {value}\r\n")
    lines.append("\r\n")
    return "".join(lines).encode("latin-1")


def body_length(response: Response) -> int | None:
    """Bytes of the body; None when only its end will tell."""
    body = response.body
    if isinstance(body, bytes):
        return len(body)
    if isinstance(body, tuple):
        return sum(map(len, body))
    return None if isinstance(body, Push) else body.length


def _parse_headers(lines: list[str]) -> dict[str, str]:
    if len(lines) > MAX_HEADERS:
        raise Refused(431, "rest.head-too-large", f"more than {MAX_HEADERS} headers")
    headers: dict[str, str] = {}
    for line in lines:
        found = _HEADER.fullmatch(line)
        if found is None:
            raise _malformed("not a header line")
        name, value = found[1].lower(), found[2].strip(" \t")
        if name in headers:
            if name in _SINGLE:
                raise _malformed(f"two headers {name}")
            value = f"{headers[name]}, {value}"
        headers[name] = value
    return headers


def _body_length(headers: Mapping[str, str]) -> int:
    length = headers.get("content-length")
    if "transfer-encoding" in headers:
        if length is not None:
            raise _malformed("both Transfer-Encoding and Content-Length")
        raise Refused(411, "rest.length-required", "send the body with a Content-Length")
    if length is None:
        return 0
    if not _LENGTH.fullmatch(length):
        raise _malformed("Content-Length is no number")
    if int(length) > MAX_BODY_BYTES:
        raise Refused(413, "rest.body-too-large", f"a body of more than {MAX_BODY_BYTES} bytes")
    return int(length)


def _parse_path(path: str) -> tuple[str, ...]:
    return tuple(_decoded(segment) for segment in path[1:].split("/"))


def _decoded(segment: str) -> str:
    try:
        return unquote(segment, errors="strict")
    except UnicodeDecodeError:
        raise _malformed("a path that is not UTF-8") from None


def _parse_query(query: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            query, keep_blank_values=True, strict_parsing=bool(query), errors="strict",
            max_num_fields=MAX_QUERY_FIELDS,
        )
    except ValueError:
        raise _malformed("not a query of NAME=VALUE") from None
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise _malformed("a query field that is given twice")
    return fields


def _malformed(detail: str) -> Refused:
    return Refused(400, "rest.bad-request", detail)


def _line_too_long() -> Refused:
    return Refused(414, "rest.line-too-long", f"a request line of more than {MAX_LINE_BYTES} bytes")
