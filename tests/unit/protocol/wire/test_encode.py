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
def test_a_run_asks_for_each_of_its_blocks(geometry):
    encoder = encode.RunEncoder(geometry)
    for index, first, count in runs(geometry):
        blocks = [(index, block * BLOCK, geometry.block_size(index, block)) for block in range(first, first + count)]
        assert encoder.requests(index, first, count) == b"".join(wire.Request(*block).encode() for block in blocks)


def test_many_haves_are_one_buffer():
    assert encode.haves([1, 2, 3]) == b"".join(wire.Have(index).encode() for index in (1, 2, 3))
    assert encode.haves([]) == b""


def test_a_cancel_equals_its_value():
    assert encode.cancel(1, 2, 3) == wire.Cancel(1, 2, 3).encode()
