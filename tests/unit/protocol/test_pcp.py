"""PCP as bytes."""

from __future__ import annotations

import pytest

from blobtorrent.model.errors import FormatError, NetworkError
from blobtorrent.protocol import pcp
from blobtorrent.protocol.portmap import Mapping, Transport

NONCE = b"0123456789ab"
V4 = bytes(10) + b"\xff\xff"


def answer(result=0, nonce=NONCE, protocol=6, port=6881, operation=0x81, version=2):
    return (bytes((version, operation, 0, result)) + (3600).to_bytes(4, "big") + bytes(16)
            + nonce + bytes((protocol, 0, 0, 0)) + port.to_bytes(2, "big") + (16881).to_bytes(2, "big")
            + V4 + b"\xcb\0\x71\x05")


def test_a_request_is_laid_out_as_the_rfc_has_it():
    request = pcp.ask_mapping(Transport.TCP, 6881, 16881, 3600, source="10.1.0.2", nonce=NONCE)
    assert request == (b"\2\1\0\0" + (3600).to_bytes(4, "big") + V4 + b"\x0a\1\0\2" + NONCE + b"\x06\0\0\0"
                       + b"\x1a\xe1" + b"\x41\xf1" + V4 + bytes(4))
    assert len(pcp.ask_mapping(Transport.UDP, 1, 1, 0, source="fd00::2", nonce=NONCE)) == 60


def test_an_answer_says_what_was_agreed():
    assert pcp.read_mapping(answer(), Transport.TCP, 6881, NONCE) == Mapping(
        Transport.TCP, 6881, 16881, 3600, "203.0.113.5")


def test_a_router_of_the_older_protocol_is_told_apart():
    with pytest.raises(NetworkError) as caught:
        pcp.read_mapping(b"\0\x81\0\1" + bytes(4), Transport.TCP, 6881, NONCE)
    assert caught.value.code == "portmap.other-version"


@pytest.mark.parametrize("data", [answer(result=2), answer(result=2)[:24], answer(result=200)])
def test_a_refusal_is_told_as_one(data):
    with pytest.raises(NetworkError) as caught:
        pcp.read_mapping(data, Transport.TCP, 6881, NONCE)
    assert caught.value.code == "portmap.refused"


@pytest.mark.parametrize("data", [
    b"", b"\2", answer()[:59], answer(nonce=b"x" * 12), answer(protocol=17), answer(port=1), answer(operation=1),
    answer(operation=0x82), answer(result=2, nonce=b"x" * 12),
])
def test_what_is_no_answer_to_the_question_is_passed_over(data):
    with pytest.raises(FormatError):
        pcp.read_mapping(data, Transport.TCP, 6881, NONCE)
