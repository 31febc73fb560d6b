"""The routing table: who has a place in it, who loses it, who is nearest."""

from __future__ import annotations

from random import Random

import pytest

from blobtorrent.model.address import Endpoint
from blobtorrent.protocol.dht.ids import make_node_id, number_of, pack_host, shared_bits
from blobtorrent.protocol.dht.routing import FIRST_BUCKET, GIVE_UP_FAILURES, REFRESH_S, RoutingTable
from tests.support.dhtnet import random_host

OWN = bytes(20)


def assert_consistent(table: RoutingTable) -> None:
    """Every endpoint is in the buckets once, and where its id belongs."""
    placed = [one for bucket in table.buckets for one in bucket.contacts]
    waiting = [one for bucket in table.buckets for one in bucket.spares]
    assert {id(one) for one in placed + waiting} == {id(one) for one in table._by_endpoint.values()}
    assert len(placed) + len(waiting) == len(table._by_endpoint)
    assert all(table._by_endpoint[one.endpoint] is one for one in placed + waiting)
    assert not any(one.is_spare for one in placed)
    assert all(one.is_spare for one in waiting)
    for index, bucket in enumerate(table.buckets):
        assert all(table._index(one.number) == index for one in bucket.contacts + bucket.spares)


def endpoint(rng: Random) -> Endpoint:
    return Endpoint(random_host(rng), 6881)


def far_id(rng: Random) -> bytes:
    return bytes([rng.randrange(128, 256)]) + rng.randbytes(19)


def secure_far(rng: Random) -> tuple[bytes, Endpoint]:
    while True:
        where = endpoint(rng)
        node_id = make_node_id(pack_host(where.host), rng)
        if node_id[0] >= 128:
            return node_id, where


def full_bucket(rng: Random) -> RoutingTable:
    table = RoutingTable(OWN, 0.0)
    while len(table) < FIRST_BUCKET:
        table.on_answer(far_id(rng), endpoint(rng), 0.0)
    return table


def test_near_nodes_are_kept_and_of_the_far_ones_a_bucket_full():
    rng = Random(1)
    table = RoutingTable(OWN, 0.0)
    for _ in range(3000):
        table.on_answer(rng.randbytes(20), endpoint(rng), 0.0)
    sizes = [len(bucket.contacts) for bucket in table.buckets]
    assert sizes[:6] == [128, 64, 32, 16, 8, 8]
    assert len(table) == sum(sizes)
    for index, bucket in enumerate(table.buckets[:-1]):
        assert {shared_bits(contact.number, 0) for contact in bucket.contacts} == {index}


def test_the_closest_are_those_that_a_look_at_all_would_find():
    rng = Random(2)
    table = RoutingTable(rng.randbytes(20), 0.0)
    for _ in range(2000):
        table.on_answer(rng.randbytes(20), endpoint(rng), 0.0)
    for _ in range(50):
        target = number_of(rng.randbytes(20))
        everybody = sorted(table, key=lambda contact: contact.number ^ target)
        assert [one.number for one in table.closest(target, 0.0)] == [one.number for one in everybody[:8]]


def test_one_network_has_one_place_in_a_bucket():
    rng = Random(3)
    table = RoutingTable(OWN, 0.0)
    assert table.on_answer(far_id(rng), Endpoint("20.1.2.3", 1), 0.0)
    assert table.on_answer(far_id(rng), Endpoint("20.1.2.99", 1), 0.0) is None
    assert table.on_answer(far_id(rng), Endpoint("20.1.2.3", 2), 0.0) is None
    assert table.on_answer(far_id(rng), Endpoint("20.1.3.3", 1), 0.0)


def test_at_home_one_address_may_have_many_nodes():
    rng = Random(4)
    table = RoutingTable(OWN, 0.0)
    for port in range(1, 9):
        assert table.on_answer(far_id(rng), Endpoint("127.0.0.1", port), 0.0)
    assert len(table) == 8


def test_an_id_belongs_to_one_node():
    rng = Random(5)
    table = RoutingTable(OWN, 0.0)
    node_id = far_id(rng)
    assert table.on_answer(node_id, endpoint(rng), 0.0)
    assert table.on_answer(node_id, endpoint(rng), 0.0) is None
    assert table.on_answer(OWN, endpoint(rng), 0.0) is None


def test_who_comes_with_another_id_has_lost_its_place():
    rng = Random(6)
    table = RoutingTable(OWN, 0.0)
    where, before, after = endpoint(rng), far_id(rng), far_id(rng)
    table.on_answer(before, where, 0.0)
    table.on_answer(after, where, 1.0)
    assert [contact.node_id for contact in table] == [after]


def test_ids_that_fit_push_out_those_that_do_not():
    rng = Random(7)
    table = full_bucket(rng)
    assert not any(contact.is_secure for contact in table)
    node_id, where = secure_far(rng)
    assert table.on_answer(node_id, where, 0.0)
    assert len(table) == FIRST_BUCKET
    assert table.get(where) is not None
    assert table.on_answer(far_id(rng), endpoint(rng), 0.0) is None


def test_who_waits_takes_the_place_of_who_answers_no_more():
    rng = Random(8)
    table = full_bucket(rng)
    waiting = endpoint(rng)
    table.on_answer(far_id(rng), waiting, 0.0)
    gone = next(iter(table)).endpoint
    table.on_failure(gone)
    assert table.get(gone) is not None
    table.on_failure(gone)
    assert table.get(gone) is None
    assert table.get(waiting) is not None


def test_nobody_goes_while_nobody_waits_until_it_is_hopeless():
    rng = Random(9)
    table = RoutingTable(OWN, 0.0)
    where = endpoint(rng)
    table.on_answer(far_id(rng), where, 0.0)
    for _ in range(GIVE_UP_FAILURES - 1):
        table.on_failure(where)
    assert table.get(where) is not None
    table.on_failure(where)
    assert table.get(where) is None


def test_who_was_not_heard_of_for_longest_is_asked_first_where_another_waits():
    rng = Random(10)
    table = full_bucket(rng)
    near = bytes([64]) + bytes(19)
    assert table.on_answer(near, endpoint(rng), -500.0)
    assert table.questionable(100.0) is None
    doubtful = table.questionable(1000.0)
    assert doubtful is not None
    assert doubtful.node_id == near
    table.on_answer(far_id(rng), endpoint(rng), 0.0)
    doubtful = table.questionable(1000.0)
    assert doubtful is not None
    assert doubtful.node_id[0] >= 128


def test_nodes_that_are_good_are_named_before_those_that_may_be_gone():
    rng = Random(15)
    table = RoutingTable(OWN, 0.0)
    ids = sorted(far_id(rng) for _ in range(16))
    for index, node_id in enumerate(ids):
        table.on_answer(node_id, endpoint(rng), 2000.0 if index >= 8 else 0.0)
    assert {one.node_id for one in table.closest(number_of(ids[0]), 2000.0)} == set(ids[8:])
    assert len(table.closest(number_of(ids[0]), 2000.0, 12)) == 12


def test_a_bucket_where_nothing_happens_is_looked_through_once():
    rng = Random(11)
    table = RoutingTable(OWN, 0.0)
    for _ in range(1000):
        table.on_answer(rng.randbytes(20), endpoint(rng), 0.0)
    targets = [table.stale_target(REFRESH_S, rng.randbytes(20)) for _ in range(len(table.buckets))]
    assert [table._index(target) for target in targets] == list(range(len(table.buckets)))
    assert table.stale_target(REFRESH_S, rng.randbytes(20)) is None


# ---- those that wait

def test_who_waits_and_comes_with_another_id_waits_no_more():
    rng = Random(12)
    table = full_bucket(rng)
    for _ in range(8):
        table.on_answer(bytes([64]) + rng.randbytes(19), endpoint(rng), 0.0)
    where = endpoint(rng)
    assert table.on_answer(far_id(rng), where, 1.0) is None
    nearer = table.on_answer(bytes([32]) + rng.randbytes(19), where, 2.0)
    assert table.get(where) is nearer
    gone = table.buckets[0].contacts[0].endpoint
    for _ in range(2):
        table.on_failure(gone)
    assert table.get(where) is nearer
    assert table.get(gone) is not None                     # nobody waits for its place any more
    assert_consistent(table)
    for _ in range(GIVE_UP_FAILURES):
        table.on_failure(where)
    assert where not in [one.endpoint for one in table.closest(nearer.number, 2.0, 200)]


def test_who_waits_is_as_fresh_as_its_last_answer():
    rng = Random(13)
    table = full_bucket(rng)
    node_id, where = far_id(rng), endpoint(rng)
    table.on_answer(node_id, where, 0.0)
    touched_s = table.buckets[0].touched_s = 700.0
    table.on_answer(node_id, where, 800.0)
    gone = table.buckets[0].contacts[0].endpoint
    for _ in range(2):
        table.on_failure(gone)
    contact = table.get(where)
    assert contact is not None
    assert contact.heard_s == 800.0
    assert table.buckets[0].touched_s == touched_s


def test_the_one_who_fits_takes_the_place_even_if_the_last_who_came_does_not():
    rng = Random(14)
    table = full_bucket(rng)
    fits = endpoint(rng)
    table.on_answer(far_id(rng), fits, 0.0)
    table.buckets[0].contacts[0].is_secure = table.buckets[0].contacts[1].is_secure = False
    last = endpoint(rng)
    table.on_answer(far_id(rng), last, 0.0)
    neighbour = Endpoint(last.host.rpartition(".")[0] + ".77", 1)
    for loser in table.buckets[0].contacts[:1]:
        table._remove(loser)
    assert table.on_answer(far_id(rng), neighbour, 0.0)
    gone = table.buckets[0].contacts[0].endpoint
    for _ in range(2):
        table.on_failure(gone)
    assert table.get(gone) is None
    assert table.get(fits) is not None
    assert_consistent(table)


@pytest.mark.parametrize("seed", range(5))
def test_any_order_of_answers_and_failures_leaves_a_table_in_order(seed):
    rng = Random(seed)
    table = RoutingTable(rng.randbytes(20), 0.0)
    endpoints = [endpoint(rng) for _ in range(400)]
    secure = {one: make_node_id(pack_host(one.host), rng) for one in endpoints}
    for step in range(20_000):
        where = rng.choice(endpoints)
        what = rng.random()
        if what < 0.4:
            table.on_answer(secure[where], where, float(step))
        elif what < 0.7:
            table.on_answer(rng.randbytes(20), where, float(step))
        else:
            table.on_failure(where)
        if step % 500 == 0:
            assert_consistent(table)
    assert_consistent(table)
    assert len(table) > 100
