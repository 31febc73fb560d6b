"""Times of the week: whether now is within one of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from time import localtime

from blobtorrent.config.timewindows import MINUTES_PER_DAY, TimeWindow


def is_within(windows: Iterable[TimeWindow], wall: float) -> bool:
    """Whether a moment, in seconds since 1970, lies in one of the windows by the local time of this machine.

    The clock on the wall decides, also on the days on which it is changed.
    """
    local = localtime(wall)
    minute = local.tm_hour * 60 + local.tm_min
    yesterday = (local.tm_wday - 1) % 7
    return any(
        local.tm_wday in window.days and window.first_min <= minute < window.end_min
        or yesterday in window.days and minute + MINUTES_PER_DAY < window.end_min
        for window in windows
    )
