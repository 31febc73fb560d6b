"""Binding: the one policy that every socket to the outside obeys, whoever opens it.

Without an interface in the settings sockets go where the system sends them. With one, given by its name or by its
addresses, nothing leaves by another way: no connection, no listener, no datagram, no question to a name server. While
the interface is gone there are no sockets at all. What goes to this machine itself never leaves it and is free.

Any thread may open sockets. Whoever watches the system's addresses is the only one that calls `look`.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Callable

from blobtorrent.config.values import InterfaceSpec
from blobtorrent.model.errors import NetworkError
from blobtorrent.model.reach import may_name

GONE = "net.interface-gone"
_SO_BINDTODEVICE = 25                  # of Linux; `socket` does not name it on every Python
_IP_BIND_ADDRESS_NO_PORT = 24          # a bound source address takes no port before the connection does
_ABSENT = frozenset((errno.ENODEV, errno.ENXIO, errno.EADDRNOTAVAIL))
_NOT_ALLOWED = frozenset((errno.EPERM, errno.EACCES, errno.ENOPROTOOPT))
_ANY_HOSTS = ("0.0.0.0", "::", "")

# The addresses of an interface, by its name; empty when it is gone or down.
AddressesOf = Callable[[str], tuple[str, ...]]


class Binding:
    """Where sockets may be bound; `Binding()` leaves them free."""

    def __init__(self, interface: InterfaceSpec | None = None, *, allow_loopback: bool = False,
                 addresses_of: AddressesOf | None = None) -> None:
        self.interface = InterfaceSpec() if interface is None else interface
        self._allow_loopback = allow_loopback
        self._addresses_of = _system_addresses_of if addresses_of is None else addresses_of
        self._sources = self.interface.addresses          # replaced as a whole by `look`, read by any thread
        self.is_there = not self.is_confined
        self.look()

    @property
    def is_confined(self) -> bool:
        return bool(self.interface.name or self.interface.addresses)

    @property
    def sources(self) -> tuple[str, ...]:
        """The addresses that we may use; none when all may be used, or when the interface is gone."""
        return self._sources

    def look(self) -> bool:
        """See which addresses the interface has now. True when that changed."""
        if not self.is_confined:
            return False
        before = (self.is_there, self._sources)
        if self.interface.name:
            self._sources = self._addresses_of(self.interface.name)
        else:
            self._sources = tuple(filter(_is_ours, self.interface.addresses))
        self.is_there = bool(self._sources)
        return before != (self.is_there, self._sources)

    def admits(self, host: str, by: str | None) -> bool:
        """Whether who is at the address `by` (None: unknown) may send us to the address `host`."""
        return may_name(by, host, allow_loopback=self._allow_loopback)

    def stream_to(self, host: str) -> socket.socket:
        """A TCP socket for a connection to the address `host`. Raises NetworkError ("net.interface-gone"), OSError."""
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
        Raises NetworkError ("net.interface-gone", "net.off-interface"), OSError, or ValueError when `host` is no
        address.
        """
        version = ipaddress.ip_address(host).version
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
        if host not in _ANY_HOSTS and host not in self._sources:
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
        for source in self._sources:
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


def _system_addresses_of(name: str) -> tuple[str, ...]:
    from blobtorrent.network.interfaces import addresses_of

    return addresses_of(name)


ANYWHERE = Binding()
