"""ExternalAddresses: which address the world sees us at, by a vote of those who see us (BEP 10 `yourip`, BEP 24).

Nobody is believed alone: each network has one vote, the newest replaces its older one, and an address is ours when
enough of them agree and far more than on any other. Only addresses of the internet are voted for and by. Owned by
`core`.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable

from blobtorrent.core.swarm.messages import AddressSeen
from blobtorrent.model.reach import Reach, reach_of
from blobtorrent.runtime.logs import get_logger

log = get_logger(__name__)

MAX_VOTES = 50                         # the newest of each family
ENOUGH = 3                             # networks that agree
LEAD = 1.5                             # times the votes of the next
_NETWORK_BITS = {4: 16, 6: 32}         # what one owner may easily have of many addresses counts once


class ExternalAddresses:
    """`on_change(hosts)` is called with all addresses that are ours, by now."""

    def __init__(self, on_change: Callable[[tuple[str, ...]], None]) -> None:
        self._on_change = on_change
        self._votes: dict[int, dict[str, str]] = {4: {}, 6: {}}        # by family: network of the voter -> address
        self._ours: dict[int, str] = {}

    @property
    def hosts(self) -> tuple[str, ...]:
        """At most one of each family, IPv4 first."""
        return tuple(host for _, host in sorted(self._ours.items()))

    def on_seen(self, message: AddressSeen) -> None:
        self.vote(message.host, message.by)

    def vote(self, host: str, by: str) -> None:
        """Somebody at `by`, an address or the name of a tracker's host, sees us at `host`."""
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        network = _network_of(by)
        if network is None or address.is_multicast or reach_of(host) is not Reach.GLOBAL:
            return
        votes = self._votes[address.version]
        votes.pop(network, None)
        votes[network] = str(address)
        if len(votes) > MAX_VOTES:
            del votes[next(iter(votes))]
        self._count(address.version)

    def _count(self, family: int) -> None:
        (first, most), (_, next_most) = (Counter(self._votes[family].values()).most_common(2) + [("", 0)])[:2]
        if most >= ENOUGH and most >= LEAD * next_most and first != self._ours.get(family):
            log.info("our address, as others see it", host=first, votes=most)
            self._ours[family] = first
            self._on_change(self.hosts)


def _network_of(voter: str) -> str | None:
    """What counts as one voter; None for one that is not on the internet and sees an inner address of ours."""
    try:
        address = ipaddress.ip_address(voter.partition("%")[0])
    except ValueError:
        return voter.lower()
    if reach_of(voter) is not Reach.GLOBAL:
        return None
    return str(ipaddress.ip_network(f"{address}/{_NETWORK_BITS[address.version]}", strict=False))
