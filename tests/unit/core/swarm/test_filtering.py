"""A swarm has nothing to do with peers that a filter list covers."""

from __future__ import annotations

import pytest

from blobtorrent.core.swarm.knownpeer import STATIC_RETRY_S
from blobtorrent.core.swarm.messages import KnownAddress, PeersFound, PeerSource
from blobtorrent.core.swarm.peers import PeerManager
from blobtorrent.core.swarm.telling import insight
from blobtorrent.model.address import Endpoint
from blobtorrent.model.ids import PeerId
from tests.support.filters import filter_of
from tests.support.oneswarm import OneSwarm
from tests.support.stored import StoredTorrent

BAD, GOOD = Endpoint("192.0.2.1", 6881), Endpoint("198.51.100.1", 6881)


@pytest.fixture
def peers():
    peers = PeerManager()
    peers.gate.use(filter_of("192.0.2.0/24"))
    return peers


@pytest.mark.parametrize("source", [source for source in PeerSource if source is not PeerSource.STATIC])
def test_a_refused_address_is_not_learned_whoever_names_it(peers, source):
    peers.found((BAD, GOOD), source, now=0.0)
    assert len(peers) == 1
    assert peers.to_dial(10, 60.0, seeding=False) == [GOOD]
    assert (peers.filtered, peers.gate.hits) == (1, {"list": 1})


def test_what_an_earlier_run_kept_is_not_dialled_when_it_is_refused_by_now(peers):
    peers.restore([KnownAddress(BAD, PeerSource.TRACKER), KnownAddress(GOOD, PeerSource.TRACKER)], 0.0)
    assert peers.to_dial(10, 60.0, seeding=False) == [GOOD]
    assert len(peers) == 1
    assert peers.dialing == 1


def test_what_the_user_named_is_refused_too_but_tried_when_the_filter_is_gone(peers):
    peers.found((BAD, GOOD), PeerSource.STATIC, now=0.0)
    assert peers.to_dial(10, 0.0, seeding=False) == [GOOD]
    assert (len(peers), peers.filtered) == (2, 1)
    assert peers.to_dial(10, 1.0, seeding=False) == []
    assert peers.filtered == 1, "it is not asked about all the time"
    peers.gate.use(None)
    assert peers.to_dial(10, STATIC_RETRY_S, seeding=False) == [BAD]


def test_what_was_refused_may_be_found_again_without_the_filter(peers):
    peers.found((BAD,), PeerSource.TRACKER, now=0.0)
    peers.gate.use(None)
    peers.found((BAD,), PeerSource.TRACKER, now=0.0)
    assert peers.to_dial(10, 60.0, seeding=False) == [BAD]


def test_a_refused_peer_does_not_join_and_is_counted():
    one = OneSwarm(StoredTorrent([1 << 16], 1 << 15))
    one.swarm.peers.gate.use(filter_of("192.0.2.0/24"))
    refusal = one.swarm.refusal(BAD, PeerId(b"-XX0000-" + bytes(12)), is_incoming=True)
    assert refusal is not None and refusal.code == "peer.filtered"
    assert one.swarm.refusal(GOOD, PeerId(b"-XX0000-" + bytes(12)), is_incoming=True) is None
    one.swarm.on_peers(PeersFound(one.swarm.info_hash, (BAD,), PeerSource.TRACKER))
    assert insight(one.swarm, waits_for_memory=False).addresses_filtered == 2
