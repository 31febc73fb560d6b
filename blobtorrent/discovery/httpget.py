"""A bounded HTTP GET for URLs that come from strangers: an end in time and size, few redirects, no way inside.

The whole call ends by one deadline, and every address is checked when it is connected to.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple
from urllib.parse import SplitResult, urljoin

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
from blobtorrent.model.errors import NetworkError

MAX_REDIRECTS = 3
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31                      # zlib: largest window, gzip header


class Response(NamedTuple):
    status: int
    body: bytes                        # unpacked; never more than was allowed


def http_get(url: str, deadline: Deadline, *, max_bytes: int, loopback_path: str | None = "/") -> Response:
    """Fetch `url` (http or https), following redirects; any final status is an answer.

    At most `max_bytes` are taken, as sent and unpacked. What is gzipped is unpacked whatever the headers say: trackers
    leave them out, and nothing that we fetch is meant to stay packed.
    On a loopback address only paths that begin with `loopback_path` are asked for, with None nothing. A redirect leads
    neither from https to http nor from a public address to another.

    Raises NetworkError: "net.bad-url", "net.no-such-host", "net.refused", "net.unreachable", "net.timed-out",
    "net.reset", "net.tls", "net.bad-http", "net.too-large", "net.too-many-redirects", "net.forbidden-address".
    """
    import http.client  # here and not above: most starts of the program fetch nothing

    came_from_public = came_from_tls = False
    for _ in range(1 + MAX_REDIRECTS):
        parts = split_url(url)
        if came_from_tls and parts.scheme != "https":
            raise NetworkError("net.forbidden-address", "redirected from https to http")
        came_from_tls = parts.scheme == "https"
        try:
            may_ask_here = partial(
                may_ask, path=parts.path, loopback_path=loopback_path, came_from_public=came_from_public)
            with connect(parts, deadline, may_ask_here) as sock:
                came_from_public = came_from_public or address_of(sock.getpeername()[0]).is_global
                response = exchange(sock, _request(parts), deadline, "GET")
                location = response.getheader("Location")
                if response.status not in _REDIRECTS or location is None:
                    return Response(response.status, _unpacked(response.read(max_bytes + 1), max_bytes))
        except OSError as error:
            raise failure_of(error) from None
        except http.client.HTTPException as error:
            raise NetworkError("net.bad-http", f"not an HTTP answer ({type(error).__name__})") from None
        url = _joined(url, location)
    raise NetworkError("net.too-many-redirects", f"more than {MAX_REDIRECTS} redirects")


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


def _request(parts: SplitResult) -> bytes:
    return (
        f"GET {target_of(parts)} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: {USER_AGENT}\r\n"
        "Accept-Encoding: gzip\r\nConnection: close\r\n\r\n"
    ).encode("ascii")
