"""How much of a piece is content."""

from __future__ import annotations

import pytest

from blobtorrent.model.payload import PayloadMap
from tests.support.stored import PAD, StoredTorrent

PIECE = 16384


def test_a_piece_counts_without_the_padding_in_it() -> None:
    payload = PayloadMap(StoredTorrent([100, (PAD, PIECE - 100), PIECE, 1], PIECE).metainfo)
    assert [payload.of_piece(index) for index in range(3)] == [100, PIECE, 1]


def test_a_pad_file_may_cover_several_pieces() -> None:
    payload = PayloadMap(StoredTorrent([100, (PAD, 3 * PIECE), 50], PIECE).metainfo)
    assert [payload.of_piece(index) for index in range(4)] == [100, 0, 0, 50]


@pytest.mark.parametrize("v1", [True, False])
def test_the_pieces_add_up_to_the_payload(v1: bool) -> None:
    torrent = StoredTorrent([1, 0, 5 * PIECE + 7, PIECE, 3], PIECE, v1=v1).metainfo
    payload = PayloadMap(torrent)
    assert sum(map(payload.of_piece, range(torrent.geometry.num_pieces))) == torrent.payload_bytes == 6 * PIECE + 11


@pytest.mark.parametrize("v1", [True, False])
def test_many_pieces_count_as_much_as_each_alone(v1: bool) -> None:
    torrent = StoredTorrent([40_000, 5, 100_000], 16_384, v1=v1)
    payload = PayloadMap(torrent.metainfo)
    for mask in (0, 0b1, 0b1100, (1 << torrent.geometry.num_pieces) - 1, 1 << torrent.geometry.num_pieces - 1):
        assert payload.of_mask(mask) == sum(
            payload.of_piece(index) for index in range(torrent.geometry.num_pieces) if mask >> index & 1)
