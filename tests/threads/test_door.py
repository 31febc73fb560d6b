"""The door with real sockets on loopback."""

from __future__ import annotations

import errno
import gc
import os
import resource
import socket

import pytest

from blobtorrent.config.values import ProxySpec
from blobtorrent.model.address import Endpoint
from blobtorrent.network import door as door_module
from blobtorrent.network import way as way_module
from blobtorrent.network.binding import ANYWHERE, Binding
from blobtorrent.network.door import Door
from blobtorrent.network.messages import (
    Dial,
    DialFailed,
    Listen,
    ListenFailed,
    PeerArrived,
    TunePeers,
    WatchAddresses,
    WayChanged,
    Withdraw,
)
from blobtorrent.network.proxy import Proxy
from blobtorrent.protocol.wire.greeting import GREETING_BYTES
from blobtorrent.runtime.mailbox import Mailbox
from tests.support.doors import (
    OURS,
    THEIRS,
    TORRENT,
    WAIT_S,
    exactly,
    greeting,
    knock,
    listen,
    receive_all,
    serve,
    tell,
)


@pytest.fixture
def box():
    return Mailbox("test")


@pytest.fixture
def door():
    door = Door(ANYWHERE)
    door.start()
    yield door
    assert door.stop(WAIT_S)


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


HOSTS = ["127.0.0.1", pytest.param("::1", marks=pytest.mark.skipif(not has_ipv6(), reason="no IPv6 loopback here"))]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("wire_hash", TORRENT.wire_forms)
def test_a_peer_that_asks_for_a_served_torrent_arrives_with_what_it_said_early(door, box, host, wire_hash):
    endpoint = serve(door, box, host=host)
    with knock(endpoint, greeting(wire_hash) + b"early") as sock:
        arrived = box.get(WAIT_S)
        assert isinstance(arrived, PeerArrived)
        assert arrived.is_incoming and arrived.info_hash == TORRENT
        assert arrived.greeting.peer_id == THEIRS
        assert arrived.endpoint == Endpoint(host, sock.getsockname()[1])
        assert arrived.early == b"early"
        assert not arrived.sock.getblocking()
        arrived.sock.close()
        assert receive_all(sock) == greeting(wire_hash, OURS)


def test_a_peer_is_answered_before_it_tells_its_id(door, box):
    endpoint = serve(door, box)
    with knock(endpoint, greeting()[:48]) as sock:
        assert exactly(sock, GREETING_BYTES) == greeting(peer_id=OURS)
        sock.sendall(greeting()[48:])
        arrived = box.get(WAIT_S)
        arrived.sock.close()


@pytest.mark.parametrize("said", [greeting(b"3" * 20), b"GET / HTTP/1.1\r\n\r\n", greeting()[:30] + b"\0" * 38])
def test_others_are_turned_away_without_a_word(door, box, said):
    endpoint = serve(door, box)
    with knock(endpoint, said) as sock:
        assert receive_all(sock) == b""


def test_two_doors_meet(door, box):
    endpoint = serve(door, box)
    other, other_box = Door(ANYWHERE), Mailbox("other")
    other.start()
    other.mailbox.post(Dial(endpoint, TORRENT, THEIRS, other_box))
    outgoing, incoming = other_box.get(WAIT_S), box.get(WAIT_S)
    assert not outgoing.is_incoming and incoming.is_incoming
    assert outgoing.endpoint == endpoint
    assert outgoing.greeting.peer_id == OURS and incoming.greeting.peer_id == THEIRS
    outgoing.sock.send(b"hello")
    incoming.sock.settimeout(WAIT_S)
    assert incoming.sock.recv(5) == b"hello"
    outgoing.sock.close()
    incoming.sock.close()
    assert other.stop(WAIT_S)


def test_a_dial_to_ourselves_is_noticed(door, box):
    arrivals = Mailbox("arrivals")
    endpoint = serve(door, arrivals)
    door.mailbox.post(Dial(endpoint, TORRENT, OURS, box))
    failed = box.get(WAIT_S)
    assert isinstance(failed, DialFailed)
    assert failed.code == "wire.self"
    assert arrivals.drain() == []


def test_a_dial_to_a_closed_port_is_refused(door, box):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        endpoint = Endpoint("127.0.0.1", sock.getsockname()[1])
        door.mailbox.post(Dial(endpoint, TORRENT, OURS, box))
        assert box.get(WAIT_S).code == "net.refused"


@pytest.mark.parametrize(("said", "code"), [
    (b"SSH-2.0-OpenSSH", "wire.bad-greeting"),
    (greeting(b"3" * 20), "wire.wrong-torrent"),
    (b"", "net.reset"),
])
def test_a_dialed_peer_that_answers_wrongly_is_a_failure(door, box, said, code):
    with socket.create_server(("127.0.0.1", 0)) as server:
        door.mailbox.post(Dial(Endpoint(*server.getsockname()), TORRENT, OURS, box))
        sock, _ = server.accept()
        with sock:
            assert exactly(sock, GREETING_BYTES) == greeting(peer_id=OURS)
            sock.sendall(said)
            sock.shutdown(socket.SHUT_WR)
            assert box.get(WAIT_S).code == code


def test_silence_has_a_deadline(monkeypatch, door, box):
    monkeypatch.setattr(door_module, "GREETING_TIMEOUT_S", 0.05)
    endpoint = listen(door, box)
    with socket.create_server(("127.0.0.1", 0)) as server:
        door.mailbox.post(Dial(Endpoint(*server.getsockname()), TORRENT, OURS, box))
        assert box.get(WAIT_S).code == "net.timed-out"
    with knock(endpoint, b"\x13BitTorrent") as sock:
        assert receive_all(sock) == b""


def test_a_port_that_is_taken_cannot_be_listened_on(door, box):
    endpoint = listen(door, box)
    door.mailbox.post(Listen(endpoint.host, range(endpoint.port, endpoint.port + 1), box))
    failed = box.get(WAIT_S)
    assert isinstance(failed, ListenFailed)
    assert failed.code == "net.cannot-listen"


def test_a_withdrawn_torrent_is_refused_and_its_half_made_connections_end(door, box):
    endpoint = serve(door, box)
    with knock(endpoint, greeting()[:48]) as half_made:
        assert exactly(half_made, GREETING_BYTES)
        door.mailbox.post(Withdraw(TORRENT))
        assert receive_all(half_made) == b""
    with knock(endpoint, greeting()) as late:
        assert receive_all(late) == b""
    assert box.drain() == []


def test_dials_beyond_the_limit_wait_and_each_is_answered_once(monkeypatch, door, box):
    monkeypatch.setattr(door_module, "MAX_DIALS", 3)
    arrivals = Mailbox("arrivals")
    endpoint = serve(door, arrivals, THEIRS)
    for _ in range(20):
        door.mailbox.post(Dial(endpoint, TORRENT, OURS, box))
    for mailbox in (box, arrivals):
        for _ in range(20):
            mailbox.get(WAIT_S).sock.close()
    assert box.drain() == [] == arrivals.drain()


def test_withdrawing_answers_the_dials_that_wait(monkeypatch, door, box):
    monkeypatch.setattr(door_module, "MAX_DIALS", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        for _ in range(3):
            door.mailbox.post(Dial(Endpoint(*server.getsockname()), TORRENT, OURS, box))
        door.mailbox.post(Withdraw(TORRENT))
        assert [box.get(WAIT_S).code for _ in range(3)] == ["net.withdrawn"] * 3


def test_stopping_answers_what_is_under_way_and_closes_everything(box):
    door = Door(ANYWHERE)
    door.start()
    endpoint = listen(door, box)
    with socket.create_server(("127.0.0.1", 0)) as server, knock(endpoint, b"\x13") as half_made:
        door.mailbox.post(Dial(Endpoint(*server.getsockname()), TORRENT, OURS, box))
        sock, _ = server.accept()
        with sock:
            assert door.stop(WAIT_S)
            assert box.get(WAIT_S).code == "net.withdrawn"
            assert receive_all(half_made) == b""
            assert receive_all(sock) in (b"", greeting(peer_id=OURS))
    with pytest.raises(ConnectionRefusedError):
        knock(endpoint, b"")


def test_a_flood_of_silent_peers_does_not_keep_an_honest_one_out(monkeypatch, door, box):
    monkeypatch.setattr(door_module, "MAX_INCOMING", 8)
    monkeypatch.setattr(door_module, "MAX_PER_SITE", 100)
    endpoint = serve(door, box)
    silent = [knock(endpoint, b"") for _ in range(50)]
    with knock(endpoint, greeting()):
        box.get(WAIT_S).sock.close()
    assert receive_all(silent[0]) == b""
    for sock in silent:
        sock.close()


def test_one_address_gets_only_its_share(monkeypatch, door, box):
    monkeypatch.setattr(door_module, "MAX_PER_SITE", 2)
    endpoint = serve(door, box)
    with knock(endpoint, b"\x13"), knock(endpoint, b"\x13"):
        with knock(endpoint, greeting()) as third:
            assert receive_all(third) == b""
        with knock(endpoint, greeting(), "127.0.0.2"):
            box.get(WAIT_S).sock.close()


def test_a_whole_subnet_of_ipv6_gets_the_share_of_one_address(monkeypatch, door, box):
    monkeypatch.setattr(door_module, "MAX_PER_SITE", 2)
    hosts = iter(("2a00:db8::1", "2a00:db8::2", "2a00:db8::3", "2a00:db8:0:1::1"))
    monkeypatch.setattr(door_module.transport, "endpoint_of", lambda address: Endpoint(next(hosts), 6881))
    endpoint = serve(door, box)
    with knock(endpoint, b"\x13"), knock(endpoint, b"\x13"):
        with knock(endpoint, greeting()) as third:
            assert receive_all(third) == b""
        with knock(endpoint, greeting()):
            box.get(WAIT_S).sock.close()


class Odd:
    """A listener that fails to accept once, for a reason that is that peer's alone."""

    def __init__(self, listener):
        self._listener = listener
        self.failures = [OSError(errno.EPROTO, "x"), OSError(errno.ENETDOWN, "x")]

    def accept(self):
        if self.failures:
            raise self.failures.pop()
        return self._listener.accept()


def test_a_peer_that_is_gone_before_it_is_accepted_keeps_nobody_waiting(monkeypatch, door, box):
    monkeypatch.setattr(door_module, "SHORTAGE_PAUSE_S", WAIT_S * 10)
    plain, odd = door._accept, []

    def accept(listener, mask):
        odd.append(Odd(listener))
        plain(odd[-1], mask)

    monkeypatch.setattr(door._listeners, "_accept", accept)
    endpoint = serve(door, box)
    with knock(endpoint, greeting()):
        box.get(WAIT_S).sock.close()
    assert odd[0].failures == []


def test_a_peer_that_there_is_no_room_to_watch_costs_no_listener(monkeypatch, door, box):
    monkeypatch.setattr(door_module, "SHORTAGE_PAUSE_S", 0.05)
    plain, failures = door._await_greeting, [OSError(errno.ENOMEM, "x"), OSError(errno.EINVAL, "x")]

    def wait(visit):
        if failures:
            raise failures.pop()
        plain(visit)

    monkeypatch.setattr(door, "_await_greeting", wait)
    endpoint = serve(door, box)
    for _ in range(2):
        with knock(endpoint, greeting()) as refused:
            assert receive_all(refused) == b""
    with knock(endpoint, greeting()):
        box.get(WAIT_S).sock.close()


@pytest.fixture
def behind_a_proxy(monkeypatch):
    """A function that makes a door behind the proxy on a port of loopback."""
    monkeypatch.setattr(way_module, "PROXY_PAUSE_S", 0.05)
    doors = []

    def make(port):
        doors.append(Door(Binding(proxy=Proxy(ProxySpec("socks5", "127.0.0.1", port), is_strict=False))))
        doors[-1].start()
        return doors[-1]

    yield make
    for door in doors:
        assert door.stop(WAIT_S)


def test_what_becomes_of_the_proxy_is_told_when_it_changes(behind_a_proxy, door, box):
    endpoint = serve(door, box)
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))            # nobody listens there yet
        ours, told = behind_a_proxy(reserved.getsockname()[1]), Mailbox("core")
        way = WayChanged("", (), f"socks5://127.0.0.1:{reserved.getsockname()[1]}", False, True)
        ours.mailbox.post(WatchAddresses(told))
        assert told.get(WAIT_S) == way
        ours.mailbox.post(Dial(endpoint, TORRENT, THEIRS, box))
        assert told.get(WAIT_S)._replace(detail="") == way._replace(code="proxy.down")
        reserved.listen()
        client, _ = reserved.accept()
        with client:
            client.recv(100)
            client.sendall(b"\5\0")
            client.recv(100)
            client.sendall(b"\5\0\0\1" + bytes(6) + greeting(peer_id=OURS))
            assert told.get(WAIT_S) == way
            box.get(WAIT_S).sock.close()


def test_without_interface_and_proxy_there_is_nothing_to_tell(door):
    told = Mailbox("core")
    door.mailbox.post(WatchAddresses(told))
    listen(door, Mailbox("test"))      # so that it has been there
    assert told.drain() == []


def test_running_out_of_descriptors_delays_peers_but_loses_none(monkeypatch, door, box):
    monkeypatch.setattr(door_module, "SHORTAGE_PAUSE_S", 0.05)
    endpoint = serve(door, box)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    hoard = []
    gc.collect()      # what earlier tests left must not be closed while the descriptors are counted
    with socket.socket() as client:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
            with pytest.raises(OSError) as caught:
                while True:
                    hoard.append(os.dup(client.fileno()))
            assert caught.value.errno == errno.EMFILE
            client.settimeout(WAIT_S)
            client.connect((endpoint.host, endpoint.port))
            client.sendall(greeting())
            door.mailbox.post(Dial(endpoint, TORRENT, THEIRS, box))
            client.settimeout(0.2)
            with pytest.raises(TimeoutError):
                client.recv(1)
        finally:
            for descriptor in hoard:
                os.close(descriptor)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        arrived = [box.get(WAIT_S) for _ in range(3)]
        assert sorted(peer.is_incoming for peer in arrived) == [False, True, True]
        for peer in arrived:
            peer.sock.close()


def test_peers_that_come_have_sockets_as_they_were_wanted_last(door, box):
    endpoint = serve(door, box)
    sizes = []
    for tuning in (TunePeers(16384, 32768, 8), TunePeers(65536, 65536, 0)):
        tell(door, tuning)
        with knock(endpoint, greeting()):
            arrived = box.get(WAIT_S)
            with arrived.sock as sock:
                sizes.append((sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) // 2,       # Linux doubles it
                              sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2,
                              sock.getsockopt(socket.IPPROTO_IP, socket.IP_TOS)))
    assert sizes == [(16384, 32768, 8), (65536, 65536, 0)]
