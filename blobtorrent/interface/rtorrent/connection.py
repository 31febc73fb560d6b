"""A client that speaks SCGI: one request, one answer. Owned by the thread `rpc`.

A client that has half closed its side is answered all the same; one that sends something else than a request is left
without a word, as rTorrent does.
"""

from __future__ import annotations

import socket
from enum import Enum
from typing import Protocol

from blobtorrent.interface.rest.channel import TURN_BYTES
from blobtorrent.interface.rest.gate import Caller
from blobtorrent.interface.rest.outgoing import Outgoing
from blobtorrent.interface.rtorrent.scgi import BadFraming, ScgiReader, ScgiRequest
from blobtorrent.runtime.loop import EVENT_READ, EVENT_WRITE, FileCallback, SelectorLoop
from blobtorrent.runtime.machine import Machine, Table
from blobtorrent.runtime.timers import Timer

REQUEST_S = 10.0                       # for a request, and as much more as its size needs at ...
MIN_BYTES_PER_S = 64 << 10
ANSWER_S = 30.0                        # likewise for the client to take the answer; each is also the longest pause
LINGER_S = 2.0                         # for the client to close, before what it may still send resets the connection
RECEIVE_BYTES = 256 << 10


class State(Enum):
    RECEIVING = "receiving"
    WORKING = "working"                # somebody else works on the answer
    SENDING = "sending"
    LINGERING = "lingering"            # all is sent; the client has not closed yet
    CLOSED = "closed"

    OPEN = "open"                      # parent of all but closed


class Event(Enum):
    ASK = "ask"
    ANSWER = "answer"
    SENT = "sent"
    CLOSE = "close"


LIFE = Table(
    {
        State.RECEIVING: {Event.ASK: State.WORKING},
        State.WORKING: {Event.ANSWER: State.SENDING},
        State.SENDING: {Event.SENT: State.LINGERING},
        State.OPEN: {Event.CLOSE: State.CLOSED},
    },
    home=State.RECEIVING,
    ends=(State.CLOSED,),
    parents={State.OPEN: (State.RECEIVING, State.WORKING, State.SENDING, State.LINGERING)},
)


class Owner(Protocol):
    """Who works for the connections. Called on the thread `rpc`."""

    def on_growth(self) -> None:
        """A connection holds more than before. It may be closed by it."""

    def on_request(self, connection: ScgiConnection, request: ScgiRequest) -> None:
        """To be answered by `answer`, or by `close`."""

    def on_closed(self, connection: ScgiConnection) -> None:
        """The last call."""


class ScgiConnection:
    """Takes over the socket; `begin` is called first."""

    def __init__(self, sock: socket.socket, caller: Caller, *, loop: SelectorLoop, owner: Owner) -> None:
        self.caller = caller
        self._sock = sock
        self._loop = loop
        self._owner = owner
        self._machine = Machine(LIFE)
        self._reader = ScgiReader()
        self._outgoing = Outgoing()
        self._asked_bytes = 0          # of the request that is worked on
        self._pause_s = 0.0            # the longest that is waited for anything, while ...
        self._end_s = 0.0              # ... it has to be whole by then
        self._is_watched = False
        self._deadline: Timer | None = None

    @property
    def is_waiting(self) -> bool:
        """It has asked for nothing yet, or has its answer: it may be left for another one."""
        return self._machine.state in (State.RECEIVING, State.LINGERING)

    @property
    def is_receiving(self) -> bool:
        return self._machine.state is State.RECEIVING

    @property
    def is_sending(self) -> bool:
        return self._machine.state is State.SENDING

    @property
    def held_bytes(self) -> int:
        return self._reader.size_bytes + self._asked_bytes + self._outgoing.size_bytes

    def begin(self) -> None:
        self._limit(REQUEST_S)
        self._watch(EVENT_READ, self._receive)

    def answer(self, parts: tuple[bytes, ...]) -> None:
        """Send these; the client may be gone meanwhile."""
        if self._machine.state is State.CLOSED:
            return
        self._machine.fire(Event.ANSWER)
        self._asked_bytes = 0
        for part in parts:
            self._outgoing.put(part)
        self._owner.on_growth()
        if self._machine.state is State.SENDING:
            self._limit_transfer(ANSWER_S, self._outgoing.size_bytes)
            self._send(EVENT_WRITE)

    def close(self) -> None:
        if self._machine.state is State.CLOSED:
            return
        self._machine.fire(Event.CLOSE)
        self._unwatch()
        self._limit(None)
        self._sock.close()
        self._reader = ScgiReader()    # whoever works on an answer may keep us for a while
        self._outgoing.clear()
        self._asked_bytes = 0
        self._owner.on_closed(self)

    # ---- taking in

    def _receive(self, _mask: int) -> None:
        data = self._read()
        if data is None:
            return
        if not data:
            self.close()               # before its request was complete
            return
        before_bytes = self._reader.expected_bytes
        self._reader.feed(data)
        try:
            request = self._reader.read()
        except BadFraming:
            self.close()
            return
        if request is not None:
            self._asked_bytes = len(request.body)
        elif self._reader.expected_bytes > before_bytes:
            self._limit_transfer(REQUEST_S, self._reader.expected_bytes)
        elif before_bytes:
            self._limit_pause()
        self._owner.on_growth()
        if request is None or self._machine.state is State.CLOSED:
            return
        self._machine.fire(Event.ASK)
        self._unwatch()
        self._limit(None)              # whoever works on the answer has limits of its own
        self._owner.on_request(self, request)

    def _read(self) -> bytes | None:
        """What came; nothing when nothing will any more, None when that is not known yet."""
        try:
            return self._sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    # ---- sending

    def _send(self, _mask: int) -> None:
        before_bytes = self._outgoing.size_bytes
        try:
            if self._outgoing.size_bytes:
                self._outgoing.drop(self._sock.sendmsg(self._outgoing.peek(TURN_BYTES)))
        except BlockingIOError:
            pass
        except OSError:
            self.close()
            return
        if self._outgoing.size_bytes:
            if self._outgoing.size_bytes < before_bytes:
                self._limit_pause()
            self._watch(EVENT_WRITE, self._send)
        else:
            self._linger()

    def _linger(self) -> None:
        self._machine.fire(Event.SENT)
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()
            return
        self._limit(LINGER_S)
        self._watch(EVENT_READ, self._discard)

    def _discard(self, _mask: int) -> None:
        if self._read() == b"":
            self.close()

    # ---- deadlines and events

    def _limit(self, seconds: float | None) -> None:
        """The state that begins now may last so long."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self._loop.timers.at(self._loop.now + seconds, self.close)

    def _limit_transfer(self, pause_s: float, num_bytes: int) -> None:
        """So many bytes are to come or go, at no less than a rate, and never with a longer pause."""
        self._pause_s, self._end_s = pause_s, self._loop.now + pause_s + num_bytes / MIN_BYTES_PER_S
        self._limit_pause()

    def _limit_pause(self) -> None:
        self._limit(max(0.0, min(self._pause_s, self._end_s - self._loop.now)))

    def _watch(self, events: int, callback: FileCallback) -> None:
        if self._is_watched:
            self._loop.modify(self._sock, events, callback)
        else:
            self._loop.register(self._sock, events, callback)
            self._is_watched = True

    def _unwatch(self) -> None:
        if self._is_watched:
            self._loop.unregister(self._sock)
            self._is_watched = False
