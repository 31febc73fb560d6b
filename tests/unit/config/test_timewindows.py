"""Times of the week: what their text means, and what makes no sense."""

from __future__ import annotations

import pytest

from blobtorrent.config.timewindows import TimeWindow, time_window, time_windows


@pytest.mark.parametrize(
    ("text", "days", "first_min", "end_min"),
    [
        ("daily 00:00-24:00", range(7), 0, 1440),
        ("mon-fri 08:00-18:30", range(5), 480, 1110),
        ("Sat,Sun 9:05 - 10:00", (5, 6), 545, 600),
        ("daily 23:00-01:30", range(7), 1380, 1530),
        ("sat-mon 10:00-11:00", (5, 6, 0), 600, 660),
        ("mon-wed,fri 00:00-00:00", (0, 1, 2, 4), 0, 1440),
    ],
)
def test_times_of_the_week_are_days_and_minutes(text, days, first_min, end_min):
    assert time_window(text) == TimeWindow(frozenset(days), first_min, end_min)


@pytest.mark.parametrize(
    "text",
    ["", "08:00-09:00", "weekdays 08:00-09:00", "mon 8-9", "mon 24:00-25:00", "mon 08:60-09:00", "mon- 1:00-2:00"],
)
def test_a_time_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="holds"):
        time_window(text)


def test_several_are_a_list():
    assert time_windows(["mon 1:00-2:00", "daily 00:00-24:00"]) == (
        time_window("mon 1:00-2:00"), time_window("daily 00:00-24:00"))
    for other in ("daily", [5]):
        with pytest.raises(ValueError, match="must be a list"):
            time_windows(other)
