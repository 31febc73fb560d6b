"""Our DHT driver on its real thread among 30 nodes of libtorrent, all on loopback addresses of their own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from hashlib import sha1
from pathlib import Path
from typing import Any

import pytest

from blobtorrent.discovery.dht import DhtDriver
from blobtorrent.discovery.dhtmessages import (
    DhtPeers,
    DhtSearched,
    FindPeers,
    GetItem,
    ItemFound,
    ItemStored,
    PutItem,
)
from blobtorrent.discovery.messages import ResolveHost
from blobtorrent.model.address import Endpoint
from blobtorrent.model.ids import InfoHash
from blobtorrent.network.binding import ANYWHERE
from blobtorrent.network.messages import BindUdp, RebindUdp, UdpBound
from blobtorrent.network.udp import UdpLoop
from blobtorrent.protocol.bencode import encode
from blobtorrent.protocol.dht.items import immutable, signed, target_of_key
from blobtorrent.runtime.mailbox import Mailbox
from tests.conftest import require_module
from tests.support.payload import MIB, Sample, make_sample
from tests.support.peers.blobtorrent import run
from tests.support.peers.daemon import Daemon

RING = 30
PATIENCE_S = 40.0
SETTINGS = {
    "enable_dht": True, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
    "dht_bootstrap_nodes": "", "dht_restrict_routing_ips": False, "dht_restrict_search_ips": False,
    "dht_ignore_dark_internet": False, "dht_enforce_node_id": False, "dht_prefer_verified_node_ids": False,
    "dht_max_fail_count": 5, "dht_upload_rate_limit": 1_000_000, "dht_block_ratelimit": 10_000,
    "allow_multiple_connections_per_ip": True, "alert_mask": 0x7FFFFFFF,
}


class Ring:
    """Nodes of libtorrent that know of each other."""

    def __init__(self, lt: Any) -> None:
        self.lt = lt
        self.sessions = [
            lt.session({**SETTINGS, "listen_interfaces": f"127.0.0.{index + 2}:0"}) for index in range(RING)]
        self.endpoints = [Endpoint(f"127.0.0.{index + 2}", one.listen_port())
                          for index, one in enumerate(self.sessions)]
        for index, session in enumerate(self.sessions):
            for step in (1, 2, 7):
                session.add_dht_node(tuple(self.endpoints[(index + step) % RING]))

    def wait_until(self, is_true: Callable[[], bool], what: str) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not is_true():
            assert time.monotonic() < deadline_s, what
            time.sleep(0.1)

    def nodes_of(self, session: Any) -> int:
        return int(session.status().dht_nodes)

    def alerts(self, session: Any, kind: str, is_it: Callable[[Any], bool]) -> Any:
        """The first alert of a kind that is the one waited for."""
        found: list[Any] = []

        def look() -> bool:
            found.extend(alert for alert in session.pop_alerts() if type(alert).__name__ == kind and is_it(alert))
            return bool(found)

        self.wait_until(look, f"no {kind}")
        return found[0]


@pytest.fixture(scope="module")
def ring() -> Iterator[Ring]:
    lt = require_module("libtorrent")
    ring = Ring(lt)
    ring.wait_until(lambda: min(map(ring.nodes_of, ring.sessions)) >= 3, "the ring does not form")
    yield ring
    for session in ring.sessions:
        session.pause()
    ring.sessions.clear()


class Ours:
    """One node of ours: its thread, and the mailbox that answers come to."""

    def __init__(self, bootstrap: list[Endpoint], kept: bytes = b"") -> None:
        self.inbox: Mailbox[Any] = Mailbox("test")
        self.kept: list[bytes] = []
        self.udp = UdpLoop(ANYWHERE)
        self.driver = DhtDriver(
            self.udp, self._resolve, bootstrap=[str(endpoint) for endpoint in bootstrap], kept=kept,
            keep=self.kept.append)
        self.udp.start()
        self.udp.mailbox.post(BindUdp("127.0.0.1", 0, self.inbox))
        self.port = self.wait_for(UdpBound).port

    def _resolve(self, order: ResolveHost) -> None:
        raise AssertionError("an address needs no name server")

    def wait_for(self, kind: type[Any]) -> Any:
        deadline_s = time.monotonic() + PATIENCE_S
        while True:
            message = self.inbox.get(deadline_s - time.monotonic())
            if isinstance(message, kind):
                return message

    def find(self, wire_hash: bytes, port: int = 0) -> tuple[set[Endpoint], DhtSearched]:
        self.udp.mailbox.post(FindPeers(InfoHash(v1=wire_hash), wire_hash, 1, port, 0, False, True, self.inbox))
        found: set[Endpoint] = set()
        while True:
            message = self.inbox.get(PATIENCE_S)
            if isinstance(message, DhtPeers):
                found.update(message.endpoints)
            elif isinstance(message, DhtSearched):
                return found, message

    def close(self) -> None:
        assert self.udp.stop(5.0)


@pytest.fixture
def ours(ring: Ring) -> Iterator[Ours]:
    node = Ours(ring.endpoints[:2])
    yield node
    node.close()


def test_what_we_announce_is_found_by_libtorrent(ring, ours):
    wire_hash = bytes(range(20))
    _, searched = ours.find(wire_hash, port=7001)
    assert searched.announced >= 4
    asker = ring.sessions[17]

    def has_it(alert: Any) -> bool:
        return ("127.0.0.1", 7001) in [tuple(peer) for peer in alert.peers()]

    asker.dht_get_peers(ring.lt.sha1_hash(wire_hash))
    ring.alerts(asker, "dht_get_peers_reply_alert", has_it)


def test_what_libtorrent_announces_is_found_by_us(ring, ours):
    wire_hash = bytes(range(20, 40))
    ring.sessions[9].dht_announce(ring.lt.sha1_hash(wire_hash), 7002, 0)
    found: set[Endpoint] = set()

    def look() -> bool:
        found.update(ours.find(wire_hash)[0])
        return bool(found)

    ring.wait_until(look, "no peer found")
    assert found == {Endpoint("127.0.0.11", 7002)}


def test_libtorrent_takes_us_into_its_table_and_announces_to_us(ring, ours):
    ours.find(bytes(20))
    us = Endpoint("127.0.0.1", ours.port)

    def ask_around() -> bool:
        """Everybody looks for something: otherwise they take half a minute to try out who asked them."""
        for number, session in enumerate(ring.sessions):
            session.dht_get_peers(ring.lt.sha1_hash(sha1(b"%d %d" % (number, time.monotonic_ns())).digest()))
        time.sleep(0.5)
        return ours.driver.nodes[0].counts["query"] > 20

    ring.wait_until(ask_around, "nobody asks us")
    own_id = ours.driver.nodes[0].node_id
    announcer = ring.sessions[3]
    announcer.add_dht_node(tuple(us))
    target = own_id[:19] + bytes([own_id[19] ^ 1])         # nobody is nearer to it than we are
    peers = ours.driver.nodes[0].answerer.peers

    def look() -> bool:
        announcer.dht_announce(ring.lt.sha1_hash(target), 7003, 0)
        time.sleep(0.5)
        return bool(peers.some(target, 5, is_ipv6=False))

    ring.wait_until(look, "nothing is announced to us")
    assert peers.some(target, 5, is_ipv6=False) == [Endpoint("127.0.0.5", 7003)]


def test_immutable_items_go_both_ways(ring, ours):
    item = immutable(b"what we have to say")
    ours.udp.mailbox.post(PutItem(item, None, ours.inbox))
    assert ours.wait_for(ItemStored).nodes >= 4
    reader = ring.sessions[20]
    reader.dht_get_immutable_item(ring.lt.sha1_hash(item.target))
    alert = ring.alerts(reader, "dht_immutable_item_alert", lambda alert: True)
    assert alert.target.to_bytes() == item.target
    assert alert.item == b"what we have to say"

    target = ring.sessions[21].dht_put_immutable_item(b"what they have to say")
    ring.alerts(ring.sessions[21], "dht_put_alert", lambda alert: alert.num_success >= 4)
    ours.udp.mailbox.post(GetItem(target.to_bytes(), b"", ours.inbox))
    found = ours.wait_for(ItemFound).item
    assert found is not None
    assert found.value == encode(b"what they have to say")


def test_mutable_items_go_both_ways(ring, ours):
    item = signed(b"first words", b"seed" * 8, seq=1, salt=b"a")
    ours.udp.mailbox.post(PutItem(item, None, ours.inbox))
    assert ours.wait_for(ItemStored).nodes >= 4
    reader = ring.sessions[22]
    reader.dht_get_mutable_item(item.key, b"a")
    alert = ring.alerts(reader, "dht_mutable_item_alert", lambda alert: bool(alert.signature.strip(b"\0")))
    assert (alert.seq, alert.item) == (1, b"first words")

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.from_private_bytes(b"theirs!!" * 4)
    theirs = private.public_key().public_bytes_raw()
    expanded = _expanded(b"theirs!!" * 4)
    writer = ring.sessions[23]
    writer.dht_put_mutable_item(expanded, theirs, b"second words", b"b")
    ring.alerts(writer, "dht_put_alert", lambda alert: alert.num_success >= 4)
    ours.udp.mailbox.post(GetItem(target_of_key(theirs, b"b"), b"b", ours.inbox))
    found = ours.wait_for(ItemFound).item
    assert found is not None
    assert found.value == encode(b"second words")


def _expanded(seed: bytes) -> bytes:
    """The private key in the form that libtorrent wants."""
    from hashlib import sha512

    digest = bytearray(sha512(seed).digest())
    digest[0] &= 248
    digest[31] = digest[31] & 63 | 64
    return bytes(digest)


def test_what_was_kept_is_enough_to_come_back(ring, ours):
    ours.find(bytes(20))
    ring.wait_until(lambda: len(ours.driver.nodes[0].table) >= 8, "too few nodes")
    assert ours.udp.stop(5.0)
    again = Ours([], kept=ours.kept[-1])
    try:
        _, searched = again.find(bytes(20))
        assert searched.nodes >= 8
    finally:
        again.close()


def test_the_network_is_found_again_when_our_addresses_change(ring, ours):
    ours.find(bytes(20))
    before = ours.driver.nodes[0].counts["answer"]
    ours.udp.mailbox.post(RebindUdp())
    ring.wait_until(lambda: ours.driver.nodes[0].counts["answer"] >= before + 4, "nobody is asked")
    assert ours.find(bytes(20))[1].nodes >= 8


def seed(ring: Ring, session: Any, sample: Sample) -> Any:
    """Have a session of libtorrent seed this."""
    params = ring.lt.add_torrent_params()
    params.ti, params.save_path = ring.lt.torrent_info(str(sample.torrent)), str(sample.folder)
    handle = session.add_torrent(params)
    ring.wait_until(lambda: handle.status().is_seeding, "it does not seed")
    return handle


def alone(folder: Path) -> Daemon:
    """A daemon of ours that knows no node."""
    return Daemon(folder, "--set", "lsd.enabled=false", "--set", "dht.bootstrap=[]")


def num_nodes(daemon: Daemon) -> float:
    return daemon.metric('blobtorrent_dht_nodes{family="ipv4"}')


def test_a_peer_of_libtorrent_leads_us_into_the_network(ring, tmp_path):
    sample = make_sample(tmp_path / "sample", "sample.bin", MIB)
    handle = seed(ring, ring.sessions[12], sample)
    with alone(tmp_path / "ours") as daemon:
        daemon.call("POST", "/v1/torrents", {"source": str(sample.torrent), "peers": [str(ring.endpoints[12])]})
        ring.wait_until(lambda: num_nodes(daemon) >= 8, "nobody leads us on")
    ring.sessions[12].remove_torrent(handle)


def test_a_peer_of_libtorrent_is_led_into_the_network_by_us(ring, tmp_path):
    sample = make_sample(tmp_path / "sample", "sample.bin", MIB)
    stranger = ring.lt.session({**SETTINGS, "listen_interfaces": "127.0.0.99:0"})
    handle = seed(ring, stranger, sample)
    assert not ring.nodes_of(stranger)
    with Daemon(tmp_path / "ours", "--set", "lsd.enabled=false",
                "--set", f"dht.bootstrap={[str(endpoint) for endpoint in ring.endpoints[:2]]}") as daemon:
        daemon.call("POST", "/v1/torrents", {
            "source": str(sample.torrent), "peers": [str(Endpoint("127.0.0.99", stranger.listen_port()))]})
        ring.wait_until(lambda: ring.nodes_of(stranger) >= 8, "we lead nobody on")
    stranger.remove_torrent(handle)
    stranger.pause()


def test_a_peer_of_a_private_torrent_leads_nobody_anywhere(ring, tmp_path):
    sample = make_sample(tmp_path / "sample", "sample.bin", MIB, private=True)
    handle = seed(ring, ring.sessions[13], sample)
    with alone(tmp_path / "ours") as daemon:
        daemon.call("POST", "/v1/torrents", {"source": str(sample.torrent), "peers": [str(ring.endpoints[13])]})
        ring.wait_until(lambda: daemon.call("GET", f"/v1/torrents/{sample.info_hash.hex()}")["state"] == "seeding",
                        "it is not fetched")
        assert num_nodes(daemon) == 0
    ring.sessions[13].remove_torrent(handle)


def test_a_torrent_that_libtorrent_seeds_is_found_and_fetched(ring, tmp_path):
    sample = make_sample(tmp_path / "sample", "sample.bin", 2 * MIB)
    handle = seed(ring, ring.sessions[11], sample)
    handle.force_dht_announce()
    done = run("get", f"magnet:?xt=urn:btih:{sample.info_hash.hex()}", "--to", tmp_path, "--listen", "127.0.0.1:0",
               "--timeout", "60", "--quiet", "--set", "lsd.enabled=false",
               "--set", f"dht.bootstrap={[str(endpoint) for endpoint in ring.endpoints[:2]]}")
    ring.sessions[11].remove_torrent(handle)
    assert (done.returncode, done.stderr) == (0, "")
    assert sample.differences(tmp_path) == []
