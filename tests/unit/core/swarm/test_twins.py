"""Two peers that dial each other at the same time keep one link, and the same one."""

from __future__ import annotations

import pytest

from blobtorrent.core.swarm.knownpeer import FIRST_RETRY_S
from blobtorrent.core.swarm.messages import PeersFound, PeerSource
from blobtorrent.core.swarm.peers import REDIAL_S, REDIAL_TWIN_S
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import NetworkError, PeerError
from blobtorrent.model.ids import PeerId
from tests.support.oneswarm import OneSwarm
from tests.support.stored import StoredTorrent

OTHER = Endpoint("10.0.0.9", 6881)


@pytest.mark.parametrize("is_incoming", [False, True])
@pytest.mark.parametrize("greater", [False, True])
def test_of_two_links_that_cross_the_one_that_the_greater_id_dialled_is_kept(is_incoming, greater):
    one = OneSwarm(StoredTorrent([200_000], 1 << 16))
    first = one.join()
    first.is_incoming = not is_incoming
    own, peer = one.swarm.order.peer_id, first.greeting.peer_id
    if (peer > own) is not greater:
        one.swarm.order = one.swarm.order._replace(peer_id=PeerId(bytes(20) if greater else b"\xff" * 20))
    one.swarm.on_peers(PeersFound(one.swarm.info_hash, (OTHER,), PeerSource.TRACKER))
    refusal = one.swarm.refusal(OTHER, peer, is_incoming=is_incoming)
    new_link_is_kept = is_incoming == greater
    assert (refusal is None) == new_link_is_kept
    assert (first in one.swarm.links) == (not new_link_is_kept)


def test_a_second_link_of_the_same_direction_is_refused():
    one = OneSwarm(StoredTorrent([200_000], 1 << 16))
    first = one.join()
    refusal = one.swarm.refusal(OTHER, first.greeting.peer_id, is_incoming=first.is_incoming)
    assert refusal is not None and refusal.code == "peer.duplicate"
    assert first in one.swarm.links


# ---- the other address of a peer that is connected

@pytest.fixture
def dialled_twice():
    """A swarm that has a link to a peer and has dialled the same peer at another address."""
    one = OneSwarm(StoredTorrent([200_000], 1 << 16))
    one.kept = one.join()
    one.swarm.on_peers(PeersFound(one.swarm.info_hash, (OTHER,), PeerSource.TRACKER))
    assert one.notes.dialled == [OTHER]
    peer_id = one.kept.greeting.peer_id
    one.swarm.on_dial_refused(OTHER, peer_id, one.swarm.refusal(OTHER, peer_id, is_incoming=one.kept.is_incoming))
    return one


def dials_within(one: OneSwarm, seconds: float) -> int:
    before = len(one.notes.dialled)
    one.pass_time(seconds)
    return len(one.notes.dialled) - before


def test_while_a_peer_is_connected_its_other_address_is_left_alone(dialled_twice):
    assert dials_within(dialled_twice, REDIAL_TWIN_S / 2) == 0
    assert dialled_twice.kept in dialled_twice.swarm.links


@pytest.mark.parametrize(("error", "pause_s"), [
    (NetworkError("net.closed", "gone"), REDIAL_S),
    (PeerError("wire.bad-have", "rubbish"), FIRST_RETRY_S),
])
def test_when_its_link_ends_the_other_address_is_dialled_as_if_the_link_had_been_its_own(
    dialled_twice, error, pause_s
):
    dialled_twice.swarm.lose(dialled_twice.kept, error)
    assert dials_within(dialled_twice, pause_s - 0.2) == 0
    assert dials_within(dialled_twice, 2.0) == 1


def test_an_address_that_is_being_dialled_again_is_not_dialled_twice(dialled_twice):
    dialled_twice.notes.now += REDIAL_TWIN_S
    dialled_twice.swarm.dial()
    assert len(dialled_twice.notes.dialled) == 2
    dialled_twice.swarm.lose(dialled_twice.kept, NetworkError("net.closed", "gone"))
    assert dials_within(dialled_twice, REDIAL_S + 2.0) == 0


def test_another_peer_that_leaves_changes_nothing(dialled_twice):
    stranger = dialled_twice.join()
    dialled_twice.swarm.lose(stranger, NetworkError("net.closed", "gone"))
    assert dials_within(dialled_twice, REDIAL_S + 2.0) == 0
