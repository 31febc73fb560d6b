"""What a peer was sent. Many do not tell a seed of the pieces that they get, and we are among them: then this is all
that a seed knows of how far its pieces have spread. Pure.
"""

from __future__ import annotations

from blobtorrent.model.ids import PeerId

MAX_OPEN = 256                         # pieces of which a peer was sent a part, of one peer
MAX_RANGES = 64                        # of one piece that were sent, with others between them
MAX_DEPARTED = 32                      # peers that may come back to the rest of a piece


class Given:
    """`mask` are the pieces of which a peer was sent every byte."""

    __slots__ = ("_open", "mask")

    def __init__(self) -> None:
        self.mask = 0
        self._open: dict[int, list[tuple[int, int]]] = {}  # begin and end of the bytes so far, apart from each other

    def add(self, index: int, begin: int, size: int, piece_size: int) -> None:
        """Bytes of a piece were sent, perhaps once more. Of those that stay unfinished the first are forgotten."""
        if self.mask >> index & 1:
            return
        end, apart = begin + size, []
        for first, last in self._open.get(index, ()):
            if first <= end and begin <= last:
                begin, end = min(begin, first), max(end, last)
            else:
                apart.append((first, last))
        if end - begin == piece_size:
            self.mask |= 1 << index
            self._open.pop(index, None)
            return
        self._open[index] = [*apart[-MAX_RANGES + 1:], (begin, end)]
        if len(self._open) > MAX_OPEN:
            del self._open[next(iter(self._open))]


class Departed:
    """What those have whose links ended: `mask` are pieces that they had, or were sent.

    A peer keeps what it has of a piece and gets the rest by its next link, at once where two links cross: what it was
    sent is counted on. Of those that stay away the first are forgotten.
    """

    def __init__(self) -> None:
        self.mask = 0
        self._given: dict[PeerId, Given] = {}

    def add(self, peer_id: PeerId, mask: int, given: Given) -> None:
        """The link of a peer with these pieces ended. What the send thread tells of it later is added to `given`."""
        self.mask |= mask | given.mask
        self._given.pop(peer_id, None)
        self._given[peer_id] = given
        if len(self._given) > MAX_DEPARTED:
            del self._given[next(iter(self._given))]

    def given_to(self, peer_id: PeerId) -> Given:
        """What a peer that joins was sent before."""
        given = self._given.get(peer_id)
        return Given() if given is None else given
