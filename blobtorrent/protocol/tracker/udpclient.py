"""UdpTrackerClient: questions to UDP trackers, repeated until they are answered (BEP 15). Sans-IO.

A tracker answers only who proves, by a connection id, that it can be reached at its address. An id is asked for once
and serves all questions to that tracker for a minute. What nobody answers is sent again after 15, 30, 60 ... seconds;
if the id runs out meanwhile, another one is asked for at the same pace. An answer counts only from the address that
was asked, with the transaction id that it was sent.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import TrackerError
from blobtorrent.protocol.tracker.udp import connect_request, read_connected, transaction_of
from blobtorrent.runtime.machine import Machine, Table
from blobtorrent.runtime.timers import Timer, TimerWheel

CONNECTION_S = 60.0                    # for which a connection id may be used
FIRST_REPEAT_S = 15.0                  # doubled with every further one
MAX_REPEATS = 8


class State(Enum):
    WAITING = "waiting"                # for a connection id
    ASKED = "asked"
    DONE = "done"


class Event(Enum):
    CONNECTED = "connected"
    STALE = "stale"                    # the connection id is of no use any more
    ANSWER = "answer"
    FAILURE = "failure"


QUESTION = Table(
    {
        State.WAITING: {Event.CONNECTED: State.ASKED, Event.FAILURE: State.DONE},
        State.ASKED: {Event.STALE: State.WAITING, Event.ANSWER: State.DONE, Event.FAILURE: State.DONE},
    },
    home=State.WAITING,
    ends=(State.DONE,),
)


class Path(NamedTuple):
    """From which of our addresses ("" for any) to which tracker; through a proxy its host may be a name."""

    via: str
    to: Endpoint


class Question:
    """`make(connection id, transaction id)` is the packet, `read(data)` its answer, which raises TrackerError;
    `on_end(answer or error)` is called once."""

    def __init__(self, path: Path, make: Callable[[int, int], bytes], read: Callable[[bytes], Any],
                 on_end: Callable[[Any], None]) -> None:
        self.path = path
        self.make = make
        self.read = read
        self.on_end = on_end
        self.machine = Machine(QUESTION)
        self.transaction_id = 0
        self.repeats = 0
        self.old_id: int | None = None # the connection id that it was sent on, where that was not asked for just now
        self.repeat: Timer | None = None
        self.end: Timer | None = None


class _Line:
    """What is between us and one tracker: a connection id, or the wish for one, and who waits for it."""

    def __init__(self) -> None:
        self.connection_id: int | None = None
        self.valid_until_s = 0.0
        self.transaction_id = 0        # of the wish
        self.repeats = 0
        self.repeat: Timer | None = None           # while the wish is under way
        self.waiting: dict[Question, None] = {}


class UdpTrackerClient:
    """`send(path, packet)` may lose what it is given. `randbits(n)` must not be foreseeable: what it gives keeps
    strangers from answering in a tracker's name."""

    def __init__(self, timers: TimerWheel, randbits: Callable[[int], int], send: Callable[[Path, bytes], Any]) -> None:
        self.strays = 0                # datagrams that answered nothing
        self._timers = timers
        self._randbits = randbits
        self._send = send
        self._lines: dict[Path, _Line] = {}
        self._asked: dict[int, Question] = {}      # by transaction id
        self._wishes: dict[int, Path] = {}

    def __len__(self) -> int:
        """Questions that are not answered yet."""
        return len(self._asked) + sum(len(line.waiting) for line in self._lines.values())

    def ask(self, question: Question, timeout_s: float, now: float) -> None:
        question.end = self._timers.at(now + timeout_s, lambda: self._fail(question, TrackerError(
            "tracker.timed-out", f"no answer in {timeout_s:g} s")))
        self._begin(question, now)

    def on_datagram(self, data: bytes, via: str, source: Endpoint, now: float) -> None:
        """Take what came from `source` at our address `via`."""
        transaction_id = transaction_of(data)
        if transaction_id in self._wishes and _fits(self._wishes[transaction_id], via, source):
            self._on_connected(self._wishes[transaction_id], data, now)
        elif transaction_id in self._asked and _fits(self._asked[transaction_id].path, via, source):
            self._on_answer(self._asked[transaction_id], data, now)
        else:
            self.strays += 1

    # ---- connection ids

    def _begin(self, question: Question, now: float) -> None:
        line = self._lines.setdefault(question.path, _Line())
        if line.connection_id is not None and now < line.valid_until_s:
            question.old_id = line.connection_id
            self._put(question, line.connection_id, now)
            return
        line.connection_id = None
        line.waiting[question] = None
        if line.repeat is None:
            line.repeats = question.repeats
            self._wish(question.path, line, now)

    def _wish(self, path: Path, line: _Line, now: float) -> None:
        self._wishes.pop(line.transaction_id, None)
        line.transaction_id = self._new_transaction()
        self._wishes[line.transaction_id] = path
        self._send(path, connect_request(line.transaction_id))
        due_s = now + _pause_s(line.repeats)
        line.repeats += 1
        line.repeat = self._timers.at(due_s, lambda: self._wish(path, line, due_s))

    def _on_connected(self, path: Path, data: bytes, now: float) -> None:
        line = self._lines[path]
        waiting = list(line.waiting)
        self._end_wish(line)
        line.waiting.clear()
        try:
            connection_id = line.connection_id = read_connected(data)
        except TrackerError as error:
            for question in waiting:
                self._end(question, Event.FAILURE, error)
            self._lines.pop(path, None)
            return
        line.valid_until_s = now + CONNECTION_S
        for question in waiting:
            question.old_id = None
            self._put(question, connection_id, now)
        self._timers.at(line.valid_until_s, lambda: self._forget(path, line))

    def _end_wish(self, line: _Line) -> None:
        self._wishes.pop(line.transaction_id, None)
        if line.repeat is not None:
            line.repeat.cancel()
        line.repeat = None
        line.repeats = 0

    def _forget(self, path: Path, line: _Line) -> None:
        """Its id has run out: a line that nobody waits on is not kept."""
        if self._lines.get(path) is line and line.repeat is None and not line.waiting:
            del self._lines[path]

    # ---- questions

    def _put(self, question: Question, connection_id: int, now: float) -> None:
        """Send it, for the first time or again, under a new transaction id each time."""
        if question.machine.state is State.WAITING:
            question.machine.fire(Event.CONNECTED)
        self._asked.pop(question.transaction_id, None)
        question.transaction_id = self._new_transaction()
        self._asked[question.transaction_id] = question
        self._send(question.path, question.make(connection_id, question.transaction_id))
        due_s = now + _pause_s(question.repeats)
        question.repeats += 1
        question.repeat = self._timers.at(due_s, lambda: self._again(question, due_s))

    def _again(self, question: Question, now: float) -> None:
        """Nothing came: repeat it, by way of a new connection id if it was sent on an old one."""
        self._asked.pop(question.transaction_id, None)
        self._distrust(question)
        line = self._lines.get(question.path)
        if line is not None and line.connection_id is not None and now < line.valid_until_s:
            self._put(question, line.connection_id, now)
        else:
            question.machine.fire(Event.STALE)
            self._begin(question, now)

    def _on_answer(self, question: Question, data: bytes, now: float) -> None:
        try:
            answer = question.read(data)
        except TrackerError as error:
            if question.old_id is not None and "connection" in error.detail.lower():
                self._distrust(question)
                self._stop_repeating(question)
                question.machine.fire(Event.STALE)
                self._begin(question, now)
            else:
                self._end(question, Event.FAILURE, error)
            return
        self._end(question, Event.ANSWER, answer)

    def _distrust(self, question: Question) -> None:
        """Take no old connection id for good that was of no use: a tracker that was started anew, or counts its minutes
        otherwise, says so or nothing at all."""
        line = self._lines.get(question.path)
        if line is not None and question.old_id is not None and line.connection_id == question.old_id:
            line.connection_id = None

    def _fail(self, question: Question, error: TrackerError) -> None:
        line = self._lines.get(question.path)
        if line is not None:
            line.waiting.pop(question, None)
            if not line.waiting and line.repeat is not None:
                self._end_wish(line)
                del self._lines[question.path]
        self._end(question, Event.FAILURE, error)

    def _end(self, question: Question, event: Event, result: Any) -> None:
        self._stop_repeating(question)
        if question.end is not None:
            question.end.cancel()
        question.machine.fire(event)
        question.on_end(result)

    def _stop_repeating(self, question: Question) -> None:
        self._asked.pop(question.transaction_id, None)
        if question.repeat is not None:
            question.repeat.cancel()

    def _new_transaction(self) -> int:
        while True:
            transaction_id = self._randbits(32)
            if transaction_id not in self._asked and transaction_id not in self._wishes:
                return transaction_id


def _pause_s(repeats: int) -> float:
    return FIRST_REPEAT_S * 2.0 ** min(repeats, MAX_REPEATS)


def is_name(endpoint: Endpoint) -> bool:
    """Whether its host is no address, but for a proxy to look up."""
    try:
        ipaddress.ip_address(endpoint.host)
    except ValueError:
        return True
    return False


def _fits(path: Path, via: str, source: Endpoint) -> bool:
    """Where a name leads nobody here knows: then the port has to do, and the transaction id."""
    return path.via in ("", via) and (path.to == source or path.to.port == source.port and is_name(path.to))
