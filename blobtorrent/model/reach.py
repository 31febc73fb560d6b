"""How far an address reaches, and who may tell us of it: nobody from far away sends us to our own machine or network.

A tracker, DHT node or peer names addresses that we then send packets to. One on the internet has no business with what
lies behind our router; one next door has, and one on this machine may name everything.
"""

from __future__ import annotations

import ipaddress
from enum import IntEnum

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_MAPPED, _NAT64 = 0xFFFF, 0x64FF9B << 64           # ::ffff:0:0/96, 64:ff9b::/96: all bits but the last 32
_6TO4 = 0x2002                                     # 2002::/16: the first 16 bits
FIRST_FREE_PORT = 1024                 # below are services of the system, and no peers
# They hand out the credentials of a virtual machine to whoever asks. Those of other providers are link-local.
_METADATA = frozenset(map(ipaddress.ip_address, (
    "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254", "fd00:c1::a9fe:a9fe")))


class Reach(IntEnum):
    """Wider is more."""

    NOWHERE = -1                       # of no single host: groups, and what is reserved
    LOOPBACK = 0                       # and the unspecified address, which leads there
    LOCAL = 1                          # link-local, private, shared by a provider's customers: not of the internet
    GLOBAL = 2


def address_of(host: str) -> Address:
    """The address that a text stands for, as `true_address` has it; a zone is left out. Raises ValueError."""
    return true_address(ipaddress.ip_address(host.partition("%")[0]))


def true_address(address: Address) -> Address:
    """Where packets come out: an IPv6 address that holds one of IPv4 (mapped, compatible, NAT64, 6to4) is that one."""
    if address.version == 4:
        return address
    number = int(address)
    head = number >> 32
    if head in (_MAPPED, _NAT64) or head == 0 and number > 1:
        return ipaddress.IPv4Address(number & 0xFFFFFFFF)
    if number >> 112 == _6TO4:
        return ipaddress.IPv4Address(number >> 80 & 0xFFFFFFFF)
    return address


def reach_of(host: str) -> Reach:
    """`host` is an address in text form."""
    return _reach_of(address_of(host))


def is_host(host: str) -> bool:
    """Whether a text is the address of one host: of no group, not reserved, not the unspecified one."""
    return _is_host(address_of(host))


def is_public(address: Address | None) -> bool:
    """Whether a host is one of the internet; who is unknown (None) counts as such."""
    return address is None or _reach_of(true_address(address)) is Reach.GLOBAL


def _is_host(address: Address) -> bool:
    return not (address.is_multicast or address.is_unspecified or address.version == 4 and address.is_reserved)


def _reach_of(address: Address) -> Reach:
    if address.is_loopback or address.is_unspecified:
        return Reach.LOOPBACK
    if not _is_host(address):
        return Reach.NOWHERE
    is_site_local = isinstance(address, ipaddress.IPv6Address) and address.is_site_local
    return Reach.GLOBAL if address.is_global and not is_site_local else Reach.LOCAL


def may_ask(address: Address, *, came_from_public: bool, on_loopback: bool) -> bool:
    """Whether a stranger's URL may lead to `address`: not to groups, nor to the link, where services trust everybody
    and clouds keep their metadata; on this machine only `on_loopback`.

    `came_from_public`: a host of the internet sent us there, which has no business with what is nearer.
    """
    address = true_address(address)
    if not _is_host(address) or address.is_link_local or address in _METADATA:
        return False
    reach = _reach_of(address)
    if came_from_public and reach is not Reach.GLOBAL:
        return False
    return reach is not Reach.LOOPBACK or on_loopback


def may_name(by: str | None, host: str, *, allow_loopback: bool) -> bool:
    """Whether who is at the address `by` (None: unknown, thus anywhere) may tell us to ask at `host`.

    With `allow_loopback` (the setting of that name) everybody may name everything.
    """
    if allow_loopback:
        return True
    return by is not None and reach_of(by) is Reach.LOOPBACK or reach_of(host) >= (
        Reach.GLOBAL if by is None else reach_of(by))


def may_link(host: str, port: int, *, allow_loopback: bool) -> bool:
    """Whether a magnet link may name a peer there, for who may have us do anything: who wrote the link is unknown.

    A peer of one's own machine or network may be what the link is for, but there it has no port of the system, where
    other services listen, and is not where credentials are handed out. The rest is as for `may_name`.
    """
    address = address_of(host)
    if not _is_host(address):
        return False
    if allow_loopback:
        return True
    if address.is_link_local or address in _METADATA:
        return False
    return port >= FIRST_FREE_PORT or _reach_of(address) is Reach.GLOBAL


def site_of(host: str) -> str:
    """What counts as one host where hosts are counted: an IPv6 subnet of the internet, for whoever has one of its
    addresses has them all, and else the host itself."""
    if ":" not in host or reach_of(host) is not Reach.GLOBAL:
        return host
    address = address_of(host)
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))


def subnet_of(host: str) -> str:
    """What one owner most likely has as a whole: a /24 of IPv4, a /64 of IPv6; nearer than the internet, the host."""
    if reach_of(host) is not Reach.GLOBAL:
        return host
    return neighbourhood_of(host) if address_of(host).version == 4 else site_of(host)


def region_of(host: str) -> str:
    """What a provider rents out by the thousand: a /16 of IPv4, a /32 of IPv6; nearer than the internet, nothing."""
    if reach_of(host) is not Reach.GLOBAL:
        return ""
    address = address_of(host)
    return str(ipaddress.ip_network(f"{address}/{32 if address.version == 6 else 16}", strict=False))


def neighbourhood_of(host: str) -> str:
    """The network around a host, of which one owner easily has many sites: a /24 of IPv4, a /48 of IPv6."""
    address = address_of(host)
    return str(ipaddress.ip_network(f"{address}/{48 if address.version == 6 else 24}", strict=False))
