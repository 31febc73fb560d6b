"""How far an address reaches, and who may tell us of it: nobody from far away sends us to our own machine or network.

A tracker, DHT node or peer names addresses that we then send packets to. One on the internet has no business with what
lies behind our router; one next door has, and one on this machine may name everything.
"""

from __future__ import annotations

import ipaddress
from enum import IntEnum


class Reach(IntEnum):
    """Wider is more."""

    LOOPBACK = 0
    LOCAL = 1                          # link-local, private, shared by a provider's customers: not of the internet
    GLOBAL = 2


def reach_of(host: str) -> Reach:
    """`host` is an address in text form; an IPv4 address written as IPv6 counts as what it is."""
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_loopback:
        return Reach.LOOPBACK
    return Reach.GLOBAL if address.is_global else Reach.LOCAL


def may_name(by: str | None, host: str, *, allow_loopback: bool) -> bool:
    """Whether who is at the address `by` (None: unknown, thus anywhere) may tell us to ask at `host`.

    With `allow_loopback` (the setting of that name) everybody may name everything.
    """
    if allow_loopback:
        return True
    return by is not None and reach_of(by) is Reach.LOOPBACK or reach_of(host) >= (
        Reach.GLOBAL if by is None else reach_of(by))
