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
        """Bytes of a piece were sent. Of those that stay unfinished the first are forgotten."""
        parts = self._open
        total = parts.get(index, 0) + size
        if total < piece_size:
            parts[index] = total
            if len(parts) > MAX_OPEN:
                del parts[next(iter(parts))]
        else:
            self.mask |= 1 << index
            parts.pop(index, None)
