"""Peer messages as values."""

from __future__ import annotations

import pytest

from blobtorrent.model.errors import PeerError
from blobtorrent.protocol.wire import messages as wire

LAYOUTS = [
    (wire.KeepAlive(), "00000000"),
    (wire.Choke(), "0000000100"),
    (wire.Unchoke(), "0000000101"),
    (wire.Interested(), "0000000102"),
    (wire.NotInterested(), "0000000103"),
    (wire.Have(7), "000000050400000007"),
    (wire.BitfieldMessage(b"\xa0"), "0000000205a0"),
    (wire.Request(1, 16384, 16384), "0000000d06000000010000400000004000"),
    (wire.Piece(1, 2, b"abc"), "0000000c070000000100000002616263"),
    (wire.Cancel(1, 16384, 16384), "0000000d08000000010000400000004000"),
    (wire.Port(6881), "00000003091ae1"),
    (wire.Suggest(7), "000000050d00000007"),
    (wire.HaveAll(), "000000010e"),
    (wire.HaveNone(), "000000010f"),
    (wire.Reject(1, 16384, 16384), "0000000d10000000010000400000004000"),
    (wire.AllowedFast(7), "000000051100000007"),
    (wire.Extended(3, b"de"), "0000000414036465"),
]


@pytest.mark.parametrize(("message", "layout"), LAYOUTS)
def test_a_message_is_laid_out_as_its_bep_says(message, layout):
    assert message.encode().hex() == layout


@pytest.mark.parametrize(("message", "layout"), [row for row in LAYOUTS if not isinstance(row[0], wire.KeepAlive)])
def test_a_payload_is_read_back_as_the_same_message(message, layout):
    assert type(message).decode(memoryview(bytes.fromhex(layout))[5:]) == message


def test_messages_of_different_kinds_are_never_equal():
    assert wire.Choke() != wire.Unchoke()
    assert wire.Request(1, 2, 3) != wire.Cancel(1, 2, 3)


@pytest.mark.parametrize(("kind", "payload"), [
    (wire.Choke, b"x"),
    (wire.Have, b"123"),
    (wire.Have, b"12345"),
    (wire.Request, bytes(11)),
    (wire.Cancel, bytes(13)),
    (wire.Piece, bytes(7)),
    (wire.Port, b"1"),
    (wire.Extended, b""),
])
def test_a_payload_of_a_wrong_length_is_refused(kind, payload):
    with pytest.raises(PeerError) as caught:
        kind.decode(memoryview(payload))
    assert caught.value.code == "wire.bad-length"


@pytest.mark.parametrize("length", [0, wire.MAX_BLOCK + 1, 2**32 - 1])
@pytest.mark.parametrize("kind", [wire.Request, wire.Cancel, wire.Reject])
def test_a_block_of_an_impossible_size_is_refused(kind, length):
    with pytest.raises(PeerError) as caught:
        kind.decode(memoryview(kind.LAYOUT.pack(0, 0, length)))
    assert caught.value.code == "wire.bad-block"


@pytest.mark.parametrize("size", [0, wire.MAX_BLOCK + 1])
def test_a_piece_message_carries_a_block_of_a_possible_size(size):
    with pytest.raises(PeerError) as caught:
        wire.Piece.decode(memoryview(bytes(8 + size)))
    assert caught.value.code == "wire.bad-block"
