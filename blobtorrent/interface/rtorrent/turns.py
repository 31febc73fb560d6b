"""Turns: the threads `rtorrent-k`, of which one at a time runs commands, one call after the other, as rTorrent does.

A command that has to wait for a program hands its turn to another thread and gets it back when the program has ended;
meanwhile other calls are answered. So the interpreter and all its state belong to whoever has the turn.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from enum import Enum
from typing import TypeVar, Union

from blobtorrent.interface.rtorrent.faults import failed
from blobtorrent.runtime.lasting import LastingThread
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.mailbox import Mailbox

T = TypeVar("T")

log = get_logger(__name__)

MAX_SEATS = 16                         # threads; while all the others wait for programs, the last waits with its turn
_MAX_WAIT_S = 3600.0                   # what a queue can be waited for is limited
_STOP_LOOK_S = 0.5                     # between two looks whether there are turns any more

Work = Callable[[], object]


class _Control(Enum):
    STOP = "stop"
    BEAT = "beat"
    LOOK = "look"                      # nobody posts it


class _Seat:
    """A thread that has the turn, waits for it, or waits for a program. `inbox` gets the turn: True; False: the end."""

    def __init__(self, number: int, run: Callable[[_Seat], None]) -> None:
        self.inbox: Mailbox[bool] = Mailbox(f"rtorrent-{number}")
        self.thread = LastingThread(lambda: run(self), f"rtorrent-{number}")


class Turns:
    """`post` work from any thread: it is done in that order. `outside` is for that work.

    `run_due` has the turn whenever the time `next_due_s()` has come (`time.monotonic`; None: nothing is planned).
    """

    name = "rtorrent"

    def __init__(self) -> None:
        self.next_due_s: Callable[[], float | None] = _never
        self.run_due: Work = _nothing
        self.mailbox: Mailbox[Union[Work, _Seat, _Control]] = Mailbox("rtorrent")
        self.beats = 0
        self.failures = 0
        self.ending = threading.Event()                    # work that waits for something need not wait any longer
        self._leader: _Seat | None = None
        self._idle: list[_Seat] = []
        self._seats: list[_Seat] = []
        self._has_ended = False

    @property
    def threads(self) -> list[LastingThread]:
        """Those that there are by now."""
        return [seat.thread for seat in self._seats]

    def post(self, work: Work) -> None:
        """Have it called when its turn comes. What it raises is logged. Never blocks."""
        self.mailbox.post(work)

    def ask_beat(self) -> None:
        """Have `beats` counted by whoever has the turn; from any thread."""
        self.mailbox.post(_Control.BEAT)

    def start(self) -> None:
        self._add_seat()

    def stop(self, timeout_s: float) -> bool:
        """Do what was posted before, then end; who waits for a program is left alone. True when that was in time."""
        self.ending.set()
        if not self._seats:
            return True
        end_s = time.monotonic() + timeout_s
        self.mailbox.post(_Control.STOP)
        while not self._has_ended and time.monotonic() < end_s:
            leader = self._leader
            if leader is not None:     # it may be another one by then
                leader.thread.join(min(_STOP_LOOK_S, max(0.0, end_s - time.monotonic())))
        return self._has_ended

    def outside(self, call: Callable[[], T]) -> T:
        """Call something that waits while others have the turn. Raises what it raises, or Fault when we stop meanwhile.

        For who has no turn, or with too many waiting already, it is just called.
        """
        seat = self._leader
        if seat is None or threading.current_thread() is not seat.thread or not self._pass_on():
            return call()
        try:
            return call()
        finally:
            self.mailbox.post(seat)
            self._wait_for_turn(seat)

    # ---- on the threads rtorrent-k

    def _pass_on(self) -> bool:
        """Give the turn to another thread, if there is one."""
        if self._idle:
            self._give_turn(self._idle.pop())
        elif len(self._seats) < MAX_SEATS:
            self._add_seat()
        else:
            return False
        return True

    def _give_turn(self, seat: _Seat) -> None:
        self._leader = seat
        seat.inbox.post(True)

    def _add_seat(self) -> None:
        seat = _Seat(len(self._seats), self._run)
        self._seats.append(seat)
        self._leader = seat
        seat.thread.start()

    def _wait_for_turn(self, seat: _Seat) -> None:
        while True:
            try:
                seat.inbox.get(_STOP_LOOK_S)
                return
            except queue.Empty:
                if self._has_ended:
                    raise failed("The daemon is stopping.") from None

    def _run(self, seat: _Seat) -> None:
        while self._lead(seat) and seat.inbox.get():
            pass
        seat.thread.dismiss()

    def _lead(self, seat: _Seat) -> bool:
        """Have the turn until it goes to somebody else; False when there are no more."""
        while not self._has_ended:
            message = self._next_message()
            if message is None:
                self._work(self.run_due)
                continue
            if isinstance(message, _Seat):
                self._idle.append(seat)
                self._give_turn(message)
                return True
            if message is _Control.BEAT:
                self.beats += 1
            elif message is _Control.STOP:
                for idle in self._idle:
                    idle.inbox.post(False)
                self._has_ended = True
                return False
            elif not isinstance(message, _Control):
                self._work(message)
            del message                # whoever waits must not keep what the last call was about
        return False

    def _next_message(self) -> Work | _Seat | _Control | None:
        """What was posted; None when something planned is due before there is any."""
        due_s = self.next_due_s()
        if due_s is None:
            return self.mailbox.get()
        wait_s = due_s - time.monotonic()
        if wait_s <= 0:
            return None
        try:
            return self.mailbox.get(min(wait_s, _MAX_WAIT_S))
        except queue.Empty:
            return None if wait_s <= _MAX_WAIT_S else _Control.LOOK

    def _work(self, work: Work) -> None:
        try:
            work()
        except Exception:
            self.failures += 1
            log.exception("a call failed")


def _never() -> float | None:
    return None


def _nothing() -> None:
    """There is nothing planned."""
