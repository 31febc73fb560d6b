"""uTP between two threads `udp` on loopback: what one end of a stream writes, a socket at the other end reads."""

from __future__ import annotations

import hashlib
import select
import socket
import threading
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from blobtorrent.model.address import Endpoint
from blobtorrent.model.addressfilter import AddressFilter
from blobtorrent.model.blocklist import Ranges
from blobtorrent.network.binding import ANYWHERE
from blobtorrent.network.messages import BindUdp, RebindUdp, UdpBound, UseFilter
from blobtorrent.network.udp import UdpLoop
from blobtorrent.network.utpbridge import UtpBridge
from blobtorrent.network.utpmessages import (
    CancelUtp,
    CloseUtp,
    DialUtp,
    OpenUtp,
    UtpArrived,
    UtpConnected,
    UtpFailed,
    UtpReady,
)
from blobtorrent.runtime.mailbox import Mailbox
from tests.support.threads import settle

WAIT_S = 20.0


class Host:
    """A thread `udp` with uTP, and the mailbox that stands for its door."""

    def __init__(self, seed: int) -> None:
        self.door: Mailbox[Any] = Mailbox("door")
        self.udp = UdpLoop(ANYWHERE)
        self.bridge = UtpBridge(self.udp, Random(seed))
        self.udp.start()
        box: Mailbox[Any] = Mailbox("test")
        self.udp.mailbox.post(BindUdp("127.0.0.1", 0, box))
        bound = box.get(WAIT_S)
        assert isinstance(bound, UdpBound)
        self.endpoint = Endpoint(bound.host, bound.port)
        self.udp.mailbox.post(OpenUtp(self.door))
        assert self.door.get(WAIT_S) == UtpReady(self.udp.mailbox)

    def meet(self, other: Host) -> tuple[socket.socket, socket.socket]:
        """Our end and the other's of a new stream; both block."""
        self.udp.mailbox.post(DialUtp(7, other.endpoint))
        connected = self.door.get(WAIT_S)
        assert isinstance(connected, UtpConnected) and connected.number == 7
        connected.sock.sendall(b"first words")             # who is dialled waits for these
        arrived = other.door.get(WAIT_S)
        assert isinstance(arrived, UtpArrived) and arrived.endpoint == self.endpoint
        for sock in (connected.sock, arrived.sock):
            sock.settimeout(WAIT_S)
        assert receive(arrived.sock, 11) == b"first words"
        return connected.sock, arrived.sock


def receive(sock: socket.socket, count: int) -> bytes:
    parts = []
    while count:
        part = sock.recv(min(count, 1 << 20))
        if not part:
            break
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    pair = Host(1), Host(2)
    yield pair
    for host in pair:
        assert host.udp.stop(WAIT_S)


def test_bytes_go_both_ways_at_once_whole_and_in_order(hosts: tuple[Host, Host]) -> None:
    one, other = hosts[0].meet(hosts[1])
    payloads = [Random(seed).randbytes(8 << 20) for seed in (3, 4)]
    senders = [threading.Thread(target=sock.sendall, args=(payload,))
               for sock, payload in zip((one, other), payloads)]
    got: dict[int, str] = {}

    def take(number: int, sock: socket.socket) -> None:
        got[number] = hashlib.sha1(receive(sock, 8 << 20)).hexdigest()

    takers = [threading.Thread(target=take, args=item) for item in enumerate((other, one))]
    for thread in (*senders, *takers):
        thread.start()
    for thread in (*senders, *takers):
        thread.join(60)
    assert [got[0], got[1]] == [hashlib.sha1(payload).hexdigest() for payload in payloads]
    one.close()
    other.close()


def test_who_reads_nothing_holds_up_the_writer_and_nothing_is_lost(hosts: tuple[Host, Host]) -> None:
    one, other = hosts[0].meet(hosts[1])
    one.setblocking(False)
    payload, sent = Random(5).randbytes(16 << 20), 0
    quiet = 0
    while quiet < 15:                  # until nothing has moved for a while
        if not select.select([], [one], [], 0.1)[1]:
            quiet += 1
            continue
        sent += one.send(payload[sent:sent + (256 << 10)])
        quiet = 0
        assert sent < len(payload), "nobody held it up"
    assert sent > 1 << 20
    one.settimeout(WAIT_S)
    rest = threading.Thread(target=one.sendall, args=(payload[sent:],))
    rest.start()
    assert receive(other, len(payload)) == payload
    rest.join(WAIT_S)
    one.close()
    other.close()


def test_what_was_said_before_the_end_arrives_and_then_the_end(hosts: tuple[Host, Host]) -> None:
    one, other = hosts[0].meet(hosts[1])
    one.sendall(b"x" * (1 << 20))
    one.close()
    assert len(receive(other, 2 << 20)) == 1 << 20
    assert other.recv(1) == b""
    other.close()
    end = time.monotonic() + WAIT_S
    while hosts[0].bridge._pipes or hosts[1].bridge._pipes:
        assert time.monotonic() < end, "a stream did not end though both sides closed it"
        time.sleep(0.02)


def test_a_thread_that_ends_breaks_its_streams_off(hosts: tuple[Host, Host]) -> None:
    one, other = hosts[0].meet(hosts[1])
    assert hosts[0].udp.stop(WAIT_S)
    assert other.recv(1) == b""        # the RESET came: else it would take minutes
    assert one.recv(1) == b""
    one.close()
    other.close()


def test_sockets_that_are_opened_anew_end_what_went_by_the_old_ones(hosts: tuple[Host, Host]) -> None:
    one, other = hosts[0].meet(hosts[1])
    hosts[0].udp.mailbox.post(RebindUdp())
    assert one.recv(1) == b""
    one.close()
    other.close()
    for sock in hosts[0].meet(hosts[1]):
        sock.close()


def test_a_dial_to_nobody_fails_and_a_cancelled_one_is_not_heard_of(hosts: tuple[Host, Host]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        nobody = Endpoint(*deaf.getsockname())
        hosts[0].udp.mailbox.post(DialUtp(1, nobody))
        hosts[0].udp.mailbox.post(DialUtp(2, nobody))
        hosts[0].udp.mailbox.post(CancelUtp(1))
        failed = hosts[0].door.get(60)
    assert isinstance(failed, UtpFailed) and failed.number == 2 and failed.code == "net.timed-out"
    assert not hosts[0].door.depth


def test_whom_the_filter_refuses_is_not_answered(hosts: tuple[Host, Host]) -> None:
    loopback = Ranges()
    loopback.extend([127 << 24], [(128 << 24) - 1], is_v6=False)
    hosts[1].udp.mailbox.post(UseFilter(AddressFilter({"list": loopback}, Ranges())))
    settle(hosts[1].udp.heart)
    hosts[0].udp.mailbox.post(DialUtp(1, hosts[1].endpoint))
    assert isinstance(hosts[0].door.get(60), UtpFailed)
    assert not hosts[1].door.depth


def test_closed_it_takes_nobody_and_keeps_those_it_has(hosts: tuple[Host, Host]) -> None:
    one, other = hosts[0].meet(hosts[1])
    hosts[1].udp.mailbox.post(CloseUtp())
    assert hosts[1].door.get(WAIT_S) == UtpReady(None)
    hosts[0].udp.mailbox.post(DialUtp(1, hosts[1].endpoint))
    assert isinstance(hosts[0].door.get(60), UtpFailed)
    one.sendall(b"still here")
    assert receive(other, 10) == b"still here"
    one.close()
    other.close()
