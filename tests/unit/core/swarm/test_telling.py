"""What a swarm tells of its peers and pieces to those who ask."""

from __future__ import annotations

import json

import pytest

from blobtorrent.core.swarm.availability import counts
from blobtorrent.core.swarm.link import PeerLink
from blobtorrent.core.swarm.messages import KnownAddress, PeersFound, PeerSource
from blobtorrent.core.swarm.telling import MAX_PEERS, insight, peer_statuses, piece_counts
from blobtorrent.core.swarm.weights import PRESETS
from blobtorrent.model.address import Endpoint
from blobtorrent.model.details import PartialPiece
from blobtorrent.model.errors import NetworkError
from blobtorrent.model.ids import PeerId
from blobtorrent.model.status import PeersFrom
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.greeting import OUR_RESERVED, Greeting
from tests.support.oneswarm import OneSwarm
from tests.support.stored import StoredTorrent

BLOCK = 1 << 14


@pytest.fixture
def torrent():
    return StoredTorrent([8 * 4 * BLOCK], 4 * BLOCK)


def dial(one, endpoint):
    """A link that we dialled."""
    greeting = Greeting(OUR_RESERVED, one.torrent.metainfo.info_hash.v1, PeerId(b"-XX0000-" + bytes(12)))
    link = PeerLink(one.swarm, 99, endpoint, greeting, False, one.notes.now)
    one.swarm.admit(link)
    return link


def test_a_peer_is_told_with_what_it_has_and_what_goes_between_us(torrent):
    one = OneSwarm(torrent, have=[0], upload_slots=2)
    link = one.join([1, 2])
    one.pass_time(2.0)
    one.tell(link, wire.Interested())
    one.give(link, [(1, 0)])
    told = peer_statuses(one.swarm)[0]
    assert (told.host, told.port, told.source, told.transport) == ("10.1.0.1", 6881, "incoming", "tcp")
    assert told.connected_s == pytest.approx(2.0)
    assert (told.pieces_had, told.progress, told.is_seed) == (2, 0.25, False)
    assert (told.am_interested, told.peer_choking, told.peer_interested, told.am_choking) == (True, False, True, False)
    assert told.blocks_asked == 7
    assert told.downloaded_bytes == BLOCK
    assert told.flags == "DUI"


def test_where_a_peer_came_from_is_told(torrent):
    tracked, named, kept = (Endpoint("10.3.0.1", port) for port in (1, 2, 3))
    one = OneSwarm(torrent, order={"peers": (KnownAddress(kept, PeerSource.INCOMING, 0, 5.0),)})
    info_hash = torrent.metainfo.info_hash
    one.swarm.on_peers(PeersFound(info_hash, (tracked,), PeerSource.TRACKER))
    one.swarm.on_peers(PeersFound(info_hash, (named,), PeerSource.STATIC))
    for endpoint in (tracked, named, kept):
        dial(one, endpoint)
    assert [told.source for told in peer_statuses(one.swarm)] == ["tracker", "static", "cache"]


def test_a_peer_that_lets_us_wait_is_told_as_snubbed(torrent):
    one = OneSwarm(torrent)
    one.join()
    one.pass_time(21.5)
    (told,) = peer_statuses(one.swarm)
    assert told.is_snubbed and "S" in told.flags


def test_only_so_many_peers_are_told(torrent):
    one = OneSwarm(torrent, max_links=MAX_PEERS + 10)
    for _ in range(MAX_PEERS + 1):
        one.join([], unchoked=False)
    assert len(peer_statuses(one.swarm)) == MAX_PEERS


def test_pieces_that_nobody_has_are_counted_among_those_that_are_lacking(torrent):
    one = OneSwarm(torrent, have=[0], order={"skipped": 1 << 7})
    one.join([0, 1, 2])
    one.join([2, 3])
    told = insight(one.swarm, waits_for_memory=True)
    assert (told.pieces_lacking, told.pieces_unavailable) == (6, 3)
    assert told.waits_for_memory


def test_addresses_that_failed_wait_for_the_next_try(torrent):
    one = OneSwarm(torrent)
    first, second = Endpoint("10.3.0.1", 1), Endpoint("10.3.0.1", 2)
    one.swarm.on_peers(PeersFound(torrent.metainfo.info_hash, (first, second), PeerSource.TRACKER))
    assert insight(one.swarm, waits_for_memory=False).addresses_dialled == 2
    one.swarm.on_dial_failed(first, NetworkError("net.refused", "refused"))
    told = insight(one.swarm, waits_for_memory=False)
    assert (told.addresses_dialled, told.addresses_resting) == (1, 1)
    assert told.known_by_source == {"tracker": 2}


def test_reports_count_addresses_and_links_by_their_source(torrent):
    one = OneSwarm(torrent)
    addresses = tuple(Endpoint("10.3.0.1", port) for port in (1, 2, 3))
    one.swarm.on_peers(PeersFound(torrent.metainfo.info_hash, addresses, PeerSource.DHT))
    one.join([], dialled=addresses[0])
    one.join([])
    assert one.swarm.make_report().peers_from == (PeersFrom("dht", 3, 1), PeersFrom("incoming", 0, 1))


def test_pieces_are_told_as_had_had_by_peers_and_begun(torrent):
    one = OneSwarm(torrent, have=[0, 5])
    link = one.join()
    one.join([1])
    (began, _), *_ = one.asked(link)
    one.give(link, [(began, 0), (began, 1)])
    told = piece_counts(one.swarm)
    assert told.have == 0b100001
    assert list(counts(told.planes, told.seeds, 8)) == [1, 2, 1, 1, 1, 1, 1, 1]
    assert PartialPiece(began, 4, 2) in told.partial


def test_how_fast_a_peer_gains_pieces_is_what_it_says_of_a_minute(torrent):
    one = OneSwarm(torrent)
    link = one.join([0, 1])
    assert peer_statuses(one.swarm)[0].gained_bytes_per_s == 0         # that it had before
    for index in (2, 3, 4):
        one.pass_time(10.0)
        one.tell(link, wire.Have(index))
    one.tell(link, wire.Have(4))                           # it has that already
    steady = peer_statuses(one.swarm)[0].gained_bytes_per_s
    assert steady == pytest.approx(4 * BLOCK / 10.0, rel=0.15)
    one.pass_time(60.0)
    one.tell(link, wire.KeepAlive())
    assert 0 < peer_statuses(one.swarm)[0].gained_bytes_per_s < steady / 2


def test_why_a_peer_is_choked_is_told_with_what_was_before(torrent):
    one = OneSwarm(torrent, have=[0], upload_slots=1)
    first, second = one.join([]), one.join([])
    one.tell(first, wire.Interested())
    one.tell(second, wire.Interested())
    one.pass_time(1.5)
    told = {peer.host: peer for peer in peer_statuses(one.swarm)}
    served, other = told[first.endpoint.host], told[second.endpoint.host]
    if served.am_choking:
        served, other = other, served
    assert [change[1:] for change in served.choke_history][:2] == [(False, "not-interested"), (True, "free-slot")] \
        or served.choke_cause == "gives-most"
    assert not served.am_choking and other.am_choking
    assert (other.choke_cause, other.choke_history[-1][1]) in {("waits", False), ("others-better", False)}
    assert all(0 <= ago_s < 2 for ago_s, *_ in other.choke_history)
    one.tell(first, wire.NotInterested())
    assert {peer.choke_cause for peer in peer_statuses(one.swarm) if not peer.peer_interested} == {"not-interested"}


def test_pieces_under_way_are_told_with_who_is_asked_for_them_and_what_speaks_for_them():
    one = OneSwarm(StoredTorrent([1 << 20], 1 << 18))
    first, second = one.join(), one.join([])
    index = one.asked(first)[0][0]
    one.give(first, [(index, 0)])
    told = {piece["piece"]: piece for piece in insight(one.swarm, waits_for_memory=False).open_pieces}[index]
    assert (told["state"], told["blocks"], told["blocks_here"]) == ("partial", 16, 1)
    assert told["asked_of"] == [str(first.endpoint)]
    assert not told["was_spoiled"] and not told["is_for_one_alone"]
    assert told["worth"]["peers"] == 0, "only a seed has it"
    json.dumps(told, allow_nan=False)
    one.swarm.picker.weights = PRESETS["random"]
    json.dumps(insight(one.swarm, waits_for_memory=False).open_pieces, allow_nan=False)
    second.is_suspect = True
    assert insight(one.swarm, waits_for_memory=False).suspects == 1
