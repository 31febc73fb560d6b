"""Messages to bytes on the paths that carry many of them: runs of requests, block headers, haves (BEP 3).

Payloads are never copied here: a block goes out as a 13-byte header and a view of the block.
"""

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
_BLOCK = Struct(">IBIII")              # request, cancel, reject
_BLOCK_HEAD = Struct(">IBI")           # the same without begin and length
_BLOCK_TAIL = Struct(">II")
_HEADER = Struct(">IBII")              # in front of a block
_HEADER_HEAD = Struct(">IBI")
_BEGIN = Struct(">I")
HEADER_BYTES = _HEADER.size
_BLOCK_LENGTH = _BLOCK.size - wire.LENGTH_BYTES
_HAVE_LENGTH = _HAVE.size - wire.LENGTH_BYTES
_HEADER_LENGTH = _HEADER.size - wire.LENGTH_BYTES              # to which the block's bytes are added


def have(index: int) -> bytes:
    return _HAVE.pack(_HAVE_LENGTH, wire.Have.ID, index)


def haves(indices: Iterable[int]) -> bytes:
    """One buffer with a HAVE for each piece."""
    return b"".join([_HAVE.pack(_HAVE_LENGTH, wire.Have.ID, index) for index in indices])


def block_header(index: int, begin: int, length: int) -> bytes:
    """The 13 bytes that go before a block of `length` bytes."""
    return _HEADER.pack(_HEADER_LENGTH + length, wire.Piece.ID, index, begin)


def cancel(index: int, begin: int, length: int) -> bytes:
    return _BLOCK.pack(_BLOCK_LENGTH, wire.Cancel.ID, index, begin, length)


def reject(index: int, begin: int, length: int) -> bytes:
    return _BLOCK.pack(_BLOCK_LENGTH, wire.Reject.ID, index, begin, length)


class RunEncoder:
    """Encodes runs of neighbouring blocks of one torrent from tables, with no packing per block.

    Every message of a run starts with the same nine bytes (length, id, piece), so they are the separator of a join over
    what differs. Blocks are counted from 0 within their piece; a run holds at least one and lies inside the piece.
    """

    __slots__ = ("_begins", "_geometry", "_tails")

    def __init__(self, geometry: PieceGeometry) -> None:
        begins = range(0, geometry.blocks_per_piece * BLOCK_SIZE, BLOCK_SIZE)
        self._geometry = geometry
        self._tails = [_BLOCK_TAIL.pack(begin, BLOCK_SIZE) for begin in begins]
        self._begins = [_BEGIN.pack(begin) for begin in begins]

    def requests(self, index: int, first_block: int, count: int) -> bytes:
        """One buffer that asks for `count` blocks, the short last block of the piece with its true length."""
        return self._run(wire.Request.ID, index, first_block, count)

    def cancels(self, index: int, first_block: int, count: int) -> bytes:
        """One buffer that takes the requests of a run back."""
        return self._run(wire.Cancel.ID, index, first_block, count)

    def headers(self, index: int, first_block: int, count: int) -> list[bytes]:
        """The 13-byte headers of `count` blocks, to be sent each before its block."""
        end = first_block + count
        head = _HEADER_HEAD.pack(_HEADER_LENGTH + BLOCK_SIZE, wire.Piece.ID, index)
        headers = [head + begin for begin in self._begins[first_block:end]]
        last_size = self._geometry.block_size(index, end - 1)
        if last_size != BLOCK_SIZE:
            headers[-1] = block_header(index, (end - 1) * BLOCK_SIZE, last_size)
        return headers

    def _run(self, kind: int, index: int, first_block: int, count: int) -> bytes:
        end = first_block + count
        ends = [b"", *self._tails[first_block:end]]
        last_size = self._geometry.block_size(index, end - 1)
        if last_size != BLOCK_SIZE:
            ends[-1] = _BLOCK_TAIL.pack((end - 1) * BLOCK_SIZE, last_size)
        return _BLOCK_HEAD.pack(_BLOCK_LENGTH, kind, index).join(ends)
