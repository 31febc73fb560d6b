"""RestServer: the thread `rest` holds all connections, the threads `rest-k` work on the answers.

Requests are taken in by a selector loop, so that slow clients take no thread from the others; when all places are taken
the one that waits longest without a request gives way. What is only a look at a snapshot is answered at once, so that
health can be asked for whatever the other requests wait for.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Collection, Iterable
from functools import partial
from typing import NamedTuple

from blobtorrent.core.session.gateway import Gateway
from blobtorrent.interface.rest.connection import Connection
from blobtorrent.interface.rest.gate import Gate
from blobtorrent.interface.rest.http import Head, Refused, Request, Response, render
from blobtorrent.interface.rest.listeners import Listener, Place, caller_of, open_all
from blobtorrent.interface.rest.problems import problem
from blobtorrent.interface.rest.router import Router
from blobtorrent.model.errors import BugError
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.loop import EVENT_READ, SelectorLoop
from blobtorrent.runtime.worker import Pool

log = get_logger(__name__)

WORKERS = 8                            # requests worked on at once
MAX_CONNECTIONS = 256
ACCEPTS_PER_PASS = 64                  # then those that are there get their turn
SHORTAGE_PAUSE_S = 1.0                 # without new clients when descriptors ran out

_FAILED = problem(BugError("bug.request", "the request failed; the log has the reason"))
_STOPPING = problem(Refused(503, "rest.stopping", "the daemon is stopping"))
_CROWDED = render(
    problem(Refused(503, "rest.crowded", "too many clients at once", (("Retry-After", "1"),))), keep_alive=False
)


class _Job(NamedTuple):
    connection: Connection
    request: Request


class _Answered(NamedTuple):
    connection: Connection
    data: bytes
    keep_alive: bool


class _Drain:
    """Take no new clients and no new requests."""


class RestServer:
    """`listen` are the places to listen at; `token` is wanted from every TCP client.

    `hosts` are names that TCP clients may call us by besides IP addresses and localhost. Places that are `dispensable`
    are done without when they cannot be had, if there is another. `start` and `stop` belong to one thread; while it
    runs, `gateway` must be answered by a session.
    """

    def __init__(
        self,
        gateway: Gateway,
        listen: Iterable[Place],
        token: str,
        *,
        hosts: Iterable[str] = (),
        dispensable: Collection[Place] = (),
        clock: Clock | None = None,
    ) -> None:
        self._places = tuple(listen)
        self._dispensable = dispensable
        self.troubles: list[str] = []  # why it does without some of its places; from `start` on
        self._gate = Gate(token, hosts)
        self._router = Router(gateway)
        self._pool: Pool[_Job] = Pool("rest", WORKERS, self._work)
        self._loop = SelectorLoop(
            "rest", self._on_message, clock=clock, on_error=self._on_error, on_stop=self._close_all
        )
        self._listeners: list[Listener] = []
        self._connections: dict[Connection, None] = {}     # the one without a request for longest first
        self._is_accepting = False
        self._is_draining = False

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it listens, "HOST:PORT" or "unix:PATH", with the real port; empty before `start`."""
        return tuple(listener.name for listener in self._listeners)

    @property
    def heart(self) -> SelectorLoop:
        """The thread that holds the connections: it waits for nobody, so that it answers or is broken."""
        return self._loop

    def start(self) -> None:
        """Listen, then serve. Raises NetworkError ("net.*") when a place cannot be had; nothing is open then."""
        self._listeners, failures = open_all(self._places, self._dispensable)
        self.troubles = [error.detail for error in failures]
        for error in failures:
            log.error("REST does without an address", code=error.code, detail=error.detail)
        self._resume_accepting()
        self._pool.start()
        self._loop.start()
        for name in self.addresses:
            log.info("REST listens", address=name)

    def stop(self, timeout_s: float) -> bool:
        """Finish what was asked for before, then end. True when all threads ended within `timeout_s` seconds."""
        end_s = time.monotonic() + timeout_s
        self._loop.mailbox.post(_Drain())
        workers_ended = self._pool.stop(timeout_s)
        return self._loop.stop(max(0.0, end_s - time.monotonic())) and workers_ended

    # ---- on the threads rest-k

    def _work(self, job: _Job) -> None:
        response = _FAILED
        try:
            response = self._router.answer(job.request)
        finally:                       # what it raises is logged by the worker
            self._loop.mailbox.post(_answered(job.connection, job.request.head, response))

    # ---- on the thread rest

    def _on_message(self, message: _Answered | _Drain) -> None:
        if isinstance(message, _Answered):
            message.connection.answer(message.data, keep_alive=message.keep_alive)
        else:
            self._is_draining = True
            self._pause_accepting()

    def _on_request(self, connection: Connection, request: Request) -> None:
        self._connections[connection] = self._connections.pop(connection)
        head = request.head
        log.debug("request", method=head.method, path="/".join(head.path))
        if self._is_draining:
            self._on_message(_answered(connection, head, _STOPPING))
        elif self._router.is_answered_at_once(head):
            self._on_message(_answered(connection, head, self._router.answer(request)))
        else:
            self._pool.post(_Job(connection, request))

    def _accept(self, listener: Listener, _mask: int) -> None:
        for _ in range(ACCEPTS_PER_PASS):
            try:
                sock, _address = listener.sock.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                log.warning("cannot accept clients for now", detail=error.strerror)
                self._pause_accepting()
                self._loop.timers.at(self._loop.now + SHORTAGE_PAUSE_S, self._resume_accepting)
                return
            self._take_in(sock)

    def _take_in(self, sock: socket.socket) -> None:
        try:
            sock.setblocking(False)
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            caller = caller_of(sock)
            if not self._make_room():
                sock.send(_CROWDED)
                sock.close()
                return
        except OSError:                # gone again
            sock.close()
            return
        self._connections[Connection(
            sock, caller, loop=self._loop, gate=self._gate, on_request=self._on_request, on_closed=self._forget
        )] = None

    def _make_room(self) -> bool:
        """Whether there is a place for one more client, if need be that of one who only waits."""
        if len(self._connections) >= MAX_CONNECTIONS:
            idle = next((connection for connection in self._connections if connection.is_waiting), None)
            if idle is not None:
                idle.close()
        return len(self._connections) < MAX_CONNECTIONS

    def _forget(self, connection: Connection) -> None:
        self._connections.pop(connection, None)

    def _pause_accepting(self) -> None:
        if self._is_accepting:
            self._is_accepting = False
            for listener in self._listeners:
                self._loop.unregister(listener.sock)

    def _resume_accepting(self) -> None:
        if not self._is_draining:
            self._is_accepting = True
            for listener in self._listeners:
                self._loop.register(listener.sock, EVENT_READ, partial(self._accept, listener))

    def _on_error(self, owner: object, _error: Exception) -> None:
        if isinstance(owner, Connection):
            owner.close()

    def _close_all(self) -> None:
        for connection in list(self._connections):
            connection.close()
        for listener in self._listeners:
            listener.close()


def _answered(connection: Connection, head: Head, response: Response) -> _Answered:
    data = render(response, keep_alive=head.keep_alive, with_body=head.method != "HEAD")
    return _Answered(connection, data, head.keep_alive)
