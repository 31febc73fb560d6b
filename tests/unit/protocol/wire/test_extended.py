"""The handshake of the extension protocol."""

from __future__ import annotations

import pytest

from blobtorrent.model.errors import PeerError
from blobtorrent.protocol import bencode
from blobtorrent.protocol.wire.decode import Decoder
from blobtorrent.protocol.wire.extended import (
    HANDSHAKE_BURST,
    HANDSHAKE_ID,
    HANDSHAKE_INTERVAL_S,
    MAX_METADATA_BYTES,
    OUR_IDS,
    UT_PEX,
    ExtendedHandshake,
    handshake_counted,
)

FULL = ExtendedHandshake(
    ids={b"ut_metadata": 1, b"ut_pex": 2},
    version=b"BlobTorrent 1",
    port=6881,
    max_requests=500,
    your_ip=b"\x7f\0\0\1",
    ipv4=b"\x0a\0\0\1",
    ipv6=bytes(15) + b"\1",
    metadata_size=31235,
    is_upload_only=True,
)


@pytest.mark.parametrize("handshake", [FULL, ExtendedHandshake(), ExtendedHandshake(is_upload_only=False)])
def test_what_is_said_arrives(handshake):
    (message,) = Decoder().feed(handshake.encode())
    assert message.sub_id == 0
    assert ExtendedHandshake.decode(message.payload) == handshake


def test_what_is_not_said_is_not_in_the_message():
    assert ExtendedHandshake(port=1).encode()[6:] == b"d1:mde1:pi1ee"


@pytest.mark.parametrize("facts", [
    {"m": 1, "v": 2, "p": b"6881", "reqq": [], "yourip": 7, "metadata_size": {}, "upload_only": b"1",
     "ipv4": bytes(16), "ipv6": bytes(4)},
    {"m": {"ut_pex": 256, "ut_metadata": b"3", "d": []}, "p": 65536},
    {"m": {"ut_pex": -1, "ut_metadata": []}, "p": 65536, "reqq": -5, "yourip": b"123", "metadata_size": -1},
    {"p": 0, "reqq": 0, "metadata_size": MAX_METADATA_BYTES + 1, "unheard_of": {"x": [1]}},
])
def test_facts_of_a_wrong_kind_are_as_if_unsaid(facts):
    assert ExtendedHandshake.decode(bencode.encode(facts)) == ExtendedHandshake()


def test_unsorted_keys_are_read():
    assert ExtendedHandshake.decode(b"d1:pi7e1:mdee") == ExtendedHandshake(port=7)


@pytest.mark.parametrize("payload", [b"", b"le", b"i1e", b"d1:p", b"d1:pi7eextra", b"d1:x" + b"l" * 20 + b"e" * 21,
                                     b"d1:v70000:" + bytes(70000) + b"e"])
def test_what_is_no_dictionary_of_a_sane_size_is_a_peer_error(payload):
    with pytest.raises(PeerError) as caught:
        ExtendedHandshake.decode(payload)
    assert caught.value.code == "wire.bad-extended"


def test_what_peers_offer_takes_no_more_room_than_what_we_know():
    both = ExtendedHandshake()
    for first in range(0, 200, 50):
        offered = {f"x{number:03}": number % 256 for number in range(first, first + 50)} | {"ut_pex": 7}
        both = both.updated(ExtendedHandshake.decode(bencode.encode({"m": offered})))
    assert both.ids == {b"ut_pex": 7}


def test_the_ends_of_a_link_do_not_move():
    later = ExtendedHandshake(port=1, your_ip=b"\x08\1\1\1", version=b"2")
    assert FULL.updated(later) == FULL._replace(version=b"2")
    assert ExtendedHandshake().updated(later) == later


def test_a_peer_that_says_all_the_time_what_it_can_is_stopped():
    spent_s = 0.0
    for number in range(5000):         # one a second is no offence, however long
        spent_s = handshake_counted(spent_s, 1000.0 + number * HANDSHAKE_INTERVAL_S)
    spent_s = 0.0
    for _ in range(HANDSHAKE_BURST):
        spent_s = handshake_counted(spent_s, 5.0)
    with pytest.raises(PeerError) as caught:
        handshake_counted(spent_s, 5.0)
    assert caught.value.code == "wire.extended-flood"


def test_a_later_handshake_changes_only_what_it_names():
    later = ExtendedHandshake(ids={b"ut_pex": 0}, is_upload_only=False)
    both = FULL.updated(later)
    assert both.ids == {b"ut_metadata": 1, b"ut_pex": 0}
    assert both.is_upload_only is False
    assert both == FULL._replace(ids=both.ids, is_upload_only=False)
    assert both.updated(FULL) == FULL


def test_messages_of_an_extension_go_under_the_id_that_their_receiver_chose():
    (message,) = Decoder().feed(FULL.message(UT_PEX, b"de"))
    assert (message.sub_id, message.payload) == (FULL.ids[UT_PEX], b"de")


@pytest.mark.parametrize("ids", [{}, {UT_PEX: 0}])
def test_who_does_not_take_an_extension_is_sent_none_of_it(ids):
    assert ExtendedHandshake(ids=ids).message(UT_PEX, b"de") is None


def test_our_ids_differ_and_none_is_that_of_the_handshake():
    assert len({HANDSHAKE_ID, *OUR_IDS.values()}) == 1 + len(OUR_IDS)
