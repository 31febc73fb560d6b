"""What a system could tell of its interfaces, without a system."""

from __future__ import annotations

from collections.abc import Iterable

from blobtorrent.protocol.netlink import Answer, Link, OwnAddress


def found_of(links: Iterable[tuple[int, str, bool]], addresses: Iterable[OwnAddress]) -> Answer:
    """An answer with these links, as number, name and whether it is up; "lo" is the loopback."""
    found = Answer()
    found.links = [Link(number, name, is_up, name == "lo", True) for number, name, is_up in links]
    found.addresses = list(addresses)
    found.is_complete = True
    return found


def ours(interface: int, host: str) -> OwnAddress:
    return OwnAddress(interface, host, 64 if ":" in host else 24, is_link_local=host.startswith("fe80:"))
