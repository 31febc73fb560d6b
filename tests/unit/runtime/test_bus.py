from __future__ import annotations

import queue

import pytest

from blobtorrent.model.events import Gap, PieceVerified
from blobtorrent.model.ids import InfoHash
from blobtorrent.runtime.bus import Subscription

TORRENT = InfoHash(v1=bytes(20))
PIECES = [PieceVerified(TORRENT, index) for index in range(10)]


def taken(subscription: Subscription) -> list[object]:
    events: list[object] = []
    while True:
        try:
            events.append(subscription.get(timeout_s=0))
        except queue.Empty:
            return events


def test_events_come_in_order():
    subscription = Subscription(size=10)
    for event in PIECES:
        subscription.offer(event)
    assert taken(subscription) == PIECES


def test_a_full_subscription_loses_the_oldest_and_says_how_many():
    subscription = Subscription(size=4)
    for event in PIECES:
        subscription.offer(event)
    assert taken(subscription) == [Gap(6), *PIECES[6:]]


def test_a_gap_stands_where_the_events_are_missing():
    subscription = Subscription(size=3)
    subscription.offer(PIECES[0])
    assert subscription.get() == PIECES[0]
    for event in PIECES[1:6]:
        subscription.offer(event)
    assert taken(subscription) == [Gap(2), *PIECES[3:6]]
    subscription.offer(PIECES[6])
    assert taken(subscription) == [PIECES[6]]


def test_what_the_filter_refuses_is_no_gap():
    subscription = Subscription(size=10, accepts=lambda event: event.piece % 3 == 0)
    for event in PIECES:
        subscription.offer(event)
    assert taken(subscription) == PIECES[::3]


def test_an_empty_subscription_tells_that_nothing_came_in_time():
    with pytest.raises(queue.Empty):
        Subscription(size=1).get(timeout_s=0)
