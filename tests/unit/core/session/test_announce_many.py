"""Thousands of torrents with the same few trackers, in virtual time: who is told what, and how long it takes."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Callable

import pytest

from blobtorrent.core.session.announcequeue import MAX_CALLS, PER_HOST, PER_UDP_HOST_LEAVING
from blobtorrent.core.session.announces import CALL_TIMEOUT_S, HEDGE_S
from blobtorrent.core.session.session import ANNOUNCE_DRAIN_MAX_S
from blobtorrent.discovery.messages import Announce, Origin
from blobtorrent.protocol.tracker.announce import AnnounceEvent
from tests.support.announcing import STARTED, STOPPED, AnnounceRig, torrent

A, B, C = (f"http://{name}.test/announce" for name in "abc")
U = "udp://u.test:1"
DEAD = "http://dead.test/announce"

FAMILIES = (Origin(4), Origin(6))

Latency = Callable[[Announce], float | None]


class Trackers:
    """They answer after `latency(order)` seconds, or never (None)."""

    def __init__(self, rig: AnnounceRig, latency: Latency, *, lacks_ipv6: bool = False) -> None:
        self.rig = rig
        self.told: Counter[AnnounceEvent] = Counter()
        self.taken: Counter[AnnounceEvent] = Counter()
        self.most_at_once = 0
        self._latency = latency
        self._lacks_ipv6 = lacks_ipv6
        self._numbers = itertools.count()
        self._open: list[tuple[float, int, bool, Announce]] = []

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> float:
        """Let time pass; returns how much of it did."""
        clock = self.rig.clock
        start_s = clock.now()
        while not until():
            for order in self.rig.orders():
                self.told[order.query.event] += 1
                if self._lacks_ipv6 and order.origin.family == 6:
                    self.rig.fail(order, "tracker.no-address")
                    continue
                latency_s = self._latency(order)
                end_s = clock.now() + (order.timeout_s if latency_s is None else latency_s)
                heapq.heappush(self._open, (end_s, next(self._numbers), latency_s is not None, order))
            self.most_at_once = max(self.most_at_once, len(self._open))
            timer_s = self.rig.timers.next_deadline()
            due_s = min(self._open[0][0] if self._open else start_s + seconds,
                        start_s + seconds if timer_s is None else timer_s)
            if due_s >= start_s + seconds:
                self.rig.advance(start_s + seconds - clock.now())
                break
            self.rig.advance(due_s - clock.now())
            while self._open and self._open[0][0] <= clock.now():
                _, _, is_taken, order = heapq.heappop(self._open)
                if is_taken:
                    self.taken[order.query.event] += 1
                    self.rig.take(order)
                else:
                    self.rig.fail(order)
        return clock.now() - start_s


def begin(rig: AnnounceRig, count: int, *tiers: tuple[str, ...], is_private: bool = False) -> None:
    for number in range(count):
        rig.manager.begin(torrent(number), tiers, 100, is_private=is_private)


def test_trackers_without_ipv6_do_not_look_as_if_they_did_not_answer() -> None:
    rig = AnnounceRig()
    rig.manager.origins = FAMILIES
    trackers = Trackers(rig, lambda order: 1.0, lacks_ipv6=True)
    begin(rig, 400, (A, B, C))
    trackers.run(600)
    assert trackers.taken == {STARTED: 400}
    assert trackers.told == {STARTED: 800}


@pytest.mark.parametrize("is_private", [False, True])
def test_a_long_queue_is_no_reason_to_tell_the_next_tracker(is_private: bool) -> None:
    rig = AnnounceRig()
    trackers = Trackers(rig, lambda order: 1.0)
    begin(rig, 400, (A, B, C), is_private=is_private)
    trackers.run(600)
    assert trackers.told == {STARTED: 400}


@pytest.mark.parametrize("origins", [FAMILIES[:1], FAMILIES])
@pytest.mark.parametrize("is_private", [False, True])
def test_many_torrents_whose_first_tracker_is_dead_come_to_the_next_soon(
        is_private: bool, origins: tuple[Origin, ...]) -> None:
    rig = AnnounceRig()
    rig.manager.origins = origins
    trackers = Trackers(rig, lambda order: None if order.url == DEAD else 0.1, lacks_ipv6=True)
    begin(rig, 400, (DEAD,) if is_private else (DEAD, A), *([(A,)] if is_private else []), is_private=is_private)
    took_s = trackers.run(600, lambda: trackers.taken[STARTED] == 400)
    assert took_s <= CALL_TIMEOUT_S + 4 * HEDGE_S + 400 * 0.1 / PER_HOST


def test_a_tracker_that_was_sent_nothing_yet_gets_its_time_once_it_was() -> None:
    rig = AnnounceRig()
    trackers = Trackers(rig, lambda order: HEDGE_S - 0.5)
    begin(rig, 30 * PER_HOST, (A, B))
    trackers.run(1000)
    assert trackers.told == {STARTED: 30 * PER_HOST}


@pytest.mark.parametrize(("url", "latency_s"), [(A, 0.06), (U, 0.3)])
def test_five_thousand_torrents_of_one_tracker_are_told_to_end_in_the_time_there_is(url: str, latency_s: float) -> None:
    rig = AnnounceRig()
    trackers = Trackers(rig, lambda order: latency_s)
    begin(rig, 5000, (url,))
    trackers.run(1500, lambda: trackers.taken[STARTED] == 5000)
    for number in range(5000):
        rig.manager.end(torrent(number))
    took_s = trackers.run(60, lambda: rig.manager.is_quiet)
    assert trackers.taken[STOPPED] == 5000
    assert took_s < ANNOUNCE_DRAIN_MAX_S


def test_farewells_reach_a_tracker_that_works_whoever_hangs() -> None:
    rig = AnnounceRig()
    is_up = {"dead": True}
    trackers = Trackers(rig, lambda order: 0.05 if order.url == A or is_up["dead"] else None)
    begin(rig, 200, (A,), *((f"http://dead{number}.test/announce",) for number in range(5)))
    trackers.run(100, lambda: trackers.taken[STARTED] == 1200)
    is_up["dead"] = False
    for number in range(200):
        rig.manager.end(torrent(number))
    trackers.run(10)
    assert trackers.taken[STOPPED] == 200


def test_farewells_are_told_while_calls_of_others_hang() -> None:
    rig = AnnounceRig()
    trackers = Trackers(rig, lambda order: 0.05 if order.url == A else None)
    begin(rig, 1, (A,))
    trackers.run(1)
    rig.manager.begin(torrent(1), tuple((f"http://dead{number}.test/announce",) for number in range(40)), 100)
    trackers.run(1)
    assert trackers.most_at_once == MAX_CALLS
    rig.manager.end(torrent(1))
    rig.manager.end(torrent(0))
    trackers.run(1)
    assert trackers.taken[STOPPED] == 1


def test_datagrams_of_farewells_are_bounded() -> None:
    rig = AnnounceRig()
    trackers = Trackers(rig, lambda order: 0.1)
    begin(rig, 1000, (U,))
    trackers.run(100, lambda: trackers.taken[STARTED] == 1000)
    trackers.most_at_once = 0
    for number in range(1000):
        rig.manager.end(torrent(number))
    trackers.run(10)
    assert trackers.most_at_once == PER_UDP_HOST_LEAVING
