"""Blocking connections for calls over HTTP, by the way that the policy leaves. For threads that may wait.

Behind a proxy nothing is looked up here: the proxy is told the name.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable

from blobtorrent.model.errors import DialFailed, FormatError, NetworkError, ProxyFailed
from blobtorrent.model.reach import Address, address_of, true_address
from blobtorrent.network.binding import Binding
from blobtorrent.network.proxy import Proxy

RECEIVE_BYTES = 4096                   # of a proxy's answer, which is short
_LOCALHOST = "localhost"               # and what ends in it, RFC 6761
_HERE = frozenset((_LOCALHOST, "localhost.localdomain", "ip6-localhost", "ip6-loopback"))      # as systems call it

TimeLeft = Callable[[], float]         # seconds until all must be done; raises TimedOut when there are none


def connect_to(binding: Binding, host: str, port: int, left_s: TimeLeft, may_ask: Callable[[Address], bool], *,
               family: int = 0, source: str = "") -> socket.socket:
    """A blocking connection to the first address of the host that may be asked and answers.

    `family` is 4, 6 or 0 for both; `source` is an address of ours to connect from, where the policy leaves the choice.
    Through a proxy only a host that is given by its address can be judged, and what means this machine.
    Raises NetworkError ("net.no-such-host", "net.no-address", "net.forbidden-address", "net.interface-gone"),
    ProxyFailed, TimedOut, or OSError.
    """
    proxy = binding.web_proxy
    if proxy is not None:
        judged = known_address(host)
        if judged is not None and not may_ask(judged):
            raise _forbidden(host)
        return _connect_through(binding, proxy, host, port, left_s)
    fitting = [address for address in look_up(binding, host, left_s) if family in (0, address.version)]
    if not fitting:
        raise NetworkError("net.no-address", f"{host} has no IPv{family} address")
    allowed = [address for address in fitting if may_ask(true_address(address))]
    failure: OSError | NetworkError = ConnectionError("no address")
    for tried, address in enumerate(allowed):
        timeout_s = left_s() / (len(allowed) - tried)      # a dead address must not use up all the time
        try:
            return _connect(binding, str(address), port, timeout_s, source)
        except (OSError, NetworkError) as error:           # the policy may have no way for a family
            failure = error
    if not allowed:
        raise _forbidden(host)
    raise failure


def look_up(binding: Binding, host: str, left_s: TimeLeft) -> list[Address]:
    """The addresses of a host, each once, best first. It can take as long as name servers take.

    Raises NetworkError ("net.no-such-host", "net.proxy-only"), TimedOut.
    """
    literal = _literal(host)
    if literal is not None:
        return [literal]
    if binding.proxy is not None and binding.proxy.is_strict:
        raise NetworkError("net.proxy-only", f"{host}: names are looked up by the proxy alone")
    if binding.is_confined:
        from blobtorrent.network.resolver import resolve

        return resolve(binding, host, left_s)
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no address is known for this name"
        raise NetworkError("net.no-such-host", f"{host}: {reason}") from None
    return list(dict.fromkeys(ipaddress.ip_address(str(info[4][0])) for info in found))


def known_address(host: str) -> Address | None:
    """Where a host is as far as it can be told before somebody looks it up; None for most names.

    Numbers that are no address in any standard count as what systems take them for: 127.1, 0x7f000001.
    """
    name = host.lower().rstrip(".")
    if name in _HERE or name.endswith(f".{_LOCALHOST}"):
        return ipaddress.IPv4Address("127.0.0.1")
    literal = _literal(name)
    if literal is None and name.rpartition(".")[2][:1].isdigit():
        try:
            return ipaddress.IPv4Address(socket.inet_aton(name))
        except OSError:
            return None
    return None if literal is None else true_address(literal)


def far_end(binding: Binding, sock: socket.socket, host: str) -> Address | None:
    """Whom a connection to `host` leads to; None where only the proxy knows."""
    return known_address(host) if binding.web_proxy is not None else address_of(sock.getpeername()[0])


def _connect_through(binding: Binding, proxy: Proxy, host: str, port: int, left_s: TimeLeft) -> socket.socket:
    try:
        tunnel = proxy.tunnel_to(host, port)
    except FormatError as error:
        raise NetworkError("net.no-such-host", error.detail) from None
    try:
        sock = _connect(binding, proxy.endpoint.host, proxy.endpoint.port, left_s())
    except OSError as error:
        raise ProxyFailed("proxy.down", f"the proxy {proxy.endpoint}: {error.strerror or error}") from None
    try:
        outgoing = tunnel.begin()
        while not tunnel.is_open:
            sock.settimeout(left_s())
            if outgoing:
                sock.sendall(outgoing)
            data = sock.recv(RECEIVE_BYTES)
            if not data:
                raise ProxyFailed("proxy.refused", "the proxy closed the connection")
            outgoing = tunnel.feed(data)
        if tunnel.early:               # whoever is asked first does not speak first in any protocol that comes here
            raise DialFailed("net.reset", "it spoke before it was asked")
    except BaseException:
        sock.close()
        raise
    return sock


def _connect(binding: Binding, host: str, port: int, timeout_s: float, source: str = "") -> socket.socket:
    sock = binding.stream_to(host, port)
    try:
        sock.settimeout(timeout_s)
        if source and not binding.is_confined:
            sock.bind((source, 0))
        sock.connect((host, port))
    except OSError:
        sock.close()
        raise
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _forbidden(host: str) -> NetworkError:
    return NetworkError("net.forbidden-address", f"{host} lies where strangers may not send us")
