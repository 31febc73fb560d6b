"""Bans: who is not to be seen again, by what one culprit cannot easily change."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address

from blobtorrent.model.address import Endpoint
from blobtorrent.model.ids import PeerId
from blobtorrent.model.reach import site_of

MAX_OF_SITE = 3                        # banned hosts of one network, then all of it is: its owner has hosts without end


class Bans:
    """Of one torrent."""

    def __init__(self) -> None:
        self._endpoints: set[Endpoint] = set()
        self._hosts: set[str] = set()
        self._on_host: set[tuple[str, PeerId]] = set()     # an id alone may be that of another, to have it banned
        self._sites: Counter[str] = Counter()              # banned hosts, where a site is more than one host

    def add(self, endpoint: Endpoint, peer_id: PeerId) -> None:
        """A peer and its host; on loopback, where all share one, just the peer."""
        self._on_host.add((endpoint.host, peer_id))
        self._endpoints.add(endpoint)
        host, site = endpoint.host, site_of(endpoint.host)
        if not ip_address(host.partition("%")[0]).is_loopback and host not in self._hosts:
            self._hosts.add(host)
            if site != host:
                self._sites[site] += 1

    def has(self, endpoint: Endpoint, peer_id: PeerId | None = None) -> bool:
        host = endpoint.host
        if host in self._hosts or endpoint in self._endpoints or (host, peer_id) in self._on_host:
            return True
        return bool(self._sites) and self._sites[site_of(host)] >= MAX_OF_SITE
