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
    Address,
    Deadline,
    address_of,
    connect,
    exchange,
    failure_of,
    split_url,
    target_of,
)
from blobtorrent.discovery.messages import ANYWHERE, Origin
from blobtorrent.model.errors import NetworkError, TimedOut
from blobtorrent.network.binding import ANYWHERE as FREE
from blobtorrent.network.binding import Binding
from blobtorrent.network.outgoing import known_address

MAX_REDIRECTS = 3
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31                      # zlib: largest window, gzip header


class Response(NamedTuple):
    status: int
    body: bytes                        # unpacked; never more than was allowed
    by: str | None = None              # the address that answered, as far as it is known


def http_get(url: str, deadline: Deadline, *, max_bytes: int, loopback_path: str | None = "/",
             origin: Origin = ANYWHERE, binding: Binding = FREE, connections: Connections | None = None) -> Response:
    """Fetch `url` (http or https), following redirects; any final status is an answer.

    At most `max_bytes` are taken, as sent and unpacked. What is gzipped is unpacked whatever the headers say: trackers
    leave them out, and nothing that we fetch is meant to stay packed.
    On a loopback address only paths that begin with `loopback_path` are asked for, with None nothing. A redirect leads
    neither from https to http nor from a public address to another. With `connections` one that is idle there is used
    again, and left there for the next.

    Raises NetworkError: "net.bad-url", "net.no-such-host", "net.refused", "net.unreachable", "net.timed-out",
    "net.reset", "net.tls", "net.bad-http", "net.too-large", "net.too-many-redirects", "net.forbidden-address",
    "net.no-address", "net.interface-gone".
    """
    came_from_public = came_from_tls = False
    for _ in range(1 + MAX_REDIRECTS):
        parts = split_url(url)
        if came_from_tls and parts.scheme != "https":
            raise NetworkError("net.forbidden-address", "redirected from https to http")
        came_from_tls = parts.scheme == "https"
        try:
            may_ask_here = partial(
                may_ask, path=parts.path, loopback_path=loopback_path, came_from_public=came_from_public)
            place = Place(parts.scheme, parts.netloc, origin.family, origin.host)
            sock = connections.take(place) if connections is not None else None
            answer = _ask_again(sock, parts, deadline, may_ask_here, max_bytes)
            if answer is None:
                sock = connect(parts, deadline, may_ask_here, origin=origin, binding=binding)
                answer = _ask(sock, parts, deadline, max_bytes, is_last=connections is None)
            assert sock is not None
            came_from_public = came_from_public or answer.came_from_public
            if connections is not None and answer.can_go_on:
                connections.give(place, sock)
            else:
                sock.close()
            if answer.location is None:
                by = known_address(parts.hostname or "") if binding.proxy is not None else answer.by
                return Response(answer.status, _unpacked(answer.body, max_bytes), by)
        except OSError as error:
            raise failure_of(error) from None
        url = _joined(url, answer.location)
    raise NetworkError("net.too-many-redirects", f"more than {MAX_REDIRECTS} redirects")


class _Answer(NamedTuple):
    status: int
    location: str | None               # of a redirect
    body: bytes                        # as sent
    can_go_on: bool                    # the connection can be used again
    came_from_public: bool
    by: str                            # the address of the server, or of a proxy


def _ask(sock: socket.socket, parts: SplitResult, deadline: Deadline, max_bytes: int, *, is_last: bool) -> _Answer:
    """One request and its answer. The socket is closed when that fails."""
    try:
        by = address_of(sock.getpeername()[0])
        answer = exchange(sock, _request(parts, is_last=is_last), deadline, max_bytes)
        location = answer.headers.get("location") if answer.status in _REDIRECTS else None
        return _Answer(answer.status, location, bytes(answer.body), answer.can_go_on, by.is_global, str(by))
    except BaseException:
        sock.close()
        raise


def _ask_again(sock: socket.socket | None, parts: SplitResult, deadline: Deadline, may_ask_here: Callable[
        [Address], bool], max_bytes: int) -> _Answer | None:
    """As `_ask`, on a connection that was idle. None when that is of no use any more: it was closed meanwhile."""
    if sock is None:
        return None
    try:
        if may_ask_here(address_of(sock.getpeername()[0])):
            return _ask(sock, parts, deadline, max_bytes, is_last=False)
    except TimedOut:
        raise
    except OSError:
        deadline.left_s()
    sock.close()
    return None


def may_ask(address: Address, path: str, *, loopback_path: str | None, came_from_public: bool) -> bool:
    """Whether a stranger's URL with this path may lead to `address`. Metadata services live at link-local addresses."""
    if address.is_unspecified or address.is_multicast or address.is_link_local:
        return False
    if came_from_public and not address.is_global:
        return False
    return not address.is_loopback or loopback_path is not None and path.startswith(loopback_path)


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
        return urljoin(url, location)
    except ValueError:
        raise NetworkError("net.bad-url", "redirected to what is no URL") from None


def _request(parts: SplitResult, *, is_last: bool) -> bytes:
    return (
        f"GET {target_of(parts)} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: {USER_AGENT}\r\n"
        f"Accept-Encoding: gzip\r\nConnection: {'close' if is_last else 'keep-alive'}\r\n\r\n"
    ).encode("ascii")
