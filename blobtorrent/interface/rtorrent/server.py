"""RpcServer: the thread `rpc` holds the connections, the threads `rpc-k` read requests and write answers.

What is in between, the commands, is done by whoever has the turn. None of these waits for a client, and a client that
is slow or dead holds nothing but its own place: all have deadlines, and requests and answers under way have so many
bytes together.
"""

from __future__ import annotations

import os
import socket
import stat
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Union

from blobtorrent.interface.rest.channel import PlainChannel
from blobtorrent.interface.rest.connection import Connection
from blobtorrent.interface.rest.crowd import Crowd
from blobtorrent.interface.rest.gate import Caller
from blobtorrent.interface.rest.http import Refused, Request, Response
from blobtorrent.interface.rest.listeners import (
    USUAL_ACCESS,
    Listener,
    Place,
    SocketAccess,
    caller_of,
    open_all,
)
from blobtorrent.interface.rest.pacer import Pacer
from blobtorrent.interface.rest.problems import problem
from blobtorrent.interface.rest.streams import Pull
from blobtorrent.interface.rtorrent.connection import ScgiConnection
from blobtorrent.interface.rtorrent.gzipped import MIN_BYTES, gzipped
from blobtorrent.interface.rtorrent.httpgate import RpcGate
from blobtorrent.interface.rtorrent.marks import UnknownMark, is_marked
from blobtorrent.interface.rtorrent.rules import Rules, UnknownType
from blobtorrent.interface.rtorrent.scgi import ScgiRequest, render_head
from blobtorrent.interface.rtorrent.trust import Trust
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.loop import EVENT_READ, SelectorLoop
from blobtorrent.runtime.metrics import Registry
from blobtorrent.runtime.worker import Pool

if TYPE_CHECKING:
    from blobtorrent.interface.rtorrent.exchange import Answer, Exchange

log = get_logger(__name__)

WORKERS = 2                            # requests read and answers written at once
MAX_PER_NETWORK = 64                   # TCP connections from one address: a web server in front is one
ACCEPTS_PER_PASS = 64
SHORTAGE_PAUSE_S = 1.0                 # without new clients when descriptors ran out
LOCAL_SEND_BYTES = 1 << 20
_STOP_LOOK_S = 0.01

_BAD_BODY = problem(Refused(415, "rpc.bad-type", "send text/xml or application/json"))
_BAD_MARK = problem(Refused(400, "rpc.bad-mark", "Untrusted-Connection is neither 0 nor 1"))
_LOST = problem(Refused(500, "rpc.failed", "the request failed; the log has the reason"))

Client = Union[ScgiConnection, Connection]
Perform = Callable[["Exchange", Trust], None]


class Door(NamedTuple):
    """A place to listen at. Who comes in by one that is trusted may run everything."""

    place: Place
    is_http: bool = False
    is_trusted: bool = False


class _Open(NamedTuple):
    """A door with its listener."""

    door: Door
    listener: Listener


class _Job(NamedTuple):
    connection: Client
    body: bytes
    content_type: str
    trust: Trust
    takes_gzip: bool


class _Written(NamedTuple):
    """An answer to be rendered; None when the body was none that anybody reads."""

    job: _Job
    exchange: Exchange


class _Done(NamedTuple):
    job: _Job
    answer: Answer | None              # None: it is refused
    is_gzipped: bool = False
    is_broken: bool = False            # by a bug


class _Drain:
    """Take no new clients."""


class RpcServer:
    """`post` has work done in turn, `perform` is that work: it has an exchange performed. `gate` is for HTTP.

    `open`, `start` and `stop` belong to one thread, in this order.
    """

    def __init__(
        self,
        doors: Iterable[Door],
        post: Callable[[Callable[[], object]], None],
        perform: Perform,
        *,
        gate: RpcGate | None = None,
        access: SocketAccess = USUAL_ACCESS,
        rules: Rules | None = None,
    ) -> None:
        self._doors = tuple(doors)
        self._post = post
        self._perform = perform
        self._gate = gate or RpcGate()
        self._access = access
        self._rules = rules or Rules()
        self._pool: Pool[_Job | _Written] = Pool("rpc", WORKERS, self._work)
        self._loop = SelectorLoop("rpc", self._on_message, on_error=self._on_error, on_stop=self._close_all)
        self._pacer = Pacer(self._loop)
        self._opened: list[_Open] = []
        self._trusts: dict[Client, Trust] = {}
        self._crowd: Crowd[Client] = Crowd(MAX_PER_NETWORK)
        self._num_working = 0
        self._num_requests = 0
        self._is_accepting = False
        self._is_draining = False

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it listens, "HOST:PORT" or "unix:PATH", with the real port."""
        return tuple(opened.listener.name for opened in self._opened)

    @property
    def heart(self) -> SelectorLoop:
        return self._loop

    def start(self) -> None:
        """Listen, then serve. Nothing but what was opened before is when it raises NetworkError."""
        there = [opened.door.place for opened in self._opened]
        doors = [door for door in self._doors if door.place not in there]
        listeners, _ = open_all([door.place for door in doors], (), self._access)
        self._opened += [_Open(*pair) for pair in zip(doors, listeners)]
        self._resume_accepting()
        self._pool.start()
        self._loop.start()
        for name in self.addresses:
            log.info("the rTorrent interface listens", address=name)

    def open(self, door: Door) -> None:
        """Have one more place to listen at, whose clients wait for `start`. Raises NetworkError."""
        (listener,), _ = open_all([door.place], (), self._access)
        if not self._rules.is_routed and listener.sock.family != socket.AF_UNIX:
            listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)        # its connections have it, too
        self._opened.append(_Open(door, listener))

    def stop(self, timeout_s: float) -> bool:
        """Answer what was asked before, then end. True when all threads ended within `timeout_s` seconds."""
        end_s = time.monotonic() + timeout_s
        self._loop.mailbox.post(_Drain())
        while self._num_working and time.monotonic() < end_s - timeout_s / 2:
            time.sleep(_STOP_LOOK_S)
        ended = self._pool.stop(max(0.0, end_s - time.monotonic()))
        return self._loop.stop(max(0.0, end_s - time.monotonic())) and ended

    def measure(self, registry: Registry) -> None:
        """Have its figures exported."""
        self._loop.measure(registry)
        registry.gauge("blobtorrent_rpc_connections", "Clients of the rTorrent interface.", lambda: len(self._crowd))
        registry.total("blobtorrent_rpc_requests_total", "Requests to it.", lambda: self._num_requests)
        registry.gauge("blobtorrent_rpc_held_bytes", "Of requests and answers under way.",
                       lambda: self._crowd.held_bytes)

    # ---- on the threads rpc-k, and whichever has the turn

    def _work(self, message: _Job | _Written) -> None:
        if isinstance(message, _Written):
            self._render(message.job, message.exchange)
            return
        done: _Done | None = _Done(message, None, is_broken=True)
        try:
            exchange = self._rules.read(message.body, message.content_type)
            self._post(partial(self._run, message._replace(body=b""), exchange))
            done = None
        except UnknownType:
            done = _Done(message, None)
        finally:                       # what else is raised is logged by the worker
            if done is not None:
                self._loop.mailbox.post(done)

    def _run(self, job: _Job, exchange: Exchange) -> None:
        try:
            self._perform(exchange, job.trust)
        finally:
            self._pool.post(_Written(job, exchange))

    def _render(self, job: _Job, exchange: Exchange) -> None:
        done = _Done(job, None, is_broken=True)
        try:
            answer = exchange.render()
            self._rules.tell(*answer.parts)
            is_gzipped = job.takes_gzip and answer.length >= MIN_BYTES
            done = _Done(job, answer._replace(parts=gzipped(answer.parts)) if is_gzipped else answer, is_gzipped)
        finally:
            self._loop.mailbox.post(done)

    # ---- on the thread rpc

    def _on_message(self, message: _Done | _Drain) -> None:
        if isinstance(message, _Done):
            self._on_done(message)
        else:
            self._is_draining = True
            self._pause_accepting()
            for client in self._crowd:
                if client.is_waiting:
                    client.close()

    def _on_done(self, done: _Done) -> None:
        self._num_working -= 1
        connection, answer = done.job.connection, done.answer
        if isinstance(connection, Connection):
            connection.answer(_LOST if done.is_broken else _BAD_BODY if answer is None else Response(
                200, answer.parts, answer.content_type, (("Content-Encoding", "gzip"),) if done.is_gzipped else ()))
        elif answer is None:
            connection.close()
        else:
            head = render_head(answer.content_type, answer.length, is_gzipped=done.is_gzipped)
            connection.answer((head, *answer.parts))

    def on_request(self, connection: Client, request: ScgiRequest | Request) -> None:
        """A client has asked for something."""
        self._crowd.on_request(connection)
        self._num_requests += 1
        if isinstance(request, Request):
            headers = request.head.headers
            codings, content_type = headers.get("accept-encoding", ""), request.head.content_type
        else:
            headers = request.headers
            codings, content_type = headers.get("ACCEPT_ENCODING", ""), headers.get("CONTENT_TYPE", "")
        try:
            trust = Trust.SAFE if is_marked(headers) else self._trusts[connection]
        except UnknownMark:
            self._refuse_mark(connection)
            return
        if self._is_draining:
            connection.close()
            return
        self._num_working += 1
        self._pool.post(_Job(connection, request.body, content_type, trust, "gzip" in codings.lower()))

    def _refuse_mark(self, connection: Client) -> None:
        if isinstance(connection, Connection):
            connection.answer(_BAD_MARK)
        else:
            connection.close()

    def on_growth(self) -> None:
        self._crowd.on_growth()

    def on_closed(self, connection: Client) -> None:
        self._crowd.remove(connection)
        del self._trusts[connection]
        if isinstance(connection, Connection):
            self._pacer.drop(connection)

    def on_refused(self, status: int) -> None:
        """An HTTP request did not pass the gate; it is answered already."""

    def on_fetch(self, connection: Connection, pull: Pull) -> None:
        """No answer of ours is read while it is sent."""

    def on_more(self, connection: Connection) -> None:
        self._pacer.add(connection)

    def on_release(self, pull: Pull) -> None:
        """Nor is any left unread."""

    # ---- clients come

    def _accept(self, opened: _Open, _mask: int) -> None:
        for _ in range(ACCEPTS_PER_PASS):
            try:
                sock, _address = opened.listener.sock.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                log.warning("cannot accept clients for now", detail=error.strerror)
                self._pause_accepting()
                self._loop.timers.at(self._loop.now + SHORTAGE_PAUSE_S, self._resume_accepting)
                return
            self._take_in(sock, opened.door)

    def _take_in(self, sock: socket.socket, door: Door) -> None:
        try:
            sock.setblocking(False)
            if sock.family == socket.AF_UNIX:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LOCAL_SEND_BYTES)
            else:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            caller = caller_of(sock, group_let_in(sock))
        except OSError:                # gone again
            sock.close()
            return
        if self._crowd.make_room(caller) is not None:
            sock.close()
            return
        client: Client
        if door.is_http:
            client = Connection(PlainChannel(sock), caller, loop=self._loop, gate=self._gate, owner=self)
        else:
            client = ScgiConnection(sock, caller, loop=self._loop, owner=self)
        self._crowd.add(client)
        self._trusts[client] = trust_of(caller, is_trusted_door=door.is_trusted)
        client.begin()

    def _pause_accepting(self) -> None:
        if self._is_accepting:
            self._is_accepting = False
            for opened in self._opened:
                self._loop.unregister(opened.listener.sock)

    def _resume_accepting(self) -> None:
        if not self._is_draining and not self._is_accepting:
            self._is_accepting = True
            for opened in self._opened:
                self._loop.register(opened.listener.sock, EVENT_READ, partial(self._accept, opened))

    def _on_error(self, owner: object, _error: Exception) -> None:
        """A bug of one connection is not the others'."""
        if isinstance(owner, (ScgiConnection, Connection)):
            owner.close()

    def _close_all(self) -> None:
        for client in self._crowd:
            client.close()
        for opened in self._opened:
            opened.listener.close()


def trust_of(caller: Caller, *, is_trusted_door: bool) -> Trust:
    """What a client may have run: everything, if it came by a door that is trusted or is of our own user, root or the
    group of the UNIX socket; else all but code."""
    return Trust.FULL if is_trusted_door or caller.is_trusted else Trust.NO_CODE


def group_let_in(sock: socket.socket) -> int | None:
    """The group that the file of a UNIX socket lets in. It is asked for each client: a configuration may have changed
    it since, and a folder may give its own. None for no UNIX socket, and for one that was moved away."""
    if sock.family != socket.AF_UNIX:
        return None
    try:
        status = os.stat(sock.getsockname())
    except OSError:
        return None
    return status.st_gid if status.st_mode & stat.S_IWGRP else None
