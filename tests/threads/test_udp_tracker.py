"""UDP trackers over real sockets: honest, slow, forgetful, lying and flooding ones."""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from blobtorrent.discovery.messages import Announce, AnnounceDone, Origin, Scrape
from blobtorrent.discovery.outcall import Outcalls
from blobtorrent.discovery.udp_tracker import UdpTrackers, may_send
from blobtorrent.model.address import Endpoint
from blobtorrent.model.ids import InfoHash, PeerId
from blobtorrent.network.binding import ANYWHERE
from blobtorrent.network.udp import UdpLoop
from blobtorrent.protocol.tracker.announce import AnnounceEvent, AnnounceQuery, SwarmCounts
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.metrics import Registry

WAIT_S = 10.0
MAGIC = 0x41727101980
TORRENT = InfoHash(v1=bytes(range(0, 260, 13)))
QUERY = AnnounceQuery(bytes(range(0, 260, 13)), PeerId(b"-BQ0100-abcdefghijkl"), 6881, 0, 0, 5, AnnounceEvent.STARTED)


class FakeUdpTracker:
    """Speaks BEP 15 with one peer to name, and keeps the announces as they came. Overridden where it misbehaves."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.bind((host, 0))
        self.host, self.port = host, self.sock.getsockname()[1]
        self.connects = 0
        self.announces: list[bytes] = []
        self.peer = Endpoint("2001:db8::7" if ":" in host else "10.1.2.3", 7)
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> FakeUdpTracker:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        with socket.socket(self.sock.family, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"end", self.sock.getsockname())
        self._thread.join()
        self.sock.close()

    def url(self, rest: str = "/announce") -> str:
        return f"udp://[{self.host}]:{self.port}{rest}" if ":" in self.host else f"udp://{self.host}:{self.port}{rest}"

    def _serve(self) -> None:
        while True:
            data, address = self.sock.recvfrom(4096)
            if data == b"end":
                return
            connection, action, transaction = struct.unpack_from(">QII", data)
            if action == 0:
                self.connects += 1
            answer = self.answer(connection, action, transaction, data, address)
            if answer:
                self.sock.sendto(answer, address)

    def answer(self, connection: int, action: int, transaction: int, data: bytes, address: Any) -> bytes:
        if action == 0:
            return struct.pack(">IIQ", 0, transaction, 77) if connection == MAGIC else b""
        if connection != 77:
            return struct.pack(">II", 3, transaction) + b"Connection ID missmatch."
        if action == 2:
            return struct.pack(">IIIII", 2, transaction, 1, 2, 3)
        self.announces.append(data)
        return struct.pack(">IIIII", 1, transaction, 900, 4, 3) + self.peer.compact


class Rig:
    def __init__(self) -> None:
        self.outcalls, self.udp, self.metrics = Outcalls(ANYWHERE), UdpLoop(ANYWHERE), Registry()
        self.trackers = UdpTrackers(
            self.udp, self.outcalls.mailbox.post, random.SystemRandom().getrandbits, ANYWHERE.admits)
        self.trackers.measure(self.metrics)
        self.box: Mailbox[Any] = Mailbox("test")
        self.outcalls.start()
        self.udp.start()

    def stop(self) -> None:
        assert self.udp.stop(WAIT_S) and self.outcalls.stop(WAIT_S)

    def post(self, url: str, timeout_s: float = WAIT_S, origin: Origin = Origin(0)) -> None:  # noqa: B008
        self.udp.mailbox.post(Announce(TORRENT, url, QUERY, self.box, timeout_s, origin))

    def announce(self, url: str, timeout_s: float = WAIT_S) -> AnnounceDone:
        self.post(url, timeout_s)
        done = self.box.get(WAIT_S)
        assert isinstance(done, AnnounceDone)
        return done

    def strays(self) -> float:
        return next(one.value for one in self.metrics.snapshot() if one.name.endswith("strays_total"))


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.stop()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_tracker_is_asked_and_its_peers_are_read_in_the_form_of_its_family(rig: Rig, host: str) -> None:
    with FakeUdpTracker(host) as tracker:
        done = rig.announce(tracker.url("/announce?passkey=12"))
    assert done.error is None and done.endpoints == (tracker.peer,)
    (packet,) = tracker.announces
    assert packet[98:] == b"\x02\x14/announce?passkey=12"
    assert packet[16:36] == QUERY.wire_hash


def test_a_tracker_of_the_other_family_costs_no_sockets(rig: Rig) -> None:
    with FakeUdpTracker("::1") as tracker:
        for _ in range(5):
            rig.post(tracker.url(), origin=Origin(0, "127.0.0.1"))
        answers = [rig.box.get(WAIT_S) for _ in range(5)]
    assert [answer.error.code for answer in answers] == ["tracker.unreachable"] * 5
    assert rig.udp.ports == ()


def test_thousands_of_announces_cost_one_connection_id(rig: Rig) -> None:
    with FakeUdpTracker() as tracker:
        rig.announce(tracker.url())
        for _ in range(20):
            for _ in range(25):
                rig.post(tracker.url())
            assert all(rig.box.get(WAIT_S).error is None for _ in range(25))
    assert tracker.connects == 1
    assert len(tracker.announces) == 501
    assert sum(rig.trackers.announce_times.read().counts) == 501


def test_a_tracker_is_scraped(rig: Rig) -> None:
    with FakeUdpTracker() as tracker:
        rig.udp.mailbox.post(Scrape(tracker.url(), (QUERY.wire_hash,), rig.box))
        assert rig.box.get(WAIT_S).counts == {QUERY.wire_hash: SwarmCounts(1, 3, 2)}


def test_a_tracker_that_forgot_us_is_asked_for_another_connection_id(rig: Rig) -> None:
    class Forgetful(FakeUdpTracker):
        accepts = 1

        def answer(self, connection: int, action: int, transaction: int, data: bytes, address: Any) -> bytes:
            if action == 0:
                self.connects += 1
                return struct.pack(">IIQ", 0, transaction, self.accepts)
            return super().answer(77 if connection == self.accepts else 0, action, transaction, data, address)

    with Forgetful() as tracker:
        assert rig.announce(tracker.url()).error is None
        tracker.accepts = 2
        assert rig.announce(tracker.url()).error is None


def test_a_tracker_that_says_nothing_is_given_up(rig: Rig) -> None:
    class Silent(FakeUdpTracker):
        def answer(self, *_: Any) -> bytes:
            return b""

    with Silent() as tracker:
        done = rig.announce(tracker.url(), timeout_s=0.2)
    assert done.error is not None and done.error.code == "tracker.timed-out"


@pytest.mark.parametrize("tail", [b"", b"x", bytes(11)])
def test_a_tracker_that_answers_nonsense_is_told_from_one_that_is_late(rig: Rig, tail: bytes) -> None:
    class Babbler(FakeUdpTracker):
        def answer(self, connection: int, action: int, transaction: int, data: bytes, address: Any) -> bytes:
            good = super().answer(connection, action, transaction, data, address)
            return good if action == 0 else good[:8] + tail

    with Babbler() as tracker:
        done = rig.announce(tracker.url())
    assert done.error is not None and done.error.code == "tracker.bad-reply"


def test_no_stranger_can_answer_for_a_tracker(rig: Rig) -> None:
    """Answers to guessed transactions, from another address, as fast as they can be sent, while the tracker thinks."""
    release = threading.Event()

    def let_read(number: int) -> None:
        end_s = time.monotonic() + 1.0
        while rig.strays() < number and time.monotonic() < end_s:
            time.sleep(0.0005)

    class Slow(FakeUdpTracker):
        def answer(self, connection: int, action: int, transaction: int, data: bytes, address: Any) -> bytes:
            if action == 1:
                lie = struct.pack(">IIIII", 1, transaction, 60, 0, 0) + Endpoint("6.6.6.6", 6).compact
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                    stranger.bind(("127.0.0.2", 0))
                    stranger.sendto(lie, address)          # even with the right transaction
                    for number in range(10_000):
                        stranger.sendto(lie[:4] + struct.pack(">I", number * 429_496) + lie[8:], address)
                        if number % 100 == 0:
                            let_read(number)               # so that the kernel does not drop them for us
                release.set()
            return super().answer(connection, action, transaction, data, address)

    with Slow() as tracker:
        done = rig.announce(tracker.url())
    assert release.is_set()
    assert done.endpoints == (tracker.peer,)
    assert rig.strays() > 5000


@pytest.mark.parametrize(("host", "url_data", "verdict"), [
    ("10.0.0.1", b"", True), ("8.8.8.8", b"/x", True), ("2001:db8::1", b"", True),
    ("127.0.0.1", b"", True), ("127.0.0.1", b"/announce?x", True), ("::1", b"/announce", True),
    ("127.0.0.1", b"/admin", False), ("127.0.0.1", b"/announce/../x?/announce", False),
    ("::ffff:127.0.0.1", b"/admin", False), ("169.254.169.254", b"/announce", False),
    ("fe80::1", b"", False), ("224.0.0.1", b"", False), ("ff02::1", b"", False), ("0.0.0.0", b"", False),
    ("::", b"", False),
])
def test_where_a_strangers_udp_url_may_lead(host: str, url_data: bytes, verdict: bool) -> None:
    assert may_send(Endpoint(host, 80), url_data) is verdict


@pytest.mark.parametrize(("url", "code"), [
    ("udp://169.254.169.254:80/announce", "tracker.forbidden-address"),
    ("udp://127.0.0.1:53/admin", "tracker.forbidden-address"),
    ("udp://name.invalid:80/announce", "tracker.dns"),
    ("udp://name.example/announce", "tracker.bad-url"),
])
def test_an_announce_that_goes_nowhere_is_answered_with_the_reason(rig: Rig, url: str, code: str) -> None:
    done = rig.announce(url)
    assert done.error is not None and done.error.code == code


def test_an_address_of_the_other_family_is_not_made_up(rig: Rig) -> None:
    with FakeUdpTracker() as tracker:
        rig.post(tracker.url(), origin=Origin(6))
        assert rig.box.get(WAIT_S).error.code == "tracker.no-address"
