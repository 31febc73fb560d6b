"""Peers that are dealt with as the torrent's owner says."""

from __future__ import annotations

import pytest

from blobtorrent.core.swarm.link import PeerLink
from blobtorrent.core.swarm.messages import TreatPeer
from blobtorrent.core.swarm.telling import peer_statuses
from blobtorrent.core.swarm.treating import treat
from blobtorrent.model.address import Endpoint
from blobtorrent.model.details import PeerTreatment
from blobtorrent.protocol.wire import messages as wire
from tests.support.oneswarm import OneSwarm
from tests.support.stored import StoredTorrent

BLOCK = 1 << 14


@pytest.fixture
def one() -> OneSwarm:
    return OneSwarm(StoredTorrent([8 * BLOCK], BLOCK), have=range(8))


def tell(one: OneSwarm, link: PeerLink, treatment: PeerTreatment) -> None:
    treat(one.swarm, TreatPeer(one.torrent.metainfo.info_hash, link.endpoint, treatment))


def test_a_banned_peer_is_left_and_never_let_in_again(one: OneSwarm) -> None:
    link, other = one.join([1]), one.join([1])
    tell(one, link, PeerTreatment.BAN)
    assert list(one.swarm.links) == [other]
    refusal = one.swarm.refusal(link.endpoint, link.greeting.peer_id, is_incoming=True)
    assert refusal is not None and refusal.code == "peer.banned"


def test_a_peer_that_is_parted_with_may_come_again(one: OneSwarm) -> None:
    link = one.join([1])
    tell(one, link, PeerTreatment.PART)
    assert not one.swarm.links and link.closing is not None and link.closing.code == "net.parted"
    assert one.swarm.refusal(link.endpoint, link.greeting.peer_id, is_incoming=True) is None


def test_nothing_is_sent_to_a_denied_peer_until_it_is_served_again(one: OneSwarm) -> None:
    link = one.join([1])
    one.tell(link, wire.Interested())
    assert not link.state.am_choking
    tell(one, link, PeerTreatment.DENY)
    assert link.state.am_choking and peer_statuses(one.swarm)[0].is_denied
    one.tell(link, wire.NotInterested())
    one.tell(link, wire.Interested())
    one.pass_time(60.0)
    assert link.state.am_choking
    tell(one, link, PeerTreatment.SERVE)
    assert not link.state.am_choking and not peer_statuses(one.swarm)[0].is_denied


def test_a_peer_that_is_gone_is_nobodys_matter(one: OneSwarm) -> None:
    link = one.join([1])
    treat(one.swarm, TreatPeer(one.torrent.metainfo.info_hash, Endpoint("10.9.9.9", 1), PeerTreatment.BAN))
    assert list(one.swarm.links) == [link]
