"""Messages of `ut_metadata` (BEP 9)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobtorrent.model.errors import PeerError
from blobtorrent.protocol.wire.metadata import (
    DATA,
    PIECE_BYTES,
    REJECT,
    REQUEST,
    MetadataMessage,
    metadata_piece,
    metadata_piece_size,
    num_metadata_pieces,
)


def test_messages_look_as_in_the_bep():
    assert MetadataMessage(REQUEST, 0).encode() == b"d8:msg_typei0e5:piecei0ee"
    assert MetadataMessage(DATA, 0, 34256, b"xx").encode() == b"d8:msg_typei1e5:piecei0e10:total_sizei34256eexx"
    assert MetadataMessage(REJECT, 0).encode() == b"d8:msg_typei2e5:piecei0ee"


@given(st.integers(0, 1 << 20), st.integers(1, 1 << 24), st.binary(max_size=PIECE_BYTES))
def test_what_is_encoded_is_read_back(piece, total, data):
    message = MetadataMessage(DATA, piece, total, data)
    assert MetadataMessage.decode(message.encode()) == message


def test_data_that_looks_like_more_of_the_dictionary_stays_data():
    data = b"d8:msg_typei0e5:piecei9ee"
    assert MetadataMessage.decode(MetadataMessage(DATA, 3, 100, data).encode()).data == data


def test_keys_may_be_in_any_order_and_unknown_ones_are_passed_over():
    message = MetadataMessage.decode(b"d5:piecei7e8:msg_typei1e10:total_sizei5e5:zebra1:xehello")
    assert message == MetadataMessage(DATA, 7, 5, b"hello")


@pytest.mark.parametrize("payload", [
    b"", b"i5e", b"le", b"d8:msg_typei0ee", b"d5:piecei0ee", b"d8:msg_type1:x5:piecei0ee",
    b"d8:msg_typei0e5:piecei-1ee", b"d8:msg_typei0e5:piecei0e", b"d" * 1000,
    b"d8:msg_typei1e5:piecei0ee" + bytes(PIECE_BYTES + 1),
])
def test_what_makes_no_sense_is_refused(payload):
    with pytest.raises(PeerError) as caught:
        MetadataMessage.decode(payload)
    assert caught.value.code == "wire.bad-metadata"


@given(st.binary(max_size=200))
def test_only_peer_errors_come_out_of_any_bytes(payload):
    try:
        MetadataMessage.decode(payload)
    except PeerError:
        pass


def test_a_total_size_that_is_none_is_as_if_it_had_not_been_said():
    assert MetadataMessage.decode(b"d8:msg_typei1e5:piecei0e10:total_sizei-5eex").total_size == 0
    assert MetadataMessage.decode(b"d8:msg_typei1e5:piecei0e10:total_size1:9ex").total_size == 0


@pytest.mark.parametrize("size", [1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES])
def test_pieces_make_up_the_whole(size):
    info = bytes(index % 251 for index in range(size))
    pieces = [metadata_piece(info, number) for number in range(num_metadata_pieces(size))]
    assert b"".join(pieces) == info
    assert [metadata_piece_size(size, number) for number in range(len(pieces))] == list(map(len, pieces))
    assert metadata_piece(info, len(pieces)) == b""
    assert metadata_piece_size(size, len(pieces)) == 0
