"""The messages of hole punching."""

from __future__ import annotations

import pytest

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import PeerError
from blobtorrent.protocol.wire.holepunch import Punch, PunchError, PunchKind

V4, V6 = Endpoint("192.0.2.1", 0x1A2B), Endpoint("2001:db8::1", 6881)


def test_a_message_is_as_the_bep_has_it() -> None:
    assert Punch(PunchKind.CONNECT, V4).encode() == bytes.fromhex("01 00 c0000201 1a2b 00000000")
    assert Punch(PunchKind.ERROR, V6, PunchError.NO_SUPPORT).encode() == bytes.fromhex(
        "02 01 20010db8000000000000000000000001 1ae1 00000003")


@pytest.mark.parametrize("endpoint", [V4, V6])
@pytest.mark.parametrize("kind", list(PunchKind))
def test_what_was_written_is_read_again(kind: PunchKind, endpoint: Endpoint) -> None:
    punch = Punch(kind, endpoint, PunchError.NO_SELF if kind is PunchKind.ERROR else PunchError.NONE)
    assert Punch.decode(punch.encode()) == punch


def test_the_error_may_be_left_out_and_may_be_a_strange_one() -> None:
    whole = Punch(PunchKind.RENDEZVOUS, V4).encode()
    assert Punch.decode(whole[:-4]) == Punch(PunchKind.RENDEZVOUS, V4)
    assert Punch.decode(b"\2" + whole[1:-4] + b"\xff\xff\xff\xff").error is PunchError.NO_SUCH_PEER


@pytest.mark.parametrize("payload", [
    b"", b"\0", b"\3\0" + bytes(10), b"\0\2" + bytes(22), b"\0\0" + bytes(9), b"\0\0" + bytes(11), b"\0\1" + bytes(10)])
def test_what_is_no_message_is_refused(payload: bytes) -> None:
    with pytest.raises(PeerError) as caught:
        Punch.decode(payload)
    assert caught.value.code == "wire.bad-holepunch"
