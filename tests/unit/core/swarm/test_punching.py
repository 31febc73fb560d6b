"""Peers that nobody can dial: who introduces them, who believes whom, and how often."""

from __future__ import annotations

import pytest

from blobtorrent.core.swarm.messages import ChangeSwarm, PeersFound, PeerSource, SwarmSettings
from blobtorrent.core.swarm.punching import ALL_BURST, ASK_AGAIN_S, CONNECT_BURST, RELAY_BURST, RELAY_INTERVAL_S
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import NetworkError
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.extended import HANDSHAKE_ID, OUR_IDS, UT_HOLEPUNCH, UT_PEX, ExtendedHandshake
from blobtorrent.protocol.wire.holepunch import Punch, PunchError, PunchKind
from blobtorrent.protocol.wire.pex import HAS_HOLEPUNCH, HAS_UTP, PeerExchange
from tests.support.oneswarm import OneSwarm
from tests.support.stored import StoredTorrent

THEIR_ID, THEIR_PEX = 9, 8
FAR = Endpoint("10.9.9.9", 7000)


@pytest.fixture
def one():
    return OneSwarm(StoredTorrent([1 << 16], 1 << 14))


class Raw:
    def __init__(self, data):
        self.data = data

    def encode(self):
        return self.data


def join(one, *, takes_part=True, by="utp", port=6881):
    """A peer that dialled us."""
    link = one.join((), unchoked=False)
    link.transport = by
    ids = {UT_PEX: THEIR_PEX, **({UT_HOLEPUNCH: THEIR_ID} if takes_part else {})}
    one.tell(link, Raw(ExtendedHandshake(ids=ids, port=port).encode()))
    return link


def say(one, link, punch):
    one.tell(link, wire.Extended(OUR_IDS[UT_HOLEPUNCH], punch.encode()))


def told(one):
    """What each peer is told about hole punching."""
    return {link: [Punch.decode(message.payload) for message in messages
                   if isinstance(message, wire.Extended) and message.sub_id == THEIR_ID]
            for link, messages in one.said().items()}


def rendezvous(endpoint):
    return Punch(PunchKind.RENDEZVOUS, endpoint)


def connect(endpoint):
    return Punch(PunchKind.CONNECT, endpoint)


def test_two_peers_are_introduced_to_each_other(one):
    asks, other = join(one), join(one)
    say(one, asks, rendezvous(other.endpoint))
    heard = told(one)
    assert heard[asks] == [connect(other.endpoint)] and heard[other] == [connect(asks.endpoint)]


def test_a_peer_is_known_by_where_it_listens_and_met_where_its_datagrams_come_from(one):
    asks, other = join(one), join(one, port=7777)
    say(one, asks, rendezvous(Endpoint(other.endpoint.host, 7777)))
    assert told(one)[asks] == [connect(other.endpoint)]
    by_tcp = join(one, by="tcp", port=7778)
    say(one, asks, rendezvous(by_tcp.endpoint))
    assert told(one)[asks] == [connect(Endpoint(by_tcp.endpoint.host, 7778))]


def test_who_cannot_be_met_is_told_of_as_an_error_to_the_asker_alone(one):
    asks, mute = join(one), join(one, takes_part=False)
    for wanted, error in ((FAR, PunchError.NOT_CONNECTED), (mute.endpoint, PunchError.NO_SUPPORT),
                          (asks.endpoint, PunchError.NO_SELF), (Endpoint("0.0.0.0", 1), PunchError.NO_SUCH_PEER)):
        say(one, asks, rendezvous(wanted))
        heard = told(one)
        assert heard.pop(asks) == [Punch(PunchKind.ERROR, wanted, error)]
        assert not any(heard.values())


def test_who_does_not_take_part_itself_is_not_helped(one):
    asks, other = join(one, takes_part=False), join(one)
    say(one, asks, rendezvous(other.endpoint))
    assert not any(told(one).values())


def test_a_peer_of_the_internet_is_not_introduced_to_one_behind_our_router(one):
    inside, outside = join(one), join(one)
    outside.endpoint = Endpoint("9.9.9.9", 6881)
    say(one, outside, rendezvous(inside.endpoint))
    assert told(one)[outside] == [Punch(PunchKind.ERROR, inside.endpoint, PunchError.NOT_CONNECTED)]


def test_a_peer_has_others_dialled_seldom(one):
    asks, other = join(one), join(one)
    for _ in range(2 * RELAY_BURST):
        say(one, asks, rendezvous(other.endpoint))
    assert len(told(one)[other]) == RELAY_BURST
    one.pass_time(RELAY_INTERVAL_S + 0.2)
    told(one)
    for _ in range(2):
        say(one, asks, rendezvous(other.endpoint))
    assert len(told(one)[other]) == 1


def test_many_peers_together_have_others_dialled_seldom_too(one):
    other, askers = join(one), [join(one) for _ in range(ALL_BURST)]
    for asks in askers:
        for _ in range(3):
            say(one, asks, rendezvous(other.endpoint))
    assert len(told(one)[other]) == ALL_BURST


def test_whom_a_relay_sends_us_to_is_dialled_at_once_by_utp_alone(one):
    relay = join(one)
    say(one, relay, connect(FAR))
    assert one.notes.dialled == [FAR]
    assert one.swarm.peers.ways_to(FAR) == (True, True)
    assert one.swarm.peers.ways_to(FAR) == (True, False)   # the next dial is one like others
    say(one, relay, connect(FAR))
    assert one.notes.dialled == [FAR]                      # it is under way


def test_a_relay_sends_us_where_it_has_business_itself_and_seldom(one):
    relay = join(one)
    say(one, relay, connect(Endpoint("127.0.0.1", 80)))
    say(one, relay, connect(Endpoint("224.0.0.1", 80)))
    assert one.notes.dialled == []
    for number in range(1, 2 * CONNECT_BURST):
        say(one, relay, connect(Endpoint("10.9.9.9", 7000 + number)))
    assert len(one.notes.dialled) == CONNECT_BURST - 2     # the two before count


def test_a_peer_that_cannot_be_dialled_is_asked_for_where_it_was_named(one):
    relay = join(one)
    one.tell(relay, wire.Extended(OUR_IDS[UT_PEX], PeerExchange({FAR: HAS_UTP | HAS_HOLEPUNCH}).encode()))
    assert one.notes.dialled == [FAR] and one.swarm.peers.ways_to(FAR) == (True, False)
    told(one)
    one.swarm.on_dial_failed(FAR, NetworkError("net.timed-out", ""))
    assert told(one)[relay] == [rendezvous(FAR)]
    one.pass_time(60)
    one.swarm.on_dial_failed(FAR, NetworkError("net.timed-out", ""))
    assert not told(one).get(relay)                        # it knows by now
    one.notes.now += ASK_AGAIN_S
    one.swarm.on_dial_failed(FAR, NetworkError("net.timed-out", ""))
    assert told(one)[relay][-1:] == [rendezvous(FAR)]


def test_nobody_is_asked_for_a_peer_that_takes_no_part_or_answered(one):
    relay, other = join(one), Endpoint("10.9.9.8", 7000)
    one.tell(relay, wire.Extended(OUR_IDS[UT_PEX], PeerExchange({FAR: HAS_UTP, other: HAS_HOLEPUNCH}).encode()))
    one.swarm.on_dial_failed(FAR, NetworkError("net.timed-out", ""))
    one.swarm.on_dial_failed(other, NetworkError("wire.wrong-torrent", ""))
    assert not told(one).get(relay)


def test_peers_are_told_who_speaks_utp_and_takes_part(one):
    told_of, partner = join(one), join(one)
    one.pass_time(1.1)
    messages = one.said()[partner]
    (exchange,) = (PeerExchange.decode(message.payload) for message in messages
                   if isinstance(message, wire.Extended) and message.sub_id == THEIR_PEX)
    assert exchange.added[Endpoint(told_of.endpoint.host, 6881)] == HAS_UTP | HAS_HOLEPUNCH


def test_it_is_offered_as_the_settings_have_it(one):
    link = join(one)
    info_hash = one.swarm.info_hash

    def offered():
        handshakes = [ExtendedHandshake.decode(bytes(message.payload)) for message in one.said().get(link, [])
                      if isinstance(message, wire.Extended) and message.sub_id == HANDSHAKE_ID]
        return [handshake.ids.get(UT_HOLEPUNCH) for handshake in handshakes]

    assert offered() == [OUR_IDS[UT_HOLEPUNCH]]
    one.swarm.change(ChangeSwarm(info_hash, SwarmSettings(punches_holes=False)))
    assert offered() == [0]
    say(one, link, rendezvous(FAR))
    assert not any(told(one).values())
    one.swarm.change(ChangeSwarm(info_hash, SwarmSettings()))
    assert offered() == [OUR_IDS[UT_HOLEPUNCH]]


def test_a_found_peer_is_dialled_by_both_ways(one):
    one.swarm.on_peers(PeersFound(one.swarm.info_hash, (FAR,), PeerSource.TRACKER))
    assert one.swarm.peers.ways_to(FAR) == (False, False)
