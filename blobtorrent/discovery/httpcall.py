"""One HTTP exchange: a request goes out, an answer comes in, all by one deadline. Blocking; for threads that may wait.

A server that drips bytes gains nothing. Whoever calls decides about every address before it is connected to: not when
its name is looked up, so a name that changes its address gains nothing either.
"""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, quote, unquote, urlsplit

from blobtorrent import __version__
from blobtorrent.discovery.messages import ANYWHERE, Origin
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import DialFailed, NetworkError, TimedOut
from blobtorrent.model.reach import Address
from blobtorrent.network import outgoing, transport
from blobtorrent.network.binding import Binding
from blobtorrent.network.outgoing import connect_to
from blobtorrent.network.webpolicy import WebPolicy
from blobtorrent.protocol.httpanswer import HttpAnswer
from blobtorrent.runtime.clock import Clock

if TYPE_CHECKING:
    import ssl

USER_AGENT = f"BlobTorrent/{__version__}"
RECEIVE_BYTES = 64 << 10
_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_URL_CHARACTERS = "".join(map(chr, range(0x21, 0x7F)))


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


def split_url(url: str) -> SplitResult:
    """The parts of a URL, with a host that is plain ASCII and everything else percent-encoded.

    Raises NetworkError ("net.bad-url") for what is not of http or https.
    """
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


def exchange(sock: socket.socket, request: bytes, deadline: Deadline, max_bytes: int | None) -> HttpAnswer:
    """Send a GET or POST and read its answer, with a body of at most `max_bytes`; with None the head alone.

    Raises TimedOut, NetworkError ("net.bad-http", "net.too-large"), or OSError.
    """
    sock.settimeout(deadline.left_s())
    sock.sendall(request)
    answer = HttpAnswer(max_bytes)
    data = b"."
    while data and not answer.is_done:
        sock.settimeout(deadline.left_s())
        data = sock.recv(RECEIVE_BYTES)
        if data:
            answer.feed(data)
        elif answer.status:
            answer.end()
        else:
            raise ConnectionResetError(errno.ECONNRESET, "closed without an answer")
    return answer


def target_of(parts: SplitResult) -> str:
    """What stands between the method and the version of a request."""
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def connect(parts: SplitResult, deadline: Deadline, may_ask: Callable[[Address], bool], *,
            binding: Binding, origin: Origin = ANYWHERE, web: WebPolicy | None = None) -> socket.socket:
    """A blocking connection, TLS included, to the first address of the host that may be asked and answers.

    `web` is what certificates are judged by, if not what the binding says.
    Raises NetworkError ("net.no-such-host", "net.no-address", "net.forbidden-address", "net.tls"), ProxyFailed,
    TimedOut, or OSError.
    """
    host = parts.hostname or ""
    sock = connect_to(binding, host, parts.port or _PORTS[parts.scheme], deadline.left_s, may_ask,
                      family=origin.family, source=origin.host)
    if parts.scheme != "https":
        return sock
    try:
        sock.settimeout(deadline.left_s())
        context = _tls_context((web or binding.web).for_host(host))
        return context.wrap_socket(sock, server_hostname=host)
    except BaseException:
        sock.close()
        raise


def look_up(host: str, port: int, deadline: Deadline, binding: Binding) -> list[Endpoint]:
    """The addresses of a name, each once, in the order of preference. It can take as long as name servers take.

    Raises NetworkError ("net.no-such-host", "net.proxy-only"), TimedOut.
    """
    return [Endpoint(str(address), port) for address in outgoing.look_up(binding, host, deadline.left_s)]


@lru_cache(maxsize=3)
def _tls_context(web: WebPolicy) -> ssl.SSLContext:
    """One for all threads: to read the system's authorities takes tens of milliseconds and a megabyte. `web`
    is that of one host.

    Raises NetworkError ("net.tls") for authorities that cannot be read: then nobody can be trusted.
    """
    import ssl

    try:
        context = ssl.create_default_context(cafile=web.ca_file or None, capath=web.ca_folder or None)
    except OSError as error:
        raise NetworkError("net.tls", f"network.tls_ca_file: {web.ca_file}: {error.strerror or error}") from None
    if web.trusts_all or web.trusts_names:
        context.check_hostname = False
    if web.trusts_all:
        context.verify_mode = ssl.CERT_NONE
    return context


def failure_of(error: OSError) -> NetworkError:
    """What a failed exchange is called: "net.timed-out", "net.tls", "net.refused", "net.unreachable", "net.reset"."""
    import ssl

    if isinstance(error, TimeoutError):
        return TimedOut("net.timed-out", "no complete answer in time")
    if isinstance(error, ssl.SSLError):
        return NetworkError("net.tls", error.reason or str(error))
    return DialFailed(transport.error_code(error), error.strerror or str(error))
