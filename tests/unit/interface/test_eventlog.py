from __future__ import annotations

import gc

import pytest

from blobtorrent.interface.eventlog import Entry, EventLog
from tests.support.rest import info_hash


def entry(number: int) -> Entry:
    return Entry(number, "state-changed", None, (), b"%d" % number)


def filled(count: int, size: int = 5) -> EventLog:
    log = EventLog("ab12", size)
    for number in range(1, count + 1):
        log.add(entry(number))
    return log


@pytest.mark.parametrize(("count", "seen", "numbers"), [
    (0, 0, []),
    (3, 0, [1, 2, 3]),
    (3, 2, [3]),
    (3, 3, []),
    (5, 0, [1, 2, 3, 4, 5]),
    (6, 0, [2, 3, 4, 5, 6]),
    (13, 10, [11, 12, 13]),
    (13, 2, [9, 10, 11, 12, 13]),
])
def test_what_came_after_an_event_is_there_as_far_as_the_ring_reaches(count, seen, numbers):
    assert [entry.number for entry in filled(count).after(seen)] == numbers


@pytest.mark.parametrize(("count", "first"), [(0, 1), (1, 1), (5, 1), (6, 2), (13, 9)])
def test_the_first_is_the_oldest_that_is_still_there(count, first):
    assert filled(count).first == first


def test_few_long_entries_are_kept():
    log = EventLog("ab12", 100, size_bytes=1000)
    for number in range(1, 21):
        log.add(Entry(number, "state-changed", None, (), b"x" * (300 if number > 10 else 30)))
    assert [entry.number for entry in log.after(0)] == [18, 19, 20] and log.first == 18
    log.add(Entry(21, "state-changed", None, (), b"x" * 2000))
    assert list(log.after(0)) == [] and (log.first, log.last) == (22, 21)


def test_entries_come_back_as_they_went_in():
    log = EventLog("ab12")
    entries = [
        Entry(1, "torrent-added", info_hash(1), ("tv", "new"), b"one"),
        Entry(2, "session-ready", None, (), b"two"),
    ]
    for each in entries:
        log.add(each)
    assert list(log.after(0)) == entries


def test_no_collection_of_garbage_looks_at_entries_again():
    log = EventLog("ab12")
    gc.collect()
    before = len(gc.get_objects())
    for number in range(1, 1001):
        log.add(Entry(number, "state-changed", info_hash(number), (f"label {number}",), b"%d" % number))
    gc.collect()
    gc.collect()                       # what is in a tuple may be found to be plain after the tuple was looked at
    assert len(gc.get_objects()) < before + 100


def test_an_id_is_understood_again():
    log = filled(3)
    assert log.id_of(2) == "ab12-2"
    assert [log.number_of(log.id_of(number)) for number in (0, 2, 3)] == [0, 2, 3]


@pytest.mark.parametrize("text", [
    "", "2", "ab12", "ab12-", "-2", "ab13-2", "ab12-4", "ab12--2", "ab12-2 ", "AB12-2", "ab12-\u0662",
    f"ab12-{'9' * 40}", "ab12-2\n",
])
def test_an_id_that_is_not_of_this_run_is_not_understood(text):
    assert filled(3).number_of(text) is None
