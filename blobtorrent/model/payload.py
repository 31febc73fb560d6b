"""PayloadMap: how much of each piece is content that a user has, rather than padding (BEP 47)."""

from __future__ import annotations

from blobtorrent.model.metainfo import Metainfo


class PayloadMap:
    """Bytes of padding per piece, worked out once. The sum over all pieces is `Metainfo.payload_bytes`."""

    def __init__(self, metainfo: Metainfo) -> None:
        geometry = metainfo.geometry
        self._size = geometry.size
        self._piece_length = geometry.piece_length
        self._num_pieces = geometry.num_pieces
        self._padding: dict[int, int] = {}
        for entry in metainfo.files:
            if not entry.is_pad:
                continue
            end = entry.offset + entry.length
            for index in geometry.pieces_of_span(entry.offset, entry.length):
                start = geometry.piece_offset(index)
                overlap = min(end, start + geometry.piece_length) - max(entry.offset, start)
                self._padding[index] = self._padding.get(index, 0) + overlap

    def of_piece(self, index: int) -> int:
        """Content bytes of a piece."""
        span = min(self._piece_length, self._size - index * self._piece_length)
        return span - self._padding.get(index, 0)

    def of_mask(self, mask: int) -> int:
        """Content bytes of the pieces whose bits are set."""
        if not mask:
            return 0
        count = mask.bit_count() * self._piece_length
        if mask >> self._num_pieces - 1 & 1:
            count -= self._num_pieces * self._piece_length - self._size
        return count - sum([padding for index, padding in self._padding.items() if mask >> index & 1])
