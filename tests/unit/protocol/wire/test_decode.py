"""The general decoder: runs, limits, unfinished messages."""

from __future__ import annotations

import pytest

from blobtorrent.model.errors import PeerError
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.decode import Decoder, HaveRun, RequestRun


def test_neighbouring_requests_become_one_run():
    requests = [wire.Request(5, begin, 16384) for begin in range(0, 1 << 20, 16384)]
    decoded = Decoder().feed(b"".join(request.encode() for request in requests))
    assert decoded == [RequestRun([5 << 32 | request.begin for request in requests], [16384] * 64)]


def test_a_run_ends_at_any_other_message():
    stream = b"".join(message.encode() for message in (
        wire.Request(1, 0, 1), wire.Have(1), wire.Have(2), wire.Cancel(1, 0, 1), wire.Request(2, 3, 4),
    ))
    assert Decoder().feed(stream) == [
        RequestRun([1 << 32], [1]), HaveRun([1, 2]), wire.Cancel(1, 0, 1), RequestRun([2 << 32 | 3], [4]),
    ]


def test_the_unfinished_end_of_a_run_waits_in_rest():
    stream = wire.Request(1, 0, 1).encode() * 2
    decoder = Decoder()
    assert decoder.feed(stream[:-1]) == [RequestRun([1 << 32], [1])]
    assert bytes(decoder.rest) == stream[17:-1]
    assert decoder.feed(stream[-1:]) == [RequestRun([1 << 32], [1])]
    assert not decoder.rest


def test_one_impossible_request_spoils_its_run():
    good, bad = wire.Request(1, 0, 16384).encode(), wire.Request(1, 0, wire.MAX_BLOCK + 1).encode()
    with pytest.raises(PeerError) as caught:
        Decoder().feed(good + bad + good)
    assert caught.value.code == "wire.bad-block"


def test_the_rest_can_be_taken_over():
    piece = wire.Piece(1, 2, b"x" * 100).encode()
    decoder = Decoder()
    decoder.feed(piece[:50])
    assert decoder.take_rest() == piece[:50]
    assert not decoder.rest
    assert decoder.feed(wire.Choke().encode()) == [wire.Choke()]


def test_what_was_fed_may_be_overwritten_afterwards():
    buffer = bytearray(wire.Piece(1, 2, b"good").encode() + wire.Extended(1, b"half").encode()[:7])
    decoder = Decoder()
    decoded = decoder.feed(memoryview(buffer))
    buffer[:] = bytes(len(buffer))
    assert decoded == [wire.Piece(1, 2, b"good")]
    assert decoder.feed(b"alf") == [wire.Extended(1, b"half")]


def test_an_unknown_message_is_reported_and_skipped():
    stream = wire.PREFIX.pack(4, 99) + b"abc" + wire.Unchoke().encode()
    assert Decoder().feed(stream) == [wire.Unknown(99), wire.Unchoke()]


def test_a_message_over_the_limit_is_refused_from_its_length_alone():
    with pytest.raises(PeerError) as caught:
        Decoder().feed((wire.MAX_LENGTH + 1).to_bytes(4, "big"))
    assert caught.value.code == "wire.too-long"


def test_a_bitfield_of_two_million_pieces_passes_whole():
    field = wire.BitfieldMessage(bytes(2**21 // 8))
    assert Decoder().feed(field.encode()) == [field]


def test_a_message_that_comes_byte_by_byte_is_looked_at_only_when_whole(monkeypatch):
    looks = []
    real = wire.BitfieldMessage.decode
    monkeypatch.setattr(wire.BitfieldMessage, "decode", lambda payload: looks.append(len(payload)) or real(payload))
    decoder = Decoder()
    stream = wire.BitfieldMessage(bytes(5000)).encode()
    decoded = [message for byte in stream for message in decoder.feed(bytes([byte]))]
    assert len(decoded) == 1
    assert looks == [5000]


@pytest.mark.parametrize("kind, length", [(7, 9 + 16385), (5, 1 + 126), (20, (64 << 10) + 3), (99, (64 << 10) + 3)])
def test_how_long_a_message_may_be_depends_on_its_kind_and_nothing_waits_for_more(kind, length):
    decoder = Decoder(bitfield_bytes=125, block_bytes=16384)
    assert decoder.feed(length.to_bytes(4, "big")) == []
    with pytest.raises(PeerError) as caught:
        decoder.feed(bytes((kind,)))
    assert caught.value.code == "wire.too-long"
    assert Decoder(bitfield_bytes=125, block_bytes=16384).feed((length - 1).to_bytes(4, "big") + bytes((kind,))) == []
