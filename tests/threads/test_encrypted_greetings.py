"""The door and encryption, with real sockets on loopback: every mode against every kind of peer."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import PeerError
from blobtorrent.network import door as door_module
from blobtorrent.network import encryption
from blobtorrent.network.binding import ANYWHERE
from blobtorrent.network.door import Door
from blobtorrent.network.encryption import MODES, WorkLimit
from blobtorrent.network.messages import (
    Dial,
    DialFailed,
    PeerArrived,
    PeerRefused,
    Serve,
    UseEncryption,
    Withdraw,
)
from blobtorrent.protocol.mse import cipher
from blobtorrent.protocol.mse.handshake import Initiator, Method, Responder, Secrets
from blobtorrent.protocol.mse.keys import torrent_mark
from blobtorrent.protocol.wire.greeting import GREETING_BYTES
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.metrics import Registry
from tests.support.doors import (
    OURS,
    THEIRS,
    TORRENT,
    WAIT_S,
    connect,
    exactly,
    greeting,
    knock,
    receive_all,
    serve,
    tell,
)

BOTH = Method.PLAINTEXT | Method.RC4


@pytest.fixture
def box():
    return Mailbox("test")


class Doors:
    def __init__(self):
        self._made = []

    def open(self, mode):
        door = Door(ANYWHERE)
        door.start()
        self._made.append(door)
        door.mailbox.post(UseEncryption(mode))
        return door

    def close(self):
        for door in self._made:
            assert door.stop(WAIT_S)


@pytest.fixture
def doors():
    doors = Doors()
    yield doors
    doors.close()


def secrets(exponent):
    return Secrets(bytes([exponent]) * 20, b"pad" * 70)


def knock_encrypted(endpoint, offer, torrent=b"1" * 20, hello=None):
    """A socket behind the handshake, and its machine."""
    sock = connect(endpoint)
    side = Initiator(torrent, offer, greeting(info_hash=torrent) if hello is None else hello, secrets(3))
    sock.sendall(side.begin())
    while not side.is_done:
        data = sock.recv(4096)
        if not data:
            return sock, None
        sock.sendall(side.feed(data))
    return sock, side


class Server:
    """A peer that takes connections, one after the other: each is handled by the next of `ways`."""

    def __init__(self, *ways):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = Endpoint(*self._listener.getsockname())
        self.heard = []
        self._thread = threading.Thread(target=self._serve, args=(ways,))
        self._thread.start()

    def _serve(self, ways):
        for way in ways:
            sock, _ = self._listener.accept()
            sock.settimeout(WAIT_S)
            with sock:
                self.heard.append(way(sock))

    def close(self):
        self._thread.join(WAIT_S)
        self._listener.close()
        assert not self._thread.is_alive()


def hangs_up(sock):
    """As one that is not spoken to in the way it wants."""
    return sock.recv(20)


def speaks_plain(sock):
    """As one that knows no encryption."""
    said = exactly(sock, 20)
    if said != greeting()[:20]:
        return said
    exactly(sock, GREETING_BYTES - 20)
    sock.sendall(greeting())
    receive_all(sock)
    return said


def refuses_rc4(sock):
    """As one that takes a plain stream or none."""
    side = Responder({torrent_mark(b"1" * 20): b"1" * 20}.get, Method.PLAINTEXT, secrets(5), prefers_rc4=False)
    data = first = sock.recv(4096)
    with pytest.raises(PeerError, match="we take 1"):
        while True:
            sock.sendall(side.feed(data))
            data = sock.recv(4096)
    return first


def speaks_encrypted(accepted, prefers_rc4=True):
    def way(sock):
        side = Responder({torrent_mark(b"1" * 20): b"1" * 20}.get, accepted, secrets(5), prefers_rc4=prefers_rc4)
        data = sock.recv(4096)
        first = data[:20]
        if first == greeting()[:20]:
            return first
        while True:
            sock.sendall(side.feed(data))
            if side.is_done or not (data := sock.recv(4096)):
                break
        assert side.early[:20] == greeting()[:20]
        agreed = side.obfuscation
        sock.sendall(greeting() if agreed.outgoing is None else agreed.outgoing.update(greeting() + b"early"))
        receive_all(sock)
        return first
    return way


def dial(door, endpoint, box):
    door.mailbox.post(Dial(endpoint, TORRENT, OURS, box))
    return box.get(WAIT_S)


def close(*arrived):
    for peer in arrived:
        peer.sock.close()


# ---- our own doors

def meets(one, other):
    """The method that two of us agree on; "plain" for no handshake, None for no connection."""
    if "required" in (one, other) and "disabled" in (one, other):
        return None
    if one in ("preferred", "required"):
        if other == "disabled":
            return "plain"
        return Method.PLAINTEXT if (one, other) == ("preferred", "allowed") else Method.RC4
    return Method.RC4 if other == "required" else "plain"


@pytest.mark.parametrize("theirs", MODES)
@pytest.mark.parametrize("ours", MODES)
def test_two_doors_meet_as_their_modes_let_them(ours, theirs, doors, box):
    there, arrivals = doors.open(theirs), Mailbox("arrivals")
    answer = dial(doors.open(ours), serve(there, arrivals, THEIRS), box)
    expected = meets(ours, theirs)
    if expected is None:
        assert isinstance(answer, DialFailed)
        assert not any(isinstance(told, PeerArrived) for told in arrivals.drain())
        return
    assert isinstance(answer, PeerArrived) and answer.greeting.peer_id == THEIRS
    arrived = arrivals.get(WAIT_S)
    while isinstance(arrived, PeerRefused):                # of the first try, where there were two
        arrived = arrivals.get(WAIT_S)
    for peer in (answer, arrived):
        assert (peer.obfuscation.method if peer.obfuscation else "plain") == expected
    if expected is Method.RC4:
        said = answer.obfuscation.outgoing.update(b"hello")
        assert arrived.obfuscation.incoming.update(said) == b"hello" != said
        said = arrived.obfuscation.outgoing.update(b"hello")
        assert answer.obfuscation.incoming.update(said) == b"hello"
    close(answer, arrived)


# ---- who comes to us

@pytest.mark.parametrize("torrent", TORRENT.wire_forms)
@pytest.mark.parametrize(("mode", "offer", "method"), [
    ("allowed", BOTH, Method.PLAINTEXT), ("allowed", Method.RC4, Method.RC4),
    ("preferred", BOTH, Method.RC4), ("preferred", Method.PLAINTEXT, Method.PLAINTEXT), ("required", BOTH, Method.RC4),
])
def test_who_comes_encrypted_gets_what_the_mode_likes_best(mode, offer, method, torrent, doors, box):
    sock, side = knock_encrypted(serve(doors.open(mode), box), offer, torrent)
    with sock:
        assert side.method is method
        arrived = box.get(WAIT_S)
        with arrived.sock:
            assert arrived.is_incoming and arrived.greeting.peer_id == THEIRS and arrived.obfuscation.method is method
            answer = side.early
            while len(answer) < GREETING_BYTES:
                data = sock.recv(4096)
                answer += data if side.obfuscation.incoming is None else side.obfuscation.incoming.update(data)
            assert answer[28:] == torrent + OURS


def test_what_comes_early_is_deciphered(doors, box):
    endpoint = serve(doors.open("preferred"), box)
    sock, side = knock_encrypted(endpoint, Method.RC4, hello=greeting() + b"early")
    with sock:
        arrived = box.get(WAIT_S)
        with arrived.sock:
            assert arrived.early == b"early"
            sock.sendall(side.obfuscation.outgoing.update(b"and more"))
            arrived.sock.settimeout(WAIT_S)
            assert arrived.obfuscation.incoming.update(arrived.sock.recv(100)) == b"and more"


def test_a_plain_greeting_is_not_answered_where_encryption_is_required_and_the_torrent_hears_of_it(doors, box):
    door = doors.open("required")
    endpoint = serve(door, box)
    with knock(endpoint, greeting()) as sock:
        assert receive_all(sock) == b""
    refused = box.get(WAIT_S)
    assert isinstance(refused, PeerRefused)
    assert (refused.info_hash, refused.code, refused.endpoint.host) == (TORRENT, "encryption.required", "127.0.0.1")


def test_a_plain_stream_behind_the_handshake_is_not_agreed_on_where_encryption_is_required(doors, box):
    sock, side = knock_encrypted(serve(doors.open("required"), box), Method.PLAINTEXT)
    with sock:
        assert side is None
        assert receive_all(sock) == b""
    assert box.drain() == []


def test_noise_is_only_noise_where_encryption_is_disabled(doors, box):
    sock, side = knock_encrypted(serve(doors.open("disabled"), box), BOTH)
    with sock:
        assert side is None


def test_a_torrent_that_nobody_serves_or_serves_no_more_is_refused(doors, box):
    door = doors.open("allowed")
    endpoint = serve(door, box)
    sock, side = knock_encrypted(endpoint, BOTH, b"3" * 20)
    with sock:
        assert side is None
    sock, side = knock_encrypted(endpoint, BOTH)
    with sock:
        assert side is not None
        close(box.get(WAIT_S))
    tell(door, Withdraw(TORRENT))
    sock, side = knock_encrypted(endpoint, BOTH)
    with sock:
        assert side is None
    tell(door, Serve(TORRENT, OURS, box))
    sock, side = knock_encrypted(endpoint, BOTH)
    with sock:
        assert side is not None
        close(box.get(WAIT_S))


def test_a_plain_greeting_may_come_byte_by_byte(doors, box):
    endpoint = serve(doors.open("allowed"), box)
    with connect(endpoint) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in greeting():
            sock.sendall(bytes([byte]))
        arrived = box.get(WAIT_S)
        with arrived.sock:
            assert arrived.obfuscation is None and arrived.greeting.peer_id == THEIRS


def test_the_mode_is_that_of_the_moment(doors, box):
    door = doors.open("disabled")
    endpoint = serve(door, box)
    for mode, is_taken in (("allowed", True), ("disabled", False), ("required", True)):
        tell(door, UseEncryption(mode))
        sock, side = knock_encrypted(endpoint, BOTH)
        with sock:
            assert (side is not None) == is_taken
            if is_taken:
                close(box.get(WAIT_S))


def test_who_greeted_in_plain_and_waits_is_refused_when_encryption_becomes_required(doors, box):
    door = doors.open("allowed")
    endpoint = serve(door, box)
    with knock(endpoint, greeting()[:48]) as sock:
        assert len(exactly(sock, GREETING_BYTES)) == GREETING_BYTES
        tell(door, UseEncryption("required"))
        sock.sendall(greeting()[48:])
        assert receive_all(sock) == b""
    assert isinstance(box.get(WAIT_S), PeerRefused)


def test_of_too_many_handshakes_some_wait_and_plain_peers_do_not(monkeypatch, doors, box):
    monkeypatch.setattr(encryption, "MAX_WORK", 3)
    endpoint = serve(doors.open("allowed"), box)
    began_s, knocking = time.monotonic(), []
    for _ in range(8):
        sock = connect(endpoint)
        side = Initiator(b"1" * 20, BOTH, greeting(), secrets(3))
        sock.sendall(side.begin())
        knocking.append((sock, side))
    with knock(endpoint, greeting()) as plain:
        assert len(exactly(plain, GREETING_BYTES)) == GREETING_BYTES
        close(box.get(WAIT_S))
    for sock, side in knocking:
        while not side.is_done:
            sock.sendall(side.feed(sock.recv(4096)))
        close(box.get(WAIT_S))
        sock.close()
    assert time.monotonic() - began_s > 1.0


def test_work_is_counted_in_windows_and_by_site(monkeypatch):
    monkeypatch.setattr(encryption, "MAX_WORK", 5)
    monkeypatch.setattr(encryption, "MAX_WORK_OF_SITE", 3)
    work = WorkLimit()
    assert [work.take("a", 10.0) for _ in range(5)] == [True, True, True, False, False]
    assert [work.take(site, 10.5) for site in "bcd"] == [True, True, False]
    assert [work.take("a", 11.1), work.take("a", 12.05)] == [True, True]


# ---- whom we dial

@pytest.mark.parametrize(("mode", "ways", "method", "firsts"), [
    ("disabled", [speaks_plain], None, ["plain"]),
    ("allowed", [speaks_plain], None, ["plain"]),
    ("allowed", [hangs_up, speaks_encrypted(BOTH)], Method.RC4, ["plain", "noise"]),
    ("allowed", [hangs_up, speaks_encrypted(BOTH, prefers_rc4=False)], Method.PLAINTEXT, ["plain", "noise"]),
    ("preferred", [speaks_encrypted(BOTH)], Method.RC4, ["noise"]),
    ("preferred", [speaks_encrypted(Method.PLAINTEXT)], Method.PLAINTEXT, ["noise"]),
    ("preferred", [speaks_plain, speaks_plain], None, ["noise", "plain"]),
    ("preferred", [hangs_up, speaks_plain], None, ["noise", "plain"]),
    ("required", [speaks_encrypted(BOTH)], Method.RC4, ["noise"]),
])
def test_peers_are_dialled_as_the_mode_says_and_the_other_way_where_that_fails(mode, ways, method, firsts, doors, box):
    server = Server(*ways)
    answer = dial(doors.open(mode), server.endpoint, box)
    assert isinstance(answer, PeerArrived), answer
    assert (answer.obfuscation and answer.obfuscation.method) == method
    if method is Method.RC4:
        early = answer.early                               # it may come behind the greeting
        answer.sock.settimeout(WAIT_S)
        while len(early) < 5:
            early += answer.obfuscation.incoming.update(answer.sock.recv(100))
        assert early == b"early"
    close(answer)
    server.close()
    assert ["plain" if said[:20] == greeting()[:20] else "noise" for said in server.heard] == firsts
    assert box.drain() == []


@pytest.mark.parametrize(("mode", "ways", "code"), [
    ("disabled", [hangs_up], "net.reset"),
    ("allowed", [hangs_up, hangs_up], "net.reset"),
    ("preferred", [hangs_up, hangs_up], "net.reset"),
    ("required", [hangs_up], "encryption.refused"),
    ("required", [speaks_plain], "encryption.refused"),
    ("required", [refuses_rc4], "encryption.refused"),
])
def test_a_peer_that_cannot_be_had_is_told_once_and_never_spoken_to_in_plain_where_that_is_forbidden(
        mode, ways, code, doors, box):
    server = Server(*ways)
    failed = dial(doors.open(mode), server.endpoint, box)
    assert isinstance(failed, DialFailed)
    assert failed.code == code
    server.close()
    if mode == "required":
        assert all(said[:20] != greeting()[:20] for said in server.heard)
    assert box.drain() == []


def test_silence_behind_our_key_is_followed_by_a_plain_greeting(monkeypatch, doors, box):
    monkeypatch.setattr(door_module, "GREETING_TIMEOUT_S", 0.3)
    listener = socket.create_server(("127.0.0.1", 0))
    with listener:
        door = doors.open("preferred")
        door.mailbox.post(Dial(Endpoint(*listener.getsockname()), TORRENT, OURS, box))
        first, _ = listener.accept()
        second, _ = listener.accept()
        with first, second:
            second.settimeout(WAIT_S)
            assert exactly(second, 20) == greeting()[:20]
            assert box.get(WAIT_S).code == "net.timed-out"


def test_a_withdrawn_torrent_is_not_dialled_again(doors, box):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        door = doors.open("preferred")
        door.mailbox.post(Dial(Endpoint(*listener.getsockname()), TORRENT, OURS, box))
        sock, _ = listener.accept()
        with sock:
            assert len(exactly(sock, 96)) == 96
            door.mailbox.post(Withdraw(TORRENT))
            assert box.get(WAIT_S).code == "net.withdrawn"
    assert box.drain() == []


# ---- an OpenSSL without RC4

@pytest.fixture
def no_fast_rc4(monkeypatch):
    monkeypatch.setattr(cipher, "has_fast_rc4", lambda: False)


def test_without_rc4_streams_are_plain_behind_the_handshake(no_fast_rc4, doors, box):
    sock, side = knock_encrypted(serve(doors.open("preferred"), box), BOTH)
    with sock:
        assert side.method is Method.PLAINTEXT
        close(box.get(WAIT_S))
    server = Server(speaks_encrypted(BOTH))
    answer = dial(doors.open("preferred"), server.endpoint, box)
    assert answer.obfuscation.method is Method.PLAINTEXT
    close(answer)
    server.close()


def test_without_rc4_nobody_is_dialled_where_it_is_required(no_fast_rc4, doors, box, caplog):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.3)
        failed = dial(doors.open("required"), Endpoint(*listener.getsockname()), box)
        assert failed.code == "encryption.unavailable"
        assert "OpenSSL has no RC4 here: no peer can be connected to" in caplog.text
        with pytest.raises(TimeoutError):
            listener.accept()


# ---- figures

def test_handshakes_are_counted_by_how_they_ended(doors, box):
    door = doors.open("required")
    registry = Registry()
    door.measure(registry)
    endpoint = serve(door, box)
    sock, _ = knock_encrypted(endpoint, BOTH)
    close(box.get(WAIT_S))
    sock.close()
    with knock(endpoint, greeting()) as plain:
        assert receive_all(plain) == b""
    assert isinstance(box.get(WAIT_S), PeerRefused)
    told = {sample.labels: sample.value for sample in registry.snapshot()
            if sample.name == "blobtorrent_encryption_handshakes_total"}
    assert told[("direction", "in"), ("result", "rc4")] == 1
    assert told[("direction", "in"), ("result", "refused")] == 1
    assert sum(told.values()) == 2
