"""Questions to UDP trackers: what is sent when, and what counts as an answer (BEP 15)."""

from __future__ import annotations

import random
import struct
from typing import Any

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import TrackerError
from blobtorrent.model.ids import PeerId
from blobtorrent.protocol.tracker.announce import AnnounceQuery
from blobtorrent.protocol.tracker.udp import announce_request, read_announced
from blobtorrent.protocol.tracker.udpclient import CONNECTION_S, Path, Question, UdpTrackerClient
from blobtorrent.runtime.timers import TimerWheel

TRACKER = Endpoint("10.0.0.1", 6969)
HERE = "10.0.0.2"
QUERY = AnnounceQuery(b"h" * 20, PeerId(b"-BQ0100-abcdefghijkl"), 6881, 0, 0, 1)
MAGIC = 0x41727101980
CONNECTION = 0x1122334455667788


class Rig:
    """A client in a time of its own; what it sends is collected in `sent` as (connection id, action, transaction)."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers = TimerWheel()
        self.sent: list[tuple[int, int, int]] = []
        self.results: list[Any] = []
        self.client = UdpTrackerClient(self.timers, random.Random(1).getrandbits, self._take)

    def _take(self, path: Path, data: bytes) -> None:
        assert path.to == TRACKER
        self.sent.append(struct.unpack_from(">QII", data))

    def ask(self, timeout_s: float = 300.0) -> None:
        question = Question(
            Path("", TRACKER), lambda connection, transaction: announce_request(connection, transaction, QUERY, b""),
            lambda data: read_announced(data, is_ipv6=False), self.results.append)
        self.client.ask(question, timeout_s, self.now)

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.timers.next_deadline()) is not None and due <= end:
            self.now = due
            self.timers.expire(due)
        self.now = end

    def take(self) -> list[tuple[int, int, int]]:
        sent, self.sent[:] = self.sent[:], []
        return sent

    def tell(self, action: int, transaction: int, body: bytes, source: Endpoint = TRACKER) -> None:
        self.client.on_datagram(struct.pack(">II", action, transaction) + body, HERE, source, self.now)

    def connect(self) -> int:
        """Answer the connect under way; the transaction of the announce that follows."""
        ((connection, action, transaction),) = self.take()
        assert (connection, action) == (MAGIC, 0)
        self.tell(0, transaction, struct.pack(">Q", CONNECTION))
        return self.asked()

    def asked(self) -> int:
        ((connection, action, transaction),) = self.take()
        assert (connection, action) == (CONNECTION, 1)
        return transaction

    def answer(self, transaction: int) -> None:
        self.tell(1, transaction, struct.pack(">III", 900, 0, 1))


def test_a_question_is_asked_when_the_tracker_has_given_a_connection_id() -> None:
    rig = Rig()
    rig.ask()
    rig.answer(rig.connect())
    assert [reply.interval_s for reply in rig.results] == [900]
    assert len(rig.client) == 0


def test_one_connection_id_serves_all_questions_of_a_minute() -> None:
    rig = Rig()
    rig.ask()
    rig.ask()
    ((_, _, transaction),) = rig.take()
    rig.tell(0, transaction, struct.pack(">Q", CONNECTION))
    assert [action for _, action, _ in rig.take()] == [1, 1]
    rig.advance(CONNECTION_S - 31)
    rig.take()
    rig.ask()
    rig.answer(rig.asked())
    rig.advance(32)
    rig.take()
    rig.ask()
    assert [(connection, action) for connection, action, _ in rig.take()] == [(MAGIC, 0)]


def test_what_is_not_answered_is_sent_again_after_15_30_and_60_seconds() -> None:
    rig = Rig()
    rig.ask()
    times = []
    for _ in range(120):
        if rig.take():
            times.append(rig.now)
        rig.advance(1.0)
    assert times == [100.0, 115.0, 145.0, 205.0]


def test_an_announce_is_repeated_on_a_new_connection_id_when_the_old_one_has_run_out() -> None:
    rig = Rig()
    rig.ask()
    rig.connect()
    rig.advance(15.0)
    rig.asked()
    rig.advance(30.0)
    rig.asked()
    rig.advance(60.0)
    rig.answer(rig.connect())
    assert len(rig.results) == 1


def test_only_the_tracker_that_was_asked_can_answer() -> None:
    rig = Rig()
    rig.ask()
    transaction = rig.connect()
    for source in (Endpoint("10.0.0.9", 6969), Endpoint("10.0.0.1", 6970)):
        rig.tell(1, transaction, struct.pack(">III", 900, 0, 1), source)
    for guess in range(1000):
        rig.answer(guess)
    rig.client.on_datagram(b"\0\0\0\1", HERE, TRACKER, rig.now)
    assert rig.results == []
    assert rig.client.strays == 1003
    rig.answer(transaction)
    rig.answer(transaction)
    assert len(rig.results) == 1


def test_no_answer_in_time_is_an_error() -> None:
    rig = Rig()
    rig.ask(timeout_s=20.0)
    rig.advance(20.0)
    (error,) = rig.results
    assert error.code == "tracker.timed-out"
    rig.take()
    rig.advance(10_000.0)
    assert rig.take() == [] and len(rig.timers) <= 3


def test_a_refusal_to_connect_ends_all_who_wait_for_it() -> None:
    rig = Rig()
    rig.ask()
    rig.ask()
    ((_, _, transaction),) = rig.take()
    rig.tell(3, transaction, b"too many connections")
    assert [error.code for error in rig.results] == ["tracker.overloaded"] * 2


def test_a_tracker_that_forgot_the_connection_id_is_asked_for_another_once() -> None:
    rig = Rig()
    rig.ask()
    rig.answer(rig.connect())
    rig.ask()
    rig.tell(3, rig.asked(), b"Connection ID missmatch.\0")
    transaction = rig.connect()
    rig.tell(3, transaction, b"Connection ID missmatch.\0")
    assert isinstance(rig.results[-1], TrackerError)
    assert len(rig.results) == 2


def test_a_tracker_that_is_silent_on_an_old_connection_id_is_asked_for_another_with_the_first_repeat() -> None:
    rig = Rig()
    rig.ask()
    rig.answer(rig.connect())
    rig.ask()
    rig.ask()
    assert [action for _, action, _ in rig.take()] == [1, 1]
    rig.advance(15.0)
    ((_, action, transaction),) = rig.take()
    assert action == 0
    rig.tell(0, transaction, struct.pack(">Q", CONNECTION + 1))
    assert [(connection, action) for connection, action, _ in rig.take()] == [(CONNECTION + 1, 1)] * 2
    rig.advance(30.0)
    assert [(connection, action) for connection, action, _ in rig.take()] == [(CONNECTION + 1, 1)] * 2
