"""Which announces go first, and how many at a time."""

from __future__ import annotations

from blobtorrent.core.session.announcequeue import (
    MAX_CALLS,
    PER_HOST,
    PER_HOST_LEAVING,
    PER_UDP_HOST,
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
    while taken := queue.take():
        told += taken
        for one in taken:
            answer(queue, one)
    return told


def test_a_host_is_sent_a_few_at_a_time() -> None:
    queue = AnnounceQueue()
    for number in range(5000):
        queue.put(order(number), Turn.LATER)
    first = queue.take()
    assert numbers(first) == list(range(PER_HOST))
    assert queue.take() == []
    answer(queue, first[0])
    assert numbers(queue.take()) == [PER_HOST]


def test_a_new_torrent_goes_before_those_of_earlier_runs() -> None:
    queue = AnnounceQueue()
    for number in range(100):
        queue.put(order(number), Turn.LATER)
    queue.put(order(500), Turn.ROUTINE)
    queue.put(order(501), Turn.SOON)
    taken = queue.take()
    assert numbers(taken) == [501, 500, 0, 1]


def test_a_slow_host_does_not_keep_others_waiting() -> None:
    queue = AnnounceQueue()
    for number in range(1000):
        queue.put(order(number), Turn.SOON)
    queue.put(order(2000, B), Turn.LATER)
    assert [one.url for one in queue.take()] == [A] * PER_HOST + [B]


def test_a_host_that_does_not_answer_is_sent_one_at_a_time_until_it_does() -> None:
    queue = AnnounceQueue()
    for number in range(100):
        queue.put(order(number), Turn.SOON)
    for one in queue.take():
        answer(queue, one, "tracker.timed-out")
    (probe,) = queue.take()
    assert queue.take() == []
    answer(queue, probe)
    assert len(queue.take()) == PER_HOST


def test_calls_are_bounded_over_all_hosts_and_datagrams_have_a_bound_of_their_own() -> None:
    queue = AnnounceQueue()
    for number in range(1000):
        queue.put(order(number, f"http://{number}.test/announce"), Turn.SOON)
        queue.put(order(number, UDP), Turn.SOON)
    taken = queue.take()
    assert sum(one.url == UDP for one in taken) == PER_UDP_HOST
    assert len(taken) == MAX_CALLS + PER_UDP_HOST


def test_what_one_tracker_is_told_of_one_swarm_keeps_its_order() -> None:
    queue = AnnounceQueue()
    queue.put(order(1), Turn.LATER)
    queue.put(order(1, event=AnnounceEvent.COMPLETED), Turn.SOON)
    queue.put(order(1, event=AnnounceEvent.STOPPED), Turn.SOON)
    (first,) = queue.take()
    assert queue.take() == []
    answer(queue, first)
    assert [one.query.event for one in drain(queue)] == [AnnounceEvent.COMPLETED, AnnounceEvent.STOPPED]
    assert len(queue) == 0


def test_from_two_addresses_it_is_told_side_by_side() -> None:
    queue = AnnounceQueue()
    queue.put(order(1, origin=Origin(4)), Turn.SOON)
    queue.put(order(1, origin=Origin(6)), Turn.SOON)
    assert [one.origin.family for one in queue.take()] == [4, 6]


def test_many_are_told_at_once_that_we_leave() -> None:
    queue = AnnounceQueue()
    for number in range(100):
        queue.put(order(number, event=AnnounceEvent.STOPPED), Turn.SOON)
    assert len(queue.take()) == PER_HOST_LEAVING


def test_what_was_not_sent_of_a_stopped_torrent_is_not_sent_any_more() -> None:
    queue = AnnounceQueue()
    for number in range(10):
        queue.put(order(number), Turn.SOON)
    taken = queue.take()
    queue.put(order(9, event=AnnounceEvent.COMPLETED), Turn.SOON)
    for number in (0, 8, 9):
        queue.withdraw(order(number).info_hash, [line_of(order(number))])
    for one in taken:
        answer(queue, one)
    rest = drain(queue)
    assert numbers(rest) == [4, 5, 6, 7, 9]
    assert rest[-1].query.event is AnnounceEvent.COMPLETED
    assert len(queue) == 0
