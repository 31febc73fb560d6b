"""AddressFilter: which peers are not dealt with, by their addresses. Gate: what a thread asks before it lets one in."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blobtorrent.model.blocklist import Ranges


def number_of(host: str) -> tuple[bool, int]:
    """Whether an address in text form is one of IPv6, and its number. A zone behind "%" does not count.

    Raises ValueError when it is not an address.
    """
    if ":" in host:
        number = int(ipaddress.IPv6Address(host.partition("%")[0]))
        return (False, number & 0xFFFFFFFF) if number >> 32 == 0xFFFF else (True, number)
    first, second, third, fourth = host.split(".")
    return False, int(first) << 24 | int(second) << 16 | int(third) << 8 | int(fourth)


class AddressFilter:
    """Lists by their names, in the order they are asked, and what they are not asked about. It never changes, so all
    threads share one.
    """

    def __init__(self, lists: Mapping[str, Ranges], allowed: Ranges) -> None:
        self._lists = tuple(lists.items())
        self._allowed = allowed

    def refuser_of(self, host: str) -> str | None:
        """The name of the first list that covers an address; None when it is welcome. Raises ValueError."""
        is_v6, number = number_of(host)
        for name, ranges in self._lists:
            if ranges.covers(is_v6, number):
                return None if self._allowed.covers(is_v6, number) else name
        return None


class Gate:
    """The filter in force on one thread, which owns this, and whom it has refused by it.

    `hits` counts refusals by the name of the list; any thread may read it.
    """

    __slots__ = ("_filter", "hits")

    def __init__(self) -> None:
        self.hits: Counter[str] = Counter()
        self._filter: AddressFilter | None = None

    def use(self, address_filter: AddressFilter | None) -> None:
        """From now on this one, or none."""
        self._filter = address_filter

    def refuses(self, host: str) -> bool:
        """Whether a peer at this address is to be left alone; a refusal is counted."""
        if self._filter is None:
            return False
        name = self._filter.refuser_of(host)
        if name is None:
            return False
        self.hits[name] += 1
        return True
