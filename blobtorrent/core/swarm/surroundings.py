"""Surroundings: the pieces that lie near those under way, in the same file or the same stretch of the disk. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from blobtorrent.core.swarm.masks import lowest
from blobtorrent.model.geometry import PieceGeometry
from blobtorrent.model.metainfo import FileEntry

EXTENT_BYTES = 4 << 20                 # neighbours in it are as good as one piece to most disks


class Surroundings:
    """Masks are integers: bit i is piece i. A piece counts for the file that its first byte belongs to."""

    def __init__(self, geometry: PieceGeometry, files: Sequence[FileEntry]) -> None:
        self._size = geometry.num_pieces
        self._group = min(EXTENT_BYTES // geometry.piece_length, self._size)   # pieces of one extent
        self._firsts = 0               # of each extent its first piece
        if self._has_extents:
            self._firsts, width = 1, self._group
            while width < self._size:
                self._firsts |= self._firsts << width
                width *= 2
        self._bounds = _bounds(geometry, files)

    @property
    def _has_extents(self) -> bool:
        """Whether there are several, each of several pieces: else that says nothing."""
        return 1 < self._group < self._size

    def extents(self, under_way: int) -> int:
        """All pieces that share an extent with one of these."""
        if not (self._has_extents and under_way):
            return 0
        touched, width = under_way, 1
        while width < self._group:     # bit i: one of the `width` pieces from i on is among them
            step = min(width, self._group - width)
            touched |= touched >> step
            width += step
        touched &= self._firsts
        return (touched << self._group) - touched

    def files(self, under_way: int) -> int:
        """All pieces that share a file with one of these."""
        if not self._bounds:
            return 0
        found, rest, done = 0, under_way, 0
        while rest:
            place = bisect_right(self._bounds, done + lowest(rest))
            start, done = self._bounds[place - 1], self._bounds[place]
            found |= (1 << done) - (1 << start)
            rest = under_way >> done
        return found


def _bounds(geometry: PieceGeometry, files: Sequence[FileEntry]) -> list[int]:
    """Where the pieces of each file begin, and the end; empty when no file has several pieces, or one has them all."""
    length, size = geometry.piece_length, geometry.num_pieces
    starts = sorted({0, size} | {-(-entry.offset // length) for entry in files if not entry.is_pad and entry.length})
    bounds = [start for start in starts if start <= size]
    return bounds if 2 < len(bounds) <= size else []
