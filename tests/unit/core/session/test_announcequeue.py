"""Which announces go first, and how many at a time."""

from __future__ import annotations

from blobtorrent.core.session.announcequeue import (
    MAX_CALLS,
    MORE_CALLS_LEAVING,
    PER_HOST,
    PER_HOST_LEAVING,
    PER_UDP_HOST,
    PER_UDP_HOST_LEAVING,
    AnnounceQueue,
    Turn,
    line_of,
)
from blobtorrent.discovery.messages import ANYWHERE, Announce, AnnounceDone, Origin
from blobtorrent.model.errors import TrackerError
from blobtorrent.model.ids import InfoHash, PeerId
from blobtorrent.protocol.tracker.announce import AnnounceEvent, AnnounceQuery
from blobtorrent.runtime.mailbox import Mailbox

A, B, UDP = "http://a.test/announce", "http://b.test/announce", "udp://a.test:1/announce"


def order(number: int, url: str = A, event: AnnounceEvent = AnnounceEvent.STARTED,
          origin: Origin = ANYWHERE) -> Announce:
    wire_hash = number.to_bytes(20, "big")
    query = AnnounceQuery(wire_hash, PeerId(bytes(20)), 1, 0, 0, 0, event)
    return Announce(InfoHash(v1=wire_hash), url, query, Mailbox("unused"), 1.0, origin)


def numbers(orders: list[Announce]) -> list[int]:
    return [int.from_bytes(order.query.wire_hash, "big") for order in orders]


def answer(queue: AnnounceQueue, order: Announce, code: str = "") -> None:
    error = TrackerError(code, "no") if code else None
    queue.done(AnnounceDone(order.info_hash, order.url, order.query, error=error, origin=order.origin))


def drain(queue: AnnounceQueue) -> list[Announce]:
    """Answer everything, in the order in which it goes."""
    told: list[Announce] = []
    while taken := queue.take(0.0):
        told += taken
        for one in taken:
            answer(queue, one)
    return told


def test_a_host_is_sent_a_few_at_a_time() -> None:
    queue = AnnounceQueue()
    for number in range(5000):
        queue.put(order(number), Turn.LATER)
    first = queue.take(0.0)
    assert numbers(first) == list(range(PER_HOST))
    assert queue.take(0.0) == []
    answer(queue, first[0])
    assert numbers(queue.take(0.0)) == [PER_HOST]


def test_a_new_torrent_goes_before_those_of_earlier_runs() -> None:
    queue = AnnounceQueue()
    for number in range(100):
        queue.put(order(number), Turn.LATER)
    queue.put(order(500), Turn.ROUTINE)
    queue.put(order(501), Turn.SOON)
    taken = queue.take(0.0)
    assert numbers(taken) == [501, 500, 0, 1]


def test_a_slow_host_does_not_keep_others_waiting() -> None:
    queue = AnnounceQueue()
    for number in range(1000):
        queue.put(order(number), Turn.SOON)
    queue.put(order(2000, B), Turn.LATER)
    assert [one.url for one in queue.take(0.0)] == [A] * PER_HOST + [B]


def test_a_host_that_does_not_answer_is_sent_one_at_a_time_until_it_does() -> None:
    queue = AnnounceQueue()
    for number in range(100):
        queue.put(order(number), Turn.SOON)
    for one in queue.take(0.0):
        answer(queue, one, "tracker.timed-out")
    (probe,) = queue.take(0.0)
    assert queue.take(0.0) == []
    answer(queue, probe)
    assert len(queue.take(0.0)) == PER_HOST


def test_that_a_host_does_not_answer_by_ipv6_says_nothing_of_it() -> None:
    queue = AnnounceQueue()
    queue.put(order(0, origin=Origin(6)), Turn.SOON)
    (one,) = queue.take(0.0)
    for number in range(1, 10):
        queue.put(order(number, origin=Origin(4)), Turn.SOON)
    answer(queue, one, "tracker.timed-out")
    assert not queue.is_silent(A) and len(queue.take(0.0)) == PER_HOST


def test_calls_are_bounded_over_all_hosts_and_datagrams_have_a_bound_of_their_own() -> None:
    queue = AnnounceQueue()
    for number in range(1000):
        queue.put(order(number, f"http://{number}.test/announce"), Turn.SOON)
        queue.put(order(number, UDP), Turn.SOON)
    taken = queue.take(0.0)
    assert sum(one.url == UDP for one in taken) == PER_UDP_HOST
    assert len(taken) == MAX_CALLS + PER_UDP_HOST


def test_from_two_addresses_it_is_told_side_by_side() -> None:
    queue = AnnounceQueue()
    queue.put(order(1, origin=Origin(4)), Turn.SOON)
    queue.put(order(1, origin=Origin(6)), Turn.SOON)
    assert [one.origin.family for one in queue.take(0.0)] == [4, 6]


def leaving(queue: AnnounceQueue, url: str, count: int = 100) -> None:
    for number in range(count):
        queue.put(order(number, url, AnnounceEvent.STOPPED), Turn.LEAVING)


def test_a_host_that_answers_is_told_ever_more_at_once_that_we_leave() -> None:
    queue = AnnounceQueue()
    leaving(queue, A)
    sent, widths = queue.take(0.0), []
    for _ in range(5):
        widths.append(len(sent))
        for one in sent[:]:
            answer(queue, one)
            sent.remove(one)
            sent += queue.take(0.0)
    assert widths == [PER_HOST, 2 * PER_HOST, 4 * PER_HOST, PER_HOST_LEAVING, PER_HOST_LEAVING]


def test_datagrams_are_told_at_once() -> None:
    queue = AnnounceQueue()
    leaving(queue, UDP, 200)
    assert len(queue.take(0.0)) == PER_UDP_HOST_LEAVING


def test_nothing_that_waits_holds_farewells_up() -> None:
    queue = AnnounceQueue()
    for number in range(1000, 1000 + 3 * PER_HOST):
        queue.put(order(number), Turn.SOON)
    first, *_ = queue.take(0.0)
    leaving(queue, A)
    answer(queue, first)
    assert [one.query.event for one in queue.take(0.0)] == [AnnounceEvent.STOPPED] * 2


def test_there_is_a_call_for_a_farewell_when_all_others_hang() -> None:
    queue = AnnounceQueue()
    for number in range(MAX_CALLS + 10):
        queue.put(order(number, f"http://{number}.test/announce"), Turn.SOON)
    assert len(queue.take(0.0)) == MAX_CALLS
    leaving(queue, A)
    assert [one.url for one in queue.take(0.0)] == [A] * MORE_CALLS_LEAVING


def test_a_silent_host_takes_no_time_from_the_farewells_to_others() -> None:
    queue = AnnounceQueue()
    queue.put(order(0), Turn.SOON)
    (probe,) = queue.take(0.0)
    queue.put(order(1, event=AnnounceEvent.STOPPED), Turn.LEAVING)
    queue.put(order(2, event=AnnounceEvent.STOPPED), Turn.LEAVING)
    answer(queue, probe, "tracker.timed-out")
    assert queue.is_silent(A) and not queue.is_silent(B)
    leaving(queue, B)
    taken = queue.take(0.0)
    assert [one.url for one in taken].count(A) == 1
    assert [one.url for one in taken].count(B) == PER_HOST


def test_what_was_withdrawn_is_not_sent_and_what_was_sent_is_not_withdrawn() -> None:
    queue = AnnounceQueue()
    for number in range(PER_HOST + 2):
        queue.put(order(number), Turn.SOON)
    taken = queue.take(7.0)
    assert [queue.withdraw(line_of(order(number))) for number in (0, PER_HOST, 100)] == [False, True, False]
    assert (queue.sent_s(line_of(order(0))), queue.sent_s(line_of(order(PER_HOST + 1)))) == (7.0, None)
    for one in taken:
        answer(queue, one)
    assert numbers(drain(queue)) == [PER_HOST + 1]
    assert len(queue) == 0


def test_an_answer_to_nothing_changes_nothing() -> None:
    queue = AnnounceQueue()
    queue.put(order(1), Turn.SOON)
    assert not queue.done(AnnounceDone(order(1).info_hash, A, order(1).query))
    assert len(queue.take(0.0)) == len(queue) == 1


def test_no_host_is_remembered_that_nobody_asks() -> None:
    queue = AnnounceQueue()
    for number in range(50):
        queue.put(order(number, f"http://{number}.test/announce"), Turn.LATER)
        queue.put(order(number, f"udp://{number}.test:1", AnnounceEvent.STOPPED), Turn.LEAVING)
    queue.withdraw(line_of(order(49, "http://49.test/announce")))
    assert len(drain(queue)) == 99
    assert not queue._hosts and not any(any(turns) for turns in queue._standing.values())


def test_how_many_calls_are_made_at_a_time_may_change() -> None:
    queue = AnnounceQueue(3)
    for number in range(10):
        queue.put(order(number, f"http://{number}.test/announce"), Turn.SOON)
    assert len(queue.take(0.0)) == 3
    queue.max_calls = 5
    assert len(queue.take(0.0)) == 2
