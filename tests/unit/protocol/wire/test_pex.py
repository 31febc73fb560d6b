"""Peer exchange messages."""

from __future__ import annotations

import pytest

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import PeerError
from blobtorrent.protocol import bencode
from blobtorrent.protocol.wire.pex import IS_REACHABLE, MAX_READ, UPLOAD_ONLY, PeerExchange

A, B = Endpoint("10.0.0.1", 6881), Endpoint("10.0.0.2", 51413)
SIX = Endpoint("2001:db8::1", 6881)


def test_what_is_told_arrives():
    told = PeerExchange({A: UPLOAD_ONLY, SIX: IS_REACHABLE}, (B, Endpoint("2001:db8::2", 1)))
    assert PeerExchange.decode(told.encode()) == told


def test_both_families_have_keys_of_their_own():
    told = bencode.decode(PeerExchange({A: UPLOAD_ONLY}, (SIX,)).encode())
    assert told == {
        b"added": A.compact, b"added.f": bytes((UPLOAD_ONLY,)), b"dropped": b"",
        b"added6": b"", b"added6.f": b"", b"dropped6": SIX.compact,
    }


@pytest.mark.parametrize("flags", [b"", b"\x02", bytes(3), 7])
def test_flags_that_are_not_one_for_each_address_are_none(flags):
    assert PeerExchange.decode(bencode.encode({"added": A.compact + B.compact, "added.f": flags})).added == {A: 0, B: 0}


def test_keys_of_a_wrong_kind_are_as_if_unsaid():
    assert PeerExchange.decode(bencode.encode({"added": 1, "dropped": ["x"], "added6": {}})) == PeerExchange()


def test_who_is_in_both_lists_is_gone_and_port_0_is_nobody():
    nobody = A.compact[:4] + b"\0\0"
    assert PeerExchange.decode(bencode.encode({
        "added": A.compact + B.compact + nobody, "dropped": B.compact})) == PeerExchange({A: 0}, (B,))


def test_only_so_many_addresses_are_looked_at():
    many = b"".join(Endpoint(f"10.0.{number >> 8}.{number & 255}", 1).compact for number in range(500))
    told = PeerExchange.decode(bencode.encode({"added": many, "dropped": many[:600], "added.f": bytes(500)}))
    assert len(told.added) <= MAX_READ
    assert len(told.dropped) == 100


@pytest.mark.parametrize("payload", [
    b"", b"i1e", b"d5:added5:12345e", b"d6:added66:123456e", b"d7:dropped7:1234567e", b"d5:added6:12345",
    b"d5:added" + b"20000:" + bytes(20000) + b"e", b"d1:x" + b"l" * 9 + b"e" * 10,
])
def test_what_makes_no_sense_is_a_peer_error(payload):
    with pytest.raises(PeerError) as caught:
        PeerExchange.decode(payload)
    assert caught.value.code == "wire.bad-pex"
