"""Binding: the one policy that every socket to the outside obeys, whoever opens it.

Without an interface in the settings sockets go where the system sends them. With one, given by its name or by its
addresses, nothing leaves by another way: no connection, no listener, no datagram, no question to a name server. While
the interface is gone there are no sockets at all. What goes to this machine itself never leaves it and is free.
A strict proxy is the only place that may be connected to.

Any thread may open sockets. Whoever watches the system's addresses is the only one that calls `look`.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from blobtorrent.config.values import InterfaceSpec
from blobtorrent.model.errors import NetworkError

if TYPE_CHECKING:
    from blobtorrent.network.proxy import Proxy

GONE = "net.interface-gone"
_SO_BINDTODEVICE = 25                  # of Linux; `socket` does not name it on every Python
_IP_BIND_ADDRESS_NO_PORT = 24          # a bound source address takes no port before the connection does
_ABSENT = frozenset((errno.ENODEV, errno.ENXIO, errno.EADDRNOTAVAIL))
_NOT_ALLOWED = frozenset((errno.EPERM, errno.EACCES, errno.ENOPROTOOPT))
_ANY_HOSTS = ("0.0.0.0", "::", "")


# An interface as it is now: its number, another one when it was made anew, and its addresses; none: gone or down.
Presence = tuple[int, tuple[str, ...]]

ABSENT: Presence = (0, ())

# What there is of an interface, by its name.
PresenceOf = Callable[[str], Presence]


class Binding:
    """Where sockets may be bound; `Binding()` leaves them free."""

    def __init__(self, interface: InterfaceSpec | None = None, *, proxy: Proxy | None = None,
                 allow_loopback: bool = False, presence_of: PresenceOf | None = None) -> None:
        self.proxy = proxy
        self.interface = InterfaceSpec() if interface is None else interface
        self._allow_loopback = allow_loopback
        self._presence_of = _system_presence_of if presence_of is None else presence_of
        self._presence = ABSENT        # replaced as a whole by `look`, read by any thread
        self.look()

    @property
    def is_confined(self) -> bool:
        return bool(self.interface.name or self.interface.addresses)

    @property
    def _has_strict_proxy(self) -> bool:
        return self.proxy is not None and self.proxy.is_strict

    @property
    def sources(self) -> tuple[str, ...]:
        """The addresses that we may use; none when all may be used, or when the interface is gone."""
        return self._presence[1]

    @property
    def is_there(self) -> bool:
        """Whether anything can be sent."""
        return not self.is_confined or bool(self.sources)

    def look(self) -> bool:
        """See what there is of the interface now. True when that changed."""
        before = self._presence
        if self.interface.name:
            self._presence = self._presence_of(self.interface.name)
        else:
            self._presence = (0, tuple(filter(_is_ours, self.interface.addresses)))
        return before != self._presence

    def admits(self, host: str, by: str | None) -> bool:
        """Whether who is at the address `by` (None: unknown) may send us to the address `host`."""
        from blobtorrent.model.reach import may_name

        return may_name(by, host, allow_loopback=self._allow_loopback)

    def stream_to(self, host: str) -> socket.socket:
        """A TCP socket for a connection to the address `host`.

        Raises NetworkError ("net.interface-gone", "net.proxy-only"), OSError.
        """
        if self._has_strict_proxy and self.proxy is not None and host != self.proxy.endpoint.host:
            raise NetworkError("net.proxy-only", f"network.proxy_strict: nothing goes to {host} beside the proxy")
        address = ipaddress.ip_address(host.partition("%")[0])
        sock = socket.socket(_family(address.version), socket.SOCK_STREAM)
        try:
            if self.is_confined and not address.is_loopback:
                self._confine(sock, address.version)
        except BaseException:
            sock.close()
            raise
        return sock

    def open_at(self, host: str, port: int, kind: int) -> socket.socket:
        """A non-blocking socket that is bound to an address of ours, for listening (SOCK_STREAM) or datagrams.

        "0.0.0.0" and "::" are every address that we may use. An IPv6 socket leaves IPv4 alone.
        Raises NetworkError ("net.interface-gone", "net.off-interface", "net.proxy-only"), OSError, or ValueError when
        `host` is no address.
        """
        version = ipaddress.ip_address(host).version
        if self._has_strict_proxy:
            raise NetworkError("net.proxy-only", f"network.proxy_strict: nothing comes in at {host} beside the proxy")
        sock = socket.socket(_family(version), kind)
        try:
            sock.setblocking(False)
            if kind == socket.SOCK_STREAM:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if version == 6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((self._local_host(sock, host, version), port))
        except BaseException:
            sock.close()
            raise
        return sock

    def _local_host(self, sock: socket.socket, host: str, version: int) -> str:
        """Where to bind for `host`, once the socket cannot leave the interface."""
        if not self.is_confined:
            return host
        if host not in _ANY_HOSTS and host not in self.sources:
            raise NetworkError("net.off-interface", f"{host} is not an address of {self.interface}")
        if self.interface.name and self._bind_to_device(sock):
            return host
        return self._source(version) if host in _ANY_HOSTS else host

    def _confine(self, sock: socket.socket, version: int) -> None:
        if self.interface.name and self._bind_to_device(sock):
            return
        try:
            if sock.type == socket.SOCK_STREAM:
                sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((self._source(version), 0))
        except OSError as error:
            if error.errno in _ABSENT:
                raise self._gone() from None
            raise

    def _bind_to_device(self, sock: socket.socket) -> bool:
        """Have the kernel see to it; False where we are not allowed to ask for that."""
        try:
            sock.setsockopt(socket.SOL_SOCKET, _SO_BINDTODEVICE, self.interface.name.encode() + b"\0")
        except OSError as error:
            if error.errno in _ABSENT:
                raise self._gone() from None
            if error.errno in _NOT_ALLOWED:
                return False
            raise
        return True

    def _source(self, version: int) -> str:
        for source in self.sources:
            if ipaddress.ip_address(source).version == version:
                return source
        raise self._gone(f" for IPv{version}")

    def _gone(self, what: str = "") -> NetworkError:
        return NetworkError(GONE, f"network.interface: {self.interface} is not there or has no address{what}")


def _family(version: int) -> int:
    return socket.AF_INET6 if version == 6 else socket.AF_INET


def _is_ours(address: str) -> bool:
    """Whether some interface has the address: only then can it be bound."""
    with socket.socket(_family(ipaddress.ip_address(address).version), socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _system_presence_of(name: str) -> Presence:
    from blobtorrent.network.interfaces import presence_of

    return presence_of(name)


ANYWHERE = Binding()
