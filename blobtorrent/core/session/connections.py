"""ConnectionManager: shares the daemon's connections among its swarms. Pure; owned by `core`."""

from __future__ import annotations

import sys
from typing import NamedTuple

from blobtorrent.model.ids import InfoHash


class SlotGrant(NamedTuple):
    """A swarm may have so many links from now on."""

    info_hash: InfoHash
    max_links: int


class _Demand:
    """What one swarm has, and could use."""

    __slots__ = ("granted", "most", "needed")

    def __init__(self, granted: int, needed: int, most: int) -> None:
        self.granted = granted
        self.needed = needed
        self.most = most               # more is of no use to it


class ConnectionManager:
    """`limit` connections in all, at most `per_swarm` of them for one swarm.

    Every swarm is promised `floor`, so that peers who dial it find room. The rest goes to those that could use more:
    who wants little gets all of it, the others get equally much. With more swarms than the floors allow for, all get
    the same, and never less than one.
    """

    def __init__(self, limit: int, per_swarm: int, floor: int = 4) -> None:
        self._limit = limit
        self._per_swarm = per_swarm
        self._floor = floor
        self._demands: dict[InfoHash, _Demand] = {}
        self._in_use = 0               # sum of what is granted

    def apply(self, limit: int, per_swarm: int) -> list[SlotGrant]:
        """Other settings; returns the grants that changed."""
        self._limit, self._per_swarm = limit, per_swarm
        return self._share_anew()

    def open(self, info_hash: InfoHash, most: int = sys.maxsize) -> int:
        """A swarm begins that has use for `most` links; returns what it is granted for now: what is left over, or else
        its floor."""
        granted = max(self._promise(1), min(self._per_swarm, most, self._limit - self._in_use))
        self._demands[info_hash] = _Demand(granted, 0, most)
        self._in_use += granted
        return granted

    def close(self, info_hash: InfoHash) -> None:
        """A swarm ends: its part is for the others, at the next share_out()."""
        self._in_use -= self._demands.pop(info_hash).granted

    def granted(self, info_hash: InfoHash) -> int:
        return self._demands[info_hash].granted

    def on_report(self, info_hash: InfoHash, links: int, peers_known: int) -> None:
        """A swarm has so many links and knows so many addresses; both may be the same peers."""
        demand = self._demands.get(info_hash)
        if demand is not None:
            were_refused = links >= demand.granted         # peers that dialled us, perhaps
            demand.needed = max(links + were_refused, peers_known)

    def share_out(self) -> list[SlotGrant]:
        """Now and then: move connections to where they are needed. Returns the grants that changed.

        While everybody has what it needs, nothing changes.
        """
        is_short = any(demand.granted < min(demand.needed, demand.most, self._per_swarm)
                       for demand in self._demands.values())
        return self._share_anew() if is_short or self._in_use > self._limit else []

    def _promise(self, more: int = 0) -> int:
        return max(1, min(self._floor, self._per_swarm, self._limit // max(1, len(self._demands) + more)))

    def _share_anew(self) -> list[SlotGrant]:
        promise, left = self._promise(), self._limit
        by_need = sorted(self._demands.items(), key=lambda item: item[1].needed)
        changed: list[SlotGrant] = []
        for position, (info_hash, demand) in enumerate(by_need):
            equal = left // (len(by_need) - position)
            roomy = demand.needed + demand.needed // 4 + self._floor       # so that not every new peer means new shares
            granted = max(promise, min(roomy, equal, demand.most, self._per_swarm))
            left -= granted
            if granted != demand.granted:
                changed.append(SlotGrant(info_hash, granted))
                demand.granted = granted
        self._in_use = self._limit - left
        return changed
