"""Reading: which pieces somebody waits for, from where on and until when. Pure; owned by a picker."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from blobtorrent.core.swarm.masks import lowest
from blobtorrent.core.swarm.tiers import Near

if TYPE_CHECKING:
    from blobtorrent.core.swarm.availability import Availability
    from blobtorrent.core.swarm.pieces import PieceManager
    from blobtorrent.core.swarm.weights import Weights


class Reading:
    """Readers, and pieces with a time of their own. In a torrent that is fetched in order somebody always reads."""

    def __init__(self, pieces: PieceManager, weights: Weights) -> None:
        self.weights = weights
        self._pieces = pieces
        self._places: dict[Hashable, int] = {}             # of the readers
        self._deadlines: dict[int, float] = {}

    def read_from(self, reader: Hashable, index: int) -> None:
        """A reader is at this piece and goes on from there."""
        self._places[reader] = index

    def leave(self, reader: Hashable) -> None:
        """A reader has gone."""
        self._places.pop(reader, None)

    def set_deadline(self, index: int, at: float) -> None:
        """The piece is wanted until then, on the clock of `now`. It comes before all others while it is missing."""
        self._deadlines[index] = at

    def drop_deadline(self, index: int) -> None:
        """Nobody waits for the piece any more."""
        self._deadlines.pop(index, None)

    @property
    def is_going_on(self) -> bool:
        return bool(self._places) or self.weights.is_in_order or bool(self._deadlines)

    @property
    def has_readers(self) -> bool:
        return bool(self._places)

    def deadline_of(self, index: int) -> float | None:
        return self._deadlines.get(index)

    def need(self, missing: int) -> tuple[float, int]:
        """How urgent it is, and the first of these pieces that is wanted then. Of several readers the one that needs it
        most counts.

        The urgency is from 0, enough lies before all readers or there are none, to 1, somebody has to wait.
        """
        urgency, place = max(((self._urgency_at(place), place) for place in self._places.values()), default=(0.0, 0))
        if not urgency and self.weights.is_in_order:
            urgency, place = 1.0, 0
        ahead = missing >> place
        return (urgency, place + lowest(ahead)) if ahead else (0.0, place)

    def _urgency_at(self, place: int) -> float:
        lacking = self._pieces.lacking_mask >> place
        if not lacking:
            return 0.0
        return 1.0 if self.weights.is_in_order else max(0.0, 1.0 - lowest(lacking) / self.weights.ahead)

    def due(self, candidates: int) -> tuple[int, float] | None:
        """Of these pieces the one whose deadline is the earliest, and that."""
        if not self._deadlines:
            return None
        have = self._pieces.have
        for index in [index for index in self._deadlines if index in have]:
            del self._deadlines[index]
        waited_for = [(at, index) for index, at in self._deadlines.items() if candidates >> index & 1]
        if not waited_for:
            return None
        at, index = min(waited_for)
        return index, at


class Ahead:
    """A few pieces out of all, cut out once because they are looked at again and again. Bit 0 is piece `first`."""

    def __init__(self, first: int, count: int, availability: Availability, near: Near) -> None:
        self.first = first
        self.availability = availability.window(first, count)
        self.near = Near(*(mask >> first & (1 << count) - 1 for mask in near))
        self._end = first + count

    def covers(self, first: int, count: int) -> bool:
        return self.first <= first and first + count <= self._end
