"""Windows of the week, by local time."""

from __future__ import annotations

import time

import pytest

from blobtorrent.config.timewindows import time_windows
from blobtorrent.core.session.schedule import is_within

MONDAY = "2023-11-13"


def at(day: str, hour: str) -> float:
    """Seconds since 1970 of a local time."""
    return time.mktime(time.strptime(f"{day} {hour}", "%Y-%m-%d %H:%M:%S"))


@pytest.mark.parametrize(("day", "hour", "inside"), [
    (MONDAY, "07:59:59", False),
    (MONDAY, "08:00:00", True),
    (MONDAY, "17:59:59", True),
    (MONDAY, "18:00:00", False),
    ("2023-11-17", "09:00:00", True),
    ("2023-11-18", "09:00:00", False),
])
def test_a_window_begins_with_its_first_minute_and_ends_before_its_last(day, hour, inside):
    assert is_within(time_windows(["mon-fri 08:00-18:00"]), at(day, hour)) is inside


@pytest.mark.parametrize(("day", "hour", "inside"), [
    ("2023-11-19", "22:59:00", False),
    ("2023-11-19", "23:00:00", True),
    (MONDAY, "01:29:59", True),
    (MONDAY, "01:30:00", False),
    (MONDAY, "23:30:00", False),
])
def test_a_window_over_midnight_belongs_to_the_day_it_begins_on(day, hour, inside):
    assert is_within(time_windows(["sun 23:00-01:30"]), at(day, hour)) is inside


def test_one_of_several_windows_is_enough_and_none_is_never():
    windows = time_windows(["sat,sun 10:00-12:00", "daily 20:00-21:00"])
    assert is_within(windows, at(MONDAY, "20:30:00"))
    assert not is_within((), at(MONDAY, "20:30:00"))


def test_the_local_clock_decides(monkeypatch):
    noon_utc = 1_699_876_800.0         # Monday 2023-11-13 12:00 UTC
    windows = time_windows(["mon 21:00-21:30"])
    for zone, inside in (("UTC", False), ("Asia/Tokyo", True)):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        assert is_within(windows, noon_utc) is inside
    monkeypatch.undo()
    time.tzset()
