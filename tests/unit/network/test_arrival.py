"""The conversation before a socket becomes a link."""

from __future__ import annotations

import pytest

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import PeerError, ProxyFailed
from blobtorrent.model.ids import InfoHash, PeerId
from blobtorrent.network.arrival import Arrival, State
from blobtorrent.network.messages import Dial, Serve
from blobtorrent.protocol.proxy.socks5 import Socks5
from blobtorrent.protocol.wire.greeting import OUR_RESERVED, OUR_RESERVED_V2, OUR_RESERVED_V2_WITH_DHT, Greeting
from blobtorrent.runtime.mailbox import Mailbox

HYBRID = InfoHash(v1=b"1" * 20, v2=b"2" * 32)
OURS, THEIRS = PeerId(b"o" * 20), PeerId(b"t" * 20)
MAILBOX = Mailbox("arrivals")
SERVE = Serve(HYBRID, OURS, MAILBOX)
DIAL = Dial(Endpoint("127.0.0.1", 1), HYBRID, OURS, MAILBOX)


def greeting(info_hash=b"1" * 20, peer_id=THEIRS):
    return Greeting(OUR_RESERVED, info_hash, peer_id)


def our_greeting(info_hash=b"1" * 20):
    return Greeting(OUR_RESERVED_V2, info_hash, OURS).encode()


def incoming():
    return Arrival(None, {b"1" * 20: SERVE, b"2" * 20: SERVE}.get)


def outgoing():
    arrival = Arrival(DIAL, {}.get)
    arrival.connected()
    return arrival


@pytest.mark.parametrize("wire_hash", HYBRID.wire_forms)
def test_whoever_asks_for_a_served_torrent_is_answered_with_the_hash_it_used(wire_hash):
    arrival = incoming()
    assert arrival.feed(greeting(wire_hash).encode()) == our_greeting(wire_hash)
    assert arrival.admit() == (greeting(wire_hash), b"")
    assert arrival.state is State.ADMITTED


def test_the_dht_is_offered_where_it_is_to_be():
    assert Greeting(OUR_RESERVED_V2_WITH_DHT, b"1" * 20, OURS).encode() == Arrival(
        DIAL._replace(has_dht=True), {}.get).connected()
    arrival = Arrival(None, {b"1" * 20: SERVE._replace(has_dht=True)}.get)
    assert arrival.feed(greeting().encode()) == Greeting(OUR_RESERVED_V2_WITH_DHT, b"1" * 20, OURS).encode()
    assert not Greeting(OUR_RESERVED, b"1" * 20, OURS).has_dht


@pytest.mark.parametrize(("info_hash", "is_told"), [
    (InfoHash(v1=b"1" * 20), False), (InfoHash(v2=b"2" * 32), True), (HYBRID, True)])
def test_the_bit_for_v2_is_set_where_the_torrent_has_a_v2_hash(info_hash, is_told):
    sent = Arrival(DIAL._replace(info_hash=info_hash), {}.get).connected()
    assert Greeting(sent[20:28], b"", OURS).has_v2 is is_told


def test_the_answer_does_not_wait_for_the_peer_id():
    arrival = incoming()
    stream = greeting().encode()
    assert arrival.feed(stream[:47]) == b""
    assert arrival.feed(stream[47:48]) == our_greeting()
    assert arrival.admit() is None
    assert arrival.feed(stream[48:] + b"more") == b""
    assert arrival.admit() == (greeting(), b"more")


def test_a_torrent_that_nobody_serves_is_refused():
    with pytest.raises(PeerError) as caught:
        incoming().feed(greeting(b"3" * 20).encode())
    assert caught.value.code == "wire.wrong-torrent"


def test_the_side_that_dials_greets_first_by_the_older_hash():
    arrival = Arrival(DIAL, {}.get)
    assert arrival.state is State.DIALING
    assert arrival.connected() == our_greeting()


def test_a_dialed_peer_may_answer_with_the_other_hash_of_the_torrent():
    arrival = outgoing()
    assert arrival.feed(greeting(b"2" * 20).encode()) == b""
    assert arrival.admit() == (greeting(b"2" * 20), b"")


def test_a_dialed_peer_that_answers_about_another_torrent_is_refused():
    arrival = outgoing()
    arrival.feed(greeting(b"3" * 20).encode())
    with pytest.raises(PeerError) as caught:
        arrival.admit()
    assert caught.value.code == "wire.wrong-torrent"
    arrival.refuse()
    assert arrival.state is State.REFUSED


@pytest.mark.parametrize("arrive", [incoming, outgoing])
def test_meeting_ourselves_is_noticed_by_both_ends(arrive):
    arrival = arrive()
    arrival.feed(our_greeting())
    with pytest.raises(PeerError) as caught:
        arrival.admit()
    assert caught.value.code == "wire.self"


def test_through_a_proxy_the_greeting_follows_its_consent():
    arrival = Arrival(DIAL, {}.get, Socks5("127.0.0.1", 1))
    assert arrival.connected() == b"\x05\x01\x00"
    assert arrival.state is State.TUNNELLING
    assert arrival.feed(b"\x05\x00") == b"\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x01"
    ours = arrival.feed(b"\x05\x00\x00\x01" + bytes(6) + greeting().encode()[:40])
    assert ours == our_greeting()
    assert arrival.state is State.GREETING
    arrival.feed(greeting().encode()[40:] + b"more")
    assert arrival.admit() == (greeting(), b"more")


def test_a_refusal_of_the_proxy_ends_the_arrival():
    arrival = Arrival(DIAL, {}.get, Socks5("127.0.0.1", 1))
    arrival.connected()
    with pytest.raises(ProxyFailed):
        arrival.feed(b"\x05\xff")
    arrival.refuse()
    assert arrival.state is State.REFUSED
