"""Two peers that dial each other at the same time keep one link, and the same one."""

from __future__ import annotations

import pytest

from blobtorrent.model.address import Endpoint
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
