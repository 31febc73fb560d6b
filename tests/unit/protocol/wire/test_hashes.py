"""The messages of the hash exchange (BEP 52)."""

from __future__ import annotations

import pytest

from blobtorrent.model.errors import PeerError
from blobtorrent.model.merkle import HASH_BYTES
from blobtorrent.protocol.wire.decode import Decoder
from blobtorrent.protocol.wire.hashes import Hashes, HashReject, HashRequest, HashRun

ROOT = bytes(range(32))
RUN = HashRun(ROOT, 4, 512, 2, 3)
BODY = ROOT.hex() + "00000004" "00000200" "00000002" "00000003"
LAYOUTS = [
    (HashRequest(RUN), "00000031" "15" + BODY),
    (HashReject(RUN), "00000031" "17" + BODY),
    (Hashes(RUN, b"h" * 5 * HASH_BYTES), "000000d1" "16" + BODY + "68" * 160),
]


@pytest.mark.parametrize(("message", "layout"), LAYOUTS)
def test_a_message_is_laid_out_as_its_bep_says(message, layout):
    assert message.encode().hex() == layout


@pytest.mark.parametrize(("message", "layout"), LAYOUTS)
def test_a_message_is_read_back_as_the_same(message, layout):
    assert Decoder().feed(bytes.fromhex(layout)) == [message]


@pytest.mark.parametrize("kind", [HashRequest, HashReject, Hashes])
@pytest.mark.parametrize("size", [0, 47, 49, 48 + 4 * HASH_BYTES, 48 + 5 * HASH_BYTES - 1, 48 + 6 * HASH_BYTES])
def test_a_payload_of_a_wrong_length_is_refused(kind, size):
    payload = (bytes.fromhex(BODY) + bytes(size))[:size]
    with pytest.raises(PeerError) as caught:
        kind.decode(memoryview(payload))
    assert caught.value.code == "wire.bad-length"


def test_a_claim_of_billions_of_hashes_is_refused_before_room_is_made():
    with pytest.raises(PeerError):
        Hashes.decode(memoryview(ROOT + b"\xff" * 16))


def test_messages_of_different_kinds_are_never_equal():
    assert HashRequest(RUN) != HashReject(RUN)
    assert len({HashRequest(RUN), HashRequest(RUN), HashReject(RUN), Hashes(RUN, b"")}) == 3
