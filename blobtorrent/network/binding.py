"""Binding: the one policy that every socket to the outside obeys, whoever opens it.

Without an interface in the settings sockets go where the system sends them. With one, given by its name or by its
addresses, nothing leaves by another way: no connection, no listener, no datagram, no question to a name server. The
kernel sees to that, since every socket is tied to the interface: an address of ours alone would decide no route. While
the interface is gone there are no sockets at all. What goes to this machine itself never leaves it and is free.
A strict proxy is the only place that may be connected to, and the proxy of calls over HTTP, if they have one.

Any thread may open sockets. Whoever watches the system's addresses is the only one that calls `look`.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from blobtorrent.config.values import InterfaceSpec
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import NetworkError
from blobtorrent.network.webpolicy import USUAL, WebPolicy

if TYPE_CHECKING:
    from blobtorrent.network.proxy import Proxy
    from blobtorrent.protocol.netlink import Answer

GONE = "net.interface-gone"
CANNOT_CONFINE = "net.cannot-confine"
NEEDS = "to tie sockets to an interface takes Linux 5.7, or the capability CAP_NET_RAW"
_SO_BINDTODEVICE = 25                  # of Linux; `socket` does not name it on every Python
_IP_BIND_ADDRESS_NO_PORT = 24          # a bound source address takes no port before the connection does
_ABSENT = frozenset((errno.ENODEV, errno.ENXIO, errno.EADDRNOTAVAIL))
_NOT_ALLOWED = frozenset((errno.EPERM, errno.EACCES, errno.ENOPROTOOPT))
_ANY_OF = {4: "0.0.0.0", 6: "::"}
_ANY_HOSTS = frozenset(_ANY_OF.values())


# An address that sockets may have, and its link: the number, which is another one when the link was made anew, and the
# name.
Place = tuple[str, int, str]


class Binding:
    """Where sockets may be bound; `Binding()` leaves them free."""

    def __init__(self, interface: InterfaceSpec | None = None, *, proxy: Proxy | None = None,
                 allow_loopback: bool = False, survey: Callable[[], Answer] | None = None,
                 web: WebPolicy = USUAL) -> None:
        """`survey` is `interfaces.survey`; while it fails the interface counts as gone."""
        self.proxy = proxy
        self.web = web                 # replaced as a whole when settings change, read by any thread
        self.interface = InterfaceSpec() if interface is None else interface
        self._allow_loopback = allow_loopback
        self._places: tuple[Place, ...] = ()       # replaced as a whole by `look`, read by any thread
        if self.is_confined:
            try:
                self.look((survey or _survey)())
            except NetworkError:       # better no traffic than traffic by another way
                pass

    @property
    def is_confined(self) -> bool:
        return bool(self.interface.name or self.interface.addresses)

    @property
    def _has_strict_proxy(self) -> bool:
        return self.proxy is not None and self.proxy.is_strict

    @property
    def web_proxy(self) -> Proxy | None:
        """The proxy of calls over HTTP: their own, or that of all connections."""
        if self.web.proxy is None:
            return self.proxy
        from blobtorrent.network.proxy import Proxy

        return Proxy(self.web.proxy)

    def _is_a_proxy(self, place: Endpoint) -> bool:
        return any(proxy is not None and proxy.endpoint == place for proxy in (self.proxy, self.web_proxy))

    @property
    def sources(self) -> tuple[str, ...]:
        """The addresses that we may use; none when all may be used, or when the interface is gone."""
        return tuple(host for host, _, _ in self._places)

    @property
    def is_there(self) -> bool:
        """Whether anything can be sent."""
        return not self.is_confined or bool(self._places)

    def look(self, found: Answer) -> tuple[frozenset[str], bool]:
        """See what there is of the interface now. The addresses that it has lost, and whether sockets have to be opened
        anew: when it was made anew, came or went, or when one of the addresses in the settings did."""
        before, self._places = set(self._places), self._places_in(found)
        now = set(self._places)
        must_reopen = before != now
        if self.interface.name:        # sockets are tied to the link, whichever addresses it has
            must_reopen = {number for _, number, _ in before} != {number for _, number, _ in now}
        return frozenset(host for host, _, _ in before - now), must_reopen

    def _places_in(self, found: Answer) -> tuple[Place, ...]:
        links = {link.number: link for link in found.links if link.is_up}
        if self.interface.name:
            return tuple((own.host, own.interface, self.interface.name) for own in found.addresses
                         if own.interface in links and links[own.interface].name == self.interface.name
                         and not own.is_link_local)
        owners = {own.host: links[own.interface] for own in found.addresses if own.interface in links}
        loopback = next((link for link in links.values() if link.is_loopback), None)
        places: list[Place] = []
        for host in self.interface.addresses:
            # A whole network of loopback addresses is ours, though the system names one.
            link = owners.get(host, loopback if ipaddress.ip_address(host).is_loopback else None)
            if link is not None:
                places.append((host, link.number, link.name))
        return tuple(places)

    def admits(self, host: str, by: str | None) -> bool:
        """Whether who is at the address `by` (None: unknown) may send us to the address `host`."""
        from blobtorrent.model.reach import may_name

        return may_name(by, host, allow_loopback=self._allow_loopback)

    def stream_to(self, host: str, port: int) -> socket.socket:
        """A TCP socket for a connection to that port of the address `host`.

        Raises NetworkError ("net.interface-gone", "net.cannot-confine", "net.proxy-only"), OSError.
        """
        if self._has_strict_proxy and not self._is_a_proxy(Endpoint(host, port)):
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

    def datagrams_to(self, host: str, port: int) -> socket.socket:
        """A non-blocking socket that exchanges datagrams with the relay of the proxy alone, which is there.

        Raises NetworkError ("net.interface-gone", "net.cannot-confine"), OSError.
        """
        address = ipaddress.ip_address(host)
        sock = socket.socket(_family(address.version), socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            if self.is_confined and not address.is_loopback:
                self._confine(sock, address.version)
            sock.connect((host, port))
        except BaseException:
            sock.close()
            raise
        return sock

    def open_at(self, host: str, port: int, kind: int, *, is_shared: bool = True) -> socket.socket:
        """A non-blocking socket that is bound to an address of ours, for listening (SOCK_STREAM) or datagrams.

        "0.0.0.0" and "::" are every address that we may use. An IPv6 socket leaves IPv4 alone. A port for listening
        `is_shared` with what is left of earlier connections, and with sockets of others that do not listen.
        Raises NetworkError ("net.interface-gone", "net.cannot-confine", "net.off-interface", "net.proxy-only"),
        OSError, or ValueError when `host` is no address.
        """
        version = ipaddress.ip_address(host).version
        if self._has_strict_proxy:
            raise NetworkError("net.proxy-only", f"network.proxy_strict: nothing comes in at {host} beside the proxy")
        sock = socket.socket(_family(version), kind)
        try:
            sock.setblocking(False)
            if kind == socket.SOCK_STREAM and is_shared:
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
        if self.interface.name and host in _ANY_HOSTS:
            self._tie(sock, self.interface.name)
            return host
        for place, _, link in self._places:
            if place == host or host in _ANY_HOSTS and ipaddress.ip_address(place).version == version:
                self._tie(sock, link)
                return place
        if host in _ANY_HOSTS:
            raise self._gone(f" for IPv{version}")
        raise NetworkError("net.off-interface", f"{host} is not an address of {self.interface}")

    def _confine(self, sock: socket.socket, version: int) -> None:
        if self.interface.name:
            self._tie(sock, self.interface.name)
            return
        sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
        try:
            sock.bind((self._local_host(sock, _ANY_OF[version], version), 0))
        except OSError as error:
            if error.errno in _ABSENT:
                raise self._gone() from None
            raise

    def _tie(self, sock: socket.socket, link: str) -> None:
        try:
            _bind_to_device(sock, link)
        except OSError as error:
            if error.errno in _ABSENT:
                raise self._gone() from None
            if error.errno in _NOT_ALLOWED:
                raise NetworkError(CANNOT_CONFINE, f"network.interface: {error.strerror}: {NEEDS}") from None
            raise

    def _gone(self, what: str = "") -> NetworkError:
        return NetworkError(GONE, f"network.interface: {self.interface} is not there or has no address{what}")


def _family(version: int) -> int:
    return socket.AF_INET6 if version == 6 else socket.AF_INET


def may_confine() -> bool:
    """Whether the kernel lets us tie sockets to an interface. Raises OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            _bind_to_device(probe, "lo")
        except OSError as error:
            return error.errno not in _NOT_ALLOWED
    return True


def _bind_to_device(sock: socket.socket, link: str) -> None:
    sock.setsockopt(socket.SOL_SOCKET, _SO_BINDTODEVICE, link.encode() + b"\0")


def _survey() -> Answer:
    from blobtorrent.network.interfaces import survey

    return survey()


ANYWHERE = Binding()
