"""ExternalAddresses: which address the world sees us at, by a vote of those who see us (BEP 10 `yourip`, BEP 24).

Nobody is believed alone: each network has one vote, the newest replaces its older one, and an address is ours when
enough of them agree and far more than on any other. Peers, trackers and nodes of the DHT do not know each other; while
all who agree are of one kind, it takes more of them: a torrent may name any number of trackers of the same owner. Only
addresses of the internet are voted for and by. Owned by `core`.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable
from enum import Enum

from blobtorrent.core.swarm.messages import AddressSeen
from blobtorrent.model.address import is_address
from blobtorrent.model.reach import Reach, reach_of
from blobtorrent.runtime.logs import get_logger

log = get_logger(__name__)

MAX_VOTES = 50                         # the newest of each family
ENOUGH = 3                             # networks that agree, of two kinds at least
MANY = 4                               # of one kind; never trackers alone
LEAD = 1.5                             # times the votes of the next
_NETWORK_BITS = {4: 16, 6: 32}         # what one owner may easily have of many addresses counts once


class Voter(Enum):
    PEER = "peer"
    TRACKER = "tracker"
    NODE = "node"


class ExternalAddresses:
    """`on_change(hosts)` is called with all addresses that are ours, by now."""

    def __init__(self, on_change: Callable[[tuple[str, ...]], None]) -> None:
        self._on_change = on_change
        # By family: network of the voter -> what it is, and the address.
        self._votes: dict[int, dict[str, tuple[Voter, str]]] = {4: {}, 6: {}}
        self._ours: dict[int, str] = {}

    @property
    def hosts(self) -> tuple[str, ...]:
        """At most one of each family, IPv4 first."""
        return tuple(host for _, host in sorted(self._ours.items()))

    def on_seen(self, message: AddressSeen) -> None:
        """A peer sees us somewhere."""
        self._vote(message.host, Voter.PEER, _network_of(message.by))

    def on_node(self, host: str, by: str) -> None:
        """A node of the DHT at the address `by` sees us at `host`."""
        self._vote(host, Voter.NODE, _network_of(by))

    def on_tracker(self, host: str, by: str) -> None:
        """A tracker whose host is `by`, an address or a name, sees us at `host`."""
        self._vote(host, Voter.TRACKER, _network_of(by) if is_address(by) else _owner_of(by))

    def _vote(self, host: str, voter: Voter, network: str | None) -> None:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if network is None or address.is_multicast or reach_of(host) is not Reach.GLOBAL:
            return
        votes = self._votes[address.version]
        votes.pop(network, None)
        votes[network] = (voter, str(address))
        if len(votes) > MAX_VOTES:
            del votes[next(iter(votes))]
        self._count(address.version)

    def _count(self, family: int) -> None:
        votes = self._votes[family].values()
        (first, most), (_, next_most) = (Counter(host for _, host in votes).most_common(2) + [("", 0)])[:2]
        kinds = {voter for voter, host in votes if host == first}
        needed = ENOUGH if len(kinds) > 1 else MANY
        if most >= needed and kinds != {Voter.TRACKER} and most >= LEAD * next_most and first != self._ours.get(family):
            log.info("our address, as others see it", host=first, votes=most)
            self._ours[family] = first
            self._on_change(self.hosts)


def _network_of(host: str) -> str | None:
    """What counts as one voter; None for one that is not on the internet and sees an inner address of ours."""
    if reach_of(host) is not Reach.GLOBAL:
        return None
    address = ipaddress.ip_address(host.partition("%")[0])
    return str(ipaddress.ip_network(f"{address}/{_NETWORK_BITS[address.version]}", strict=False))


def _owner_of(name: str) -> str | None:
    """Who has one name of a domain has them all."""
    return ".".join(name.lower().rstrip(".").split(".")[-2:]) or None
