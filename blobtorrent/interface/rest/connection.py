"""One client connection: requests in, responses out, one at a time, never waiting. Owned by the thread `rest`.

A client costs a little memory and nothing else until it has sent a whole request that it may send: whoever drips
bytes, stalls, or reads no answer runs into a deadline.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from enum import Enum

from blobtorrent.interface.rest.gate import Caller, Gate
from blobtorrent.interface.rest.http import Head, Refused, Request, RequestReader, render
from blobtorrent.interface.rest.problems import problem
from blobtorrent.runtime.loop import EVENT_READ, EVENT_WRITE, FileCallback, SelectorLoop
from blobtorrent.runtime.machine import Machine, Table
from blobtorrent.runtime.timers import Timer

HEAD_S = 10.0                          # from the first byte of a head, or from connecting, to its last
IDLE_S = 60.0                          # between requests
TRANSFER_S = 10.0                      # for a body or an answer, and as much more as its size needs at ...
MIN_BYTES_PER_S = 16 << 10
LINGER_S = 2.0                         # for the client to read why it was refused before the connection is reset
RECEIVE_BYTES = 64 << 10

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class ConnectionState(Enum):
    WAITING = "waiting"                # for the head of a request
    RECEIVING = "receiving"            # its body; it may be sent
    ANSWERING = "answering"            # somebody else works on the answer
    SENDING = "sending"
    LINGERING = "lingering"            # the last answer is out; the client has not closed yet
    CLOSED = "closed"

    OPEN = "open"                      # parent of all but closed
    TAKING = "taking"                  # parent of waiting and receiving


class ConnectionEvent(Enum):
    ADMIT = "admit"                    # the head is complete and passed the gate
    ASK = "ask"                        # the body is complete
    REFUSE = "refuse"
    ANSWER = "answer"
    SENT = "sent"                      # the client may send the next request
    LAST_SENT = "last-sent"
    CLOSE = "close"


_S, _E = ConnectionState, ConnectionEvent

CONNECTION = Table(
    {
        _S.WAITING: {_E.ADMIT: _S.RECEIVING},
        _S.RECEIVING: {_E.ASK: _S.ANSWERING},
        _S.TAKING: {_E.REFUSE: _S.SENDING},
        _S.ANSWERING: {_E.ANSWER: _S.SENDING},
        _S.SENDING: {_E.SENT: _S.WAITING, _E.LAST_SENT: _S.LINGERING},
        _S.OPEN: {_E.CLOSE: _S.CLOSED},
    },
    home=_S.WAITING,
    ends=(_S.CLOSED,),
    parents={
        _S.TAKING: (_S.WAITING, _S.RECEIVING),
        _S.OPEN: (_S.TAKING, _S.ANSWERING, _S.SENDING, _S.LINGERING),
    },
)


class Connection:
    """Takes over `sock`. `on_request(connection, request)` is answered by `answer`, `on_closed(connection)` is last."""

    def __init__(
        self,
        sock: socket.socket,
        caller: Caller,
        *,
        loop: SelectorLoop,
        gate: Gate,
        on_request: Callable[[Connection, Request], None],
        on_closed: Callable[[Connection], None],
    ) -> None:
        self._sock = sock
        self._caller = caller
        self._loop = loop
        self._gate = gate
        self._on_request = on_request
        self._on_closed = on_closed
        self._machine = Machine(CONNECTION)
        self._reader = RequestReader()
        self._head: Head | None = None
        self._outgoing = memoryview(b"")
        self._keep_alive = True
        self._is_idle = False
        self._is_watched = False
        self._deadline: Timer | None = None
        self._limit(HEAD_S)
        self._watch(EVENT_READ, self._receive)

    @property
    def is_waiting(self) -> bool:
        """The client has sent no complete head: it may be left for another one."""
        return self._machine.state in (_S.WAITING, _S.LINGERING)

    def answer(self, data: bytes, *, keep_alive: bool) -> None:
        """Send the rendered response to the request under way; a connection that was closed meanwhile ignores it."""
        if self._machine.state is _S.CLOSED:
            return
        self._machine.fire(_E.ANSWER)
        self._begin_sending(data, keep_alive=keep_alive)

    def close(self) -> None:
        if self._machine.state is _S.CLOSED:
            return
        self._machine.fire(_E.CLOSE)
        self._unwatch()
        if self._deadline is not None:
            self._deadline.cancel()
        self._sock.close()
        self._on_closed(self)

    # ---- taking in

    def _receive(self, _mask: int) -> None:
        try:
            data = self._sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self._reader.feed(data)
        self._advance()

    def _advance(self) -> None:
        try:
            if self._machine.state is _S.WAITING:
                self._read_head()
            if self._machine.state is _S.RECEIVING:
                self._read_body()
        except Refused as error:
            self._refuse(error)

    def _read_head(self) -> None:
        head = self._reader.read_head()
        if head is None:
            if self._is_idle:
                self._is_idle = False
                self._limit(HEAD_S)
            return
        self._gate.check(head, self._caller, self._loop.now)
        self._head = head
        self._machine.fire(_E.ADMIT)
        self._limit(TRANSFER_S + head.length / MIN_BYTES_PER_S)
        if head.awaits_consent and self._reader.is_empty:
            try:
                self._sock.send(_CONTINUE)
            except OSError:            # a client that asked for nothing has room for 25 bytes, or is gone
                self.close()

    def _read_body(self) -> None:
        head = self._head
        assert head is not None
        body = self._reader.read_body(head.length)
        if body is None:
            return
        self._machine.fire(_E.ASK)
        self._unwatch()
        self._limit(None)              # whoever works on the answer has deadlines of its own
        self._on_request(self, Request(head, body))

    # ---- sending

    def _refuse(self, error: Refused) -> None:
        self._reader.drop()
        self._machine.fire(_E.REFUSE)
        self._begin_sending(render(problem(error), keep_alive=False), keep_alive=False)

    def _begin_sending(self, data: bytes, *, keep_alive: bool) -> None:
        self._outgoing = memoryview(data)
        self._keep_alive = keep_alive
        self._limit(TRANSFER_S + len(data) / MIN_BYTES_PER_S)
        self._send(EVENT_WRITE)

    def _send(self, _mask: int) -> None:
        try:
            sent = self._sock.send(self._outgoing)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        self._outgoing = self._outgoing[sent:]
        if self._outgoing:
            self._watch(EVENT_WRITE, self._send)
        elif self._keep_alive:
            self._wait_for_next()
        else:
            self._linger()

    def _wait_for_next(self) -> None:
        self._machine.fire(_E.SENT)
        self._outgoing = memoryview(b"")
        self._head = None
        self._is_idle = True
        self._limit(IDLE_S)
        self._watch(EVENT_READ, self._receive)
        if not self._reader.is_empty:  # the next request came with the last; other clients first
            self._loop.timers.at(self._loop.now, self._advance)

    def _linger(self) -> None:
        """Closing while the client still sends would reset the connection and lose it our answer."""
        self._machine.fire(_E.LAST_SENT)
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()
            return
        self._limit(LINGER_S)
        self._watch(EVENT_READ, self._discard)

    def _discard(self, _mask: int) -> None:
        try:
            if self._sock.recv(RECEIVE_BYTES):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self.close()

    # ---- deadlines and events

    def _limit(self, seconds: float | None) -> None:
        """The state that begins now may last so long."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self._loop.timers.at(self._loop.now + seconds, self._expire)

    def _expire(self) -> None:
        is_late_request = self._machine.state is _S.RECEIVING or not self._reader.is_empty
        if is_late_request and self._machine.can(_E.REFUSE):
            self._refuse(Refused(408, "rest.too-slow", "the request did not come in time"))
        else:
            self.close()

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
