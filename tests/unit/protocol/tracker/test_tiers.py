"""Tier order, and the schedule of one tracker."""

from __future__ import annotations

import random

import pytest

from blobtorrent.protocol.tracker.tiers import (
    FIRST_BACKOFF_S,
    FORCED_INTERVAL_S,
    HASTENED_INTERVAL_S,
    MAX_BACKOFF_S,
    State,
    TrackerSchedule,
    TrackerTiers,
)


def test_all_of_a_tier_come_before_the_next():
    tiers = TrackerTiers([["a", "b", "c"], ["d", "e"], ["f"]], random.Random(1))
    order = list(tiers)
    assert (set(order[:3]), set(order[3:5]), order[5:]) == ({"a", "b", "c"}, {"d", "e"}, ["f"])


def test_each_tier_is_shuffled():
    orders = {tuple(TrackerTiers([["a", "b", "c"]], random.Random(seed))) for seed in range(50)}
    assert len(orders) == 6


def test_a_tracker_that_answers_moves_to_the_front_of_its_own_tier():
    tiers = TrackerTiers([["a", "b", "c"], ["d", "e"]], random.Random(1))
    tiers.on_reply("e")
    tiers.on_reply("c")
    tiers.on_reply("nobody")
    order = list(tiers)
    assert (order[0], set(order[:3]), order[3:]) == ("c", {"a", "b", "c"}, ["e", "d"])


def test_empty_tiers_and_repeated_trackers_are_dropped():
    tiers = TrackerTiers([[], ["a", "a"], ["a"], ["b", "a"]], random.Random(1))
    assert list(tiers) == ["a", "b"]


def test_tiers_are_the_same_whatever_the_order_within():
    tiers = TrackerTiers([["a", "b"], ["c"]], random.Random(1))
    assert tiers.has_same_as(TrackerTiers([["b", "a"], ["c"], ["a"]], random.Random(2)))
    for other in ([["c"], ["a", "b"]], [["a", "b", "c"]], [["a", "b"]]):
        assert not tiers.has_same_as(TrackerTiers(other, random.Random(1)))


def test_a_tracker_may_be_promoted_while_the_order_is_walked():
    tiers = TrackerTiers([["a", "b", "c"]], random.Random(1))
    seen = []
    for url in tiers:
        seen.append(url)
        tiers.on_reply(url)
    assert sorted(seen) == ["a", "b", "c"]


def started():
    schedule = TrackerSchedule(interval_s=1800)
    schedule.start(now=0.0)
    return schedule


def test_a_started_tracker_is_asked_at_once_and_then_every_interval():
    schedule = started()
    assert schedule.is_announcing and schedule.next_due_s is None
    schedule.on_reply(1.0, interval_s=900)
    assert schedule.state is State.WAITING and schedule.next_due_s == 901.0
    assert not schedule.expire(900.9)
    assert schedule.expire(901.0)
    assert schedule.is_announcing
    assert not schedule.expire(10_000.0)


def test_an_answer_without_an_interval_keeps_the_last_one():
    schedule = started()
    schedule.on_reply(1.0)
    assert schedule.next_due_s == 1801.0


def test_a_failing_tracker_is_asked_again_after_its_backoff():
    schedule = started()
    schedule.on_failure(now=1.0)
    assert schedule.state is State.BACKOFF
    assert schedule.expire(schedule.next_due_s)
    assert schedule.state is State.ANNOUNCING


def test_backoff_doubles_up_to_a_limit_and_starts_anew_after_an_answer():
    schedule = started()
    waits = []
    for _ in range(100):
        schedule.on_failure(now=0.0)
        waits.append(schedule.next_due_s)
        schedule.expire(schedule.next_due_s)
    assert waits[:3] == [FIRST_BACKOFF_S, 2 * FIRST_BACKOFF_S, 4 * FIRST_BACKOFF_S]
    assert waits[-1] == MAX_BACKOFF_S
    schedule.on_reply(0.0, interval_s=10.0)
    schedule.expire(10.0)
    schedule.on_failure(10.0)
    assert schedule.next_due_s == 10.0 + FIRST_BACKOFF_S


def test_a_forced_announce_waits_for_no_interval_but_is_not_made_as_fast_as_somebody_can_ask():
    schedule = started()
    schedule.on_reply(0.0, interval_s=1800)
    schedule.force(1.0)
    assert schedule.next_due_s == FORCED_INTERVAL_S
    schedule.force(400.0)
    assert schedule.next_due_s == FORCED_INTERVAL_S
    assert schedule.expire(400.0)
    schedule.on_reply(400.0, interval_s=1800)
    schedule.force(500.0)
    assert schedule.next_due_s == 500.0


def test_a_forced_announce_cuts_a_backoff_short():
    schedule = started()
    schedule.on_failure(10.0)
    schedule.force(10.0)
    assert schedule.next_due_s == 10.0


def test_nothing_is_forced_while_an_answer_is_awaited_or_the_torrent_is_stopped():
    schedule = started()
    schedule.force(1.0)
    assert schedule.next_due_s is None
    schedule.stop()
    schedule.force(1.0)
    assert schedule.next_due_s is None


def test_an_answer_that_comes_late_changes_nothing():
    schedule = started()
    schedule.stop()
    state = schedule.state
    schedule.on_reply(5.0, interval_s=900)
    schedule.on_failure(5.0)
    assert schedule.state is state and schedule.next_due_s is None
    assert not schedule.expire(1e9)


@pytest.mark.parametrize(("least_s", "due_s"), [(0.0, HASTENED_INTERVAL_S), (900.0, 900.0), (4000.0, 1801.0)])
def test_who_lacks_something_asks_as_soon_as_the_tracker_allows(least_s, due_s):
    schedule = started()
    schedule.on_reply(1.0, interval_s=1800, least_s=least_s)
    assert schedule.hasten(100.0) == (due_s < 1801.0)
    assert schedule.next_due_s == due_s
    assert not schedule.hasten(100.0)


def test_a_need_that_comes_late_is_served_at_once_and_a_failure_waits_its_time():
    schedule = started()
    schedule.on_reply(1.0, interval_s=1800)
    assert schedule.hasten(1000.0) and schedule.next_due_s == 1000.0
    schedule.expire(1000.0)
    assert not schedule.hasten(1001.0)
    schedule.on_failure(1001.0, rest_s=5000.0)
    assert not schedule.hasten(4000.0)
