"""Shares: which of the pieces that only seeds have are ours to fetch first.

Leeches that know the same choose the same, and what two of them take from a slow seed costs all of them time. So they
divide such pieces without a word: sorted by peer id each has a place in the row, and stripes of pieces are dealt along
it. Who has its share fetches those of its neighbours in the row, of more and more of them. Leeches that are linked with
each other hardly ever collide so; those that see different parts of a swarm choose as if at random. Pure; owned by a
picker.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from blobtorrent.model.geometry import BLOCK_SIZE

if TYPE_CHECKING:
    from blobtorrent.core.swarm.link import PeerLink
    from blobtorrent.model.geometry import PieceGeometry
    from blobtorrent.model.ids import PeerId

STRIPE_BYTES = 64 * BLOCK_SIZE         # small pieces are asked for in runs
LEAST_STRIPES = 16                     # of each share, or they are narrower: pieces go missing unevenly


class Shares:
    """Of one torrent. Masks are integers: bit i is piece i."""

    def __init__(self, geometry: PieceGeometry) -> None:
        self._geometry = geometry
        self._place = 0, 1             # in the row, and how long that is
        self._masks: list[int] = []    # our share, and that of more and more neighbours with it

    @property
    def is_divided(self) -> bool:
        """Others fetch as well."""
        return bool(self._masks)

    def divide(self, own_id: PeerId, links: Collection[PeerLink]) -> None:
        """Among ourselves and the linked peers that lack pieces."""
        others = {link.greeting.peer_id for link in links if not link.is_seed}
        place = sum(peer_id < own_id for peer_id in others), len(others) + 1
        if place != self._place:
            self._place = place
            self._masks = self._deal(*place)

    def first_of(self, pieces: int) -> int:
        """Those of some pieces that we should fetch first: all of them when nobody else is there."""
        for mask in self._masks:
            if mask & pieces:
                return mask & pieces
        return pieces

    def _deal(self, place: int, parts: int) -> list[int]:
        num_pieces, piece_length = self._geometry.num_pieces, self._geometry.piece_length
        width = max(1, min(STRIPE_BYTES // piece_length, num_pieces // (parts * LEAST_STRIPES)))
        masks = []
        for level in range((parts - 1).bit_length()):
            first = place >> level << level
            end = min(parts, first + (1 << level))
            mask, dealt = (1 << (end - first) * width) - 1 << first * width, parts * width
            while dealt < num_pieces:
                mask |= mask << dealt
                dealt *= 2
            masks.append(mask & (1 << num_pieces) - 1)
        return masks
