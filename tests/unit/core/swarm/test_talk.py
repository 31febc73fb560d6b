"""The conversation with a peer: who says what first, what is tolerated, what ends the link."""

from __future__ import annotations

import pytest

from blobtorrent.core.swarm.messages import AddressSeen, ChangeSwarm, NodeNamed, SwarmSettings, WantPieces
from blobtorrent.model.address import Endpoint
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.errors import PeerError
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.extended import HANDSHAKE_ID, OUR_IDS, UT_PEX, ExtendedHandshake
from blobtorrent.protocol.wire.greeting import OUR_RESERVED_WITH_DHT
from tests.support.oneswarm import OneSwarm, haves_in
from tests.support.stored import StoredTorrent

K = 1024
COUNT = 10


@pytest.fixture(scope="module")
def torrent():
    return StoredTorrent([COUNT * 16 * K], 16 * K)


def handshake(**facts):
    return Raw(ExtendedHandshake(**facts).encode())


class Raw:
    """Bytes that are a message already."""

    def __init__(self, data):
        self.data = data

    def encode(self):
        return self.data


def kinds(messages):
    return [type(message) for message in messages]


def test_the_bitfield_is_our_first_word_and_the_extension_handshake_the_second(torrent):
    one = OneSwarm(torrent, have=[1, 2])
    link = one.join([], unchoked=False)
    first, second = one.said()[link]
    assert first == wire.BitfieldMessage(Bitfield(COUNT, [1, 2]).to_wire())
    assert (type(second), second.sub_id) == (wire.Extended, HANDSHAKE_ID)


def test_who_has_nothing_says_nothing_of_it(torrent):
    one = OneSwarm(torrent)
    link = one.join([], unchoked=False)
    assert kinds(one.said()[link]) == [wire.Extended]


def test_interest_is_said_when_it_changes_and_only_then(torrent):
    one = OneSwarm(torrent, have=[0])
    link = one.join([0], unchoked=False)
    assert wire.Interested() not in one.said()[link]
    one.tell(link, wire.Have(1))
    assert one.said()[link] == [wire.Interested()]
    one.tell(link, wire.Have(2))
    assert link not in one.said()


def test_a_later_bitfield_adds_to_what_the_peer_has(torrent):
    one = OneSwarm(torrent)
    link = one.join([1])
    one.tell(link, wire.BitfieldMessage(Bitfield(COUNT, [2]).to_wire()))
    assert link.mask == 0b110
    assert [one.swarm.availability.count(index) for index in range(4)] == [0, 1, 1, 0]


@pytest.mark.parametrize("field", [bytes(1), bytes(3), b"\x00\x01"])
def test_a_bitfield_of_a_wrong_length_or_with_spare_bits_breaks_the_rules(torrent, field):
    one = OneSwarm(torrent)
    link = one.join([], unchoked=False)
    with pytest.raises(PeerError) as caught:
        one.tell(link, wire.BitfieldMessage(field))
    assert caught.value.code == "wire.bad-bitfield"


def test_a_have_beyond_the_last_piece_breaks_the_rules(torrent):
    one = OneSwarm(torrent)
    link = one.join([])
    with pytest.raises(PeerError) as caught:
        one.tell(link, wire.Have(COUNT))
    assert caught.value.code == "wire.bad-have"


@pytest.mark.parametrize("message", [wire.HaveAll(), wire.HaveNone(), wire.Suggest(1), wire.Reject(0, 0, 1)])
def test_messages_of_the_fast_extension_break_the_rules_as_we_did_not_offer_it(torrent, message):
    one = OneSwarm(torrent)
    link = one.join([])
    with pytest.raises(PeerError) as caught:
        one.tell(link, message)
    assert caught.value.code == "wire.not-negotiated"


def test_what_is_repeated_or_unknown_is_tolerated(torrent):
    one = OneSwarm(torrent)
    link = one.join([0])
    one.tell(link, wire.Unchoke(), wire.Unchoke(), wire.Have(0), wire.Have(0), wire.Choke(), wire.Choke(),
             wire.KeepAlive(), wire.Port(6881), Raw(b"\x00\x00\x00\x02\x63x"), wire.NotInterested())
    assert link in one.swarm.links
    assert one.swarm.availability.count(0) == 1


def test_a_have_for_the_last_piece_makes_the_peer_a_seed(torrent):
    one = OneSwarm(torrent)
    link = one.join(range(COUNT - 1))
    assert one.swarm.availability.seeds == 0
    one.tell(link, wire.Have(COUNT - 1))
    assert one.swarm.availability.seeds == 1
    assert one.swarm.availability.count(3) == 1
    one.swarm.lose(link, RuntimeError("gone"))
    assert one.swarm.availability.count(3) == 0


def test_two_seeds_part(torrent):
    one = OneSwarm(torrent, have=range(COUNT))
    link = one.join()
    assert one.notes.closed == [link]
    assert link.closing.code == "net.both-seeds"


def test_an_interested_peer_is_unchoked_at_once_while_a_slot_is_free(torrent):
    one = OneSwarm(torrent, have=[0], upload_slots=1)
    first, second = one.join([]), one.join([])
    one.said()
    one.tell(first, wire.Interested())
    one.tell(second, wire.Interested())
    said = one.said()
    assert said[first] == [wire.Unchoke()]
    assert second not in said
    one.tell(first, wire.NotInterested())
    assert one.said()[first] == [wire.Choke()]


def test_the_extension_handshake_tells_the_clients_name_and_its_queue(torrent):
    one = OneSwarm(torrent)
    link = one.join([])
    one.tell(link, handshake(version=b"Some Client\x1b[31m 1.0", max_requests=3))
    assert "Some Client" in link.client and "\x1b" not in link.client
    assert link.window.size == 3
    one.tell(link, wire.Have(0), wire.Have(1), wire.Have(2), wire.Have(3), wire.Have(4), wire.Have(5))
    assert len(one.asked(link)) == 3, "no more than it will queue"


def test_a_later_handshake_adds_to_the_first(torrent):
    one = OneSwarm(torrent)
    link = one.join([])
    one.tell(link, handshake(version=b"A", max_requests=100))
    one.tell(link, handshake(port=4000))
    assert (link.extended.version, link.extended.max_requests, link.extended.port) == (b"A", 100, 4000)


def test_a_flood_of_handshakes_ends_the_link_and_gives_one_vote(torrent):
    one = OneSwarm(torrent)
    link = one.join([])
    link.endpoint = Endpoint("8.9.9.9", 40000)
    with pytest.raises(PeerError) as caught:
        for number in range(100):
            one.tell(link, handshake(your_ip=bytes((8, 1, 1, number)), port=1 + number))
    assert caught.value.code == "wire.extended-flood"
    votes = [message for message in one.swarm.order.report_to.drain() if isinstance(message, AddressSeen)]
    assert votes == [AddressSeen("8.1.1.0", "8.9.9.9")]
    assert link.extended.port == 1


def test_new_pieces_are_told_to_everybody_but_seeds_also_when_they_have_them(torrent):
    one = OneSwarm(torrent)
    seed, leech = one.join(), one.join([3])
    one.said()
    one.swarm.on_new_pieces([3, 4])
    one.pass_time(0.3)
    said = one.said()
    assert haves_in(said[leech]) == [3, 4], "or it would never see that we became a seed"
    assert haves_in(said.get(seed, [])) == []


def test_a_link_that_joins_later_learns_of_new_pieces_once(torrent):
    one = OneSwarm(torrent)
    one.swarm.pieces.have.add(3)
    one.swarm.on_new_pieces([3])
    link = one.join([])
    one.pass_time(0.5)
    said = one.said()[link]
    assert [message for message in said if isinstance(message, wire.BitfieldMessage)]
    assert haves_in(said) == []


def test_nothing_more_is_read_into_a_link_that_is_being_closed(torrent):
    one = OneSwarm(torrent, have=range(COUNT))
    link = one.join([], unchoked=False)
    stream = [wire.Have(index) for index in range(COUNT)] + [wire.Interested()]
    one.tell(link, *stream)
    assert link.closing is not None
    assert not link.state.peer_interested


def hello_of(messages):
    """What the extension handshakes among these say, taken together."""
    told = ExtendedHandshake()
    for message in messages:
        if isinstance(message, wire.Extended) and message.sub_id == HANDSHAKE_ID:
            told = told.updated(ExtendedHandshake.decode(message.payload))
    return told


def test_our_handshake_tells_the_peer_how_we_see_it_and_how_much_it_may_ask_for(torrent):
    one = OneSwarm(torrent, order={"client_version": b"BlobTorrent 9"}, listen_port=6881)
    one.swarm.talk.metadata_size = 700
    link = one.join([])
    told = hello_of(one.said()[link])
    assert (told.your_ip, told.port, told.version, told.metadata_size) == (
        bytes((10, 1, 0, 1)), 6881, b"BlobTorrent 9", 700)
    assert told.max_requests and told.is_upload_only is None


def test_connected_peers_are_told_when_we_are_reached_at_another_port(torrent):
    one = OneSwarm(torrent, listen_port=6881)
    link = one.join([])
    one.said()
    one.swarm.change(ChangeSwarm(torrent.metainfo.info_hash, SwarmSettings(listen_port=7000)))
    assert hello_of(one.said()[link]).port == 7000
    late = one.join([])
    assert hello_of(one.said()[late]).port == 7000


def ports_in(messages):
    return [message.port for message in messages if isinstance(message, wire.Port)]


def test_peers_that_are_nodes_are_told_where_our_node_is_by_their_kind_of_address(torrent):
    one = OneSwarm(torrent, dht_ports=(6881, 6882))
    by_ipv4, other = one.join([], reserved=OUR_RESERVED_WITH_DHT), one.join([])
    by_ipv6 = one.join([], reserved=OUR_RESERVED_WITH_DHT, dialled=Endpoint("2a01::1", 1))
    said = one.said()
    assert [ports_in(said[link]) for link in (by_ipv4, by_ipv6, other)] == [[6881], [6882], []]


@pytest.mark.parametrize("ports", [None, (0, 0)])
def test_without_a_node_of_ours_nobody_is_told_of_it(torrent, ports):
    one = OneSwarm(torrent, dht_ports=ports)
    link = one.join([], reserved=OUR_RESERVED_WITH_DHT)
    assert ports_in(one.said()[link]) == []


def nodes_named(one):
    return [message for message in one.swarm.order.report_to.drain() if isinstance(message, NodeNamed)]


def test_a_peer_names_one_node_its_own(torrent):
    one = OneSwarm(torrent, dht_ports=(0, 0))
    link = one.join([])
    one.tell(link, wire.Port(0), wire.Port(7001), *(wire.Port(port) for port in range(7002, 7100)))
    assert nodes_named(one) == [NodeNamed(torrent.metainfo.info_hash, Endpoint(link.endpoint.host, 7001))]


def test_what_a_peer_of_a_private_torrent_says_of_nodes_is_not_heard(torrent):
    one = OneSwarm(torrent, dht_ports=None)
    one.tell(one.join([]), wire.Port(7001))
    assert nodes_named(one) == []


def test_an_extension_is_taken_from_when_it_is_offered_until_it_is_withdrawn(torrent):
    one, heard = OneSwarm(torrent), []
    link = one.join([])
    message = wire.Extended(OUR_IDS[UT_PEX], b"de")
    one.tell(link, message)
    one.said()
    one.swarm.talk.offer(UT_PEX, lambda link, payload: heard.append((link, payload)))
    assert hello_of(one.said()[link]).ids == {UT_PEX: OUR_IDS[UT_PEX]}
    one.tell(link, message)
    another = one.join([])
    assert hello_of(one.said()[another]).ids[UT_PEX] == OUR_IDS[UT_PEX]
    one.swarm.talk.withdraw(UT_PEX)
    assert hello_of(one.said()[link]).ids == {UT_PEX: 0}
    one.tell(link, message)
    assert heard == [(link, b"de")]


def test_peers_are_told_that_we_want_nothing_more_and_that_we_do_again(torrent):
    one = OneSwarm(torrent, have=range(1, COUNT), order={"skipped": 0b1})
    link = one.join([])
    assert hello_of(one.said()[link]).is_upload_only is True
    one.swarm.want(WantPieces(torrent.metainfo.info_hash, 0, {}))
    assert hello_of(one.said()[link]).is_upload_only is False


def test_where_a_peer_on_the_internet_sees_us_is_told_once(torrent):
    one = OneSwarm(torrent)
    for host in ("10.9.9.9", "20.9.9.9"):
        link = one.join([])
        link.endpoint = Endpoint(host, 40000)
        one.tell(link, handshake(your_ip=bytes((8, 1, 1, 1))), handshake(your_ip=bytes((8, 1, 1, 1))))
    told = [message for message in one.swarm.order.report_to.drain() if isinstance(message, AddressSeen)]
    assert told == [AddressSeen("8.1.1.1", "20.9.9.9")]
