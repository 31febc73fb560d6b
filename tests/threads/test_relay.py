"""Datagrams through a SOCKS 5 proxy: nothing beside it, and what follows when it refuses, ends or comes back."""

from __future__ import annotations

import queue
import random
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from blobtorrent.config.values import ProxySpec
from blobtorrent.discovery.dht import DhtDriver
from blobtorrent.discovery.dhtmessages import DhtSearched, FindPeers
from blobtorrent.discovery.messages import Announce, AnnounceDone
from blobtorrent.discovery.udp_tracker import UdpTrackers
from blobtorrent.model.address import Endpoint
from blobtorrent.model.ids import InfoHash
from blobtorrent.network.binding import Binding
from blobtorrent.network.messages import BindUdp, RebindUdp, RelayChanged, UdpBindFailed, WatchRelay
from blobtorrent.network.proxy import Proxy
from blobtorrent.network.udp import Traffic, UdpLoop, UdpPort
from blobtorrent.protocol.proxy.tunnel import Login
from blobtorrent.runtime.mailbox import Mailbox
from tests.support.proxies import TestProxy
from tests.threads.test_udp_tracker import QUERY, FakeUdpTracker

WAIT_S = 10.0
HELLO = b"d1:hello"
NAME = "tracker.test"


class Send:
    """A message that has the loop send a datagram; whether it could is told."""

    def __init__(self, data: bytes, to: Endpoint) -> None:
        self.data, self.to = data, to
        self.sent: queue.Queue[bool] = queue.Queue()


class Rig:
    """The thread `udp` behind a proxy. `heard` are datagrams and their sources, `told` what becomes of the relay."""

    def __init__(self, proxy: TestProxy, *, is_strict: bool = True, login: Login | None = None) -> None:
        spec = ProxySpec("socks5", "127.0.0.1", proxy.port)
        self.udp = UdpLoop(binding=Binding(proxy=Proxy(spec, login, is_strict=is_strict)))
        self.heard: queue.Queue[tuple[bytes, Endpoint]] = queue.Queue()
        self.told: Mailbox[Any] = Mailbox("core")
        self.udp.serve(Traffic.DHT, self)
        self.udp.handle(Send, lambda order: order.sent.put(self.udp.send(order.data, order.to)))
        self.udp.mailbox.post(WatchRelay(self.told))

    def __enter__(self) -> Rig:
        self.udp.start()
        assert self.told.get(WAIT_S) == RelayChanged("idle")
        return self

    def __exit__(self, *raised: object) -> None:
        assert self.udp.stop(WAIT_S)

    def on_datagram(self, data: bytes, source: Endpoint, port: UdpPort) -> None:
        self.heard.put((data, source))

    def send(self, data: bytes, to: tuple[str, int]) -> bool:
        order = Send(data, Endpoint(*to))
        self.udp.mailbox.post(order)
        return order.sent.get(timeout=WAIT_S)


@pytest.fixture
def far() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(WAIT_S)
        yield sock


def exchange(rig: Rig, far: socket.socket) -> tuple[str, int]:
    """One datagram to the far end and one back; who the far end believes that we are."""
    assert rig.send(HELLO, far.getsockname())
    data, caller = far.recvfrom(100)
    assert data == HELLO
    far.sendto(b"d1:answer", caller)
    assert rig.heard.get(timeout=WAIT_S) == (b"d1:answer", Endpoint(*far.getsockname()))
    return caller


@pytest.mark.parametrize("login", [None, Login("me", "secret")])
def test_datagrams_go_through_the_relay_and_come_back_with_their_source(
        login: Login | None, far: socket.socket) -> None:
    with TestProxy("socks5", login) as proxy, Rig(proxy, login=login) as rig:
        exchange(rig, far)
        assert rig.told.get(WAIT_S) == RelayChanged("open")
        assert proxy.relayed == [far.getsockname()]
        assert len(proxy.relays) == 1
        exchange(rig, far)
        assert len(proxy.relays) == 1


def test_a_name_is_told_to_the_proxy_alone(far: socket.socket) -> None:
    port = far.getsockname()[1]
    with TestProxy("socks5", names={NAME: "127.0.0.1"}) as proxy, Rig(proxy) as rig:
        assert rig.send(HELLO, (NAME, port))
        assert far.recv(100) == HELLO
        assert proxy.relayed == [(NAME, port)]


def test_when_its_connection_ends_another_relay_is_asked_for(far: socket.socket) -> None:
    with TestProxy("socks5") as proxy, Rig(proxy) as rig:
        before = exchange(rig, far)
        proxy.relays[0].shutdown(socket.SHUT_RDWR)
        assert [rig.told.get(WAIT_S).state for _ in range(3)] == ["open", "resting", "open"]
        assert exchange(rig, far) != before


def test_with_other_addresses_of_ours_another_relay_is_asked_for(far: socket.socket) -> None:
    with TestProxy("socks5") as proxy, Rig(proxy) as rig:
        exchange(rig, far)
        rig.udp.mailbox.post(RebindUdp())
        assert [rig.told.get(WAIT_S).state for _ in range(2)] == ["open", "open"]
        exchange(rig, far)
        assert len(proxy.relays) == 2


@pytest.mark.parametrize("result", [2, 7])
def test_a_strict_proxy_that_carries_no_datagrams_is_told_of_once_and_nothing_goes_beside_it(
        result: int, far: socket.socket, caplog: pytest.LogCaptureFixture) -> None:
    with TestProxy("socks5", relay_refusal=result) as proxy, Rig(proxy) as rig:
        rig.send(HELLO, far.getsockname())
        told = rig.told.get(WAIT_S)
        assert (told.state, told.code) == ("refused", "proxy.refused")
        assert not any(rig.send(HELLO, far.getsockname()) for _ in range(5))
        rig.udp.mailbox.post(BindUdp("127.0.0.1", 0, rig.told))
        assert isinstance(rig.told.get(WAIT_S), UdpBindFailed)
    far.settimeout(0)
    with pytest.raises(BlockingIOError):
        far.recv(100)
    assert [record.getMessage() for record in caplog.records].count("the proxy carries no datagrams") == 1


def test_a_proxy_that_is_not_strict_and_carries_no_datagrams_lets_them_go_directly(far: socket.socket) -> None:
    with TestProxy("socks5", relay_refusal=7) as proxy, Rig(proxy, is_strict=False) as rig:
        rig.send(b"d1:lost", far.getsockname())
        assert rig.told.get(WAIT_S).state == "refused"
        exchange(rig, far)


def test_a_proxy_that_is_down_is_waited_for_and_nothing_goes_beside_it(far: socket.socket) -> None:
    with TestProxy("socks5") as gone:
        pass
    with Rig(gone, is_strict=False) as rig:
        rig.send(HELLO, far.getsockname())
        told = rig.told.get(WAIT_S)
        assert (told.state, told.code) == ("resting", "proxy.down")
    far.settimeout(0)
    with pytest.raises(BlockingIOError):
        far.recv(100)


def test_whoever_is_not_the_relay_is_not_heard(far: socket.socket) -> None:
    with TestProxy("socks5") as proxy, Rig(proxy) as rig:
        exchange(rig, far)
        relay = rig.udp._relay
        assert relay is not None and relay._datagrams is not None
        far.sendto(b"\0\0\0\x01\x7f\0\0\x01\0\x09d1:forged", relay._datagrams.getsockname())
        exchange(rig, far)
        assert rig.heard.empty()


def test_a_tracker_is_asked_by_its_name_through_a_strict_proxy() -> None:
    box: Mailbox[Any] = Mailbox("core")
    with FakeUdpTracker() as tracker, TestProxy("socks5", names={NAME: "127.0.0.1"}) as proxy, Rig(proxy) as rig:
        UdpTrackers(rig.udp, pytest.fail, random.Random(1).getrandbits, lambda host, by: True)
        url = f"udp://{NAME}:{tracker.port}/announce"
        rig.udp.mailbox.post(Announce(InfoHash(v1=QUERY.wire_hash), url, QUERY, box, WAIT_S))
        done = box.get(WAIT_S)
    assert isinstance(done, AnnounceDone) and done.error is None
    assert done.endpoints == (tracker.peer,)
    assert set(proxy.relayed) == {(NAME, tracker.port)}


def test_the_dht_is_asked_through_a_strict_proxy() -> None:
    box: Mailbox[Any] = Mailbox("core")
    far = UdpLoop(Binding())
    DhtDriver(far, pytest.fail, bootstrap=[])
    far.start()
    far.mailbox.post(BindUdp("127.0.0.1", 0, box))
    node = Endpoint("127.0.0.1", box.get(WAIT_S).port)
    wire_hash = QUERY.wire_hash
    find = FindPeers(InfoHash(v1=wire_hash), wire_hash, 1, 0, 0, False, True, box)
    far.mailbox.post(find._replace(reply_to=Mailbox("far")))           # so that it takes part
    with TestProxy("socks5") as proxy, Rig(proxy) as rig:
        DhtDriver(rig.udp, pytest.fail, bootstrap=[str(node)])
        rig.udp.mailbox.post(find)
        searched = box.get(WAIT_S)
        while not isinstance(searched, DhtSearched):
            searched = box.get(WAIT_S)
    assert far.stop(WAIT_S)
    assert searched.nodes > 0
    assert set(proxy.relayed) == {node}
