"""Two doors that have uTP beside TCP, each with its thread `udp`, on loopback."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from blobtorrent.model.address import Endpoint
from blobtorrent.model.addressfilter import AddressFilter
from blobtorrent.model.blocklist import Ranges
from blobtorrent.model.ids import InfoHash, PeerId
from blobtorrent.network.binding import ANYWHERE
from blobtorrent.network.door import Door
from blobtorrent.network.messages import (
    BindUdp,
    Dial,
    DialFailed,
    Listen,
    Listening,
    PeerArrived,
    Serve,
    UdpBound,
    UseFilter,
    Withdraw,
)
from blobtorrent.network.transport import open_listener
from blobtorrent.network.udp import UdpLoop
from blobtorrent.network.utpbridge import UtpBridge
from blobtorrent.network.utpmessages import CloseUtp, OpenUtp, UseTransports
from blobtorrent.runtime.mailbox import Mailbox
from tests.support.doors import tell
from tests.support.peers.program import wait_until
from tests.support.threads import settle

WAIT_S = 20.0
TORRENT = InfoHash(v1=b"1" * 20)


class Side:
    """A door that listens, the same port of UDP, and the mailbox of its shard."""

    def __init__(self, name: bytes) -> None:
        self.peer_id = PeerId(name * 20)
        self.box: Mailbox[Any] = Mailbox("shard")
        self.door = Door(ANYWHERE)
        self.udp = UdpLoop(ANYWHERE)
        self.bridge = UtpBridge(self.udp, Random(name[0]))
        self.door.start()
        self.udp.start()
        answers: Mailbox[Any] = Mailbox("core")
        self.door.mailbox.post(Listen("127.0.0.1", range(1), answers))
        listening = answers.get(WAIT_S)
        assert isinstance(listening, Listening)
        self.endpoint = Endpoint("127.0.0.1", listening.port)
        self.udp.mailbox.post(BindUdp("127.0.0.1", listening.port, answers))
        assert answers.get(WAIT_S) == UdpBound("127.0.0.1", listening.port)
        self.udp.mailbox.post(OpenUtp(self.door.mailbox))
        settle(self.udp.heart)         # it has told the door that there is uTP
        tell(self.door, UseTransports(True, True), Serve(TORRENT, self.peer_id, self.box))

    def use(self, transports: UseTransports) -> None:
        tell(self.door, transports)

    def dial(self, other: Side, **facts: bool) -> Any:
        """What our dial to the other one ended with."""
        self.door.mailbox.post(Dial(other.endpoint, TORRENT, self.peer_id, self.box, **facts))
        return self.box.get(WAIT_S)

    def stop(self) -> None:
        assert self.udp.stop(WAIT_S)
        assert self.door.stop(WAIT_S)


@pytest.fixture
def sides() -> Iterator[tuple[Side, Side]]:
    pair = Side(b"a"), Side(b"b")
    yield pair
    for side in pair:
        side.stop()


def is_refused(endpoint: Endpoint) -> bool:
    try:
        socket.create_connection(endpoint, WAIT_S).close()
    except ConnectionRefusedError:
        return True
    except ConnectionError:            # it was closed just then
        pass
    return False


def close(*arrivals: PeerArrived) -> None:
    for arrived in arrivals:
        arrived.sock.close()


def test_tcp_is_taken_where_it_connects(sides: tuple[Side, Side]) -> None:
    ours = sides[0].dial(sides[1])
    theirs = sides[1].box.get(WAIT_S)
    assert (ours.transport, theirs.transport) == ("tcp", "tcp")
    close(ours, theirs)


def test_who_lets_nobody_in_by_tcp_is_reached_by_utp_and_both_have_greeted(sides: tuple[Side, Side]) -> None:
    sides[1].use(UseTransports(False, True))
    ours = sides[0].dial(sides[1])
    theirs = sides[1].box.get(WAIT_S)
    assert (ours.transport, ours.is_incoming, ours.endpoint) == ("utp", False, sides[1].endpoint)
    assert (theirs.transport, theirs.is_incoming, theirs.endpoint) == ("utp", True, sides[0].endpoint)
    assert (ours.greeting.peer_id, theirs.greeting.peer_id) == (sides[1].peer_id, sides[0].peer_id)
    for one, other in ((ours.sock, theirs.sock), (theirs.sock, ours.sock)):
        other.settimeout(WAIT_S)
        one.send(b"hello")
        assert other.recv(5) == b"hello"
        other.setblocking(False)
    close(ours, theirs)


def test_a_port_without_tcp_stays_ours_and_can_be_opened_again(sides: tuple[Side, Side]) -> None:
    sides[1].use(UseTransports(False, True))
    wait_until(lambda: is_refused(sides[1].endpoint), WAIT_S, "the listener to close", 0.01)
    sides[1].use(UseTransports(True, False))
    wait_until(lambda: not is_refused(sides[1].endpoint), WAIT_S, "the listener to open", 0.01)
    ours = sides[0].dial(sides[1])
    assert ours.transport == "tcp"
    close(ours, sides[1].box.get(WAIT_S))


def test_nobody_else_gets_a_port_that_is_kept_without_listening() -> None:
    kept = open_listener("127.0.0.1", range(1), ANYWHERE, is_deaf=True)
    with kept, socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError):
            other.bind(kept.getsockname())
        assert is_refused(Endpoint(*kept.getsockname()))


@pytest.mark.parametrize("dialing", ["race", "utp-first"])
def test_however_it_is_dialled_the_peer_sees_one_of_us(sides: tuple[Side, Side], dialing: str) -> None:
    sides[0].use(UseTransports(True, True, dialing))
    ours = sides[0].dial(sides[1])
    theirs = sides[1].box.get(WAIT_S)
    assert ours.transport == theirs.transport
    assert dialing == "race" or ours.transport == "utp"
    close(ours, theirs)


def test_with_neither_transport_a_dial_fails_at_once(sides: tuple[Side, Side]) -> None:
    sides[0].use(UseTransports(False, False))
    failed = sides[0].dial(sides[1])
    assert isinstance(failed, DialFailed) and failed.code == "net.no-transport"


def test_without_tcp_a_peer_that_has_no_utp_is_told_as_such(sides: tuple[Side, Side]) -> None:
    sides[1].udp.mailbox.post(CloseUtp())
    settle(sides[1].udp.heart)
    sides[0].use(UseTransports(False, True))
    failed = sides[0].dial(sides[1])
    assert isinstance(failed, DialFailed) and failed.code == "net.only-utp" and "tcp.enabled" in failed.detail


def test_a_withdrawn_torrent_is_answered_for_although_its_dial_is_under_way(sides: tuple[Side, Side]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        door, box = sides[0].door.mailbox, sides[0].box
        door.post(Dial(Endpoint(*deaf.getsockname()), TORRENT, sides[0].peer_id, box, only_utp=True))
        door.post(Withdraw(TORRENT))
        failed = box.get(WAIT_S)
    assert isinstance(failed, DialFailed) and failed.code == "net.withdrawn"
    assert not box.depth


def test_a_filter_is_in_force_for_utp_too(sides: tuple[Side, Side]) -> None:
    loopback = Ranges()
    loopback.extend([127 << 24], [(128 << 24) - 1], is_v6=False)
    sides[1].door.mailbox.post(UseFilter(AddressFilter({"list": loopback}, Ranges())))
    end = time.monotonic() + WAIT_S
    while not sides[1].bridge.gate.refuses("127.0.0.1"):   # it comes by way of the door
        assert time.monotonic() < end
        time.sleep(0.01)
    failed = sides[0].dial(sides[1], only_utp=True)
    assert isinstance(failed, DialFailed) and failed.code == "net.timed-out"
    assert not sides[1].box.depth
