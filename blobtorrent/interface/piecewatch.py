"""PieceWatch: which pieces were verified, found out from snapshots while somebody wants to know. Pure.

Nobody wants to hear of single pieces most of the time, so nobody publishes them: this way they cost nothing then.
"""

from __future__ import annotations

from collections.abc import Iterator

from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.events import PieceVerified
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.status import TorrentStatus
from blobtorrent.runtime.board import StatusBoard


class PieceWatch:
    """Knows what torrents have when it is made, at `wall` seconds since 1970, and tells what they have got since."""

    def __init__(self, board: StatusBoard[InfoHash, TorrentStatus], wall: float) -> None:
        self._board = board
        self._began_at = wall
        self._revision = board.revision
        self._known = {info_hash: status.pieces_wire for info_hash, status in board.read_all().items()}

    def look(self) -> Iterator[tuple[PieceVerified, TorrentStatus]]:
        """Pieces that were not there at the last look."""
        changes = self._board.read_since(self._revision)
        self._revision = changes.revision
        for info_hash in changes.withdrawn:
            self._known.pop(info_hash, None)
        for info_hash, status in changes.changed.items():
            before, now = self._before(info_hash, status), status.pieces_wire
            self._known[info_hash] = now
            for piece in _added(before, now, status.num_pieces):
                yield PieceVerified(info_hash, piece), status

    def _before(self, info_hash: InfoHash, status: TorrentStatus) -> bytes:
        """What it had at the last look. One that was added since had nothing, one read from saved state what it has."""
        known = self._known.get(info_hash, b"")
        if len(known) == len(status.pieces_wire):
            return known
        return bytes(len(status.pieces_wire)) if status.added_at >= self._began_at else status.pieces_wire


def _added(before: bytes, now: bytes, num_pieces: int) -> Iterator[int]:
    """Numbers of the pieces in `now` that are not in `before`, in order."""
    if before == now:
        return
    fresh = Bitfield.from_wire(now, num_pieces).mask & ~Bitfield.from_wire(before, num_pieces).mask
    while fresh:
        lowest = fresh & -fresh
        yield lowest.bit_length() - 1
        fresh ^= lowest
