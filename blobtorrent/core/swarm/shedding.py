"""Which links a swarm gives up when others need the connections. Pure."""

from __future__ import annotations

from collections.abc import Collection

from blobtorrent.core.swarm.link import PeerLink
from blobtorrent.model.address import Endpoint

SETTLED_S = 60.0                       # a link so old has shown what it is good for


def least_useful(links: Collection[PeerLink], count: int, own_hosts: Collection[str] = ()) -> list[PeerLink]:
    """`count` links, worst first: those where neither side wants anything, then those that move least, and of equals
    those of low canonical priority."""
    if count <= 0:
        return []

    def use(link: PeerLink) -> tuple[bool, float, int]:
        return _is_wanted(link), link.down.rate + link.up.rate, priority_of(link.endpoint, own_hosts)

    return sorted(links, key=use)[:count]


def gives_way(links: Collection[PeerLink], newcomer: Endpoint, own_hosts: Collection[str],
              now: float) -> PeerLink | None:
    """The link that is dropped for a newcomer while there is no room for both: one of no use, or one that moves nothing
    and is of lower canonical priority. None when all are to stay."""
    idle = [link for link in links
            if now - link.linked_at > SETTLED_S and not link.down.rate + link.up.rate + link.queued_upload_bytes]
    for loser in least_useful(idle, 1, own_hosts):
        if not _is_wanted(loser) or priority_of(loser.endpoint, own_hosts) < priority_of(newcomer, own_hosts):
            return loser
    return None


def priority_of(peer: Endpoint, own_hosts: Collection[str]) -> int:
    """0 while we do not know the address that others see us at."""
    for host in own_hosts:
        if (":" in host) == peer.is_ipv6:
            from blobtorrent.model.peerpriority import canonical_priority  # a swarm that is never full needs none

            return canonical_priority(Endpoint(host, 0), peer)
    return 0


def _is_wanted(link: PeerLink) -> bool:
    return link.state.am_interested or link.state.peer_interested and not link.turn.is_asleep
