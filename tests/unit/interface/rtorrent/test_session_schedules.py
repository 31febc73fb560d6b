"""Schedules: what times are written as, when commands are due, and that failing ones go on being planned."""

from __future__ import annotations

import pytest

from blobtorrent.interface.rtorrent.context import Trust
from blobtorrent.interface.rtorrent.faults import Fault
from blobtorrent.interface.rtorrent.session.schedules import MAX_SCHEDULES, TimeOfDay, delay_of, span_of
from tests.support.rtorrentsession import SessionStage

NOW = TimeOfDay(hour=13, minute=20, second=5)


@pytest.mark.parametrize(("text", "seconds"), [
    ("0", 0), (" 10 ", 10), ("20:05", 0), ("20:06", 1), ("20:04", 3599), ("13:20:05", 0), ("13:20:04", 86399),
    ("00:00:00", 38395), ("24:00:00", 38395),
])
def test_a_start_is_a_delay_or_the_next_such_moment(text: str, seconds: int) -> None:
    assert delay_of(text, NOW) == seconds


@pytest.mark.parametrize(("text", "seconds"), [("5", 5), ("1:30", 90), ("24:00:00", 86400), ("1:0:0:0", 216000)])
def test_an_interval_is_a_span(text: str, seconds: int) -> None:
    assert span_of(text) == seconds


@pytest.mark.parametrize("text", ["", "x", "1x", "-1", "1:", ":1", "1:2:3:4:5", "1 2"])
def test_anything_else_is_no_time(text: str) -> None:
    for read in (span_of, lambda text: delay_of(text, NOW)):
        with pytest.raises(Fault, match="Could not parse interval"):
            read(text)


def test_a_schedule_runs_at_its_start_and_then_every_interval() -> None:
    stage = SessionStage()
    stage.call("schedule2", "tick", "2", "5", "print=ran")
    times = []
    for second in range(1, 15):
        stage.move(1)
        if stage.logged:
            times.append(second)
            stage.logged.clear()
    assert times == [2, 7, 12]


def test_one_without_an_interval_runs_once() -> None:
    stage = SessionStage()
    stage.call("schedule2", "once", "0", "0", "print=ran")
    stage.move(0)
    stage.move(100)
    assert stage.logged == ["ran"]
    assert stage.commands.next_due_s() is None


def test_what_was_missed_is_not_made_up_for() -> None:
    stage = SessionStage()
    stage.call("schedule2", "tick", "1", "5", "print=ran")
    stage.move(100)
    assert stage.logged == ["ran"]
    assert stage.commands.next_due_s() == stage.now_s + 1


def test_a_failing_one_is_logged_and_goes_on() -> None:
    stage = SessionStage()
    stage.call("schedule2", "bad", "1", "1", "nosuch=")
    stage.move(1)
    stage.move(1)
    assert stage.logged == ['Scheduled command failed: bad: Command "nosuch" does not exist.'] * 2


def test_a_key_is_replaced_removed_and_kept_where_that_is_asked_for() -> None:
    stage = SessionStage()
    stage.call("schedule2", "key", "1", "0", "print=first")
    stage.call("schedule.if_absent", "key", "1", "0", "print=kept out")
    stage.call("schedule2", "key", "1", "0", "print=second")
    stage.call("schedule2", "gone", "1", "0", "print=gone")
    stage.call("schedule_remove2", "gone")
    stage.move(1)
    assert stage.logged == ["second"]


def test_one_may_remove_another_that_is_due() -> None:
    stage = SessionStage()
    stage.call("schedule2", "first", "1", "0", "schedule_remove2=second")
    stage.call("schedule2", "second", "1", "0", "print=ran")
    stage.move(1)
    assert stage.logged == []


def test_there_are_not_more_than_so_many() -> None:
    stage = SessionStage()
    for number in range(MAX_SCHEDULES):
        stage.call("schedule2", f"k{number}", "1", "0", "cat=")
    with pytest.raises(Fault, match="Too many schedules"):
        stage.call("schedule2", "one more", "1", "0", "cat=")


@pytest.mark.parametrize("trust", [Trust.SAFE, Trust.NO_CODE])
def test_only_trusted_callers_plan_anything(trust: Trust) -> None:
    with pytest.raises(Fault) as refused:
        SessionStage().call("schedule2", "k", "0", "0", "cat=", trust=trust)
    assert refused.value.code == -507
