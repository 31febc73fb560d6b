"""DownloadSlots: which peers are asked for blocks at the same time, where that is limited. Pure; owned by a swarm.

Who would give first is asked first, as long as it gives. While others wait, the slowest makes room for the one that
waits longest, with every round of the choker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blobtorrent.core.swarm.link import PeerLink


class DownloadSlots:
    """`limit` is None where there is none; then nothing is kept here."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self._rounds = 0
        self._held: dict[PeerLink, int] = {}               # in which round each got its slot
        self._waiting: dict[PeerLink, None] = {}           # the first waits longest

    def apply(self, limit: int | None) -> None:
        """Another limit. What was asked for still comes; those that lose their slots, the slowest, wait."""
        self.limit = limit
        if limit is None:
            self._held.clear()
            self._waiting.clear()
            return
        while len(self._held) > limit:
            self._rest(_slowest(list(self._held)))

    def take(self, link: PeerLink) -> bool:
        """The link would give something: whether it may be asked."""
        if self.limit is None or link in self._held:
            return True
        if len(self._held) < self.limit:
            self._waiting.pop(link, None)
            self._held[link] = self._rounds
            return True
        self._waiting[link] = None
        return False

    def leave(self, link: PeerLink) -> None:
        """It would give nothing any more."""
        if self.limit is not None:
            self._held.pop(link, None)
            self._waiting.pop(link, None)

    def tick(self) -> None:
        """Once a second: those that there was nothing to ask for hold no slot."""
        for link in [link for link in self._held if not link.outstanding and link.arriving is None]:
            del self._held[link]

    def rotate(self) -> PeerLink | None:
        """Once a round: the slowest that had its slot for all of it makes room. Returns who may be asked instead, None
        when all stay."""
        settled = [link for link, since in self._held.items() if since < self._rounds]
        self._rounds += 1
        if not self._waiting or not settled:
            return None
        fresh = next(iter(self._waiting))
        self._rest(_slowest(settled))
        return fresh if self.take(fresh) else None

    def _rest(self, link: PeerLink) -> None:
        del self._held[link]
        self._waiting[link] = None


def _slowest(links: list[PeerLink]) -> PeerLink:
    return min(links, key=lambda link: link.down.rate)
