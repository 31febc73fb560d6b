"""Links that are given up when a swarm may have fewer."""

from __future__ import annotations

from blobtorrent.core.swarm.messages import ChangeSwarm, SwarmSettings
from blobtorrent.core.swarm.shedding import least_useful
from tests.support.oneswarm import OneSwarm
from tests.support.stored import StoredTorrent

TORRENT = StoredTorrent([1 << 20], 64 << 10)


def test_who_has_nothing_for_us_and_wants_nothing_goes_first_then_the_slowest():
    one = OneSwarm(TORRENT)
    slow, fast, idle = one.join(), one.join(), one.join([])
    fast.down.rate = 1000.0
    slow.up.rate = 10.0
    assert least_useful(one.swarm.links, 2) == [idle, slow]
    assert least_useful(one.swarm.links, 0) == least_useful(one.swarm.links, -5) == []


def test_a_swarm_that_may_have_fewer_links_closes_what_is_too_many_at_once():
    one = OneSwarm(TORRENT)
    links = [one.join([]) for _ in range(5)]
    useful = one.join()
    one.swarm.change(ChangeSwarm(TORRENT.metainfo.info_hash, SwarmSettings(max_links=2)))
    assert len(one.swarm.links) == 2
    assert useful in one.swarm.links
    assert {link.closing.code for link in links if link.closing} == {"net.too-many"}
    assert len(one.notes.closed) == 4
