"""The thread `udp`: datagrams of several protocols on one port reach those who speak them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from blobtorrent.model.address import Endpoint
from blobtorrent.network.binding import ANYWHERE
from blobtorrent.network.messages import BindUdp, RebindUdp, UdpBindFailed, UdpBound
from blobtorrent.network.udp import Traffic, UdpLoop, UdpPort, traffic_of
from blobtorrent.runtime.mailbox import Mailbox

WAIT_S = 10.0


class Echo:
    """Answers with what it got, and fails at b"d-fail"."""

    def __init__(self, udp: UdpLoop) -> None:
        self._udp = udp

    def on_datagram(self, data: bytes, source: Endpoint, port: UdpPort) -> None:
        if data == b"d-fail":
            raise ValueError(data)
        self._udp.send(b"echo " + data, source, port)


@pytest.fixture
def udp() -> Iterator[UdpLoop]:
    loop = UdpLoop(ANYWHERE)
    loop.serve(Traffic.DHT, Echo(loop))
    loop.start()
    yield loop
    assert loop.stop(WAIT_S)


def bind(udp: UdpLoop, host: str = "127.0.0.1", port: int = 0) -> Any:
    box: Mailbox[Any] = Mailbox("test")
    udp.mailbox.post(BindUdp(host, port, box))
    return box.get(WAIT_S)


@pytest.fixture
def client() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(WAIT_S)
        yield sock


@pytest.mark.parametrize(("first", "traffic"), [
    (b"d1:ad", Traffic.DHT), (b"\x01", Traffic.UTP), (b"\x21", Traffic.UTP), (b"\x41", Traffic.UTP), (b"\x51", None),
    (b"\x00\x00\x00\x01", Traffic.TRACKER), (b"", None), (b"GET /", None), (b"\xff", None), (b"\x02", None),
])
def test_the_first_byte_tells_the_protocol(first: bytes, traffic: Traffic | None) -> None:
    assert traffic_of(first) is traffic


def test_a_datagram_reaches_its_protocol_and_the_answer_comes_from_the_same_port(
        udp: UdpLoop, client: socket.socket) -> None:
    bound = bind(udp)
    assert isinstance(bound, UdpBound)
    client.sendto(b"d-hello", (bound.host, bound.port))
    assert client.recvfrom(100) == (b"echo d-hello", (bound.host, bound.port))


def test_what_nobody_serves_and_what_a_driver_fails_at_do_not_make_it_deaf(
        udp: UdpLoop, client: socket.socket) -> None:
    bound = bind(udp)
    for data in (b"", b"\x01utp", b"noise", b"d-fail", b"d" + bytes(20_000), b"d-after"):
        client.sendto(data, (bound.host, bound.port))
    answers = [client.recv(30_000)]
    while answers[-1] != b"echo d-after":
        answers.append(client.recv(30_000))
    assert len(answers) == 2           # the long one was cut, not dropped: its driver judges it
    assert udp.unknown == 3


def test_a_taken_port_is_replaced_by_a_free_one(udp: UdpLoop) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        other = bind(udp, port=port)
    assert isinstance(other, UdpBound) and other.port not in (0, port)


def test_a_host_that_is_bound_again_gets_no_second_socket(udp: UdpLoop) -> None:
    assert bind(udp) == bind(udp, port=udp.ports[0].port)
    assert len(udp.ports) == 1


def test_sockets_are_opened_anew_on_their_ports(udp: UdpLoop, client: socket.socket) -> None:
    bound = bind(udp)
    port, sock = udp.ports[0], udp.ports[0].sock
    udp.mailbox.post(RebindUdp())
    assert bind(udp, port=bound.port) == bound
    assert udp.ports == (port,) and port.sock is not sock
    client.sendto(b"d-again", (bound.host, bound.port))
    assert client.recv(100) == b"echo d-again"


def test_an_address_that_is_not_ours_cannot_be_bound(udp: UdpLoop) -> None:
    assert isinstance(bind(udp, host="192.0.2.1"), UdpBindFailed)


def test_without_any_bound_port_one_is_opened_to_send_from(client: socket.socket) -> None:
    loop = UdpLoop(ANYWHERE)
    assert loop.send(b"d", Endpoint(*client.getsockname()))
    assert client.recv(10) == b"d"
    assert [port.is_ephemeral for port in loop.ports] == [True]
    assert loop.stop(WAIT_S)
    assert loop.ports[0].sock.fileno() == -1
