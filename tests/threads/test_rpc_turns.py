"""Turns: one call after the other, and others while one waits for a program."""

from __future__ import annotations

import queue
import threading
import time

import pytest

from blobtorrent.interface.rtorrent.turns import MAX_SEATS, Turns

TIMEOUT_S = 5.0


@pytest.fixture
def turns():
    made = Turns()
    made.start()
    yield made
    assert made.stop(TIMEOUT_S)


def test_work_is_done_in_the_order_it_was_posted(turns):
    done: queue.Queue[int] = queue.Queue()
    for number in range(100):
        turns.post(lambda number=number: done.put(number))
    assert [done.get(timeout=TIMEOUT_S) for _ in range(100)] == list(range(100))


def test_work_that_fails_ends_nothing(turns):
    done: queue.Queue[int] = queue.Queue()
    turns.post(lambda: 1 / 0)
    turns.post(lambda: done.put(1))
    assert done.get(timeout=TIMEOUT_S) == 1 and turns.failures == 1


def test_others_have_their_turn_while_one_waits_and_it_goes_on_afterwards(turns):
    told: queue.Queue[str] = queue.Queue()
    gate = threading.Event()

    def slow() -> None:
        told.put(f"waited {turns.outside(lambda: gate.wait(TIMEOUT_S))}")

    turns.post(slow)
    turns.post(lambda: told.put("quick"))
    assert told.get(timeout=TIMEOUT_S) == "quick"
    gate.set()
    assert told.get(timeout=TIMEOUT_S) == "waited True"


def test_never_do_two_have_the_turn_at_the_same_time(turns):
    inside = overlaps = 0
    done: queue.Queue[None] = queue.Queue()

    def work() -> None:
        nonlocal inside, overlaps
        for _ in range(3):
            inside += 1
            overlaps += inside > 1
            time.sleep(0.001)
            inside -= 1
            turns.outside(lambda: time.sleep(0.002))
        done.put(None)

    for _ in range(3 * MAX_SEATS):
        turns.post(work)
    for _ in range(3 * MAX_SEATS):
        done.get(timeout=TIMEOUT_S)
    assert not overlaps


def test_what_the_call_outside_raises_comes_back(turns):
    told: queue.Queue[str] = queue.Queue()

    def fail() -> None:
        raise KeyError("gone")

    def work() -> None:
        with pytest.raises(KeyError):
            turns.outside(fail)
        told.put("caught")

    turns.post(work)
    assert told.get(timeout=TIMEOUT_S) == "caught"


def test_who_has_no_turn_just_calls(turns):
    assert turns.outside(lambda: 5) == 5


def test_what_is_planned_is_run_when_it_is_due():
    turns, told = Turns(), queue.Queue()
    times = [time.monotonic() + 0.05]
    turns.next_due_s = lambda: times[0] if times else None
    turns.run_due = lambda: told.put(time.monotonic() >= times.pop())
    turns.start()
    assert told.get(timeout=TIMEOUT_S) is True
    assert turns.stop(TIMEOUT_S)


def test_it_ends_while_somebody_still_waits_outside():
    turns, is_outside, gate = Turns(), threading.Event(), threading.Event()
    turns.start()
    turns.post(lambda: turns.outside(lambda: (is_outside.set(), gate.wait(TIMEOUT_S))))
    assert is_outside.wait(TIMEOUT_S)
    assert turns.stop(TIMEOUT_S)
    gate.set()
