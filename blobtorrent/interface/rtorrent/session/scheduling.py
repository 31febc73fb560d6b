"""`schedule2` and its kin: the commands that plan others, and running those that are due."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from blobtorrent.interface.rtorrent.context import Context, Trust
from blobtorrent.interface.rtorrent.faults import Fault, failed
from blobtorrent.interface.rtorrent.language.evaluate import Interpreter
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.session.making import command
from blobtorrent.interface.rtorrent.session.schedules import Schedules, TimeOfDay, delay_of, span_of
from blobtorrent.interface.rtorrent.values import Call, Value, one_text, to_text

CATEGORY: Final = "schedule"
_ARGUMENTS: Final = "KEY, START, INTERVAL, COMMAND: "


def local_time_of_day() -> TimeOfDay:
    local = time.localtime()
    return TimeOfDay(local.tm_hour, local.tm_min, local.tm_sec)


class Scheduling:
    """`now` is a clock that is never set back. Owned by the interpreter's thread, which calls `run_due`."""

    def __init__(self, now: Callable[[], float], time_of_day: Callable[[], TimeOfDay] = local_time_of_day) -> None:
        self.schedules = Schedules()
        self._now = now
        self._time_of_day = time_of_day

    def commands(self) -> Iterator[Command]:
        yield command("schedule2", partial(self._put, False), f"{_ARGUMENTS}plans a command, by seconds or clock "
                      "times; an interval of 0 is once.", category=CATEGORY, is_code=True)
        yield command("schedule.if_absent", partial(self._put, True), f"{_ARGUMENTS}the same, unless there is one.",
                      category=CATEGORY, is_code=True)
        yield command("schedule_remove2", self._remove, "KEY: forgets what was planned.", category=CATEGORY,
                      is_code=True)

    def _put(self, is_kept: bool, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        if len(args) != 4:
            raise failed("Wrong number of arguments.")
        key, start, interval = map(to_text, args[:3])
        body = args[3]
        if not key:
            raise failed("Scheduler received an empty key.")
        if not isinstance(body, (str, Call)):
            raise failed("Invalid type passed to command scheduler.")
        delay_s, interval_s = delay_of(start, self._time_of_day()), span_of(interval)
        if not (is_kept and key in self.schedules):
            self.schedules.put(key, body, next_s=self._now() + delay_s, interval_s=interval_s)
        return None

    def _remove(self, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        self.schedules.remove(one_text(args))
        return None

    def next_due_s(self) -> float | None:
        """When `run_due` has something to do, on the clock that was given; None: never, as it is now."""
        return self.schedules.next_due_s()

    def run_due(self, interpreter: Interpreter) -> None:
        """Run what is due. What fails is logged, and goes on being planned."""
        for entry in self.schedules.due(self._now()):
            try:
                interpreter.run_object(interpreter.context(Trust.FULL), entry.command)
            except Fault as fault:
                interpreter.log(f"Scheduled command failed: {entry.key}: {fault.text}")
