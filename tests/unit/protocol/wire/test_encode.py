"""Runs of messages made from tables equal the messages made one by one."""

from __future__ import annotations

import pytest

from blobtorrent.model.geometry import PieceGeometry
from blobtorrent.protocol.wire import encode
from blobtorrent.protocol.wire import messages as wire

BLOCK = 16384
GEOMETRIES = [
    PieceGeometry(size=5 * 65536, piece_length=65536),                 # even everywhere
    PieceGeometry(size=4 * 65536 + 1, piece_length=65536),             # last piece of one byte
    PieceGeometry(size=4 * 65536 + 40000, piece_length=65536),         # short last block of the last piece
    PieceGeometry(size=5 * 50000, piece_length=50000),                 # a short last block in every piece
    PieceGeometry(size=5 * 1000, piece_length=1000),                   # pieces smaller than a block
    PieceGeometry(size=5 * 65536, piece_length=65536, short_pieces={1: 20000, 2: 7}),
]


def runs(geometry):
    for index in range(geometry.num_pieces):
        blocks = geometry.num_blocks(index)
        for first in range(blocks):
            for count in range(1, blocks - first + 1):
                yield index, first, count


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_a_run_holds_the_messages_of_its_blocks(geometry):
    encoder = encode.RunEncoder(geometry)
    for index, first, count in runs(geometry):
        blocks = [(index, block * BLOCK, geometry.block_size(index, block)) for block in range(first, first + count)]
        assert encoder.requests(index, first, count) == b"".join(wire.Request(*block).encode() for block in blocks)
        assert encoder.cancels(index, first, count) == b"".join(wire.Cancel(*block).encode() for block in blocks)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_headers_are_what_goes_before_each_block(geometry):
    encoder = encode.RunEncoder(geometry)
    for index, first, count in runs(geometry):
        for number, header in enumerate(encoder.headers(index, first, count)):
            begin, size = (first + number) * BLOCK, geometry.block_size(index, first + number)
            assert header == wire.Piece(index, begin, bytes(size)).encode()[:encode.HEADER_BYTES]
            assert header == encode.block_header(index, begin, size)


def test_single_messages_equal_their_values():
    assert encode.have(9) == wire.Have(9).encode()
    assert encode.haves([1, 2, 3]) == b"".join(wire.Have(index).encode() for index in (1, 2, 3))
    assert encode.haves([]) == b""
    assert encode.cancel(1, 2, 3) == wire.Cancel(1, 2, 3).encode()
    assert encode.reject(1, 2, 3) == wire.Reject(1, 2, 3).encode()
