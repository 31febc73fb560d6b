"""Times of the week in the settings, such as "mon-fri 08:00-18:00": how they are written and read."""

from __future__ import annotations

import re
from typing import NamedTuple

MINUTES_PER_HOUR = 60
MINUTES_PER_DAY = 24 * MINUTES_PER_HOUR
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

# As text: it is compiled when a setting needs it, which most runs never do.
_DAY = "|".join(DAYS)
_WINDOW = (
    rf"(daily|(?:{_DAY})(?:-(?:{_DAY}))?(?:,(?:{_DAY})(?:-(?:{_DAY}))?)*) +"
    r"([0-9]{1,2}):([0-9]{2}) *- *([0-9]{1,2}):([0-9]{2})"
)


class TimeWindow(NamedTuple):
    """A time of the week, local time: from minute `first_min` up to, not including, `end_min` of the day.

    `days` are the days it begins on, Monday being 0. A window over midnight has an `end_min` beyond 1440, the minutes
    of a day.
    """

    days: frozenset[int]
    first_min: int
    end_min: int


def time_windows(value: object) -> tuple[TimeWindow, ...]:
    """A list such as "mon-fri 08:00-18:00" or "daily 23:00-01:30"."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError('must be a list of times such as "mon-fri 08:00-18:00"')
    return tuple(time_window(item) for item in value)


def time_window(text: str) -> TimeWindow:
    """Read "DAYS HH:MM-HH:MM": DAYS is "daily", or days and ranges joined by commas. Raises ValueError."""
    match = re.fullmatch(_WINDOW, text.strip().lower())
    if match is None:
        raise ValueError(f'holds {text!r}; write for instance "mon-fri 08:00-18:00" or "daily 23:00-01:30"')
    hours_and_minutes = [int(group) for group in match.groups()[1:]]
    first_min = hours_and_minutes[0] * MINUTES_PER_HOUR + hours_and_minutes[1]
    end_min = hours_and_minutes[2] * MINUTES_PER_HOUR + hours_and_minutes[3]
    if first_min >= MINUTES_PER_DAY or end_min > MINUTES_PER_DAY or max(hours_and_minutes[1::2]) >= MINUTES_PER_HOUR:
        raise ValueError(f"holds {text!r}, which has no such time of day")
    if end_min <= first_min:
        end_min += MINUTES_PER_DAY
    return TimeWindow(_days(match[1]), first_min, end_min)


def _days(text: str) -> frozenset[int]:
    """The days that "daily", "sat" or "mon-wed,fri" names; "sat-mon" goes over the week's end."""
    if text == "daily":
        return frozenset(range(7))
    days: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        low, high = DAYS.index(first), DAYS.index(last or first)
        days.update(day % 7 for day in range(low, high + 1 if high >= low else high + 8))
    return frozenset(days)
