"""A torrent that is no more than an info-hash: whom it lets in, whom it drops, what it hands on."""

from __future__ import annotations

import random

import pytest

from blobtorrent.core.swarm.chatter import BURST
from blobtorrent.core.swarm.company import MAX_OF_SITE
from blobtorrent.core.swarm.messages import KnownAddress, PeersFound, PeerSource
from blobtorrent.core.swarm.metadatalink import MAX_REJECTS, MetadataLink
from blobtorrent.core.swarm.metadatamessages import MetadataFound, MetadataReport
from blobtorrent.core.swarm.metadataswarm import ASK_AGAIN_S, MAX_UNASKED, USELESS_LINK_S
from blobtorrent.core.swarm.pulse import IDLE_LINK_S
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import NetworkError, PeerError
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.extended import HANDSHAKE_ID, OUR_IDS, UT_METADATA, UT_PEX, ExtendedHandshake
from blobtorrent.protocol.wire.greeting import OUR_RESERVED
from blobtorrent.protocol.wire.metadata import DATA, REJECT, REQUEST, MetadataMessage
from tests.support.onemetadata import OUR_ID, THEIR_ID, OneMetadata

INFO = random.Random(1).randbytes(40_000)              # three pieces


@pytest.fixture
def one():
    return OneMetadata(INFO)


def posted(one, kind):
    return [message for message in one.reports.drain() if isinstance(message, kind)]


def serve(one, *, but=()):
    """Everybody answers, but those."""
    for link, piece in one.asked():
        if link not in but:
            one.give(link, piece)


def far(number):
    """Hosts that are not each other's neighbours."""
    return f"20.{number >> 8}.{number & 255}.1"


# ---- how it is fetched

def test_a_peer_that_offers_it_is_asked_and_what_it_gives_is_told(one):
    link = one.join("20.0.0.1", size=len(INFO))
    assert [piece for _, piece in one.asked()] == [0, 1]
    for piece in range(3):
        one.pass_time(1.1)
        one.give(link, piece)
    (found,) = posted(one, MetadataFound)
    assert found.info == INFO


def test_the_first_word_is_an_extension_handshake_that_offers_it(one):
    link = one.join("20.0.0.1")
    (said,) = one.said()[link]
    assert said.sub_id == HANDSHAKE_ID
    assert ExtendedHandshake.decode(said.payload).ids == {UT_METADATA: OUR_IDS[UT_METADATA]}


def test_who_asks_us_for_it_is_told_that_we_have_none(one):
    link = one.join("20.0.0.1", size=len(INFO))
    one.said()
    one.tell(link, wire.Extended(OUR_IDS[UT_METADATA], MetadataMessage(REQUEST, 0).encode()))
    (answer,) = one.said()[link]
    assert MetadataMessage.decode(answer.payload).kind == REJECT


def test_who_goes_on_asking_is_not_answered_for_ever(one):
    link = one.join("20.0.0.1", size=len(INFO))
    one.said()
    one.tell(link, *[wire.Extended(OUR_IDS[UT_METADATA], MetadataMessage(REQUEST, 0).encode())] * 2 * MAX_REJECTS)
    assert len(one.said()[link]) == MAX_REJECTS


def test_a_liar_is_dropped_and_banned(one):
    liar = one.join("20.0.0.1", size=len(INFO))
    for piece in range(3):
        one.pass_time(1.1)
        one.give(liar, piece, bytes(len(INFO)))
    assert one.notes.closed == [liar]
    assert one.arrive("20.0.0.1").code == "peer.banned"
    one.pass_time(1.1)
    assert posted(one, MetadataReport)[-1].liars == 1


def test_metadata_that_nobody_asked_for_ends_the_link(one):
    link = one.join("20.0.0.1", size=len(INFO))
    with pytest.raises(PeerError) as caught:
        for _ in range(MAX_UNASKED + 2):
            one.tell(link, wire.Extended(OUR_IDS[UT_METADATA], MetadataMessage(DATA, 2, 0, b"x").encode()))
    assert caught.value.code == "metadata.unasked"


def test_the_last_report_says_that_all_is_here(one):
    one.join("20.0.0.1", size=len(INFO))
    for _ in range(4):
        serve(one)
        one.pass_time(1.1)
    last = posted(one, MetadataReport)[-1]
    assert (last.pieces_here, last.pieces_total) == (3, 3)


# ---- floods

@pytest.mark.parametrize("word", [b"\0\0\0\x02\x14\x05", b"\0\0\0\x01\x05", b"\0\0\0\x05\x04\0\0\0\x07"])
def test_what_a_peer_repeats_takes_no_memory(one, word):
    link = one.join("20.0.0.1")
    for _ in range(BURST // 1000):
        link.intake.feed(word * 1000)
    assert len(link.messages(100)) <= 1


def test_who_talks_all_the_time_is_left(one):
    link = one.join("20.0.0.1")
    with pytest.raises(PeerError) as caught:
        link.intake.feed(b"\0\0\0\0" * (BURST + 1))
    assert caught.value.code == "wire.flood"


def test_extension_handshakes_all_the_time_end_the_link(one):
    link = one.join("20.0.0.1")
    with pytest.raises(PeerError) as caught:
        one.tell(link, *[ExtendedHandshake(port=1)] * 1000)
    assert caught.value.code == "wire.extended-flood"


# ---- who may join

def test_links_that_offer_nothing_make_room_in_time():
    one = OneMetadata(INFO, max_links=3)
    for number in range(2):
        one.join(far(number))
    one.join(far(2), is_incoming=False)
    assert one.arrive(far(9)).code == "peer.too-many"
    one.pass_time(USELESS_LINK_S + 1)
    assert isinstance(one.arrive(far(9)), MetadataLink)
    assert len(one.swarm.links) == 3


def test_one_host_has_a_few_links(one):
    assert all(isinstance(one.arrive("66.6.6.6"), MetadataLink) for _ in range(MAX_OF_SITE))
    assert one.arrive("66.6.6.6").code == "peer.too-many-of-address"


def test_one_network_does_not_keep_others_out_however_long_it_stays(one):
    for number in range(50):
        if isinstance(link := one.arrive(f"66.6.6.{number + 1}"), MetadataLink):
            one.tell(link, ExtendedHandshake(ids={UT_METADATA: THEIR_ID}, metadata_size=5000 + number))
    for _ in range(10):                # silent but for keep-alives
        one.pass_time(60)
        for link in list(one.swarm.links):
            one.tell(link, wire.KeepAlive())
    assert one.arrive("66.6.6.99").code == "peer.too-many"
    honest = one.join("77.7.7.7", size=len(INFO))
    for _ in range(60):
        for link, piece in one.asked():
            if link is honest:
                one.give(link, piece)
        one.pass_time(1)
        if one.swarm.is_done:
            break
    assert one.swarm.is_done


def test_a_crowd_of_neighbours_makes_room_at_once(one):
    for number in range(33):
        one.join(f"66.6.6.{number + 1}", size=5000 + number)
    assert isinstance(one.arrive("77.7.7.7"), MetadataLink)


def test_peers_on_this_machine_are_no_neighbours(one):
    for _ in range(33):
        one.join("127.0.0.1", size=len(INFO))
    assert one.arrive("127.0.0.1").code == "peer.too-many"
    assert len(one.swarm.links) == 33


def test_who_dials_us_leaves_places_for_those_whom_we_dial(one):
    for number in range(33):
        one.join(far(number), size=len(INFO) + number)
    assert one.arrive(far(99)).code == "peer.too-many"
    assert isinstance(one.arrive(far(99), is_incoming=False), MetadataLink)


def test_silent_peers_go_when_somebody_is_to_be_dialled():
    one = OneMetadata(INFO, max_links=4)
    for number in range(4):
        one.join(far(number), size=6000 + number, is_incoming=number > 1)
    one.pass_time(120)
    assert len(one.swarm.links) == 4
    one.swarm.on_peers(PeersFound(one.info_hash, (Endpoint("30.0.0.1", 1),), PeerSource.TRACKER))
    one.pass_time(3)
    assert Endpoint("30.0.0.1", 1) in one.notes.dialled


def test_to_come_again_does_not_make_a_silent_host_new(one):
    for _ in range(5):
        link = one.join("66.6.6.6", size=6000)
        one.pass_time(11)
        one.swarm.lose(link, NetworkError("net.closed", "closed"))
    again = one.join("66.6.6.6", size=6000)
    assert one.swarm.manager.is_useless(again)


def test_of_links_that_cross_one_is_kept(one):
    smaller, greater = bytes(20), b"\xff" * 20
    assert smaller < OUR_ID < greater
    one.join("20.0.0.1", peer_id=smaller)
    assert one.arrive("20.0.0.1", peer_id=smaller).code == "peer.duplicate"
    one.join("20.0.0.1", peer_id=smaller, is_incoming=False)           # ours counts
    one.join("20.0.0.2", peer_id=greater, is_incoming=False)
    one.join("20.0.0.2", peer_id=greater)                              # theirs does
    assert len(one.swarm.links) == 2


def test_nobody_joins_what_is_closed(one):
    one.swarm.close()
    assert one.arrive("20.0.0.1").code == "peer.closing"


def test_fewer_links_mean_that_the_least_useful_go(one):
    giver = one.join(far(1), size=len(INFO))
    for number in range(2, 6):
        one.join(far(number))
    serve(one)
    one.swarm.change(1)
    assert list(one.swarm.links) == [giver]
    assert isinstance(one.arrive(far(9)), PeerError)


# ---- who is dialled

def test_addresses_are_dialled_and_tried_again_when_they_were_given_up():
    kept = KnownAddress(Endpoint("20.0.0.9", 1), PeerSource.TRACKER)
    one = OneMetadata(INFO, peers=[kept])
    assert one.notes.dialled == [kept.endpoint]
    named = Endpoint("20.0.0.1", 6881)
    one.swarm.on_peers(PeersFound(one.info_hash, (named,), PeerSource.MAGNET))
    one.swarm.on_dial_failed(named, NetworkError("wire.self", "that is us"))
    one.swarm.on_dial_failed(kept.endpoint, NetworkError("net.refused", "refused"))
    one.pass_time(ASK_AGAIN_S + 2)
    assert one.notes.dialled.count(named) == 1
    assert one.notes.dialled.count(kept.endpoint) > 1


def test_who_says_nothing_for_minutes_goes(one):
    one.join("20.0.0.1", size=len(INFO))
    one.pass_time(IDLE_LINK_S + 2)
    assert not one.swarm.links


# ---- what is handed on

def finish(one):
    while not one.swarm.is_done:
        serve(one)
        one.pass_time(0.5)


def test_links_wait_for_the_torrents_swarm_however_long_it_takes(one):
    link = one.join("20.0.0.1", size=len(INFO))
    finish(one)
    for _ in range(30):
        one.pass_time(60)
        one.tell(link, wire.KeepAlive())
    assert one.swarm.hand_over(50) == [link]
    assert not one.notes.closed


def test_what_they_have_said_goes_with_them(one):
    link = one.join("20.0.0.1", size=len(INFO))
    finish(one)
    one.tell(link, wire.Have(1), wire.Have(3), wire.Unchoke(), ExtendedHandshake(ids={UT_PEX: 5}, port=77))
    introduction, *said = link.messages(10)
    told = ExtendedHandshake.decode(introduction.payload)
    assert (told.ids, told.port) == ({UT_METADATA: THEIR_ID, UT_PEX: 5}, 77)
    assert said == [wire.BitfieldMessage(b"\x50\0"), wire.Unchoke()]


def test_no_more_links_than_the_swarm_may_have(one):
    giver = one.join(far(1), size=len(INFO))
    for number in range(2, 20):
        one.join(far(number))
    finish(one)
    assert giver in one.swarm.hand_over(4)
    assert len(one.notes.closed) == 15


def test_a_link_that_said_too_much_is_not_handed_on(one):
    link = one.join("20.0.0.1", size=len(INFO))
    finish(one)
    one.tell(link, wire.Have(0xffffffff))
    assert one.swarm.hand_over(50) == []
    assert one.notes.closed == [link]




# ---- anything at all

@pytest.mark.parametrize("seed", range(10))
def test_whatever_peers_say_only_their_own_links_end(seed):
    rng = random.Random(seed)
    one = OneMetadata(INFO, max_links=10)
    honest = one.join("77.7.7.7", is_incoming=False)
    links = []

    def extension():
        return wire.Extended(rng.choice((0, 2, 2, 7)), rng.choice((
            rng.randbytes(rng.randrange(40)),
            ExtendedHandshake(ids={UT_METADATA: rng.randrange(4)}, metadata_size=rng.randrange(1, 1 << 24)).payload(),
            MetadataMessage(rng.randrange(4), rng.randrange(9), rng.randrange(1 << 20), rng.randbytes(9)).encode(),
            b"d1:md11:ut_metadatai-1ee13:metadata_sizei%dee" % rng.randrange(1 << 30))))

    def word():
        return rng.choice((
            wire.Choke(), wire.Unchoke(), wire.Interested(), wire.Have(rng.randrange(1 << 32)), wire.HaveAll(),
            wire.BitfieldMessage(rng.randbytes(rng.randrange(5))), wire.Request(0, 0, 16384), wire.KeepAlive(),
            wire.Piece(rng.randrange(9), 0, rng.randbytes(30)), extension()))

    for _ in range(600):
        if len(links) < 20 and isinstance(link := one.arrive(f"66.{rng.randrange(9)}.1.1"), MetadataLink):
            links.append(link)
        for link in list(links):
            try:
                one.tell(link, *[word() if rng.random() < 0.7 else extension() for _ in range(3)])
            except PeerError as error:
                one.swarm.lose(link, error)
            if link not in one.swarm.links:
                links.remove(link)
        assert len(one.swarm.links) <= 10
        one.pass_time(0.1)
    if honest not in one.swarm.links:
        honest = one.join("77.7.7.7", is_incoming=False)
    one.tell(honest, ExtendedHandshake(ids={UT_METADATA: THEIR_ID}, metadata_size=len(INFO)))
    for _ in range(600):
        for link, piece in one.asked():
            if link is honest:
                one.give(link, piece)
        one.pass_time(0.5)
        if one.swarm.is_done:
            break
        if honest not in one.swarm.links:
            honest = one.join("77.7.7.7", is_incoming=False, size=len(INFO))
    assert one.swarm.is_done


# ---- the fast extension

def test_a_peer_with_the_fast_extension_hears_first_that_we_have_nothing(one):
    link = one.join("20.0.0.1", reserved=OUR_RESERVED)
    assert one.said()[link][0] == wire.HaveNone()
    one.tell(link, wire.HaveAll(), wire.AllowedFast(3), wire.Unchoke())
    assert link.messages(10) == [wire.HaveAll(), wire.AllowedFast(3), wire.Unchoke()]


@pytest.mark.parametrize("message", [wire.HaveAll(), wire.HaveNone(), wire.AllowedFast(1), wire.Suggest(1)])
def test_a_peer_that_did_not_agree_to_it_may_not_use_it(one, message):
    link = one.join("20.0.0.1")
    with pytest.raises(PeerError) as caught:
        one.tell(link, message)
    assert caught.value.code == "wire.not-negotiated"
