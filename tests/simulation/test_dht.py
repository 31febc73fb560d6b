"""Whole DHTs in virtual time: growing, churn, loss, and attackers around a target."""

from __future__ import annotations

import pytest

from blobtorrent.model.address import Endpoint
from blobtorrent.protocol.dht.ids import number_of
from blobtorrent.protocol.dht.items import immutable, signed, target_of_key
from blobtorrent.protocol.dht.krpc import NodeInfo
from blobtorrent.protocol.dht.node import NodeState
from blobtorrent.protocol.dht.search import ItemPut, ItemSearch, PeerSearch, peers_of
from tests.support.dhtnet import DhtNet, random_host

NODES = 350
SYBILS = 150                           # 30 % of all
TARGET = bytes.fromhex("5a3ce9c14e7a08645677bbd1cfe7d8f956d53256")
TRIES = 40


@pytest.fixture(scope="module")
def besieged() -> DhtNet:
    """A network of 500 of which 30 % claim to be next to the target."""
    net = DhtNet(seed=5)
    net.add_honest(NODES)
    net.run(45.0)
    net.add_sybils(SYBILS, TARGET, providers=6)
    net.run(20.0)
    return net


def test_all_nodes_find_the_network(besieged):
    assert {node.machine.state for node in besieged.nodes.values()} == {NodeState.READY}
    assert min(len(node.table) for node in besieged.nodes.values()) >= 8


def test_searches_succeed_among_attackers_who_sit_around_the_target(besieged):
    honest = list(besieged.nodes)
    announcer = honest[7]
    port = 4242
    result = besieged.find(announcer, lambda done: PeerSearch(TARGET, lambda peers: None, done, port=port))
    assert result.told >= 6
    hits = 0
    for searcher in besieged.rng.sample(honest, TRIES):
        found: list[Endpoint] = []
        besieged.find(searcher, lambda done, found=found: PeerSearch(TARGET, found.extend, done))
        hits += Endpoint(announcer.host, port) in found
    assert hits / TRIES > 0.95
    assert sum(sybil.asked for sybil in besieged.sybils.values()) > TRIES      # they were there, and were heard


def test_what_is_announced_goes_to_the_nearest_nodes():
    net = DhtNet(seed=6)
    honest = net.add_honest(60)
    net.run(30.0)
    info_hash = net.rng.randbytes(20)
    result = net.find(honest[3], lambda done: PeerSearch(info_hash, lambda peers: None, done, port=1000))
    assert result.told == 8
    nearest = sorted(net.nodes.values(), key=lambda node: number_of(node.node_id) ^ number_of(info_hash))[:8]
    keepers = [node for node in net.nodes.values() if node.answerer.peers.some(info_hash, 1, is_ipv6=False)]
    assert len(set(keepers) & set(nearest)) >= 6


@pytest.mark.parametrize("after_s", [0.0, 0.15, 0.25])
def test_what_turns_out_private_during_the_search_is_announced_to_nobody(after_s):
    net = DhtNet(seed=14)
    honest = net.add_honest(30)
    net.run(10.0)
    info_hash = net.rng.randbytes(20)
    results = []
    net.search(honest[3], PeerSearch(info_hash, lambda peers: None, results.append, port=1000))
    net.run(after_s)
    net.nodes[honest[3]].forget(peers_of(info_hash))
    net.run(20.0)
    assert results == []
    assert not any(node.answerer.peers.info_hashes() for node in net.nodes.values())
    assert not net.nodes[honest[3]]._walks


def test_a_long_queue_is_worked_off_at_two_a_second():
    net = DhtNet(seed=16, loss=0.1)
    honest = net.add_honest(50)
    net.run(20.0)
    results = []
    for _ in range(300):
        net.search(honest[3], PeerSearch(net.rng.randbytes(20), lambda peers: None, results.append, port=1))
    net.run(120.0)
    assert len(results) >= 240
    net.run(60.0)
    assert len(results) == 300
    assert sum(result.told >= 4 for result in results) >= 290


def test_of_two_searches_for_the_same_one_waits():
    net = DhtNet(seed=17)
    (lonely,) = net.add_honest(1)
    results = []
    for _ in range(5):
        net.search(lonely, PeerSearch(TARGET, lambda peers: None, results.append))
    net.run(60.0)
    assert len(results) == 1


def test_a_search_that_waits_is_forgotten_alone():
    net = DhtNet(seed=15)
    (lonely,) = net.add_honest(1)
    secret, other = bytes(20), bytes([1] * 20)
    results = []
    for target in (secret, other):
        net.search(lonely, PeerSearch(target, lambda peers: None, results.append, port=1000))
    net.nodes[lonely].forget(peers_of(secret))
    assert [search.target for search, _ in net.nodes[lonely]._waiting.values()] == [other]


def test_items_come_back_from_a_lossy_network_with_churn():
    net = DhtNet(seed=7, loss=0.1)
    honest = net.add_honest(80)
    net.run(40.0)
    fixed, changing = immutable([b"a", 1]), signed(b"one", b"s" * 32, seq=1, salt=b"x")
    for item in (fixed, changing, signed(b"two", b"s" * 32, seq=2, salt=b"x")):
        assert net.find(honest[1], lambda done, item=item: ItemPut(item, done)).told >= 4
    for leaver in honest[10:30]:
        net.remove(leaver)
    net.run(5.0)
    assert net.find(honest[50], lambda done: ItemSearch(fixed.target, done)).item == fixed
    newest = net.find(
        honest[51], lambda done: ItemSearch(target_of_key(changing.key, b"x"), done, salt=b"x")).item
    assert newest is not None
    assert (newest.seq, newest.value) == (2, b"3:two")


def test_a_node_that_was_alone_finds_the_network_when_it_comes_up():
    net = DhtNet(seed=8)
    late = Endpoint("81.2.3.4", 6881)
    lonely = net.add_node()
    net.nodes[lonely].bootstrap = [late]
    net.begin(lonely)
    net.run(60.0)
    assert net.nodes[lonely].machine.state is NodeState.ISOLATED
    net.add_node(late.host)
    net.run(300.0)
    assert net.nodes[lonely].machine.state is NodeState.READY


def test_a_node_agrees_with_the_others_on_its_address_and_takes_an_id_that_fits():
    net = DhtNet(seed=9)
    net.add_honest(40)
    told: list[bytes] = []
    stranger = net.add_node("90.1.2.3", node_id=bytes(20), on_address=told.append)
    net.nodes[stranger].bootstrap = list(net.nodes)[:2]
    net.run(10.0)
    net.begin(stranger)
    net.run(20.0)
    assert told == [bytes([90, 1, 2, 3])]
    assert net.nodes[stranger].node_id != bytes(20)
    assert net.nodes[stranger].machine.state is NodeState.READY


def test_a_node_with_two_ways_out_keeps_its_place():
    net = DhtNet(seed=18)
    honest = net.add_honest(60)
    net.run(10.0)
    told: list[bytes] = []
    torn = net.add_node("90.1.2.3", on_address=told.append)
    net.add_uplink(torn, "91.1.2.3")
    node = net.nodes[torn]
    node.bootstrap = honest[:3]
    net.begin(torn)
    ids = {node.node_id}
    for _ in range(60):
        net.run(10.0)
        ids.add(node.node_id)
        # Votes come with answers: have some.
        net.find(torn, lambda done: PeerSearch(net.rng.randbytes(20), lambda peers: None, done))
    assert len(told) <= 3
    assert len(ids) <= 2
    assert node.counts["answer"] > 500
    assert node.machine.state is NodeState.READY


def test_a_read_only_node_finds_peers_and_answers_nobody():
    net = DhtNet(seed=10)
    honest = net.add_honest(30)
    reader = net.add_node(is_read_only=True)
    net.nodes[reader].bootstrap = honest[:2]
    net.run(10.0)
    net.begin(reader)
    info_hash = net.rng.randbytes(20)
    net.find(honest[4], lambda done: PeerSearch(info_hash, lambda peers: None, done, port=1000))
    assert net.find(reader, lambda done: PeerSearch(info_hash, lambda peers: None, done)).peers == 1
    assert all(node.table.get(reader) is None for node in net.nodes.values())
    assert net.nodes[reader].counts["query"] == 0


def test_nodes_of_an_earlier_run_are_enough_to_come_back():
    net = DhtNet(seed=11)
    honest = net.add_honest(40)
    net.run(20.0)
    kept = net.nodes[honest[5]].known_nodes(20)
    returned = net.add_node()
    net.nodes[returned].hint(kept)
    net.begin(returned)
    net.run(10.0)
    assert net.nodes[returned].machine.state is NodeState.READY
    assert len(net.nodes[returned].table) >= 8


def test_when_the_nodes_of_an_earlier_run_are_gone_others_are_asked_soon():
    net = DhtNet(seed=12)
    honest = net.add_honest(30)
    net.run(20.0)
    returned = net.add_node()
    net.nodes[returned].hint(
        NodeInfo(net.rng.randbytes(20), Endpoint(random_host(net.rng), 6881)) for _ in range(60))
    net.begin(returned)
    net.run(0.5)
    net.nodes[returned].routers = [honest[0]]              # their names were looked up meanwhile
    net.begin(returned)
    net.run(1.5)
    assert net.nodes[returned].machine.state is NodeState.READY
    assert net.nodes[returned].table.get(honest[0]) is None


def test_a_network_of_ipv6_works_like_the_other():
    net = DhtNet(seed=13)
    honest = [net.add_node(f"2a01:{number:x}::1", is_ipv6=True) for number in range(1, 40)]
    for endpoint in honest:
        net.nodes[endpoint].bootstrap = honest[:2]
        net.begin(endpoint)
    net.run(20.0)
    info_hash = net.rng.randbytes(20)
    found: list[Endpoint] = []
    net.find(honest[3], lambda done: PeerSearch(info_hash, lambda peers: None, done, port=1000))
    net.find(honest[30], lambda done: PeerSearch(info_hash, found.extend, done))
    assert found == [Endpoint(honest[3].host, 1000)]
