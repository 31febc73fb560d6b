"""What a peer was sent. Many do not tell a seed of the pieces that they get, and we are among them: then this is all
that a seed knows of how far its pieces have spread. Pure.
"""

from __future__ import annotations

MAX_OPEN = 256                         # pieces of which a peer was sent a part, of one peer


class Given:
    """`mask` are the pieces of which a peer was sent as many bytes as they have."""

    __slots__ = ("_open", "mask")

    def __init__(self) -> None:
        self.mask = 0
        self._open: dict[int, int] = {}                    # bytes so far

    def add(self, index: int, size: int, piece_size: int) -> None:
        """Bytes of a piece were sent. Of those that stay unfinished the oldest are forgotten."""
        total = self._open.pop(index, 0) + size
        if total >= piece_size:
            self.mask |= 1 << index
            return
        self._open[index] = total
        if len(self._open) > MAX_OPEN:
            del self._open[next(iter(self._open))]
