"""One search: whom it asks, when it ends, whom it believes."""

from __future__ import annotations

from random import Random

from blobtorrent.model.address import Endpoint
from blobtorrent.protocol.dht.ids import is_secure, make_node_id, number_of, pack_host
from blobtorrent.protocol.dht.lookup import ALPHA, MAX_ASKED, MAX_DOUBTFUL, OF_PROVIDER, SLOW_S, Lookup
from tests.support.dhtnet import random_host

TARGET = bytes(range(20))
OWN = bytes(20)


def honest(rng: Random, host: str = "") -> tuple[bytes, Endpoint]:
    where = Endpoint(host or random_host(rng), 6881)
    return make_node_id(pack_host(where.host), rng), where


def answer_all(lookup: Lookup, now: float = 0.0) -> int:
    """Everybody who is asked answers; how many were."""
    asked = 0
    while not lookup.is_done:
        candidates = lookup.next(now)
        assert candidates, "a search that is not over must ask"
        for candidate in candidates:
            asked += 1
            lookup.on_answer(candidate, candidate.node_id, b"token")
    return asked


def test_it_ends_with_the_nearest_eight():
    rng = Random(1)
    lookup = Lookup(TARGET, OWN)
    known = [honest(rng) for _ in range(50)]
    for node_id, where in known:
        lookup.add(node_id, where)
    assert answer_all(lookup) <= 8
    nearest = sorted(known, key=lambda one: number_of(one[0]) ^ number_of(TARGET))[:8]
    assert [one.endpoint for one in lookup.closest()] == [where for _, where in nearest]


def test_few_are_asked_at_a_time_and_another_one_beside_who_is_slow():
    rng = Random(2)
    lookup = Lookup(TARGET, OWN)
    for _ in range(20):
        lookup.add(*honest(rng))
    assert len(lookup.next(0.0)) == ALPHA
    assert lookup.next(SLOW_S / 2) == []
    assert len(lookup.next(SLOW_S)) == ALPHA


def test_those_who_do_not_answer_are_replaced():
    rng = Random(3)
    lookup = Lookup(TARGET, OWN)
    for _ in range(12):
        lookup.add(*honest(rng))
    for candidate in lookup.next(0.0):
        lookup.on_failure(candidate)
    answer_all(lookup)
    assert len(lookup.closest()) == 8


def test_a_search_without_anybody_is_over():
    assert Lookup(TARGET, OWN).is_done


def test_a_node_that_answers_as_somebody_else_is_nobodys_neighbour():
    rng = Random(4)
    lookup = Lookup(TARGET, OWN)
    lookup.add(*honest(rng))
    (candidate,) = lookup.next(0.0)
    lookup.on_answer(candidate, bytes(20), b"token")
    assert lookup.is_done
    assert lookup.closest() == []


def test_invented_ids_are_no_goal_while_there_are_others():
    rng = Random(5)
    lookup = Lookup(TARGET, OWN)
    sybils = [TARGET[:15] + rng.randbytes(5) for _ in range(100)]
    for node_id in sybils:
        lookup.add(node_id, Endpoint(random_host(rng), 1))
    for _ in range(20):
        lookup.add(*honest(rng))
    asked = answer_all(lookup)
    assert all(is_secure(one.node_id, one.packed) for one in lookup.closest())
    assert len(lookup.closest()) == 8
    assert asked <= 8 + MAX_DOUBTFUL


def test_where_nobodys_id_fits_all_are_a_goal():
    rng = Random(6)
    lookup = Lookup(TARGET, OWN)
    for _ in range(20):
        lookup.add(rng.randbytes(20), Endpoint(random_host(rng), 1))
    answer_all(lookup)
    assert len(lookup.closest()) == 8


def test_of_a_network_one_counts_and_of_a_provider_two():
    rng = Random(7)
    lookup = Lookup(TARGET, OWN)
    for number in range(40):
        lookup.add(*honest(rng, f"20.5.{number}.{number + 1}"))
        lookup.add(*honest(rng, f"30.5.6.{number + 1}"))
    for _ in range(20):
        lookup.add(*honest(rng))
    answer_all(lookup)
    hosts = [one.endpoint.host for one in lookup.closest()]
    assert len(hosts) == 8
    assert sum(host.startswith("20.5.") for host in hosts) <= OF_PROVIDER
    assert sum(host.startswith("30.5.6.") for host in hosts) <= 1


def test_a_search_that_is_always_led_on_ends():
    rng = Random(8)
    lookup = Lookup(TARGET, OWN)
    lookup.add(rng.randbytes(20), Endpoint("127.0.0.1", 1))
    port, distance = 1, 159
    while not lookup.is_done:
        for candidate in lookup.next(0.0):
            lookup.on_answer(candidate, candidate.node_id, None)
            for _ in range(8):
                port, distance = port + 1, max(1, distance - 1)
                nearer = (number_of(TARGET) ^ 1 << distance) + port
                lookup.add(nearer.to_bytes(20, "big"), Endpoint("127.0.0.1", port))
    assert lookup.asked <= MAX_ASKED


def test_doors_are_asked_while_nobody_else_is_known():
    lookup = Lookup(TARGET, OWN)
    lookup.add_door(Endpoint("20.0.0.1", 1))
    (door,) = lookup.next(0.0)
    assert not lookup.is_done
    rng = Random(9)
    for _ in range(8):
        lookup.add(*honest(rng))
    lookup.on_answer(door, b"x" * 20, None)
    answer_all(lookup)
    assert door not in lookup.closest()


def test_a_door_that_comes_late_is_asked_when_there_is_nobody_else():
    """Eight who live, but too few networks of them: neither enough for a goal nor too few to need a door."""
    rng = Random(10)
    lookup = Lookup(TARGET, OWN)
    for number in range(10):
        lookup.add(*honest(rng, f"20.5.6.{number + 1}"))
    answer_all(lookup)
    assert lookup.is_done
    door = Endpoint("30.0.0.1", 1)
    lookup.add_door(door)
    assert not lookup.is_done
    (asked,) = lookup.next(9.0)
    assert asked.endpoint == door
    lookup.on_failure(asked)
    assert lookup.is_done
