"""Haves: tells peers of new pieces (BEP 3). News ride with other messages, or wait a moment for each other.

Owned by a swarm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobtorrent.protocol.wire import encode

if TYPE_CHECKING:
    from blobtorrent.core.swarm.link import PeerLink
    from blobtorrent.core.swarm.outlets import Outlets
    from blobtorrent.core.swarm.swarm import Swarm

DELAY_S = 0.2                          # nobody hears later


class Haves:
    """All new pieces since the start; each link knows how far it was told (`haves_told`)."""

    def __init__(self, swarm: Swarm, outlets: Outlets) -> None:
        self._swarm = swarm
        self._outlets = outlets
        self._news: list[int] = []
        self._is_due = False

    def join(self, link: PeerLink) -> None:
        """The peer is told of everything by a bitfield: only what comes later is news."""
        link.haves_told = len(self._news)

    def add(self, indices: list[int]) -> None:
        """These are verified and on disk. Call `soon` or `tell_everybody` then."""
        self._news += indices

    def soon(self) -> None:
        if not self._is_due:
            self._is_due = True
            self._outlets.at(self._swarm, self._swarm.now + DELAY_S, self.tell_everybody)

    def tell_everybody(self) -> None:
        self._is_due = False
        for link in self._swarm.links:
            self.tell(link)
            if not link.is_seed:
                self._swarm.talk.update_interest(link)
        self._swarm.wake()

    def tell(self, link: PeerLink) -> None:
        """Tell a peer what it was not told yet, also of pieces that it has: it is to see when we become a seed."""
        if link.haves_told < len(self._news):
            news = self._news[link.haves_told:]
            link.haves_told = len(self._news)
            if not link.is_seed:
                link.send(encode.haves(news))
