"""Variety: who has the places that a torrent fills by dialling, by source and by region of the internet.

Whoever tells of more addresses than all others, or rents more of them, is not to have all of a torrent's links: no
source and no region (`model.reach.region_of`) gets more than half of these places while others have somebody for them.
Whom the user named is always welcome, and counts for no region. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from heapq import heapify, heappop, heapreplace

from blobtorrent.core.swarm.knownpeer import KnownPeer
from blobtorrent.core.swarm.messages import PeerSource
from blobtorrent.model.reach import region_of

REMEMBERED = 4000                      # as many as a torrent knows addresses

Rank = tuple[bool, bool, int, float]

region_at = lru_cache(REMEMBERED)(region_of)


class Variety:
    """`busy` are those who have places now, `free` places are left."""

    def __init__(self, busy: Iterable[KnownPeer], free: int = 0) -> None:
        self._of_source: Counter[PeerSource] = Counter()
        self._of_region: Counter[str] = Counter()
        for known in busy:
            self._count(known)
        self._places = max(2, free + self._of_source.total())

    def rank(self, known: KnownPeer) -> Rank:
        """To sort by, best first: whose source has less than its half, whose region has; then who failed least, then
        who waits longest. As places are taken a rank can only get worse."""
        half, is_own = self._places // 2, known.source is PeerSource.STATIC
        is_over = not is_own and self._of_source[known.source] >= half
        is_region_over = not is_own and self._of_region[region_at(known.endpoint.host)] >= half
        return is_over, is_region_over, known.failures, known.next_dial_at

    def choose(self, ready: Sequence[KnownPeer], room: int, begin: Callable[[KnownPeer], bool]) -> list[KnownPeer]:
        """Up to `room` of those that are ready, the best of the moment first; who cannot `begin` takes no place."""
        chosen: list[KnownPeer] = []
        # All are taken for the best at first: whose turn does not come is not looked at, there may be thousands.
        waiting: list[tuple[Rank, int, KnownPeer]] = [
            ((False, False, known.failures, known.next_dial_at), number, known) for number, known in enumerate(ready)]
        heapify(waiting)
        while waiting and len(chosen) < room:
            taken_for, number, known = waiting[0]
            rank = self.rank(known)
            if rank != taken_for:
                heapreplace(waiting, (rank, number, known))
                continue
            heappop(waiting)
            if begin(known):
                self._count(known)
                chosen.append(known)
        return chosen

    def crowding_source(self) -> PeerSource | None:
        """The source that has more than its half."""
        source, number = max(self._of_source.items(), key=lambda item: item[1], default=(PeerSource.STATIC, 0))
        return source if source is not PeerSource.STATIC and self._is_much(number) else None

    def crowding_region(self) -> str:
        """The region that has more than its half; empty when there is none such."""
        region, number = max(self._of_region.items(), key=lambda item: item[1], default=("", 0))
        return region if self._is_much(number) else ""

    def _is_much(self, number: int) -> bool:
        return number > (self._places + 1) // 2

    def _count(self, known: KnownPeer) -> None:
        self._of_source[known.source] += 1
        region = region_at(known.endpoint.host)
        if region and known.source is not PeerSource.STATIC:           # none is nearer than the internet
            self._of_region[region] += 1
