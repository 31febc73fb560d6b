"""A bounded HTTP GET for URLs that come from strangers: an end in time and size, few redirects, no way inside.

The whole call ends by one deadline, so a server that drips bytes gains nothing. The address is checked when it is
connected to, not when its name is looked up, so a name that changes its address gains nothing either.
"""

from __future__ import annotations

import io
import ipaddress
import re
import socket
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from blobtorrent import __version__
from blobtorrent.model.errors import DialFailed, NetworkError, TimedOut
from blobtorrent.network import transport
from blobtorrent.runtime.clock import Clock

if TYPE_CHECKING:
    from typing_extensions import Buffer

USER_AGENT = f"BlobTorrent/{__version__}"
MAX_REDIRECTS = 3
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_PORTS = {"http": 80, "https": 443}
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31                      # zlib: largest window, gzip header
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_URL_CHARACTERS = "".join(map(chr, range(0x21, 0x7F)))

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Response(NamedTuple):
    status: int
    body: bytes                        # unpacked; never more than was allowed


class Deadline:
    """A point in time that the parts of one call share."""

    def __init__(self, clock: Clock, timeout_s: float) -> None:
        self._clock = clock
        self._end_s = clock.now() + timeout_s

    def left_s(self) -> float:
        """Seconds that are left, more than none. Raises TimedOut ("net.timed-out")."""
        left_s = self._end_s - self._clock.now()
        if left_s <= 0:
            raise TimedOut("net.timed-out", "no complete answer in time")
        return left_s


def http_get(url: str, deadline: Deadline, *, max_bytes: int, loopback_path: str = "/") -> Response:
    """Fetch `url` (http or https), following redirects; any final status is an answer.

    At most `max_bytes` are taken, as sent and unpacked. What is gzipped is unpacked whatever the headers say: trackers
    leave them out, and nothing that we fetch is meant to stay packed.
    On a loopback address only paths that begin with `loopback_path` are asked for. A redirect leads neither from https
    to http nor from a public address to another.

    Raises NetworkError: "net.bad-url", "net.no-such-host", "net.refused", "net.unreachable", "net.timed-out",
    "net.reset", "net.tls", "net.bad-http", "net.too-large", "net.too-many-redirects", "net.forbidden-address".
    """
    import http.client  # here and not above: most starts of the program fetch nothing

    came_from_public = came_from_tls = False
    for _ in range(1 + MAX_REDIRECTS):
        parts = _split(url)
        if came_from_tls and parts.scheme != "https":
            raise NetworkError("net.forbidden-address", "redirected from https to http")
        came_from_tls = parts.scheme == "https"
        try:
            with _connect(parts, deadline, loopback_path, came_from_public) as sock:
                came_from_public = came_from_public or _address_of(sock.getpeername()[0]).is_global
                sock.settimeout(deadline.left_s())
                sock.sendall(_request(parts))
                response = http.client.HTTPResponse(_Stream(sock, deadline), method="GET")  # type: ignore[arg-type]
                response.begin()
                location = response.getheader("Location")
                if response.status not in _REDIRECTS or location is None:
                    return Response(response.status, _unpacked(response.read(max_bytes + 1), max_bytes))
        except OSError as error:
            raise _failure(error) from None
        except http.client.HTTPException as error:
            raise NetworkError("net.bad-http", f"not an HTTP answer ({type(error).__name__})") from None
        url = _joined(url, location)
    raise NetworkError("net.too-many-redirects", f"more than {MAX_REDIRECTS} redirects")


def may_ask(address: Address, path: str, *, loopback_path: str, came_from_public: bool) -> bool:
    """Whether a stranger's URL with this path may lead to `address`. Metadata services live at link-local addresses."""
    if address.is_unspecified or address.is_multicast or address.is_link_local:
        return False
    if came_from_public and not address.is_global:
        return False
    return not address.is_loopback or path.startswith(loopback_path)


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


def _split(url: str) -> SplitResult:
    """The parts of a URL, with a host that is plain ASCII and everything else percent-encoded."""
    try:
        parts = urlsplit(quote(url.partition("#")[0], safe=_URL_CHARACTERS))
        host = unquote(parts.hostname or "").encode("idna").decode("ascii")
        port = parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if parts.scheme not in _PORTS or port == 0 or not _HOST.fullmatch(host):
        raise NetworkError("net.bad-url", "not a URL of the form http://HOST/PATH")
    netloc = f"[{host}]" if ":" in host else host
    return parts._replace(netloc=netloc if port is None else f"{netloc}:{port}")


def _request(parts: SplitResult) -> bytes:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return (
        f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: {USER_AGENT}\r\n"
        "Accept-Encoding: gzip\r\nConnection: close\r\n\r\n"
    ).encode("ascii")


def _connect(parts: SplitResult, deadline: Deadline, loopback_path: str, came_from_public: bool) -> socket.socket:
    """A blocking connection, TLS included, to the first address of the host that may be asked and answers."""
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or _PORTS[parts.scheme], type=socket.SOCK_STREAM)
    except OSError as error:
        raise NetworkError("net.no-such-host", f"{parts.hostname}: {error.strerror}") from None
    allowed = [
        info for info in found
        if may_ask(
            _address_of(str(info[4][0])), parts.path, loopback_path=loopback_path, came_from_public=came_from_public,
        )
    ]
    failure: OSError = ConnectionError("no address")
    for tried, (family, kind, protocol, _, address) in enumerate(allowed):
        timeout_s = deadline.left_s() / (len(allowed) - tried)     # a dead address must not use up all the time
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(timeout_s)
            sock.connect(address)
            return _wrap_tls(sock, parts.hostname or "") if parts.scheme == "https" else sock
        except OSError as error:
            sock.close()
            failure = error
    if not allowed:
        raise NetworkError("net.forbidden-address", f"{parts.hostname} lies where strangers may not send us")
    raise failure


def _address_of(host: str) -> Address:
    address = ipaddress.ip_address(host)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _wrap_tls(sock: socket.socket, host: str) -> socket.socket:
    """TLS with the system's authorities and the name checked. The time limit of `sock` holds for the handshake."""
    import ssl

    return ssl.create_default_context().wrap_socket(sock, server_hostname=host)


def _failure(error: OSError) -> NetworkError:
    import ssl

    if isinstance(error, TimeoutError):
        return TimedOut("net.timed-out", "no complete answer in time")
    if isinstance(error, ssl.SSLError):
        return NetworkError("net.tls", error.reason or str(error))
    return DialFailed(transport.error_code(error), error.strerror or str(error))


class _Stream:
    """What HTTPResponse reads from: a socket whose every wait ends by the deadline."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._sock, self._deadline))


class _Reader(io.RawIOBase):
    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        self._sock.settimeout(self._deadline.left_s())
        return self._sock.recv_into(buffer)
