"""The DHT's driver on its loop, pass by pass, in the time of the test; the world around it is played."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from blobtorrent.discovery.dht import KEEP_S, DhtDriver
from blobtorrent.discovery.dhtmessages import (
    DhtAddress,
    DhtPeers,
    DhtSearched,
    FindPeers,
    ForgetPeers,
    GetItem,
    ItemFound,
    ItemStored,
    PutItem,
    TryNode,
)
from blobtorrent.discovery.dhtnames import LAST_RETRY_S, RENEW_S, RETRY_S
from blobtorrent.discovery.messages import HostResolved, ResolveHost
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import NetworkError
from blobtorrent.model.ids import InfoHash
from blobtorrent.network.binding import ANYWHERE
from blobtorrent.network.messages import RebindUdp
from blobtorrent.network.udp import UdpLoop, UdpPort
from blobtorrent.protocol.dht.ids import make_node_id, pack_host
from blobtorrent.protocol.dht.items import immutable
from blobtorrent.protocol.dht.krpc import NodeInfo, Query, Response, read_message, write_query, write_response
from blobtorrent.protocol.dht.memory import NOTHING, Kept, pack, unpack
from blobtorrent.protocol.dht.node import NodeState
from blobtorrent.runtime.clock import FakeClock
from blobtorrent.runtime.mailbox import Mailbox

TORRENT = InfoHash(v1=b"1" * 20)
HYBRID = InfoHash(v1=b"2" * 20, v2=b"3" * 32)
FIRST, SECOND = Endpoint("20.1.1.1", 1), Endpoint("30.1.1.1", 1)
FIRST_V6 = Endpoint("2a01:1::1", 1)
US = bytes([90, 1, 2, 3])


class Udp(UdpLoop):
    """Without sockets."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(ANYWHERE, clock)
        self.families = [False]
        self.out: list[tuple[Endpoint, bytes]] = []

    @property
    def ports(self) -> tuple[UdpPort, ...]:
        return tuple(SimpleNamespace(is_ipv6=is_ipv6) for is_ipv6 in self.families)        # type: ignore[misc]

    def send(self, data: bytes, to: Endpoint, via: UdpPort | None = None) -> bool:
        self.out.append((to, data))
        return True


class Rig:
    def __init__(self, *bootstrap: str, **options: Any) -> None:
        self.clock = FakeClock(start=1000.0)
        self.udp = Udp(self.clock)
        self.inbox: Mailbox[Any] = Mailbox("core")
        self.lookups: list[ResolveHost] = []
        self.kept: list[bytes] = []
        self.driver = DhtDriver(self.udp, self.lookups.append, bootstrap=bootstrap, rng=Random(1),
                                keep=self.kept.append, **options)
        self.rng = Random(2)
        self.ids: dict[Endpoint, bytes] = {}
        self.silent: set[Endpoint] = set()
        self.announced: list[tuple[Endpoint, int]] = []    # to whom, which port
        self.seen_as = US

    def tell(self, message: Any) -> None:
        self.udp.mailbox.post(message)
        self.udp.loop.run_pass(0.0)

    def find(self, info_hash: InfoHash = TORRENT, *, port: int = 0, port_ipv6: int = 0, number: int = 1) -> None:
        self.tell(FindPeers(info_hash, info_hash.wire_forms[0], number, port, port_ipv6, False, True, self.inbox))

    def resolve(self, *endpoints: Endpoint) -> str:
        """Answer the lookup that is waited for; without endpoints it failed."""
        order = self.lookups.pop(0)
        error = None if endpoints else NetworkError("net.no-such-host", "")
        order.reply_to.post(HostResolved(order.host, order.port, endpoints, error))
        self.udp.loop.run_pass(0.0)
        return order.host

    def answer(self) -> list[Endpoint]:
        """Everybody who was asked answers; those are returned."""
        out, self.udp.out = self.udp.out, []
        asked = [(to, read_message(data)) for to, data in out]
        for to, query in asked:
            if not isinstance(query, Query) or to in self.silent:
                continue
            if query.method == b"announce_peer":
                self.announced.append((to, query.arguments[b"port"]))
            node_id = self.ids.setdefault(to, make_node_id(pack_host(to.host), self.rng))
            values = {b"id": node_id, b"token": b"t", b"values": [Endpoint("50.1.1.1", 5).compact]}
            data = write_response(query.transaction, values, to)
            if not to.is_ipv6:
                data = data.replace(to.compact, self.seen_as + b"\0\1")
            self.driver.on_datagram(data, to, self.udp.ports[0])
        return [to for to, query in asked if isinstance(query, Query)]

    def run(self, duration_s: float, *, step_s: float = 0.25) -> set[Endpoint]:
        """Who was asked meanwhile."""
        asked = set(self.answer())
        for _ in range(int(duration_s / step_s)):
            self.clock.advance(step_s)
            self.udp.loop.run_pass(0.0)
            asked.update(self.answer())
        return asked

    def told(self, kind: type[Any]) -> list[Any]:
        return [message for message in self.inbox.drain() if isinstance(message, kind)]

    def states(self) -> list[NodeState]:
        return [node.machine.state for node in self.driver.nodes]


def test_it_takes_no_part_before_somebody_wants_peers():
    rig = Rig(str(FIRST), "router.example:1")
    rig.driver.on_datagram(write_query(b"t", b"ping", {b"id": b"i" * 20}), FIRST, rig.udp.ports[0])
    rig.tell(TryNode(SECOND))
    assert rig.run(60.0) == set()
    assert (rig.udp.out, rig.lookups) == ([], [])


def test_a_search_is_answered_once_for_both_families():
    rig = Rig(str(FIRST), str(FIRST_V6))
    rig.udp.families = [False, True]
    rig.find(port=6881, port_ipv6=6882, number=7)
    rig.run(10.0)
    (searched,) = rig.told(DhtSearched)
    assert searched == DhtSearched(TORRENT, TORRENT.v1, 7, nodes=2, peers=2, announced=2)
    assert sorted(rig.announced, key=lambda told: told[1]) == [(FIRST, 6881), (FIRST_V6, 6882)]


def test_peers_that_are_found_are_told():
    rig = Rig(str(FIRST))
    rig.find()
    rig.run(10.0)
    assert rig.told(DhtPeers) == [DhtPeers(TORRENT, (Endpoint("50.1.1.1", 5),))]


def test_items_are_put_and_looked_for():
    rig = Rig(str(FIRST))
    item = immutable(b"value")
    rig.tell(PutItem(item, None, rig.inbox))
    rig.run(10.0)
    assert rig.told(ItemStored) == [ItemStored(item.target, 1)]
    rig.tell(GetItem(item.target, b"", rig.inbox))
    rig.run(10.0)
    assert rig.told(ItemFound) == [ItemFound(item.target, None)]       # nobody has it


# ---- names

def test_names_are_looked_up_one_after_the_other():
    rig = Rig("one.example:1", "two.example:2")
    rig.find()
    assert [order.host for order in rig.lookups] == ["one.example"]
    rig.resolve(FIRST)
    assert FIRST in rig.run(1.0)
    assert [order.host for order in rig.lookups] == ["two.example"]


def test_a_name_that_is_not_found_is_looked_up_again_though_others_answer():
    rig = Rig("one.example:1", "two.example:2")
    rig.find()
    assert (rig.resolve(), rig.resolve(SECOND)) == ("one.example", "two.example")
    rig.run(0.9 * RETRY_S)
    assert rig.states()[0] is NodeState.READY
    assert rig.lookups == []
    rig.run(0.2 * RETRY_S)
    assert rig.resolve(FIRST) == "one.example"
    assert rig.driver.nodes[0].bootstrap == [SECOND, FIRST]


def test_name_servers_that_are_silent_are_asked_less_and_less():
    rig = Rig("one.example:1")
    rig.find()
    times = []
    while len(times) < 25:
        rig.resolve()
        began_s = rig.clock.now()
        while not rig.lookups:
            rig.run(5.0, step_s=5.0)
        times.append(rig.clock.now() - began_s)
    assert times[0] <= RETRY_S + 5
    assert times[-1] >= LAST_RETRY_S / 2


def test_names_are_looked_up_anew_when_nobody_answers_any_more():
    rig = Rig("one.example:1")
    rig.find()
    rig.resolve(FIRST)
    rig.run(RENEW_S)
    assert rig.lookups == []
    rig.silent = {FIRST}
    rig.find(number=2)
    rig.run(60.0)
    assert rig.states()[0] is NodeState.ISOLATED
    assert rig.resolve(SECOND) == "one.example"
    assert SECOND in rig.run(1.0)
    assert rig.driver.nodes[0].bootstrap == [SECOND]       # the former address is nobody's any more
    assert rig.states()[0] is NodeState.READY


def test_routers_are_for_finding_others_only():
    rig = Rig("router.example:1", str(SECOND), routers=["router.example:1"])
    rig.find(port=6881)
    rig.resolve(FIRST)
    assert rig.run(10.0) == {FIRST, SECOND}
    assert [contact.endpoint for contact in rig.driver.nodes[0].table] == [SECOND]
    assert rig.announced == [(SECOND, 6881)]


# ---- sockets

def test_a_family_begins_when_there_is_a_socket_of_it():
    rig = Rig(str(FIRST), str(FIRST_V6))
    rig.find()
    assert rig.run(10.0) == {FIRST}
    assert rig.states() == [NodeState.READY, NodeState.COLD]
    rig.udp.families.append(True)
    assert FIRST_V6 in rig.run(10.0)
    assert rig.states() == [NodeState.READY, NodeState.READY]


def test_with_another_address_the_network_is_found_again():
    rig = Rig(str(FIRST), "one.example:1")
    rig.find()
    rig.resolve(SECOND)
    rig.run(RENEW_S)
    rig.run(1.0)
    rig.tell(RebindUdp())
    assert {FIRST, SECOND} <= rig.run(1.0)
    assert [order.host for order in rig.lookups] == ["one.example"]


# ---- what others announce to us

def announce_to(rig: Rig, wire_hash: bytes) -> None:
    def ask(method: bytes, **arguments: Any) -> Any:
        fields = {b"id": b"i" * 20, b"info_hash": wire_hash} | {
            name.encode(): value for name, value in arguments.items()}
        rig.driver.on_datagram(write_query(b"tt", method, fields), SECOND, rig.udp.ports[0])
        out, rig.udp.out = rig.udp.out, []
        return next(message for message in map(read_message, (data for _, data in out))
                    if isinstance(message, Response))

    ask(b"announce_peer", port=77, token=ask(b"get_peers").values[b"token"])


def test_who_announces_itself_to_us_is_a_peer_while_we_look_for_some():
    rig = Rig()
    rig.find()
    rig.told(object)
    announce_to(rig, TORRENT.v1)
    assert rig.told(DhtPeers) == [DhtPeers(TORRENT, (Endpoint(SECOND.host, 77),))]
    rig.tell(ForgetPeers(TORRENT))
    announce_to(rig, TORRENT.v1)
    assert rig.told(DhtPeers) == []


def test_what_we_keep_ourselves_is_found_at_once():
    rig = Rig()
    rig.find(HYBRID)
    announce_to(rig, TORRENT.v1)
    rig.told(object)
    rig.find(TORRENT)
    assert rig.told(DhtPeers) == [DhtPeers(TORRENT, (Endpoint(SECOND.host, 77),))]


def test_both_halves_of_a_hybrid_are_forgotten():
    rig = Rig(str(FIRST))
    rig.silent = {FIRST}
    for wire_hash in HYBRID.wire_forms:
        rig.tell(FindPeers(HYBRID, wire_hash, 1, 6881, 0, False, True, rig.inbox))
    rig.find(TORRENT, port=1)
    rig.tell(ForgetPeers(HYBRID))
    rig.silent = set()
    rig.run(60.0)
    assert {searched.info_hash for searched in rig.told(DhtSearched)} == {TORRENT}
    assert rig.announced == [(FIRST, 1)]


# ---- nodes that peers name

def test_a_node_that_a_peer_names_is_asked_whether_it_is_there():
    rig = Rig()
    rig.find()
    rig.tell(TryNode(SECOND))
    assert rig.run(1.0) == {SECOND}
    assert rig.states()[0] is NodeState.READY
    for number in range(200):
        rig.tell(TryNode(Endpoint(f"40.1.{number}.1", 1)))
    assert len(rig.answer()) <= 20


# ---- from run to run

def test_the_table_is_kept_now_and_then_and_at_the_end():
    rig = Rig(str(FIRST))
    rig.find()
    rig.run(KEEP_S + 1, step_s=1.0)
    assert [node.endpoint for node in unpack(rig.kept[-1])[0].nodes] == [FIRST]
    number = len(rig.kept)
    assert rig.udp.stop(0.0)
    assert len(rig.kept) == number + 1


def test_without_having_begun_nothing_is_kept():
    rig = Rig(str(FIRST))
    assert rig.udp.stop(0.0)
    assert rig.kept == []


def test_nodes_of_an_earlier_run_are_asked_before_names_are_known():
    before = Rig(str(FIRST))
    before.find()
    before.run(KEEP_S + 1, step_s=1.0)
    rig = Rig("one.example:1", kept=before.kept[-1])
    rig.find()
    assert FIRST in rig.run(1.0)
    assert rig.states()[0] is NodeState.READY


@pytest.mark.parametrize("is_known", [False, True])
def test_our_address_is_told_in_every_run_and_the_id_that_fits_it_stays(is_known):
    node_id = make_node_id(US, Random(3))
    kept = pack(Kept(node_id, US), NOTHING) if is_known else b""
    nodes = [Endpoint(f"{20 + number}.1.1.1", 1) for number in range(8)]
    rig = Rig(*map(str, nodes), kept=kept)
    rig.find()
    rig.run(10.0)
    (address,) = rig.told(DhtAddress)
    assert address.host == "90.1.2.3"
    assert len(address.voters) >= 4
    assert (rig.driver.nodes[0].node_id == node_id) is is_known
    assert rig.udp.stop(0.0)
    assert unpack(rig.kept[-1])[0].address == US


def test_nodes_that_could_not_be_asked_are_kept_all():
    rng = Random(4)
    nodes = tuple(NodeInfo(rng.randbytes(20), Endpoint(f"20.{number}.1.1", 1)) for number in range(200))
    rig = Rig(kept=pack(Kept(b"", b"", nodes), NOTHING))
    rig.silent = {node.endpoint for node in nodes}
    rig.find()
    rig.run(30.0)
    rig.tell(TryNode(SECOND))
    rig.run(1.0)
    assert rig.udp.stop(0.0)
    first, *others = unpack(rig.kept[-1])[0].nodes
    assert first.endpoint == SECOND
    assert len(others) == 199
    assert set(others) < set(nodes)
