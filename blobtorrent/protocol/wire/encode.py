"""Messages to bytes on the paths that carry many of them: runs of requests, haves (BEP 3)."""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct

from blobtorrent.model.geometry import BLOCK_SIZE, PieceGeometry
from blobtorrent.protocol.wire import messages as wire

KEEP_ALIVE = wire.KeepAlive().encode()
CHOKE = wire.Choke().encode()
UNCHOKE = wire.Unchoke().encode()
INTERESTED = wire.Interested().encode()
NOT_INTERESTED = wire.NotInterested().encode()
HAVE_ALL = wire.HaveAll().encode()
HAVE_NONE = wire.HaveNone().encode()

_HAVE = Struct(">IBI")
_BLOCK = Struct(">IBIII")              # request, cancel
_REJECT = Struct(">IBQI")              # index and begin as one number
_BLOCK_HEAD = Struct(">IBI")           # the same without begin and length
_BLOCK_TAIL = Struct(">II")
_INDEX = Struct(">I")
_HAVE_LENGTH = _HAVE.size - wire.LENGTH_BYTES
_BLOCK_LENGTH = _BLOCK.size - wire.LENGTH_BYTES
_REQUEST_HEAD = wire.PREFIX.pack(_BLOCK_LENGTH, wire.Request.ID)


def haves(indices: Iterable[int]) -> bytes:
    """One buffer with a HAVE for each piece."""
    return b"".join([_HAVE.pack(_HAVE_LENGTH, wire.Have.ID, index) for index in indices])


def cancel(index: int, begin: int, length: int) -> bytes:
    """Takes one request back."""
    return _BLOCK.pack(_BLOCK_LENGTH, wire.Cancel.ID, index, begin, length)


def rejects(blocks: Iterable[tuple[int, int]]) -> bytes:
    """One buffer that refuses requests (BEP 6), each given as `index << 32 | begin` and its length."""
    return b"".join([_REJECT.pack(_BLOCK_LENGTH, wire.Reject.ID, key, length) for key, length in blocks])


class RunEncoder:
    """Encodes requests for runs of neighbouring blocks of one torrent from a table, with no packing per block.

    Every request of a run starts with the same nine bytes (length, id, piece), so they are the separator of a join over
    what differs. Blocks are counted from 0 within their piece; a run holds at least one and lies inside the piece.
    """

    __slots__ = ("_geometry", "_tails")

    def __init__(self, geometry: PieceGeometry) -> None:
        begins = range(0, geometry.blocks_per_piece * BLOCK_SIZE, BLOCK_SIZE)
        self._geometry = geometry
        self._tails = [_BLOCK_TAIL.pack(begin, BLOCK_SIZE) for begin in begins]

    def whole_pieces(self, indices: range) -> bytes:
        """One buffer that asks for every block of neighbouring pieces."""
        geometry = self._geometry
        if geometry.blocks_per_piece > 1 or geometry.piece_size(indices[-1]) != BLOCK_SIZE:
            return b"".join([self.requests(index, 0, geometry.num_blocks(index)) for index in indices])
        numbers = [_INDEX.pack(index) for index in indices]
        return _REQUEST_HEAD + (self._tails[0] + _REQUEST_HEAD).join(numbers) + self._tails[0]

    def requests(self, index: int, first_block: int, count: int) -> bytes:
        """One buffer that asks for `count` blocks, the short last block of the piece with its true length."""
        end = first_block + count
        tails = [b"", *self._tails[first_block:end]]
        last_size = self._geometry.block_size(index, end - 1)
        if last_size != BLOCK_SIZE:
            tails[-1] = _BLOCK_TAIL.pack((end - 1) * BLOCK_SIZE, last_size)
        return _BLOCK_HEAD.pack(_BLOCK_LENGTH, wire.Request.ID, index).join(tails)
