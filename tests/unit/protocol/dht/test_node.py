"""A node as its neighbours see it: answers, limits, forged addresses, what it does with lies."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from blobtorrent.model.address import Endpoint
from blobtorrent.protocol.bencode import decode, encode
from blobtorrent.protocol.dht import node as node_module
from blobtorrent.protocol.dht.answers import Answerer
from blobtorrent.protocol.dht.ids import is_secure, make_node_id, pack_host
from blobtorrent.protocol.dht.items import signed
from blobtorrent.protocol.dht.krpc import Failure, Query, Response, read_message, write_query, write_response
from blobtorrent.protocol.dht.limits import (
    AMPLIFICATION,
    BYTES_BURST,
    BYTES_PER_S,
    HEADER_BYTES,
    HEARD_BURST,
    HOST_BURST,
    MUTED_S,
    TOTAL_BURST,
)
from blobtorrent.protocol.dht.lookup import Candidate
from blobtorrent.protocol.dht.node import MEETINGS_BURST, MEETINGS_PER_S, SEARCH_S, SETTLED_S, Node, NodeState
from blobtorrent.protocol.dht.queries import ANSWER_S, OpenQueries
from blobtorrent.protocol.dht.search import MAX_PEERS_OF_PROVIDER, PeerSearch, SearchResult
from blobtorrent.protocol.dht.voting import QUORUM, AddressVote
from tests.support.dhtnet import random_host

ASKER = Endpoint("20.1.2.3", 6881)
ID = b"i" * 20
TARGET = b"t" * 20


def make_node(**options: Any) -> Node:
    rng = Random(1)
    return Node(Answerer(rng, 0.0), rng, 0.0, **options)


def populated(number: int = 200) -> Node:
    node, rng = make_node(), Random(2)
    for _ in range(number):
        node.table.on_answer(rng.randbytes(20), Endpoint(random_host(rng), 6881), 0.0)
    return node


def ask(node: Node, method: bytes, sender: Endpoint = ASKER, now: float = 0.0, **arguments: Any) -> Any:
    """The answer to a query; pings that go with it are left out."""
    fields = {b"id": ID} | {name.encode(): value for name, value in arguments.items()}
    node.on_datagram(write_query(b"tt", method, fields), sender, now)
    answers = [read_message(data) for to, data in node.take() if to == sender]
    return next((answer for answer in answers if not isinstance(answer, Query)), None)


def test_it_answers_to_its_name_and_tells_the_address_that_it_sees():
    node = make_node()
    answer = ask(node, b"ping")
    assert (answer.transaction, answer.sender_id, answer.seen_as) == (b"tt", node.node_id, bytes([20, 1, 2, 3]))


def test_transactions_of_any_length_are_echoed():
    node = make_node()
    node.on_datagram(write_query(b"t" * 60, b"ping", {b"id": ID}), ASKER, 0.0)
    assert read_message(node.take()[0][1]).transaction == b"t" * 60


def test_the_nearest_nodes_are_told_of_the_families_that_are_wanted():
    node = populated()
    node.answerer.limits.prove(pack_host(ASKER.host), 0.0)
    nodes = ask(node, b"find_node", target=TARGET).values[b"nodes"]
    assert len(nodes) == 8 * 26
    assert b"nodes" not in ask(node, b"find_node", target=TARGET, want=[b"n6"]).values


def test_announced_peers_are_told_to_who_asks_for_them():
    node = make_node()
    token = ask(node, b"get_peers", info_hash=TARGET).values[b"token"]
    assert isinstance(ask(node, b"announce_peer", info_hash=TARGET, port=7, token=token), Response)
    assert ask(node, b"get_peers", info_hash=TARGET).values[b"values"] == [Endpoint("20.1.2.3", 7).compact]


def test_the_port_may_be_the_one_that_the_query_came_from():
    node = make_node()
    token = ask(node, b"get_peers", info_hash=TARGET).values[b"token"]
    ask(node, b"announce_peer", info_hash=TARGET, port=7, implied_port=1, token=token)
    assert node.answerer.peers.some(TARGET, 9, is_ipv6=False) == [ASKER]


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        (b"get_peers", {}),
        (b"find_node", {"target": b"short"}),
        (b"announce_peer", {"info_hash": TARGET, "port": 7}),
        (b"announce_peer", {"info_hash": TARGET, "port": 7, "token": b"guessed!"}),
        (b"put", {"v": b"x", "token": b"guessed!"}),
        (b"sample_infohashes", {}),
        (b"no_such_method", {}),
    ],
)
def test_bad_queries_get_an_error(method, arguments):
    node = make_node()
    assert isinstance(ask(node, method, **arguments), Failure)
    assert len(node.answerer.peers) == len(node.answerer.items) == 0


@pytest.mark.parametrize("port", [0, -1, 65536, b"7", None])
def test_a_port_that_is_none_is_not_kept(port):
    node = make_node()
    token = ask(node, b"get_peers", info_hash=TARGET).values[b"token"]
    arguments = {"info_hash": TARGET, "token": token} | ({} if port is None else {"port": port})
    assert isinstance(ask(node, b"announce_peer", **arguments), Failure)


def test_an_item_is_told_with_its_signature_and_only_if_it_is_newer():
    node = make_node()
    item = signed(b"value", b"s" * 32, seq=4)
    token = ask(node, b"get", target=item.target).values[b"token"]
    ask(node, b"put", v=decode(item.value), k=item.key, seq=4, sig=item.signature, token=token)
    got = ask(node, b"get", target=item.target).values
    assert (got[b"v"], got[b"k"], got[b"seq"], got[b"sig"]) == (b"value", item.key, 4, item.signature)
    again = ask(node, b"get", target=item.target, seq=4).values
    assert again[b"seq"] == 4
    assert b"v" not in again


def test_a_large_item_goes_to_those_only_who_proved_their_address():
    node = make_node()
    item = signed(b"x" * 900, b"s" * 32, seq=1)
    node.answerer.items.put(item, b"host", node.node_id, 0.0)
    assert b"v" not in ask(node, b"get", target=item.target).values
    node.answerer.limits.prove(bytes([20, 1, 2, 3]), 0.0)
    assert ask(node, b"get", target=item.target).values[b"v"] == b"x" * 900


def test_a_sample_is_told_even_when_it_is_empty():
    assert ask(make_node(), b"sample_infohashes", target=TARGET).values[b"samples"] == b""


def test_a_method_of_the_future_with_a_target_is_answered_with_nodes():
    assert b"nodes" in ask(populated(), b"get_better_peers", target=TARGET).values


def test_filters_go_to_those_who_proved_their_address_only():
    node = make_node()
    token = ask(node, b"get_peers", info_hash=TARGET).values[b"token"]
    assert b"BFsd" not in ask(node, b"get_peers", info_hash=TARGET, scrape=1).values
    ask(node, b"announce_peer", info_hash=TARGET, port=7, token=token, seed=1)
    got = ask(node, b"get_peers", info_hash=TARGET, scrape=1).values
    assert len(got[b"BFsd"]) == len(got[b"BFpe"]) == 256
    assert any(got[b"BFsd"])
    assert not any(got[b"BFpe"])


def test_filters_are_not_made_for_those_who_do_not_get_them():
    node = make_node()
    node.answerer.peers.announce(TARGET, Endpoint("30.0.0.1", 7), is_seed=False, now=0.0)
    node.answerer.peers.blooms = None  # type: ignore[assignment]
    assert b"BFsd" not in ask(node, b"get_peers", info_hash=TARGET, scrape=1).values


# ---- limits

def test_an_answer_to_a_forged_address_is_no_more_than_three_times_the_query():
    node = populated()
    for number in range(500):
        node.answerer.peers.announce(TARGET, Endpoint(f"30.0.{number % 250}.{number // 250}", 7), is_seed=False, now=0)
    rng, pings = Random(3), 0
    for method, name in ((b"get_peers", b"info_hash"), (b"find_node", b"target"), (b"get", b"target"),
                         (b"sample_infohashes", b"target"), (b"ping", b"x")):
        for want in ([], [b"n4", b"n6"]):
            query = write_query(b"t", method, {b"id": ID, name: TARGET, b"want": want, b"scrape": 1})
            node.on_datagram(query, Endpoint(random_host(rng), 53), 0.0)
            out = node.take()
            assert out
            sent = sum(len(data) + HEADER_BYTES for _, data in out)
            assert sent <= AMPLIFICATION * (len(query) + HEADER_BYTES)
            pings += len(out) - 1
    assert pings == 10                 # which find out whether it is a node


def test_one_host_is_answered_ten_times_a_second():
    node = make_node()
    answered = sum(ask(node, b"ping", now=number / 1000) is not None for number in range(1000))
    assert answered <= HOST_BURST + 10
    assert node.counts["dht.flood"] == 1000 - answered
    assert ask(node, b"ping", sender=Endpoint("20.9.9.9", 1), now=1.0) is not None


def test_all_hosts_together_are_answered_a_hundred_times_a_second():
    node, rng = make_node(), Random(4)
    answered = sum(
        ask(node, b"ping", sender=Endpoint(random_host(rng), 1), now=number / 5000) is not None
        for number in range(5000))
    assert answered <= TOTAL_BURST + 100


def pings_of(node: Node) -> list[Endpoint]:
    return [to for to, data in node.take() if isinstance(read_message(data), Query)]


def be_asked(node: Node, number: int, duration_s: float) -> None:
    """So many strangers ask something, one after the other."""
    rng = Random(5)
    for index in range(number):
        now = duration_s * index / number
        query = write_query(b"t", b"ping", {b"id": rng.randbytes(20)})
        node.on_datagram(query, Endpoint(random_host(rng), 1), now)
        if now >= node.deadline_s:
            node.tick(now)


def test_few_strangers_are_tried_out_at_a_time():
    node = make_node()
    be_asked(node, 500, 10.0)
    assert 0.9 * MEETINGS_PER_S * 10 <= len(pings_of(node)) <= MEETINGS_BURST + MEETINGS_PER_S * 10
    assert len(node.table) == 0


def test_of_one_network_one_stranger_is_tried_out():
    node, rng = make_node(), Random(6)
    for number in range(9):
        query = write_query(b"t", b"ping", {b"id": rng.randbytes(20)})
        node.on_datagram(query, Endpoint(f"20.1.2.{number}", 1), 0.5 * number)
    assert pings_of(node) == [Endpoint("20.1.2.0", 1)]


def test_strangers_do_not_keep_us_from_looking_after_the_table_or_from_nodes_that_peers_name():
    node = make_node()
    old, named = Endpoint("90.1.1.1", 1), Endpoint("90.2.2.2", 1)
    node.table.on_answer(TARGET, old, -2000.0)
    be_asked(node, 1000, 10.0)
    node.add_contact(named, 10.0)
    assert {old, named} <= set(pings_of(node))


def test_a_host_that_floods_us_is_not_even_read_for_a_minute(monkeypatch):
    node = make_node()
    read = []
    monkeypatch.setattr(node_module, "read_message", lambda data: read.append(data) or read_message(data))
    query = write_query(b"t", b"ping", {b"id": ID})
    for number in range(1000):
        node.on_datagram(query, ASKER, number / 1000)
    assert len(read) <= HEARD_BURST + 50
    assert node.counts["dht.flood"] >= 900
    node.take()
    node.on_datagram(query, ASKER, MUTED_S - 1)
    assert node.take() == []
    node.on_datagram(query, ASKER, MUTED_S + 2)
    assert len(node.take()) >= 1


def test_who_floods_us_is_heard_all_the_same_when_we_asked_it():
    node = make_node()
    for _ in range(200):
        node.on_datagram(b"dx", ASKER, 0.0)
    ((to, query),) = begin(node, ASKER)
    node.on_datagram(write_response(query.transaction, {b"id": ID}, to), to, 0.1)
    assert [contact.endpoint for contact in node.table] == [ASKER]


def test_all_answers_together_are_bounded_in_bytes():
    node, rng = make_node(), Random(9)
    node.answerer.items.put(signed(b"x" * 900, b"s" * 32, seq=1), b"host", node.node_id, 0.0)
    target = next(iter(node.answerer.items._items))
    query = write_query(b"t", b"get", {b"id": ID, b"target": target}, is_read_only=True)
    sent = 0
    for number in range(3000):
        asker = Endpoint(random_host(rng), 1)
        node.answerer.limits.prove(pack_host(asker.host), number / 100)
        node.on_datagram(query, asker, number / 100)
        sent += sum(len(data) + HEADER_BYTES for _, data in node.take())
    assert BYTES_PER_S * 25 <= sent <= BYTES_BURST + BYTES_PER_S * 30 + 2000


def test_a_transaction_that_fills_the_datagram_is_not_echoed():
    node = make_node()
    node.on_datagram(write_query(b"t" * 129, b"ping", {b"id": ID}), ASKER, 0.0)
    assert node.take() == []


def test_a_node_that_turns_up_late_leads_to_those_who_are_near_us():
    node = make_node()
    begin(node, ASKER)
    for second in range(30):
        node.tick(float(second))
    assert node.machine.state is NodeState.ISOLATED
    node.take()
    late = Endpoint("90.1.1.1", 1)
    node.add_contact(late, 30.0)
    ((to, data),) = node.take()
    node.on_datagram(write_response(read_message(data).transaction, {b"id": ID}, to), to, 30.1)
    node.tick(30.3)
    (query,) = [read_message(data) for to, data in node.take() if to == late]
    assert (query.method, query.arguments[b"target"]) == (b"find_node", node.node_id)


# ---- lies

def begin(node: Node, *endpoints: Endpoint) -> list[tuple[Endpoint, Query]]:
    node.bootstrap = list(endpoints)
    node.begin(0.0)
    return [(to, read_message(data)) for to, data in node.take()]


def test_an_answer_counts_only_from_whom_it_was_asked_of():
    node = make_node()
    ((to, query),) = begin(node, ASKER)
    data = write_response(query.transaction, {b"id": ID}, Endpoint("7.7.7.7", 1))
    node.on_datagram(data, Endpoint("20.1.2.4", 6881), 0.1)
    node.on_datagram(write_response(b"nope", {b"id": ID}, to), to, 0.1)
    assert len(node.table) == 0
    node.on_datagram(data, to, 0.1)
    assert [contact.endpoint for contact in node.table] == [ASKER]
    node.on_datagram(data, to, 0.2)
    assert node.counts["dht.unasked"] == 3


def test_routers_never_come_into_the_table():
    node = make_node()
    node.routers = [ASKER]
    node.begin(0.0)
    ((_, data),) = node.take()
    node.on_datagram(write_response(read_message(data).transaction, {b"id": ID}, ASKER), ASKER, 0.1)
    assert len(node.table) == 0


def test_a_node_that_leads_into_our_own_network_is_not_followed():
    node = make_node()
    ((to, query),) = begin(node, ASKER)
    inside = b"".join(ID[:19] + bytes([number]) + Endpoint("192.168.0.1", number).compact for number in range(1, 9))
    node.on_datagram(write_response(query.transaction, {b"id": ID, b"nodes": inside}, to), to, 0.1)
    node.tick(1.0)
    assert not any(to.host.startswith("192.168.") for to, _ in node.take())


def test_nobody_answering_is_isolation_and_searches_end_all_the_same():
    node = make_node()
    begin(node, ASKER)
    results = []
    node.search(PeerSearch(TARGET, lambda peers: None, results.append), 0.0)
    for second in range(30):
        node.tick(float(second))
    assert node.machine.state is NodeState.ISOLATED
    assert [result.answered for result in results] == [0]
    assert node.counts["unanswered"] >= 1
    assert ANSWER_S < 30


def test_a_read_only_node_says_so_and_answers_nobody():
    node = make_node(is_read_only=True)
    ((_, query),) = begin(node, ASKER)
    assert query.is_read_only
    assert ask(node, b"ping") is None


def test_read_only_nodes_are_answered_and_not_taken():
    node = make_node()
    node.on_datagram(write_query(b"t", b"ping", {b"id": ID}, is_read_only=True), ASKER, 0.0)
    assert [type(read_message(data)) for _, data in node.take()] == [Response]


@pytest.mark.parametrize("data", [b"d", encode({"t": "x"}), b"d1:y1:qe"])
def test_nonsense_is_counted_and_not_answered(data):
    node = make_node()
    node.on_datagram(data, ASKER, 0.0)
    assert node.take() == []
    assert node.counts["dht.bad-message"] == 1


def test_liars_do_not_use_up_what_others_may_name():
    found = []
    search = PeerSearch(TARGET, found.extend, lambda result: None)

    def hear(host: str, peers: list[Endpoint]) -> None:
        endpoint = Endpoint(host, 1)
        answer = Response(b"t", {b"values": [peer.compact for peer in peers]}, ID, None)
        search.on_answer(answer, b"", Candidate(ID, 1, endpoint))

    for number in range(50):
        hear(f"66.6.{number}.1", [Endpoint(f"66.{number}.{lie}.1", 6) for lie in range(200)])
    assert len(found) == MAX_PEERS_OF_PROVIDER
    for number in range(40):
        hear(f"{20 + number}.1.1.1", [Endpoint(f"30.{number}.{peer}.1", 1) for peer in range(100)])
    assert len(found) == MAX_PEERS_OF_PROVIDER + 40 * 100


# ---- our own address

def test_our_address_is_what_several_providers_agree_on():
    vote, rng = AddressVote(), Random(6)
    mine, lie = bytes([90, 1, 2, 3]), bytes([66, 6, 6, 6])
    assert not any(vote.add(lie, bytes([20, 1, 2, number])) for number in range(50))       # one provider is one voice
    voters = [bytes([rng.randrange(30, 90), number, 1, 1]) for number in range(QUORUM)]
    assert [vote.add(mine, voter) for voter in voters] == [False] * (QUORUM - 1) + [True]
    assert vote.address == mine
    assert not any(vote.add(bytes([10, 0, 0, 1]), voter) for voter in voters)


def voters(number: int) -> list[bytes]:
    return [bytes([20 + index % 60, index // 60, 1, 1]) for index in range(number)]


def test_of_two_addresses_that_are_both_ours_one_stays():
    rng, vote = Random(7), AddressVote()
    ways = [bytes([81, 1, 1, 1]), bytes([82, 2, 2, 2])]
    paths = {voter: rng.choice(ways) for voter in voters(600)}
    changes = sum(vote.add(path, voter) for _ in range(10) for voter, path in rng.sample(sorted(paths.items()), 600))
    assert changes <= 3


def test_three_liars_of_ten_change_nothing():
    rng, vote = Random(8), AddressVote()
    mine, lie = bytes([81, 1, 1, 1]), bytes([66, 6, 6, 6])
    for voter in voters(10):
        vote.add(mine, voter)
    assert not any(vote.add(lie if rng.random() < 0.3 else mine, voter) for voter in voters(2000))


def test_an_address_that_is_another_one_now_is_found_out():
    vote = AddressVote()
    before, now = bytes([81, 1, 1, 1]), bytes([81, 1, 1, 2])
    for voter in voters(100):
        vote.add(before, voter)
    assert sum(vote.add(now, voter) for voter in voters(100)) == 1
    assert vote.address == now


def seen_as(node: Node, address: bytes, now: float, number: int = QUORUM) -> None:
    """So many nodes tell a node that it is at this address."""
    rng = Random(int(now))
    for _ in range(number):
        where = Endpoint(random_host(rng), 6881)
        node._ask(where, b"ping", {}, None, now)
        data = next(data for to, data in node.take() if to == where)
        answer = write_response(read_message(data).transaction, {b"id": rng.randbytes(20)}, ASKER)
        node.on_datagram(answer.replace(ASKER.compact, address + b"\x00\x01"), where, now)


def test_an_address_that_did_not_change_is_told_in_every_run():
    address, told = bytes([90, 1, 2, 3]), []
    node = make_node(node_id=make_node_id(address, Random(1)), address=address, on_address=told.append)
    before = node.node_id
    seen_as(node, address, 1.0)
    assert told == [address]
    assert node.node_id == before


def test_the_id_changes_with_the_address_but_not_often():
    node = make_node()
    seen_as(node, bytes([90, 1, 2, 3]), 1.0)
    first = node.node_id
    assert is_secure(first, bytes([90, 1, 2, 3]))
    for minute in range(1, 29):
        seen_as(node, bytes([90, minute, 9, 9]), 60.0 * minute, 100)
        node.tick(60.0 * minute)
        assert node.address == bytes([90, minute, 9, 9])
        assert node.node_id == first
    node.tick(1.0 + SETTLED_S)
    assert is_secure(node.node_id, bytes([90, 28, 9, 9]))


def test_a_search_whose_answers_get_lost_inside_ends_all_the_same():
    node = make_node()
    ((to, query),) = begin(node, ASKER)
    node.on_datagram(write_response(query.transaction, {b"id": ID}, to), to, 0.1)
    results = []
    node.search(PeerSearch(TARGET, lambda peers: None, results.append), 0.2)
    node._queries = OpenQueries(Random(1))
    for second in range(1, int(SEARCH_S) + 10):
        node.tick(float(second))
    assert len(results) == 1
    assert TARGET not in [walk.search.target for walk in node._walks]


def test_a_search_that_begins_with_the_first_node_we_met_goes_on_with_those_we_meet_next():
    """Who holds peers may tell them alone: there is no way on from such a node, but through others."""
    node, late = make_node(), Endpoint("90.1.1.1", 1)
    asked = dict(begin(node, ASKER, late))
    results: list[SearchResult] = []
    node.search(PeerSearch(TARGET, lambda peers: None, results.append, port=7000), 0.0)

    def answer(to: Endpoint, query: Query, now: float) -> None:
        values = {b"id": ID if to == ASKER else b"l" * 20, b"token": b"t", b"values": []}
        node.on_datagram(write_response(query.transaction, values, to), to, now)

    announced = set()
    answer(ASKER, asked[ASKER], 0.1)
    for step in range(1, 40):
        now = 0.1 + step / 10
        if step == 15:
            answer(late, asked[late], now)
        node.tick(now)
        for to, data in node.take():
            query = read_message(data)
            announced |= {to} if query.method == b"announce_peer" else set()
            answer(to, query, now)
    assert announced == {ASKER, late}
    assert [(result.answered, result.told) for result in results] == [(2, 2)]
