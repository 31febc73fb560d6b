"""Stretches: runs of whole pieces that lie in one file, which can be hashed without cutting and joining. Pure."""

from __future__ import annotations

from typing import NamedTuple

from blobtorrent.model.geometry import PieceGeometry
from blobtorrent.storage.layout import PAD, Layout


class Stretch(NamedTuple):
    """These pieces are `length` bytes from `offset` of the file with number `file`; the last may be a short one."""

    pieces: range
    file: int
    offset: int
    length: int


def stretches_in(indices: range, geometry: PieceGeometry, layout: Layout, min_bytes: int) -> list[Stretch]:
    """All stretches of at least `min_bytes` among the pieces `indices`, in order.

    For a geometry whose pieces all have the same size, except the torrent's last.
    """
    step, found = geometry.piece_length, []
    at = geometry.piece_offset(indices.start)
    end = min(geometry.piece_offset(indices.stop), geometry.size)
    for part in layout.parts(at, end - at):
        first, border = -(-at // step), at + part.length
        stop = indices.stop if border == end else border // step
        start, upto = first * step, min(stop * step, border)
        if part.file != PAD and upto - start >= max(1, min_bytes):
            found.append(Stretch(range(first, stop), part.file, part.offset + start - at, upto - start))
        at = border
    return found
