"""Collisions: peers that know the same choose the same. When ours do, choices are to be more random for a while. Pure.

Readers at the same place collide most: they all ask a seed for the piece that comes next, and it sends each of them the
same. Owned by a picker.
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
FEW_OTHERS = 2                         # that got a piece while we fetched it for a reader, and hardly anybody had it
RAISED_S = 60.0


class Collisions:
    """Watches some of the pieces under way."""

    def __init__(self, availability: Availability) -> None:
        self._availability = availability
        self._watched: dict[int, int] = {}                 # piece: peers that had it when it was begun
        self._begun = -1
        self._until = -inf
        self._ahead: dict[int, int] = {}                   # the same of pieces for a reader
        self._ahead_until = -inf
        self.neighbours = 0            # connected peers that do not have everything

    def begun(self, index: int) -> None:
        """We fetch a piece."""
        self._begun += 1
        if self.neighbours <= FEW_NEIGHBOURS or self._begun % WATCHED:
            return
        if len(self._watched) >= MOST_WATCHED:             # given up, most likely
            del self._watched[next(iter(self._watched))]
        self._watched[index] = self._availability.leeches_with(index)

    def begun_ahead(self, index: int, peers: int) -> None:
        """We fetch a piece that few have, so many, because a reader comes to it next."""
        if len(self._ahead) >= MOST_WATCHED:
            del self._ahead[next(iter(self._ahead))]
        self._ahead[index] = peers

    def ended(self, index: int, now: float) -> None:
        """We have it."""
        if index in self._ahead and self._availability.leeches_with(index) - self._ahead.pop(index) >= FEW_OTHERS:
            self._ahead_until = now + RAISED_S
        before = self._watched.pop(index, None)
        if before is None or self.neighbours <= FEW_NEIGHBOURS:
            return
        if self._availability.leeches_with(index) - before > CROWD * self.neighbours:
            self._until = now + RAISED_S

    def are_many(self, now: float) -> bool:
        return now < self._until

    def are_many_ahead(self, now: float) -> bool:
        """Others fetch what comes next for a reader as well."""
        return now < self._ahead_until
