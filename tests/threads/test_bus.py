"""The event bus with its thread."""

from __future__ import annotations

import queue

import pytest

from blobtorrent.model.events import Gap, PieceVerified, TorrentAdded
from blobtorrent.model.ids import InfoHash
from blobtorrent.runtime.bus import EventBus

TORRENT = InfoHash(v1=bytes(20))
PATIENCE_S = 20.0


def test_every_subscriber_gets_what_was_published_after_it_came_and_before_it_left():
    bus = EventBus()
    bus.start()
    bus.publish(TorrentAdded(TORRENT, "too early"))
    first = bus.subscribe()
    pieces = bus.subscribe(lambda event: isinstance(event, PieceVerified))
    bus.publish(TorrentAdded(TORRENT, "name"))
    bus.unsubscribe(first)
    bus.unsubscribe(first)
    bus.publish(PieceVerified(TORRENT, 3))
    assert bus.stop(PATIENCE_S)
    assert first.get(0) == TorrentAdded(TORRENT, "name")
    assert pieces.get(0) == PieceVerified(TORRENT, 3)
    for subscription in (first, pieces):
        with pytest.raises(queue.Empty):
            subscription.get(0)


def test_a_slow_subscriber_loses_events_and_the_others_do_not():
    bus = EventBus()
    slow, quick = bus.subscribe(size=2), bus.subscribe(size=100)
    bus.start()
    events = [PieceVerified(TORRENT, index) for index in range(50)]
    for event in events:
        bus.publish(event)
    assert bus.stop(PATIENCE_S)
    assert [slow.get(0) for _ in range(3)] == [Gap(48), *events[48:]]
    assert [quick.get(0) for _ in range(50)] == events


def test_reader_and_bus_may_race_and_every_event_is_either_read_or_counted():
    bus = EventBus()
    subscription = bus.subscribe(size=3)
    bus.start()
    read = missed = 0
    last = -1
    for index in range(5000):
        bus.publish(PieceVerified(TORRENT, index))
    while read + missed < 5000:
        event = subscription.get(PATIENCE_S)
        if isinstance(event, Gap):
            missed += event.missed
        else:
            assert event.piece > last
            last = event.piece
            read += 1
    assert read + missed == 5000
    assert bus.stop(PATIENCE_S)
