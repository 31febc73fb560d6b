"""Which links a swarm gives up when others need the connections. Pure."""

from __future__ import annotations

from collections.abc import Collection

from blobtorrent.core.swarm.link import PeerLink


def least_useful(links: Collection[PeerLink], count: int) -> list[PeerLink]:
    """`count` links, worst first: those where neither side wants anything, then those that move least."""
    if count <= 0:
        return []

    def use(link: PeerLink) -> tuple[bool, float]:
        return link.state.am_interested or link.state.peer_interested, link.down.rate + link.up.rate

    return sorted(links, key=use)[:count]
