"""Reading: which pieces somebody waits for, from where on and until when. Pure; owned by a picker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobtorrent.core.swarm.masks import lowest
from blobtorrent.core.swarm.tiers import Near

if TYPE_CHECKING:
    from blobtorrent.core.swarm.availability import Availability
    from blobtorrent.core.swarm.pieces import PieceManager
    from blobtorrent.core.swarm.weights import Weights


class Reading:
    """One reader, and pieces with a time of their own. In a torrent that is fetched in order somebody always reads."""

    def __init__(self, pieces: PieceManager, weights: Weights) -> None:
        self.weights = weights
        self._pieces = pieces
        self._place: int | None = None
        self._deadlines: dict[int, float] = {}

    def read_from(self, index: int | None) -> None:
        """A reader is at this piece and goes on from there; None: it has gone."""
        self._place = index

    def set_deadline(self, index: int, at: float) -> None:
        """The piece is wanted until then, on the clock of `now`. It comes before all others while it is missing."""
        self._deadlines[index] = at

    def drop_deadline(self, index: int) -> None:
        """Nobody waits for the piece any more."""
        self._deadlines.pop(index, None)

    @property
    def is_going_on(self) -> bool:
        return self._place is not None or self.weights.is_in_order or bool(self._deadlines)

    def deadline_of(self, index: int) -> float | None:
        return self._deadlines.get(index)

    def urgency(self) -> float:
        """From 0, enough lies before the reader or there is none, to 1, it has to wait."""
        if self.weights.is_in_order:
            return 1.0
        if self._place is None:
            return 0.0
        lacking = self._pieces.lacking_mask >> self._place
        return max(0.0, 1.0 - lowest(lacking) / self.weights.ahead) if lacking else 0.0

    def next_of(self, missing: int) -> int | None:
        """The first of these pieces that the reader comes to."""
        place = self._place or 0
        ahead = missing >> place
        return place + lowest(ahead) if ahead else None

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
