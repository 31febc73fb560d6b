"""PieceGeometry: all arithmetic between bytes, pieces and blocks of one torrent.

The content is one linear space of `size` bytes that includes padding (BEP 47). In a v2-only torrent (BEP 52) every file
starts on a piece boundary and the piece at a file's end is short, so pieces other than the last may be short too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

BLOCK_SIZE = 16384                     # what one request asks for (BEP 3 practice, BEP 52 leaf)


class PieceGeometry(NamedTuple):
    """Sizes are bytes; `index` is a piece, `begin` an offset in it, `block` counts 16 KiB blocks of a piece."""

    size: int
    piece_length: int
    short_pieces: Mapping[int, int] = {}           # index -> bytes, v2 only

    @property
    def num_pieces(self) -> int:
        return -(-self.size // self.piece_length)

    @property
    def blocks_per_piece(self) -> int:
        """Blocks of a full piece; the last may be short when the piece length is no multiple of 16 KiB."""
        return -(-self.piece_length // BLOCK_SIZE)

    def piece_size(self, index: int) -> int:
        """Bytes of a piece that exist on the wire."""
        if index in self.short_pieces:
            return self.short_pieces[index]
        return min(self.piece_length, self.size - index * self.piece_length)

    def num_blocks(self, index: int) -> int:
        return -(-self.piece_size(index) // BLOCK_SIZE)

    def block_size(self, index: int, block: int) -> int:
        return min(BLOCK_SIZE, self.piece_size(index) - block * BLOCK_SIZE)

    def piece_offset(self, index: int) -> int:
        """Where a piece starts in the linear space."""
        return index * self.piece_length

    def pieces_of_span(self, offset: int, length: int) -> range:
        """The pieces that hold any of `length` bytes from `offset`; empty for an empty span."""
        if length <= 0:
            return range(0)
        return range(offset // self.piece_length, (offset + length - 1) // self.piece_length + 1)
