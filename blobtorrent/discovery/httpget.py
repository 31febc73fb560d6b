"""A bounded HTTP GET for URLs that come from strangers: an end in time and size, few redirects, no way inside.

The whole call ends by one deadline, and every address is checked when it is connected to.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from typing import NamedTuple
from urllib.parse import SplitResult, urljoin

from blobtorrent.discovery.connections import Connections, Place
from blobtorrent.discovery.httpcall import (
    USER_AGENT,
    Deadline,
    connect,
    exchange,
    failure_of,
    split_url,
    target_of,
)
from blobtorrent.discovery.messages import ANYWHERE, Origin
from blobtorrent.model.errors import NetworkError, TimedOut
from blobtorrent.model.reach import Address, is_public, may_ask
from blobtorrent.network.binding import Binding
from blobtorrent.network.outgoing import far_end
from blobtorrent.protocol.httpanswer import HttpAnswer

MAX_REDIRECTS = 3
MAX_LOCATION = 4096                    # characters of a URL that one leads to
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31                      # zlib: largest window, gzip header


class Response(NamedTuple):
    status: int
    body: bytes                        # unpacked; never more than was allowed
    by: str | None = None              # the address that answered, as far as it is known


def http_get(url: str, deadline: Deadline, *, max_bytes: int, on_loopback: Callable[[str], bool], binding: Binding,
             origin: Origin = ANYWHERE, connections: Connections | None = None) -> Response:
    """Fetch `url` (http or https), following redirects; any final status is an answer.

    At most `max_bytes` are taken, as sent and unpacked. What is gzipped is unpacked whatever the headers say: trackers
    leave them out, and nothing that we fetch is meant to stay packed.
    `on_loopback(path)` tells which paths may be asked for on a loopback address. A redirect leads neither from https to
    http nor from a public address to another. With `connections` one that is idle there is used again, and left there
    for the next.

    Raises NetworkError: "net.bad-url", "net.no-such-host", "net.refused", "net.unreachable", "net.timed-out",
    "net.reset", "net.tls", "net.bad-http", "net.too-large", "net.too-many-redirects", "net.forbidden-address",
    "net.no-address", "net.interface-gone".
    """
    way = _Way(deadline, max_bytes, binding, origin, connections)
    came_from_public = came_from_tls = False
    for _ in range(1 + MAX_REDIRECTS):
        parts = split_url(url)
        if came_from_tls and parts.scheme != "https":
            raise NetworkError("net.forbidden-address", "redirected from https to http")
        came_from_tls = parts.scheme == "https"
        may_ask_here = partial(may_ask, came_from_public=came_from_public, on_loopback=on_loopback(parts.path))
        try:
            answer, by = _get(parts, may_ask_here, way)
        except OSError as error:
            raise failure_of(error) from None
        location = answer.headers.get("location") if answer.status in _REDIRECTS else None
        if location is None:
            return Response(answer.status, _unpacked(bytes(answer.body), max_bytes), None if by is None else str(by))
        came_from_public = came_from_public or is_public(by)
        url = _joined(url, location)
    raise NetworkError("net.too-many-redirects", f"more than {MAX_REDIRECTS} redirects")


class _Way(NamedTuple):
    """How servers are asked."""

    deadline: Deadline
    max_bytes: int
    binding: Binding
    origin: Origin
    connections: Connections | None


def _get(parts: SplitResult, may_ask_here: Callable[[Address], bool], way: _Way) -> tuple[HttpAnswer, Address | None]:
    """The answer, and who gave it as far as that is known. Raises NetworkError, OSError."""
    place = Place(parts.scheme, parts.netloc, way.origin.family, way.origin.host, way.binding.web)
    if way.connections is not None:
        kept = way.connections.take(place)
        if kept is not None:
            found = _ask_again(kept, place, parts, may_ask_here, way)
            if found is not None:
                return found
    sock = connect(parts, way.deadline, may_ask_here, origin=way.origin, binding=way.binding)
    return _ask(sock, place, parts, way)


def _ask(sock: socket.socket, place: Place, parts: SplitResult, way: _Way) -> tuple[HttpAnswer, Address | None]:
    """One request and its answer. Afterwards the socket is closed, or kept for the next one."""
    try:
        by = far_end(way.binding, sock, parts.hostname or "")
        answer = exchange(sock, _request(parts, is_last=way.connections is None), way.deadline, way.max_bytes)
    except BaseException:
        sock.close()
        raise
    if way.connections is not None and answer.can_go_on:
        way.connections.give(place, sock)
    else:
        sock.close()
    return answer, by


def _ask_again(sock: socket.socket, place: Place, parts: SplitResult, may_ask_here: Callable[[Address], bool],
               way: _Way) -> tuple[HttpAnswer, Address | None] | None:
    """As `_ask`, on a connection that was idle. None when that is of no use any more: it was closed meanwhile."""
    try:
        by = far_end(way.binding, sock, parts.hostname or "")
        if by is None or may_ask_here(by):
            return _ask(sock, place, parts, way)
    except TimedOut:
        raise
    except OSError:
        way.deadline.left_s()
    sock.close()
    return None


def _unpacked(data: bytes, max_bytes: int) -> bytes:
    if data[:len(_GZIP_MAGIC)] == _GZIP_MAGIC and len(data) <= max_bytes:
        import zlib

        try:
            data = zlib.decompressobj(_GZIP_WINDOW).decompress(data, max_bytes + 1)
        except zlib.error:
            raise NetworkError("net.bad-http", "the answer is no valid gzip") from None
    if len(data) > max_bytes:
        raise NetworkError("net.too-large", f"an answer of more than {max_bytes} bytes")
    return data


def _joined(url: str, location: str) -> str:
    try:
        joined = urljoin(url, location)
    except ValueError:
        joined = ""
    if not joined or len(joined) > MAX_LOCATION:
        raise NetworkError("net.bad-url", "redirected to what is no URL")
    return joined


def _request(parts: SplitResult, *, is_last: bool) -> bytes:
    return (
        f"GET {target_of(parts)} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: {USER_AGENT}\r\n"
        f"Accept-Encoding: gzip\r\nConnection: {'close' if is_last else 'keep-alive'}\r\n\r\n"
    ).encode("ascii")
