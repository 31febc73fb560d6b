"""The metadata of a torrent is given to peers, as often as they need it."""

from __future__ import annotations

import random

import pytest

from blobtorrent.core.swarm.metadataserving import AT_ONCE, FORGET_S, MAX_HOSTS, MAX_REJECTS, PER_SECOND, TIMES
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import PeerError
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.extended import HANDSHAKE_ID, OUR_IDS, UT_METADATA, ExtendedHandshake
from blobtorrent.protocol.wire.metadata import (
    DATA,
    PIECE_BYTES,
    REJECT,
    REQUEST,
    MetadataMessage,
    metadata_piece,
    num_metadata_pieces,
)
from tests.support.oneswarm import OneSwarm
from tests.support.stored import StoredTorrent

THEIR_ID = 77
INFO = random.Random(1).randbytes(2 * PIECE_BYTES + 5)
LARGE = random.Random(2).randbytes(100 * PIECE_BYTES)


def swarm_with(info=INFO, **facts):
    torrent = StoredTorrent([4 * 16384], 16384)
    torrent.metainfo = torrent.metainfo._replace(raw_info=info, **facts)
    return OneSwarm(torrent)


def joined(one):
    """A peer that takes metadata messages."""
    link = one.join([], unchoked=False)
    one.tell(link, wire.Extended(HANDSHAKE_ID, b"d1:md11:ut_metadatai%deee" % THEIR_ID))
    return link


def ask(one, link, *pieces):
    """The answers to these requests."""
    one.said()
    for piece in pieces:
        one.tell(link, wire.Extended(OUR_IDS[UT_METADATA], MetadataMessage(REQUEST, piece).encode()))
    messages = [message for message in one.said().get(link, []) if isinstance(message, wire.Extended)]
    assert all(message.sub_id == THEIR_ID for message in messages)
    return [MetadataMessage.decode(message.payload) for message in messages]


def handshake_to(one, link):
    (message,) = [message for message in one.said()[link] if isinstance(message, wire.Extended)]
    return ExtendedHandshake.decode(message.payload)


def test_the_handshake_tells_of_the_metadata_and_its_size():
    one = swarm_with()
    told = handshake_to(one, one.join([], unchoked=False))
    assert told.ids[UT_METADATA] == OUR_IDS[UT_METADATA]
    assert told.metadata_size == len(INFO)


def test_a_peer_gets_every_piece_it_asks_for():
    one = swarm_with()
    answers = ask(one, joined(one), 0, 2, 1)
    assert answers == [MetadataMessage(DATA, piece, len(INFO), metadata_piece(INFO, piece)) for piece in (0, 2, 1)]


def test_a_piece_beyond_the_end_is_rejected():
    one = swarm_with()
    assert ask(one, joined(one), 3, 1 << 40) == [MetadataMessage(REJECT, 3), MetadataMessage(REJECT, 1 << 40)]


def test_a_private_torrent_keeps_it_for_itself():
    one = swarm_with(is_private=True)
    link = joined(one)
    told = handshake_to(one, link)
    assert (dict(told.ids).get(UT_METADATA), told.metadata_size) == (None, None)
    assert ask(one, link, 0) == []


def test_nobody_gets_the_whole_more_often_than_twice():
    one = swarm_with()
    link, other = joined(one), joined(one)
    count = num_metadata_pieces(len(INFO))
    answers = ask(one, link, *[0] * 20)
    assert [answer.kind for answer in answers] == [DATA] * (TIMES * count) + [REJECT] * (20 - TIMES * count)
    one.pass_time(60.0)
    assert [answer.kind for answer in ask(one, link, 0)] == [REJECT]
    assert [answer.kind for answer in ask(one, other, 0)] == [DATA]


def test_who_goes_on_asking_is_not_answered_for_ever():
    one = swarm_with()
    link = joined(one)
    assert len(ask(one, link, *[9] * 2 * MAX_REJECTS)) == MAX_REJECTS


def test_a_large_one_is_given_at_a_steady_pace():
    one = swarm_with(LARGE)
    link = joined(one)
    assert [answer.kind for answer in ask(one, link, *range(100))].count(DATA) == AT_ONCE
    one.notes.now += 1.0
    assert [answer.kind for answer in ask(one, link, *range(100))].count(DATA) == PER_SECOND


def test_who_takes_no_answers_gets_none():
    one = swarm_with()
    link = one.join([], unchoked=False)
    assert ask(one, link, 0) == []


def test_data_and_rejects_that_we_did_not_ask_for_are_passed_over():
    one = swarm_with()
    link = joined(one)
    one.said()
    for kind in (DATA, REJECT, 9):
        one.tell(link, wire.Extended(OUR_IDS[UT_METADATA], MetadataMessage(kind, 0).encode()))
    assert one.said().get(link, []) == []


def test_rubbish_ends_the_link():
    one = swarm_with()
    with pytest.raises(PeerError, match="metadata"):
        one.tell(joined(one), wire.Extended(OUR_IDS[UT_METADATA], b"rubbish"))


def test_to_connect_again_gives_a_host_no_more():
    one = swarm_with()
    count = TIMES * num_metadata_pieces(len(INFO))
    given = 0
    for _ in range(10):
        link = joined(one)
        link.endpoint = Endpoint("20.1.1.1", 40000)
        given += [answer.kind for answer in ask(one, link, 0, 1, 2)].count(DATA)
        one.swarm.lose(link, PeerError("test.gone", "gone"))
    assert given == count
    one.notes.now += FORGET_S
    link = joined(one)
    link.endpoint = Endpoint("20.1.1.1", 40000)
    assert [answer.kind for answer in ask(one, link, 0)] == [DATA]


def test_peers_on_this_machine_share_nothing_but_their_address():
    one = swarm_with()
    for _ in range(10):
        link = joined(one)
        link.endpoint = Endpoint("127.0.0.1", 40000)
        assert [answer.kind for answer in ask(one, link, 0, 1, 2)] == [DATA] * 3
        one.swarm.lose(link, PeerError("test.gone", "gone"))
    assert one.swarm._metadata._allowances == {}


def test_so_many_hosts_are_remembered_and_no_more():
    one = swarm_with()
    link = joined(one)
    for number in range(MAX_HOSTS + 50):
        link.endpoint = Endpoint(f"20.{number >> 8}.{number & 255}.1", 40000)
        ask(one, link, 0)
    assert len(one.swarm._metadata._allowances) == MAX_HOSTS
