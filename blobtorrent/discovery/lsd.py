"""Local discovery on the thread `udp`: a socket for the group of each family, joined on every interface that peers can
reach us by (BEP 14). It is there while there is something to announce.

Only who is on a network of ours is heard. Where the system does not tell its networks, nothing is sent or heard.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from blobtorrent.discovery.lsdmessages import AnnounceLocally, FoundLocally, HushLocally
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import FormatError, NetworkError
from blobtorrent.model.ids import InfoHash
from blobtorrent.network.binding import Binding
from blobtorrent.network.interfaces import survey
from blobtorrent.network.udp import UdpLoop
from blobtorrent.protocol.lsd import (
    GROUP_V4,
    GROUP_V6,
    HEARD_PER_S,
    MAX_BYTES,
    Allowance,
    AnnouncePlan,
    LocalAnnouncement,
)
from blobtorrent.protocol.netlink import Answer
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.loop import EVENT_READ
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.metrics import Registry
from blobtorrent.runtime.timers import Timer

log = get_logger(__name__)

SURVEY_S = 60.0                        # between two looks at the interfaces
DATAGRAMS_PER_PASS = 32
_IP_MULTICAST_ALL, _IPV6_MULTICAST_ALL = 49, 29            # of Linux: hear only what this socket has joined
_MREQN = struct.Struct("=4s4si")       # group, own address, number of the interface
_ANY_HOSTS = ("0.0.0.0", "::")


class Network(NamedTuple):
    """One address of ours where peers reach us, and what lies behind its interface."""

    interface: int
    host: str
    port: int
    addresses: ipaddress.IPv4Network | ipaddress.IPv6Network

    @property
    def is_ipv6(self) -> bool:
        return self.addresses.version == 6


def networks_of(found: Answer, listeners: tuple[tuple[str, int], ...], sources: tuple[str, ...]) -> list[Network]:
    """The networks of the addresses that peers reach us at; with `sources`, only what belongs to these. To listen
    everywhere is not to listen for this machine itself."""
    allowed = {own.interface for own in found.addresses if own.host in sources}
    up = {link.number: link for link in found.links if link.is_up}
    networks = []
    for own in found.addresses:
        if own.interface not in up or sources and own.interface not in allowed:
            continue
        network = ipaddress.ip_network(f"{own.host}/{own.prefix_bits}", strict=False)
        hosts = (own.host,) if up[own.interface].is_loopback else (own.host, _ANY_HOSTS[network.version == 6])
        port = next((port for host, port in listeners if host in hosts), 0)
        if port:
            networks.append(Network(own.interface, own.host, port, network))
    return networks


class LocalDiscovery:
    """Takes AnnounceLocally and HushLocally from the thread's mailbox.

    `cookie` is ours for this run. `look()` tells the system's interfaces.
    """

    def __init__(self, udp: UdpLoop, binding: Binding, cookie: str, look: Callable[[], Answer] = survey) -> None:
        self._udp = udp
        self._binding = binding
        self._cookie = cookie
        self._look = look
        self._plan = AnnouncePlan(udp.now)
        self._heard = Allowance(HEARD_PER_S, 2 * HEARD_PER_S, udp.now)
        self._torrents: dict[bytes, InfoHash] = {}         # by every wire form
        self._listeners: tuple[tuple[str, int], ...] = ()
        self._reply_to: Mailbox[Any] | None = None
        self._networks: list[Network] = []
        self._sockets: dict[bool, socket.socket] = {}      # by whether it is for IPv6
        self._joined: set[tuple[bool, int]] = set()        # family and interface
        self._surveyed_at = float("-inf")
        self._timer: Timer | None = None
        self.sent = self.received = self.found = 0
        udp.handle(AnnounceLocally, self._announce)
        udp.handle(HushLocally, self._hush)
        udp.at_stop(self._close)

    def measure(self, registry: Registry) -> None:
        """Have its figures exported."""
        name, text = "blobtorrent_lsd_datagrams_total", "Announcements on the local network."
        registry.total(name, text, lambda: self.sent, result="sent")
        registry.total(name, text, lambda: self.received, result="received")
        registry.total("blobtorrent_lsd_peers_total", "Peers that announced a torrent of ours.", lambda: self.found)

    # ---- messages

    def _announce(self, message: AnnounceLocally) -> None:
        self._reply_to = message.reply_to
        if message.listeners != self._listeners:
            self._listeners = message.listeners
            self._surveyed_at = float("-inf")
        for info_hash in message.torrents:
            self._plan.add(info_hash.wire_forms)
            self._torrents.update(dict.fromkeys(info_hash.wire_forms, info_hash))
        self._schedule()

    def _hush(self, message: HushLocally) -> None:
        for info_hash in message.torrents:
            self._plan.remove(info_hash.wire_forms)
            for wire_hash in info_hash.wire_forms:
                self._torrents.pop(wire_hash, None)
        if self._torrents:
            self._schedule()
        else:
            self._close()

    # ---- what we say

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        at = self._plan.next_at(self._udp.now)
        if at is not None:
            # Looking at the interfaces now and then finds one that came, also while nothing is to be said.
            look_at = max(self._udp.now, self._surveyed_at + SURVEY_S)
            self._timer = self._udp.timers.at(min(at, look_at), self._on_time)

    def _on_time(self) -> None:
        now = self._udp.now
        if now - self._surveyed_at >= SURVEY_S:
            self._survey(now)
        hashes = self._plan.take(now)
        if hashes:
            for network in {(one.interface, one.is_ipv6): one for one in reversed(self._networks)}.values():
                self._send(network, LocalAnnouncement(network.port, hashes, self._cookie))
        self._schedule()

    def _send(self, network: Network, announcement: LocalAnnouncement) -> None:
        sock, group = self._sockets.get(network.is_ipv6), GROUP_V6 if network.is_ipv6 else GROUP_V4
        if sock is None:
            return
        try:
            if network.is_ipv6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, network.interface)
            else:                      # with the address, so that it is what they see, and where we listen
                way = _MREQN.pack(bytes(4), socket.inet_aton(network.host), network.interface)
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, way)
            sock.sendto(announcement.encode(group), (group.host, group.port))
        except OSError as error:       # the interface went, or has no way to the group: others may
            log.debug("no announcement", host=network.host, detail=error.strerror)
        else:
            self.sent += 1

    # ---- where we say it

    def _survey(self, now: float) -> None:
        """See which networks there are now, and join the group on those that are new."""
        self._surveyed_at = now
        try:
            is_allowed = self._binding.is_there and self._binding.proxy is None
            self._networks = networks_of(self._look(), self._listeners, self._binding.sources) if is_allowed else []
        except NetworkError as error:
            log.debug("no local discovery", code=error.code, detail=error.detail)
            self._networks = []
        wanted = {(network.is_ipv6, network.interface) for network in self._networks}
        for is_ipv6 in (False, True):
            if not any(family == is_ipv6 for family, _ in wanted):
                self._drop(is_ipv6)
        self._joined &= wanted
        for is_ipv6, interface in sorted(wanted - self._joined):
            try:
                _join(self._socket(is_ipv6), interface, is_ipv6=is_ipv6)
            except OSError as error:
                log.debug("cannot join the group", interface=interface, ipv6=is_ipv6, detail=error.strerror)
            else:
                self._joined.add((is_ipv6, interface))

    def _socket(self, is_ipv6: bool) -> socket.socket:
        sock = self._sockets.get(is_ipv6)
        if sock is None:
            sock = self._sockets[is_ipv6] = open_group(is_ipv6=is_ipv6)
            self._udp.loop.register(sock, EVENT_READ, partial(self._receive, sock))
        return sock

    def _drop(self, is_ipv6: bool) -> None:
        sock = self._sockets.pop(is_ipv6, None)
        if sock is not None:
            self._udp.loop.unregister(sock)
            sock.close()
            self._joined = {joined for joined in self._joined if joined[0] != is_ipv6}

    def _close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._drop(False)
        self._drop(True)
        self._surveyed_at = float("-inf")

    # ---- what we hear

    def _receive(self, sock: socket.socket, _mask: int) -> None:
        for _ in range(DATAGRAMS_PER_PASS):
            try:
                data, address = sock.recvfrom(MAX_BYTES + 1)
            except OSError:
                return
            self.received += 1
            if self._heard.take(self._udp.now):
                self.on_datagram(data, address)

    def on_datagram(self, data: bytes, address: tuple[Any, ...]) -> None:
        """`address` is as the system tells it: host, port and for IPv6 the flow and the interface."""
        try:
            told = LocalAnnouncement.decode(data)
        except FormatError as error:
            log.debug("strange announcement", host=address[0], code=error.code, detail=error.detail)
            return
        if told.cookie == self._cookie:
            return
        host = ipaddress.ip_address(address[0].partition("%")[0])
        if self._reply_to is None or not any(host in network.addresses for network in self._networks):
            return
        try:
            endpoint = Endpoint(_with_zone(host, address), told.port)
        except OSError:                # the interface went in between
            return
        for info_hash in dict.fromkeys(self._wanted(told)):
            self.found += 1
            self._reply_to.post(FoundLocally(info_hash, endpoint))

    def _wanted(self, told: LocalAnnouncement) -> Iterator[InfoHash]:
        return (self._torrents[wire_hash] for wire_hash in told.hashes if wire_hash in self._torrents)


def open_group(*, is_ipv6: bool) -> socket.socket:
    """A non-blocking socket that hears the group where it is joined; other programs may hear it too. Raises OSError."""
    sock = socket.socket(socket.AF_INET6 if is_ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_ipv6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MULTICAST_ALL, 0)
            sock.bind((GROUP_V6.host, GROUP_V6.port))
        else:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
            sock.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
            sock.bind((GROUP_V4.host, GROUP_V4.port))
    except BaseException:
        sock.close()
        raise
    return sock


def _join(sock: socket.socket, interface: int, *, is_ipv6: bool) -> None:
    if is_ipv6:
        group = socket.inet_pton(socket.AF_INET6, GROUP_V6.host)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group + struct.pack("=i", interface))
    else:
        group = socket.inet_aton(GROUP_V4.host)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, _MREQN.pack(group, bytes(4), interface))


def _with_zone(host: ipaddress.IPv4Address | ipaddress.IPv6Address, address: tuple[Any, ...]) -> str:
    """A link-local address is one only together with its link. Raises OSError when that is gone."""
    if host.version == 4 or not host.is_link_local or len(address) < 4 or not address[3]:
        return str(host)
    return f"{host}%{socket.if_indextoname(address[3])}"
