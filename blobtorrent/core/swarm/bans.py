"""Bans: who is not to be seen again, by what one culprit cannot easily change."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address
from typing import TypeVar

from blobtorrent.model.address import Endpoint
from blobtorrent.model.ids import PeerId
from blobtorrent.model.reach import site_of

T = TypeVar("T")

MAX_BANNED = 10_000                    # hosts, and as many peers: the oldest of more are forgotten
MAX_OF_SITE = 3                        # banned hosts of one network, then all of it is: its owner has hosts without end


class Bans:
    """Of one torrent."""

    def __init__(self) -> None:
        self._endpoints: dict[Endpoint, None] = {}
        self._hosts: dict[str, None] = {}
        self._on_host: dict[tuple[str, PeerId], None] = {}         # an id alone may be of another, to have it banned
        self._sites: Counter[str] = Counter()              # banned hosts, where a site is more than one host

    def add(self, endpoint: Endpoint, peer_id: PeerId) -> None:
        """A peer and its host; on loopback, where all share one, just the peer."""
        _note(self._on_host, (endpoint.host, peer_id))
        _note(self._endpoints, endpoint)
        host, site = endpoint.host, site_of(endpoint.host)
        if not ip_address(host.partition("%")[0]).is_loopback and host not in self._hosts:
            forgotten = _note(self._hosts, host)
            if site != host:
                self._sites[site] += 1
            if forgotten is not None:
                self._sites -= Counter((site_of(forgotten),))

    def has(self, endpoint: Endpoint, peer_id: PeerId | None = None) -> bool:
        host = endpoint.host
        if host in self._hosts or endpoint in self._endpoints or (host, peer_id) in self._on_host:
            return True
        return bool(self._sites) and self._sites[site_of(host)] >= MAX_OF_SITE


def _note(kept: dict[T, None], one: T) -> T | None:
    """Remember one more; the one that is forgotten for it, if any is."""
    kept[one] = None
    if len(kept) <= MAX_BANNED:
        return None
    oldest = next(iter(kept))
    del kept[oldest]
    return oldest
