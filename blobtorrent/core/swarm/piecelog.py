"""PieceLog: what went otherwise than it usually goes with the pieces of a torrent, for who asks why one is lacking.

A piece that is opened, filled, found good and written leaves no trace here: there are too many. Pure; owned by a
PieceManager.
"""

from __future__ import annotations

from collections import deque

from blobtorrent.model.details import PieceStep

REMEMBERED = 256                       # steps, of all pieces together


class PieceLog:
    """The latest steps, oldest first."""

    def __init__(self) -> None:
        self._steps: deque[tuple[int, PieceStep]] = deque(maxlen=REMEMBERED)

    def note(self, index: int, at: float, state: str, cause: str) -> None:
        """A piece came into a state at a moment, and why."""
        self._steps.append((index, PieceStep(at, state, cause)))

    def note_mask(self, mask: int, at: float, state: str, cause: str) -> None:
        """As `note`, for the pieces of a mask; of very many only the first are remembered."""
        for _ in range(REMEMBERED):
            if not mask:
                break
            bit = mask & -mask
            self.note(bit.bit_length() - 1, at, state, cause)
            mask ^= bit

    def of(self, index: int) -> tuple[PieceStep, ...]:
        return tuple(step for noted, step in self._steps if noted == index)
