"""One client connection: requests in, responses out, one at a time, never waiting. Owned by the thread `rest`.

A client costs a little memory and nothing else until it has sent a whole request that it may send: whoever drips
bytes, stalls, or reads no answer runs into a deadline. Only a body that grows as things happen has none, as long as
its client takes what there is of it.
"""

from __future__ import annotations

from typing import Protocol

from blobtorrent.interface.rest import audit
from blobtorrent.interface.rest.channel import Channel
from blobtorrent.interface.rest.gate import Caller, Gate
from blobtorrent.interface.rest.grants import NOBODY, Grant
from blobtorrent.interface.rest.http import (
    WITHOUT_BODY,
    Head,
    Refused,
    Request,
    RequestReader,
    Response,
    ResponseBody,
    render_head,
)
from blobtorrent.interface.rest.lifecycle import CONNECTION, ConnectionEvent, ConnectionState
from blobtorrent.interface.rest.outgoing import Outgoing
from blobtorrent.interface.rest.problems import problem
from blobtorrent.interface.rest.sink import StreamSink
from blobtorrent.interface.rest.streams import Pull, Push
from blobtorrent.runtime.loop import EVENT_READ, EVENT_WRITE, FileCallback, SelectorLoop
from blobtorrent.runtime.machine import Machine
from blobtorrent.runtime.timers import Timer

SECURE_S = 10.0                        # for the handshake of an encrypted channel
HEAD_S = 10.0                          # from the first byte of a head, or from connecting, to its last
IDLE_S = 60.0                          # between requests
TRANSFER_S = 10.0                      # for a body or an answer, and as much more as its size needs at ...
MIN_BYTES_PER_S = 16 << 10
STALL_S = 60.0                         # for a client to send or take anything
LINGER_S = 2.0                         # for the client to read why it was refused before the connection is reset

_CONTINUE = memoryview(b"HTTP/1.1 100 Continue\r\n\r\n")

_S, _E = ConnectionState, ConnectionEvent


class Owner(Protocol):
    """Who works for the connections. Called on the thread `rest`."""

    def on_growth(self) -> None:
        """A connection holds more than before. It may be closed by it."""

    def on_request(self, connection: Connection, request: Request) -> None:
        """To be answered by `answer`."""

    def on_refused(self, status: int) -> None:
        """A request was refused before it came to `on_request`."""

    def on_fetch(self, connection: Connection, pull: Pull) -> None:
        """The client has taken what was read so far: to be answered by `take_part`."""

    def on_more(self, connection: Connection) -> None:
        """The client sent the next request with the last: `go_on` is to be called when others had their turn."""

    def on_release(self, pull: Pull) -> None:
        """Nobody reads this any more, and it is to be closed."""

    def on_closed(self, connection: Connection) -> None:
        """The last call."""


class Connection:
    """Takes over the channel; `begin` is called first."""

    def __init__(self, channel: Channel, caller: Caller, *, loop: SelectorLoop, gate: Gate, owner: Owner) -> None:
        self.caller = caller
        self.grant: Grant = NOBODY     # of the request under way
        self._channel = channel
        self._loop = loop
        self._gate = gate
        self._owner = owner
        self._machine = Machine(CONNECTION)
        self._reader = RequestReader()
        self._head: Head | None = None
        self._outgoing = Outgoing()
        self._pull: Pull | None = None
        self._asked_bytes = 0          # of the request that is worked on
        self._unread_bytes = 0         # of the pull
        self._stream: StreamSink | None = None
        self._keep_alive = True
        self._is_idle = False
        self._is_watched = False
        self._awaits_turn = False      # the next request is here: no more is taken in before it is looked at
        self._deadline: Timer | None = None
        self._end_s = 0.0              # of a transfer

    @property
    def is_waiting(self) -> bool:
        """The client has asked for nothing, or does not take what anybody may have: it may be left for another one."""
        state = self._machine.state
        return state in (_S.SECURING, _S.WAITING, _S.LINGERING) or state is _S.SENDING and self.grant is NOBODY

    @property
    def is_receiving(self) -> bool:
        return self._machine.state is _S.RECEIVING

    @property
    def is_sending(self) -> bool:
        return self._machine.state is _S.SENDING

    @property
    def held_bytes(self) -> int:
        return self._reader.size_bytes + self._asked_bytes + self._outgoing.size_bytes

    @property
    def is_lasting(self) -> bool:
        """An answer is on its way that may last as long as its client likes."""
        return self._pull is not None or self._stream is not None

    @property
    def backlog_bytes(self) -> int:
        """What waits for the client to take it."""
        return self._outgoing.size_bytes

    def begin(self) -> None:
        self._limit(SECURE_S)
        self._secure(EVENT_READ)

    def answer(self, response: Response) -> None:
        """Send the response to the request under way; on a connection that was closed meanwhile it is dropped.

        Raises ValueError for a header that cannot be sent, and may be called with another response then.
        """
        body = response.body
        if self._machine.state is _S.CLOSED:
            self._release_unsent(body)
            return
        self._asked_bytes = 0
        head = self._head
        assert head is not None
        is_chunked = isinstance(body, Push) and head.takes_chunks
        keep_alive = head.keep_alive and (is_chunked or not isinstance(body, Push))
        try:
            self._outgoing.put(render_head(response, keep_alive=keep_alive, is_chunked=is_chunked))
        except ValueError:
            self._release_unsent(body)
            raise
        self._keep_alive = keep_alive
        if head.method == "HEAD" or response.status in WITHOUT_BODY:
            self._release_unsent(body)
        elif isinstance(body, Push):
            self._machine.fire(_E.STREAM)
            self._stream = StreamSink(self, body, is_chunked=is_chunked)
            self._send_stream()
            self._loop.timers.at(self._loop.now, self._begin_stream)
            return
        elif isinstance(body, (bytes, tuple)):
            for part in (body,) if isinstance(body, bytes) else body:
                self._outgoing.put(part)
        else:
            self._pull, self._unread_bytes = body, body.length
        self._machine.fire(_E.ANSWER)
        self._owner.on_growth()
        if self._machine.state is _S.SENDING:
            self._begin_sending()

    def take_part(self, pull: Pull, data: bytes) -> None:
        """What was read for `on_fetch`; nothing, when it could not be read: then the client is cut off."""
        if self._machine.state is _S.CLOSED:
            self._owner.on_release(pull)
            return
        self._machine.fire(_E.FETCHED)
        if not 0 < len(data) <= self._unread_bytes:
            self.close()               # the only way to tell that the body ends too early
            return
        self._unread_bytes -= len(data)
        self._outgoing.put(data)
        self._begin_sending()

    def end_lasting(self) -> None:
        """Bring an answer that may last to its end: a stream in order, anything else by leaving the client."""
        if self._stream is not None:
            self._keep_alive = False
            self._stream.close()
        elif self._pull is not None:
            self.close()

    def close(self) -> None:
        state = self._machine.state
        if state is _S.CLOSED:
            return
        self._machine.fire(_E.CLOSE)
        self._unwatch()
        if self._deadline is not None:
            self._deadline.cancel()
        self._channel.close()
        self._reader.drop()            # whoever works on an answer may keep us for a while
        self._outgoing.clear()
        if self._pull is not None and state is not _S.FETCHING:        # else whoever reads it still has it
            self._owner.on_release(self._pull)
        self._pull = None
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.detach()
        self._owner.on_closed(self)

    # ---- taking in

    def _secure(self, _mask: int) -> None:
        try:
            self._channel.establish()
        except BlockingIOError:
            self._watch(self._channel.blocked_on, self._secure)
            return
        except OSError:
            self.close()
            return
        self._machine.fire(_E.SECURED)
        self._limit(HEAD_S)
        self._watch(EVENT_READ, self._receive)

    def _receive(self, _mask: int) -> None:
        try:
            data = self._channel.receive()
        except BlockingIOError:
            self._watch(self._channel.blocked_on, self._receive)
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self._reader.feed(data)
        self._owner.on_growth()
        if self._machine.state is _S.RECEIVING:
            self._limit_stall()
        if self._machine.state is not _S.CLOSED:
            self._advance()

    def go_on(self) -> None:
        """Look at what came with the request before. Nothing, when it was closed meanwhile."""
        self._awaits_turn = False
        self._advance()

    def _advance(self) -> None:
        try:
            if self._machine.state is _S.WAITING:
                self._read_head()
            if self._machine.state is _S.RECEIVING:
                self._read_body()
        except Refused as error:
            self._refuse(error)
        if self._machine.state in (_S.WAITING, _S.RECEIVING) and not self._is_watched and not self._awaits_turn:
            self._watch(EVENT_READ, self._receive)

    def _read_head(self) -> None:
        head = self._head = self._reader.read_head()
        if head is None:
            if self._is_idle:
                self._is_idle = False
                self._limit(HEAD_S)
            return
        self.grant = self._gate.identify(head, self.caller, self._loop.now)
        self._gate.check_scope(head, self.grant)
        self._machine.fire(_E.ADMIT)
        self._limit_transfer(head.length)
        if head.awaits_consent and self._reader.is_empty:
            try:
                self._channel.send((_CONTINUE,))
            except OSError:            # a client that asked for nothing has room for 25 bytes, or is gone
                self.close()

    def _read_body(self) -> None:
        head = self._head
        assert head is not None
        body = self._reader.read_body(head.length)
        if body is None:
            return
        self._machine.fire(_E.ASK)
        self._asked_bytes = len(body)
        self._unwatch()
        self._limit(None)              # whoever works on the answer has deadlines of its own
        self._owner.on_request(self, Request(head, body, self.grant))

    # ---- sending

    def _refuse(self, error: Refused) -> None:
        if self._head is not None:
            audit.note_refusal(self._head, self.grant, self.caller, error.status)
        self._owner.on_refused(error.status)
        self._reader.drop()
        self._machine.fire(_E.REFUSE)
        self._keep_alive = False
        response = problem(error)
        self._outgoing.put(render_head(response, keep_alive=False))
        if isinstance(response.body, bytes):
            self._outgoing.put(response.body)
        self._begin_sending()

    def _release_unsent(self, body: ResponseBody) -> None:
        if not isinstance(body, (bytes, tuple, Push)):
            self._owner.on_release(body)

    def _begin_sending(self) -> None:
        self._limit_transfer(self._outgoing.size_bytes)
        self._send(EVENT_WRITE)

    def _send(self, _mask: int) -> None:
        before_bytes = self._outgoing.size_bytes
        try:
            self._send_turn()
        except OSError:
            self.close()
            return
        if self._outgoing.size_bytes < before_bytes:
            self._limit_stall()
        if self._outgoing.size_bytes:
            self._watch(self._channel.blocked_on, self._send)
        elif self._unread_bytes:
            self._fetch()
        else:
            self._end_answer()

    def _send_turn(self) -> None:
        """Send some of what is outgoing; the others get their turn before the rest. Raises OSError."""
        if not self._outgoing.size_bytes:                  # TLS has no way to send nothing
            return
        try:
            self._outgoing.drop(self._channel.send(self._outgoing.peek(self._channel.turn_bytes)))
        except BlockingIOError:
            pass

    def _fetch(self) -> None:
        assert self._pull is not None
        self._machine.fire(_E.FETCH)
        self._unwatch()
        self._limit(None)
        self._owner.on_fetch(self, self._pull)

    def _end_answer(self) -> None:
        pull, self._pull = self._pull, None
        if pull is not None:
            self._owner.on_release(pull)
        if self._keep_alive:
            self._wait_for_next()
        else:
            self._linger()

    def _wait_for_next(self) -> None:
        self._machine.fire(_E.SENT)
        self._head = None
        self.grant = NOBODY
        self._is_idle = True
        self._limit(IDLE_S)
        if self._reader.is_empty:
            self._watch(EVENT_READ, self._receive)
        else:                          # the next request came with the last; other clients first, and no more of this
            self._unwatch()
            self._awaits_turn = True
            self._owner.on_more(self)

    def _linger(self) -> None:
        """Closing while the client still sends would reset the connection and lose it our answer."""
        self._machine.fire(_E.LAST_SENT)
        try:
            self._channel.finish()
        except OSError:
            self.close()
            return
        self._limit(LINGER_S)
        self._watch(EVENT_READ, self._discard)

    def _discard(self, _mask: int) -> None:
        try:
            if self._channel.receive():
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self.close()

    # ---- streaming

    def _begin_stream(self) -> None:
        if self._stream is not None:   # else the client is gone already
            self._stream.begin()

    def push(self, data: bytes) -> None:
        """For the stream under way: send this when all before it is sent."""
        is_caught_up = not self._outgoing.size_bytes
        self._outgoing.put(data)
        if is_caught_up:
            self._send_stream()

    def end_stream(self, last: bytes) -> None:
        """For the stream under way: it is complete but for these bytes."""
        self._stream = None
        self._machine.fire(_E.END)
        self._outgoing.put(last)
        self._begin_sending()

    def _on_stream(self, mask: int) -> None:
        """The client takes what waits for it, is gone, or speaks out of turn: then it does not understand streams."""
        if mask & EVENT_READ and not self._is_silent():
            self.close()
        elif self._outgoing.size_bytes:
            self._send_stream()

    def _is_silent(self) -> bool:
        try:
            self._channel.receive()
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def _send_stream(self) -> None:
        before_bytes = self._outgoing.size_bytes
        try:
            self._send_turn()
        except OSError:                # whoever wrote to the stream is not to be called back in the middle of that
            self._outgoing.clear()
            self._loop.timers.at(self._loop.now, self.close)
            return
        if not self._outgoing.size_bytes:
            self._limit(None)
            self._watch(EVENT_READ, self._on_stream)
            return
        if self._deadline is None or self._outgoing.size_bytes < before_bytes:
            self._limit(STALL_S)
        self._watch(EVENT_READ | self._channel.blocked_on, self._on_stream)

    # ---- deadlines and events

    def _limit(self, seconds: float | None) -> None:
        """The state that begins now may last so long."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self._loop.timers.at(self._loop.now + seconds, self._expire)

    def _limit_transfer(self, num_bytes: int) -> None:
        """So many bytes are to come or go, at no less than a rate, and never with a long pause."""
        self._end_s = self._loop.now + TRANSFER_S + num_bytes / MIN_BYTES_PER_S
        self._limit_stall()

    def _limit_stall(self) -> None:
        self._limit(max(0.0, min(STALL_S, self._end_s - self._loop.now)))

    def _expire(self) -> None:
        is_late_request = self._machine.state is _S.RECEIVING or not self._reader.is_empty
        if is_late_request and self._machine.can(_E.REFUSE):
            self._refuse(Refused(408, "rest.too-slow", "the request did not come in time"))
        else:
            self.close()

    def _watch(self, events: int, callback: FileCallback) -> None:
        if self._is_watched:
            self._loop.modify(self._channel, events, callback)
        else:
            self._loop.register(self._channel, events, callback)
            self._is_watched = True

    def _unwatch(self) -> None:
        if self._is_watched:
            self._loop.unregister(self._channel)
            self._is_watched = False
