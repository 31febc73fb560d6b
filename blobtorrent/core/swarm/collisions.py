"""Collisions: peers that know the same choose the same. When ours do, choices are to be more random for a while. Pure.

Owned by a picker.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blobtorrent.core.swarm.availability import Availability

WATCHED = 16                           # one piece of so many: to count is dear in large torrents
MOST_WATCHED = 16                      # at a time
CROWD = 0.3                            # of the neighbours, that got a piece while we fetched it
FEW_NEIGHBOURS = 4                     # with no more of them that says nothing
RAISED_S = 60.0


class Collisions:
    """Watches some of the pieces under way."""

    def __init__(self, availability: Availability) -> None:
        self._availability = availability
        self._watched: dict[int, int] = {}                 # piece: peers that had it when it was begun
        self._begun = -1
        self._until = -inf
        self.neighbours = 0            # connected peers that do not have everything

    def begun(self, index: int) -> None:
        """We fetch a piece."""
        self._begun += 1
        if self.neighbours <= FEW_NEIGHBOURS or self._begun % WATCHED:
            return
        if len(self._watched) >= MOST_WATCHED:             # given up, most likely
            del self._watched[next(iter(self._watched))]
        self._watched[index] = self._availability.leeches_with(index)

    def ended(self, index: int, now: float) -> None:
        """We have it."""
        before = self._watched.pop(index, None)
        if before is None or self.neighbours <= FEW_NEIGHBOURS:
            return
        if self._availability.leeches_with(index) - before > CROWD * self.neighbours:
            self._until = now + RAISED_S

    def are_many(self, now: float) -> bool:
        return now < self._until
