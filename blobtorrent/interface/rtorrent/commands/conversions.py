"""Numbers as people read them: `convert.*`. The widths are those of the columns they were made for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from blobtorrent.interface.rtorrent.context import Context, Target
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.values import Value, one_number

CATEGORY = "language"
_DATE_LENGTH: Final = 10    # dd/mm/yyyy; a later year is cut off
_KIB, _MIB, _GIB, _TIB = (float(1 << shift) for shift in (10, 20, 30, 40))


def commands(now_s: Callable[[], int]) -> Iterator[Command]:
    """`now_s` tells the seconds since 1970."""
    for name, show, doc in (
            ("kb", _kib, "Bytes in KiB with one decimal, padded."),
            ("mb", _mib, "Bytes in MiB with one decimal, padded."),
            ("xb", _scaled, "Bytes in a fitting unit, the next one from 1000 on."),
            ("throttle", _throttle, "A rate in KiB/s; off for 0, dashes below."),
            ("date", partial(_date, time.localtime), "The day of a time since 1970, here: dd/mm/yyyy."),
            ("time", partial(_time, time.localtime), "The hour of a time since 1970, here: HH:MM:SS."),
            ("gm_date", partial(_date, time.gmtime), "The day of a time since 1970, UTC: dd/mm/yyyy."),
            ("gm_time", partial(_time, time.gmtime), "The hour of a time since 1970, UTC: HH:MM:SS."),
            ("elapsed_time", partial(_elapsed, now_s), "How long ago a time since 1970 was: H:MM:SS.")):
        yield Command(f"convert.{name}", Target.NONE, partial(_convert, show), "string", is_safe=True, doc=doc,
                      category=CATEGORY)


def _convert(show: Callable[[int], str | None], context: Context, item: Any, args: Sequence[Value]) -> Value:
    return show(one_number(args))


def _kib(number: int) -> str:
    return f"{number / _KIB:5.1f}"


def _mib(number: int) -> str:
    return f"{number / _MIB:8.1f}"


def _scaled(number: int) -> str:
    for unit, limit, word in ((_KIB, 1000 << 10, "KB"), (_MIB, 1000 << 20, "MB"), (_GIB, 1000 << 30, "GB")):
        if number < limit:
            return f"{number / unit:5.1f} {word}"
    return f"{number / _TIB:5.1f} TB"


def _throttle(rate: int) -> str:
    if rate == 0:
        return "off"
    return "---" if rate < 0 else f"{rate >> 10:3d}"


def _date(calendar: Callable[[float], time.struct_time], at: int) -> str | None:
    day = _broken_down(calendar, at)
    return None if day is None else f"{day.tm_mday:02d}/{day.tm_mon:02d}/{day.tm_year:04d}"[:_DATE_LENGTH]


def _time(calendar: Callable[[float], time.struct_time], at: int) -> str | None:
    day = _broken_down(calendar, at)
    return None if day is None else f"{day.tm_hour:2d}:{day.tm_min:02d}:{day.tm_sec:02d}"


def _broken_down(calendar: Callable[[float], time.struct_time], at: int) -> time.struct_time | None:
    """None for a time that no calendar reaches: such a one has no text."""
    try:
        return calendar(at)
    except (OverflowError, ValueError, OSError):
        return None


def _elapsed(now_s: Callable[[], int], since: int) -> str:
    """A time yet to come is 0 ago."""
    passed = max(0, now_s() - since)
    return f"{passed // 3600:2d}:{passed // 60 % 60:02d}:{passed % 60:02d}"
