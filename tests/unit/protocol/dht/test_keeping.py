"""What a node keeps for others, and for how long: tokens, peers, filters, samples, items, its own table."""

from __future__ import annotations

from random import Random

import pytest

from blobtorrent.model.address import Endpoint
from blobtorrent.protocol.bencode import encode
from blobtorrent.protocol.dht import krpc
from blobtorrent.protocol.dht.blooms import Bloom
from blobtorrent.protocol.dht.ids import make_node_id, pack_host
from blobtorrent.protocol.dht.items import (
    ITEM_LIFE_S,
    MAX_ITEMS,
    MAX_ITEMS_OF_HOST,
    Item,
    ItemStore,
    Refused,
    immutable,
    is_genuine,
    read_item,
    signed,
    target_of_key,
)
from blobtorrent.protocol.dht.krpc import NodeInfo
from blobtorrent.protocol.dht.memory import NOTHING, Kept, pack, unpack
from blobtorrent.protocol.dht.peerstore import (
    BLOOMS_S,
    MAX_PEERS,
    MAX_SWARMS,
    MAX_SWARMS_OF_HOST,
    PEER_LIFE_S,
    PeerStore,
)
from blobtorrent.protocol.dht.samples import INTERVAL_S, Sampler
from blobtorrent.protocol.dht.tokens import ROTATION_S, TokenMaker

HASH = bytes(20)
HOST = pack_host("9.8.7.6")


def peer(number: int, port: int = 1000) -> Endpoint:
    return Endpoint(f"20.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", port)


# ---- tokens

def test_a_token_is_good_for_its_host_and_for_five_minutes_at_least():
    tokens = TokenMaker(Random(1), 0.0)
    token = tokens.give(HOST, ROTATION_S - 1)
    assert tokens.is_good(token, HOST, 2 * ROTATION_S - 2)
    assert not tokens.is_good(token, pack_host("9.8.7.5"), ROTATION_S)
    assert not tokens.is_good(token, HOST, 3 * ROTATION_S)
    assert not tokens.is_good(None, HOST, 0.0)


def test_a_token_does_not_outlive_a_long_sleep():
    tokens = TokenMaker(Random(1), 0.0)
    token = tokens.give(HOST, 0.0)
    assert not tokens.is_good(token, HOST, 10 * ROTATION_S)


# ---- peers

def test_peers_are_kept_until_they_expire():
    store = PeerStore(Random(1))
    assert store.announce(HASH, peer(1), is_seed=False, now=0.0)
    assert store.announce(HASH, peer(2), is_seed=True, now=600.0)
    assert set(store.some(HASH, 9, is_ipv6=False)) == {peer(1), peer(2)}
    assert store.some(HASH, 9, is_ipv6=False, no_seeds=True) == [peer(1)]
    assert store.some(HASH, 9, is_ipv6=True) == []
    store.expire(PEER_LIFE_S)
    assert store.some(HASH, 9, is_ipv6=False) == [peer(2)]
    store.expire(PEER_LIFE_S + 600)
    assert len(store) == 0


def test_a_host_is_one_peer_of_a_swarm_whatever_ports_it_announces():
    store = PeerStore(Random(1))
    for port in range(1, 100):
        store.announce(HASH, Endpoint("20.0.0.1", port), is_seed=False, now=0.0)
    assert store.some(HASH, 99, is_ipv6=False) == [Endpoint("20.0.0.1", 99)]


def test_a_swarm_is_bounded_and_the_oldest_goes():
    store = PeerStore(Random(1))
    for number in range(MAX_PEERS + 1):
        store.announce(HASH, peer(number), is_seed=False, now=float(number))
    kept = store.some(HASH, 2 * MAX_PEERS, is_ipv6=False)
    assert len(kept) == MAX_PEERS
    assert peer(0) not in kept


def test_one_host_cannot_fill_the_store_nor_can_all_together():
    store = PeerStore(Random(1))
    taken = [store.announce(number.to_bytes(20, "big"), peer(1), is_seed=False, now=0.0) for number in range(300)]
    assert sum(taken) == MAX_SWARMS_OF_HOST
    for number in range(2 * MAX_SWARMS):
        store.announce(number.to_bytes(20, "big"), peer(number), is_seed=False, now=0.0)
    assert len(store) == MAX_SWARMS


def of_one_home(number: int) -> Endpoint:
    """Addresses of one /64."""
    return Endpoint(f"2a01:1::{number + 1:x}", 6881)


def test_a_host_of_ipv6_is_its_64():
    store = PeerStore(Random(1))
    taken = [store.announce(number.to_bytes(20, "big"), of_one_home(number), is_seed=False, now=0.0)
             for number in range(300)]
    assert sum(taken) == MAX_SWARMS_OF_HOST
    for number in range(300):
        store.announce(b"h" * 20, of_one_home(number), is_seed=False, now=0.0)
    assert len(store.some(b"h" * 20, 999, is_ipv6=True)) <= 1
    neighbours = [Endpoint(f"fd00::{number}", 1) for number in range(1, 9)]                # at home they are many
    for neighbour in neighbours:
        store.announce(HASH, neighbour, is_seed=False, now=0.0)
    assert len(store.some(HASH, 999, is_ipv6=True)) >= len(neighbours)


def test_ipv6_drives_no_peer_of_ipv4_out():
    store = PeerStore(Random(1))
    for number in range(MAX_PEERS):
        store.announce(HASH, peer(number), is_seed=False, now=0.0)
    for number in range(2 * MAX_PEERS):
        store.announce(HASH, Endpoint(f"2a01:{number:x}::1", 1), is_seed=False, now=0.0)
    assert len(store.some(HASH, 9999, is_ipv6=False)) == MAX_PEERS
    assert len(store.some(HASH, 9999, is_ipv6=True)) == MAX_PEERS


def test_when_a_swarm_is_full_the_provider_with_most_peers_of_it_makes_room():
    store = PeerStore(Random(1))
    honest = [Endpoint(f"{30 + number // 200}.{number % 200}.1.1", 1) for number in range(400)]
    for endpoint in honest:
        store.announce(HASH, endpoint, is_seed=False, now=0.0)
    for number in range(2000):
        store.announce(HASH, Endpoint(f"66.66.{number // 250}.{number % 250}", 1), is_seed=False, now=1.0)
    kept = set(store.some(HASH, 9999, is_ipv6=False))
    assert kept >= set(honest)
    assert len(kept) == MAX_PEERS


def test_filters_are_made_once_a_minute():
    store = PeerStore(Random(1))
    store.announce(HASH, peer(1), is_seed=True, now=0.0)
    before = store.blooms(HASH, 0.0)
    store.announce(HASH, peer(2), is_seed=True, now=1.0)
    assert store.blooms(HASH, BLOOMS_S - 1) is before
    after = store.blooms(HASH, BLOOMS_S)
    assert before is not None
    assert after is not None
    assert Bloom(after[0]).estimate() > Bloom(before[0]).estimate()
    assert store.blooms(b"x" * 20, 0.0) is None


# ---- filters (BEP 33)

def test_the_filter_of_the_bep_comes_out():
    bloom = Bloom()
    for number in range(256):
        bloom.add(bytes([192, 0, 2, number]))
    for number in range(0x3E8):
        bloom.add(pack_host(f"2001:db8::{number:x}"))
    assert bytes(bloom.bits[:8]).hex() == "f6c3f5eaa07ffd91"
    assert bloom.estimate() == pytest.approx(1224.93, abs=0.01)


def test_an_empty_filter_holds_nobody():
    assert Bloom().estimate() == 0.0


# ---- samples (BEP 51)

def test_a_sample_stays_the_same_until_its_interval_is_over():
    known = [number.to_bytes(20, "big") for number in range(1000)]
    sampler = Sampler(Random(1))
    first, interval_s = sampler.sample(known, 0.0)
    assert (len(first), interval_s) == (20, INTERVAL_S)
    assert sampler.sample(known, 100.0) == (first, INTERVAL_S - 100)
    assert sampler.sample(known, INTERVAL_S)[0] != first


# ---- items (BEP 44)

PUBLIC = bytes.fromhex("77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548")
WITHOUT_SALT = Item(
    b"12:Hello World!", PUBLIC, b"", 1, bytes.fromhex(
        "305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff"
        "1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01"))
WITH_SALT = WITHOUT_SALT._replace(salt=b"foobar", signature=bytes.fromhex(
    "6834284b6b24c3204eb2fea824d82f88883a3d95e8b4a21b8c0ded553d17d17d"
    "df9a8a7104b1258f30bed3787e6cb896fca78c58f8e03b5f18f14951a87d9a08"))


def test_the_vectors_of_the_bep_are_genuine_and_lie_where_it_says():
    assert is_genuine(WITHOUT_SALT)
    assert WITHOUT_SALT.target.hex() == "4a533d47ec9c7d95b1ad75f576cffc641853b750"
    assert is_genuine(WITH_SALT)
    assert WITH_SALT.target.hex() == "411eba73b6f087ca51a3795d9c8c938d365e32c1"
    assert immutable("Hello World!").target.hex() == "e5f96f6f38320f0f33959cb4d3d656452117aadb"


def test_what_was_changed_is_not_genuine():
    assert not is_genuine(WITH_SALT._replace(seq=2))
    assert not is_genuine(WITH_SALT._replace(salt=b"foobaz"))
    assert not is_genuine(WITHOUT_SALT._replace(key=bytes(32)))


def test_our_signatures_are_genuine():
    item = signed({"ih": HASH}, b"s" * 32, seq=7, salt=b"salt")
    assert is_genuine(item)
    assert item.target == target_of_key(item.key, b"salt")


def put_fields(item: Item, **changes: object) -> dict[bytes, object]:
    fields: dict[bytes, object] = {
        b"v": b"Hello World!", b"k": item.key, b"seq": item.seq, b"sig": item.signature, b"salt": item.salt}
    return fields | {name.encode(): value for name, value in changes.items()}


@pytest.mark.parametrize(
    ("fields", "number"),
    [
        ({}, krpc.PROTOCOL_ERROR),
        ({b"v": b"x" * 1000}, krpc.ITEM_TOO_BIG),
        (put_fields(WITH_SALT, salt=b"x" * 65), krpc.SALT_TOO_BIG),
        (put_fields(WITH_SALT, seq=2), krpc.BAD_SIGNATURE),
        (put_fields(WITH_SALT, sig=b"short"), krpc.PROTOCOL_ERROR),
        (put_fields(WITH_SALT, k=b"short"), krpc.PROTOCOL_ERROR),
        (put_fields(WITH_SALT, seq=b"1"), krpc.PROTOCOL_ERROR),
    ],
)
def test_bad_items_are_refused_with_the_number_of_the_protocol(fields, number):
    with pytest.raises(Refused) as caught:
        read_item(fields, encode(fields))
    assert caught.value.number == number


def test_a_value_in_another_form_than_the_one_that_is_hashed_is_refused():
    with pytest.raises(Refused):
        read_item({b"v": {b"a": 1, b"b": 2}}, b"d1:vd1:bi2e1:ai1eee")


def test_newer_items_replace_older_ones_and_never_the_other_way_round():
    store = ItemStore()
    one, two, other = (signed(value, b"s" * 32, seq=seq) for value, seq in (("1", 1), ("2", 2), ("other", 2)))
    store.put(two, HOST, HASH, 0.0)
    with pytest.raises(Refused) as caught:
        store.put(one, HOST, HASH, 0.0)
    assert caught.value.number == krpc.SEQ_TOO_OLD
    with pytest.raises(Refused):
        store.put(other, HOST, HASH, 0.0)
    store.put(two, HOST, HASH, 1.0)
    three = signed("3", b"s" * 32, seq=3)
    with pytest.raises(Refused) as caught:
        store.put(three, HOST, HASH, 0.0, cas=1)
    assert caught.value.number == krpc.CAS_MISMATCH
    store.put(three, HOST, HASH, 2.0, cas=2)
    assert store.get(three.target) == three
    store.expire(2.0 + ITEM_LIFE_S)
    assert len(store) == 0


def test_items_are_bounded_for_a_host_and_in_all_and_the_farthest_go():
    store = ItemStore()
    for number in range(MAX_ITEMS_OF_HOST):
        store.put(immutable(number), HOST, HASH, 0.0)
    with pytest.raises(Refused):
        store.put(immutable("one more"), HOST, HASH, 0.0)
    refused = 0
    for number in range(2 * MAX_ITEMS):
        try:
            store.put(immutable(-1 - number), number.to_bytes(4, "big"), HASH, 0.0)
        except Refused:
            refused += 1
    assert len(store) == MAX_ITEMS
    nearest = min(immutable(-1 - number).target for number in range(2 * MAX_ITEMS))
    assert store.get(nearest) is not None
    assert refused


def test_items_of_one_64_are_those_of_one_host():
    store = ItemStore()
    for number in range(MAX_ITEMS_OF_HOST):
        store.put(immutable(number), pack_host(of_one_home(number).host), HASH, 0.0)
    with pytest.raises(Refused):
        store.put(immutable("one more"), pack_host(of_one_home(999).host), HASH, 0.0)


def test_who_puts_the_items_of_others_again_does_not_get_them():
    store = ItemStore()
    for number in range(2 * MAX_ITEMS_OF_HOST):
        store.put(immutable(number), number.to_bytes(4, "big"), HASH, 0.0)
    for number in range(2 * MAX_ITEMS_OF_HOST):
        store.put(immutable(number), HOST, HASH, 1.0)
    store.put(immutable("one of its own"), HOST, HASH, 1.0)
    assert store._hosts[HOST] == 1
    store.expire(1.0 + ITEM_LIFE_S)
    assert (len(store), store._hosts) == (0, {})


# ---- the table from run to run

def test_ids_and_nodes_come_back():
    rng = Random(1)
    mine = make_node_id(HOST, rng)
    nodes = tuple(NodeInfo(rng.randbytes(20), peer(number)) for number in range(30))
    nodes6 = (NodeInfo(rng.randbytes(20), Endpoint("2a01::5", 7)),)
    kept = Kept(mine, HOST, nodes), Kept(b"", b"", nodes6)
    assert unpack(pack(*kept)) == kept


def test_an_id_that_does_not_fit_the_address_is_not_kept():
    v4, _ = unpack(pack(Kept(bytes(20), HOST, (NodeInfo(HASH, peer(1)),)), NOTHING))
    assert v4 == Kept(b"", b"", (NodeInfo(HASH, peer(1)),))


@pytest.mark.parametrize("data", [b"", b"x", b"de", b"le", encode({"v4": 1, "v6": {"nodes": "x", "id": 3, "ip": []}})])
def test_a_damaged_table_is_an_empty_one(data):
    assert unpack(data) == (NOTHING, NOTHING)
