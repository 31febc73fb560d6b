"""NAT-PMP as bytes."""

from __future__ import annotations

import struct

import pytest

from blobtorrent.model.errors import FormatError, NetworkError
from blobtorrent.protocol import natpmp
from blobtorrent.protocol.portmap import Mapping, Transport

MAPPED = struct.pack(">BBHIHHI", 0, 0x82, 0, 77, 6881, 16881, 3600)


def test_a_request_says_transport_port_wish_and_lifetime():
    assert natpmp.ask_mapping(Transport.TCP, 6881, 16881, 3600) == bytes.fromhex("0002 0000 1ae1 41f1 00000e10")
    assert natpmp.ask_mapping(Transport.UDP, 6881, 0, 0)[:2] == b"\0\1"


def test_an_answer_says_what_was_agreed():
    assert natpmp.read_mapping(MAPPED, Transport.TCP, 6881) == Mapping(Transport.TCP, 6881, 16881, 3600)
    assert natpmp.read_address(b"\0\x80\0\0" + bytes(4) + b"\xcb\0\x71\x05") == "203.0.113.5"


@pytest.mark.parametrize("result", [1, 2, 3, 4, 5, 99])
def test_a_refusal_is_told_as_one(result):
    with pytest.raises(NetworkError) as caught:
        natpmp.read_mapping(struct.pack(">BBHI", 0, 0x82, result, 77), Transport.TCP, 6881)
    assert caught.value.code == "portmap.refused"


@pytest.mark.parametrize("data", [
    b"", MAPPED[:7], MAPPED[:15], b"\2" + MAPPED[1:], MAPPED[:1] + b"\x81" + MAPPED[2:],
    MAPPED[:1] + b"\2" + MAPPED[2:], MAPPED[:8] + b"\0\1" + MAPPED[10:],
])
def test_what_is_no_answer_to_the_question_is_passed_over(data):
    with pytest.raises(FormatError):
        natpmp.read_mapping(data, Transport.TCP, 6881)
