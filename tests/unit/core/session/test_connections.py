"""Connections are shared by what swarms can use, and nobody is left without."""

from __future__ import annotations

import random

from blobtorrent.core.session.connections import ConnectionManager, SlotGrant
from blobtorrent.model.ids import InfoHash

LIMIT, PER_SWARM, FLOOR = 100, 60, 4


def swarm(number):
    return InfoHash(v1=number.to_bytes(20, "big"))


def manager(*needs, limit=LIMIT, per_swarm=PER_SWARM):
    """A manager of swarms that know so many peers, shared out."""
    connections = ConnectionManager(limit, per_swarm, FLOOR)
    for number, needed in enumerate(needs):
        connections.open(swarm(number))
        connections.on_report(swarm(number), 0, needed)
    connections.share_out()
    return connections


def grants(connections, count):
    return [connections.granted(swarm(number)) for number in range(count)]


def test_one_swarm_may_have_as_many_as_a_swarm_may_at_once():
    assert ConnectionManager(LIMIT, PER_SWARM).open(swarm(1)) == PER_SWARM
    assert ConnectionManager(10, PER_SWARM).open(swarm(1)) == 10


def test_who_needs_little_gets_it_and_the_others_share_the_rest_equally():
    first, second, third = grants(manager(8, 300, 300), 3)
    assert first == 8 + 8 // 4 + FLOOR
    assert second + third == LIMIT - first
    assert abs(second - third) <= 1


def test_a_swarm_that_knows_nobody_keeps_its_floor():
    assert grants(manager(0, 500, 500), 3)[0] == FLOOR


def test_with_more_swarms_than_connections_everybody_has_one():
    assert grants(manager(*[50] * 200), 200) == [1] * 200


def test_nothing_changes_while_everybody_has_what_it_needs():
    connections = manager(20, 20)
    before = grants(connections, 2)
    connections.on_report(swarm(0), links=10, peers_known=22)
    assert connections.share_out() == []
    assert grants(connections, 2) == before


def test_a_swarm_that_may_have_refused_peers_gets_more():
    connections = manager(20, 90)
    before = connections.granted(swarm(0))
    connections.on_report(swarm(0), links=before, peers_known=0)
    changed = connections.share_out()
    assert SlotGrant(swarm(0), connections.granted(swarm(0))) in changed
    assert connections.granted(swarm(0)) > before


def test_what_a_closed_swarm_had_goes_to_those_that_need_it():
    connections = manager(300, 300)
    assert sum(grants(connections, 2)) == LIMIT
    connections.close(swarm(1))
    assert connections.share_out() == [SlotGrant(swarm(0), PER_SWARM)]


def test_a_lower_limit_is_shared_at_once():
    connections = manager(300, 300)
    changed = connections.apply(20, PER_SWARM)
    assert changed == [SlotGrant(swarm(0), 10), SlotGrant(swarm(1), 10)]


def test_a_report_of_a_swarm_that_is_closed_already_is_no_news():
    connections = manager(10)
    connections.close(swarm(0))
    connections.on_report(swarm(0), 3, 3)
    assert connections.share_out() == []


def test_no_more_is_granted_than_there_is_and_everybody_has_its_floor_whatever_happens():
    rng = random.Random(7)
    connections, opened = ConnectionManager(LIMIT, PER_SWARM, FLOOR), set()
    for number in range(2000):
        info_hash = swarm(rng.randrange(20))
        if info_hash not in opened:
            connections.open(info_hash)
            opened.add(info_hash)
        elif rng.random() < 0.2:
            connections.close(info_hash)
            opened.remove(info_hash)
        else:
            connections.on_report(info_hash, rng.randrange(60), rng.randrange(400))
        if number % 3 == 0:
            connections.share_out()
            granted = [connections.granted(info_hash) for info_hash in opened]
            assert sum(granted) <= LIMIT
            assert all(FLOOR <= count <= PER_SWARM for count in granted)
