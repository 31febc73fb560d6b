"""When a swarm dials: as far as there is room, and again as soon as a dial has succeeded."""

from __future__ import annotations

import pytest

from blobtorrent.core.swarm.link import PeerLink
from blobtorrent.core.swarm.messages import DropPeers, PeersFound, PeerSource
from blobtorrent.core.swarm.peers import MAX_DIALS
from blobtorrent.core.swarm.telling import insight
from blobtorrent.core.swarm.treating import treat
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import NetworkError
from blobtorrent.model.ids import PeerId
from blobtorrent.protocol.wire.greeting import OUR_RESERVED, Greeting
from tests.support.oneswarm import OneSwarm
from tests.support.stored import StoredTorrent

ENDPOINTS = tuple(Endpoint("10.2.0.1", port) for port in range(1, MAX_DIALS + 11))


@pytest.fixture
def one():
    swarm = OneSwarm(StoredTorrent([1 << 16], 1 << 14))
    info_hash = swarm.torrent.metainfo.info_hash
    swarm.swarm.on_peers(PeersFound(info_hash, ENDPOINTS, PeerSource.TRACKER))
    return swarm


def test_so_many_are_dialled_at_once(one):
    assert len(one.notes.dialled) == MAX_DIALS


def test_a_dial_that_succeeded_makes_room_for_the_next(one):
    greeting = Greeting(OUR_RESERVED, one.torrent.metainfo.info_hash.v1, PeerId(bytes(20)))
    one.swarm.admit(PeerLink(one.swarm, 1, one.notes.dialled[0], greeting, False, one.notes.now))
    assert len(set(one.notes.dialled)) == MAX_DIALS + 1


def test_a_dial_that_failed_does_not(one):
    one.swarm.on_dial_failed(one.notes.dialled[0], NetworkError("net.refused", "refused"))
    assert len(one.notes.dialled) == MAX_DIALS


def test_peers_of_a_former_tracker_are_left_and_forgotten_those_of_the_user_stay(one):
    info_hash, static = one.torrent.metainfo.info_hash, Endpoint("10.2.0.2", 1)
    one.swarm.on_peers(PeersFound(info_hash, (static,), PeerSource.STATIC))
    found, own, incoming = one.join(dialled=ENDPOINTS[0]), one.join(dialled=static), one.join()
    dialled = one.notes.dialled[1]
    treat(one.swarm, DropPeers(info_hash))
    refusal = one.swarm.refusal(dialled, PeerId(b"2" * 20), is_incoming=False)
    assert refusal is not None and refusal.code == "peer.unasked"
    one.swarm.on_dial_refused(dialled, PeerId(b"2" * 20), refusal)
    assert list(one.swarm.links) == [own]
    assert [link.closing.code for link in (found, incoming)] == ["net.other-tracker"] * 2
    assert len(one.swarm.peers) == 1 and one.swarm.peers.source_of(static) is PeerSource.STATIC
    assert one.swarm.peers.num_by_source() == {"static": 1}


def test_dials_of_the_torrent_before_it_was_opened_again_count_for_nobody(one):
    before = Endpoint("10.3.0.1", 1)
    one.swarm.on_dial_failed(before, NetworkError("net.refused", "refused"))
    assert one.swarm.peers.dialing == MAX_DIALS
    assert one.swarm.refusal(before, PeerId(bytes(20)), is_incoming=False).code == "peer.unasked"
    assert one.swarm.refusal(before, PeerId(b"1" * 20), is_incoming=True) is None


def test_dials_that_the_settings_rule_out_are_counted_and_others_are_not(one):
    for endpoint, code in zip(ENDPOINTS, ("net.no-transport", "net.only-utp", "net.timed-out")):
        one.swarm.on_dial_failed(endpoint, NetworkError(code, ""))
    assert insight(one.swarm, waits_for_memory=False).addresses_off_limits == 2


def test_bytes_are_counted_by_what_they_went_over(one):
    by_tcp, by_utp, gone = one.join(), one.join(), one.join()
    by_utp.transport = gone.transport = "utp"
    for link, count in ((by_tcp, 5), (by_utp, 7), (gone, 11)):
        link.down.add(count)
        link.up.add(10 * count)
    one.swarm.lose(gone, NetworkError("net.closed", ""))
    one.pass_time(1.1)
    assert one.swarm.traffic.received == {"tcp": 5, "utp": 18}
    assert one.swarm.traffic.sent == {"tcp": 50, "utp": 180}
