"""RestServer: the thread `rest` holds all connections, the threads `rest-k` work on the answers.

Requests are taken in by a selector loop, so that slow clients take no thread from the others; when all places are taken
the one that waits longest without a request gives way. What is only a look at a snapshot is answered at once, so that
health can be asked for whatever the other requests wait for. Bodies that are read as they are sent have threads of
their own, `body-k`: a disk that does not answer keeps nobody from anything but files.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

from blobtorrent.interface.rest import audit
from blobtorrent.interface.rest.channel import Channel, PlainChannel
from blobtorrent.interface.rest.connection import Connection
from blobtorrent.interface.rest.crowd import MAX_PER_NETWORK, Crowd
from blobtorrent.interface.rest.gate import Gate
from blobtorrent.interface.rest.grants import NOBODY, Scope
from blobtorrent.interface.rest.http import Head, Refused, Request, Response, render_head
from blobtorrent.interface.rest.keyring import Keyring
from blobtorrent.interface.rest.listeners import (
    USUAL_ACCESS,
    Listener,
    Place,
    SocketAccess,
    caller_of,
    group_id,
    open_all,
)
from blobtorrent.interface.rest.pacer import Pacer
from blobtorrent.interface.rest.problems import problem
from blobtorrent.interface.rest.streams import Pull
from blobtorrent.interface.rest.usage import AT_ONCE, CHANGE, NO_ROUTE, READ, Usage
from blobtorrent.model.errors import BlobTorrentError, BugError
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.loop import EVENT_READ, SelectorLoop
from blobtorrent.runtime.metrics import Registry
from blobtorrent.runtime.worker import Pool

if TYPE_CHECKING:
    from ssl import SSLContext

log = get_logger(__name__)

WORKERS = 8                            # requests worked on at once
READERS = 4                            # bodies read at once
PART_BYTES = 256 << 10                 # read of a body at once
ACCEPTS_PER_PASS = 64                  # then those that are there get their turn
LOCAL_SEND_BYTES = 1 << 20             # an answer of usual size leaves at once; TCP sees to that by itself
SHORTAGE_PAUSE_S = 1.0                 # without new clients when descriptors ran out
LASTING_CHECK_S = 10.0                 # between two looks whether the tokens of lasting answers have expired
USES_SAVED_S = 900.0                   # between two times that the last uses of tokens are saved

_FAILED = problem(BugError("bug.request", "the request failed; the log has the reason"))
_STOPPING = problem(Refused(503, "rest.stopping", "the daemon is stopping"))


class Answers(Protocol):
    """What the server asks its router. Used by all its threads."""

    def scope_of(self, head: Head) -> Scope | None:
        """What a token must have for this request; None: nobody needs one."""

    def is_answered_at_once(self, head: Head) -> bool:
        """Whether `answer` neither waits nor takes long: then it is called on the thread `rest`."""

    def name_of(self, head: Head) -> str:
        """The route as it is counted."""

    def answer(self, request: Request) -> Response: ...


class _Job(NamedTuple):
    connection: Connection
    request: Request
    kind: str                          # of the route, as in Usage
    begun_s: float


class _Answered(NamedTuple):
    job: _Job
    response: Response


class _Fetch(NamedTuple):
    connection: Connection
    pull: Pull


class _Fetched(NamedTuple):
    fetch: _Fetch
    data: bytes


class _Release(NamedTuple):
    pull: Pull


class _Call(NamedTuple):
    call: Callable[[], None]


class _Drain:
    """Take no new clients and no new requests."""


class RestServer:
    """`router` has the answers, `listen` are the places to listen at; who comes by TCP needs a token of the `keyring`.

    `hosts` are names that TCP clients may call us by besides IP addresses and localhost. Places that are `dispensable`
    are done without when they cannot be had, if there is another. `access` is who may use UNIX sockets; `identify`
    loads the certificate for HTTPS. `start`, `reload` and `stop` belong to one thread.
    """

    def __init__(
        self,
        router: Answers,
        listen: Iterable[Place],
        keyring: Keyring,
        *,
        hosts: Iterable[str] = (),
        dispensable: Collection[Place] = (),
        access: SocketAccess = USUAL_ACCESS,
        identify: Callable[[], SSLContext] | None = None,
        max_per_network: int = MAX_PER_NETWORK,
        clock: Clock | None = None,
    ) -> None:
        self._places = tuple(listen)
        self._dispensable = dispensable
        self._access = access
        self.troubles: list[str] = []  # why it does without some of its places; from `start` on
        self._keyring = keyring
        self._identify = identify
        self._identity: SSLContext | None = None
        self._trusted_group: int | None = None
        self._pool: Pool[_Job] = Pool("rest", WORKERS, self._work)
        self._readers: Pool[_Fetch | _Release] = Pool("body", READERS, self._read_body)
        self._loop = SelectorLoop(
            "rest", self._on_message, clock=clock, on_error=self._on_error, on_stop=self._close_all
        )
        self._router = router
        self._gate = Gate(keyring.open, self._router.scope_of, hosts)
        self._listeners: list[Listener] = []
        self._crowd: Crowd[Connection] = Crowd(max_per_network)
        self._is_accepting = False
        self._is_draining = False
        self._usage = Usage()
        self._pacer = Pacer(self._loop)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it listens, "HOST:PORT", "https:HOST:PORT" or "unix:PATH", with the real port; empty before `start`."""
        return tuple(listener.name for listener in self._listeners)

    @property
    def held_bytes(self) -> int:
        """In memory for clients: of requests that are not answered, and of answers that are not taken."""
        return self._crowd.held_bytes

    @property
    def heart(self) -> SelectorLoop:
        """The thread that holds the connections: it waits for nobody, so that it answers or is broken."""
        return self._loop

    def start(self) -> None:
        """Listen, then serve. Nothing is open when it raises.

        Raises NetworkError ("net.*") when a place cannot be had, ConfigError ("tls.*") when the certificate cannot.
        """
        if self._identify is not None:
            self._identity = self._identify()
        self._trusted_group = group_id(self._access.group)
        self._listeners, failures = open_all(self._places, self._dispensable, self._access)
        self.troubles = [error.detail for error in failures]
        for error in failures:
            log.error("REST does without an address", code=error.code, detail=error.detail)
        self._resume_accepting()
        self._keyring.start(self._on_keys_changed)
        self._pool.start()
        self._readers.start()
        self._loop.timers.at(self._loop.now + LASTING_CHECK_S, self._check_lasting)
        self._loop.timers.at(self._loop.now + USES_SAVED_S, self._save_uses)
        self._loop.start()
        for name in self.addresses:
            log.info("REST listens", address=name)

    def reload(self) -> None:
        """Load the certificate anew; the old one stays when that fails."""
        if self._identify is None:
            return
        try:
            self._identity = self._identify()
        except BlobTorrentError as error:
            log.error("the new certificate is refused, the old one stays", code=error.code, detail=error.detail)

    def stop(self, timeout_s: float) -> bool:
        """Finish what was asked for before, then end. True when all threads ended within `timeout_s` seconds."""
        end_s = time.monotonic() + timeout_s
        self._loop.mailbox.post(_Drain())
        ended = self._pool.stop(timeout_s)
        ended = self._loop.stop(max(0.0, end_s - time.monotonic())) and ended
        ended = self._readers.stop(max(0.0, end_s - time.monotonic())) and ended
        return self._keyring.stop(max(0.0, end_s - time.monotonic())) and ended

    def measure(self, registry: Registry) -> None:
        """Have its figures exported."""
        self._usage.measure(registry)
        self._loop.measure(registry)
        registry.gauge("blobtorrent_rest_connections", "Clients.", lambda: len(self._crowd))

    # ---- for those who work with connections

    def run_soon(self, call: Callable[[], None]) -> None:
        """Have it called on the thread `rest`. From any thread."""
        self._loop.mailbox.post(_Call(call))

    def run_later(self, seconds: float, call: Callable[[], None]) -> None:
        """Have it called on the thread `rest` after so long. From that thread only."""
        self._loop.timers.at(self._loop.now + seconds, call)

    # ---- on the threads rest-k and body-k

    def _work(self, job: _Job) -> None:
        response = _FAILED
        try:
            response = self._router.answer(job.request)
        finally:                       # what it raises is logged by the worker
            self._loop.mailbox.post(_Answered(job, response))

    def _read_body(self, message: _Fetch | _Release) -> None:
        if isinstance(message, _Release):
            message.pull.close()
            return
        data = b""
        try:
            data = message.pull.read(PART_BYTES)
        except BlobTorrentError as error:
            log.warning("a body cannot be read on", code=error.code, detail=error.detail)
        finally:
            if self._is_draining:      # its client was left, and nobody may be there any more to have it closed
                message.pull.close()
            else:
                self._loop.mailbox.post(_Fetched(message, data))

    # ---- on the thread rest

    def _on_message(self, message: _Answered | _Fetched | _Call | _Drain) -> None:
        if isinstance(message, _Answered):
            self._on_answered(message.job, message.response)
        elif isinstance(message, _Fetched):
            message.fetch.connection.take_part(message.fetch.pull, message.data)
        elif isinstance(message, _Call):
            message.call()
        else:
            self._is_draining = True
            self._pause_accepting()
            for connection in self._lasting():
                connection.end_lasting()

    def on_growth(self) -> None:
        self._crowd.on_growth()

    def on_request(self, connection: Connection, request: Request) -> None:
        if request.grant is not NOBODY:            # what anybody may ask for earns no place
            self._crowd.on_request(connection)
        head = request.head
        log.debug("request", method=head.method, path="/".join(head.path))
        is_at_once = self._router.is_answered_at_once(head)
        kind = AT_ONCE if is_at_once else READ if head.method in ("GET", "HEAD") else CHANGE
        job = _Job(connection, request, kind, time.monotonic())
        if self._is_draining:
            self._on_answered(job, _STOPPING)
        elif is_at_once:
            self._answer_now(job)
        else:
            self._pool.post(job)

    def _answer_now(self, job: _Job) -> None:
        response = _FAILED
        try:
            response = self._router.answer(job.request)
        finally:                       # what it raises is logged by the loop, and the connection is closed then
            self._on_answered(job, response)

    def _on_answered(self, job: _Job, response: Response) -> None:
        connection, request, kind, begun_s = job
        audit.note(request.head, request.grant, connection.caller, response.status, response.about)
        self._usage.note(self._router.name_of(request.head), response.status)
        self._usage.note_time(kind, time.monotonic() - begun_s)
        try:
            connection.answer(response)
        except ValueError as error:    # a header that nobody could send
            log.error("an answer cannot be sent", path="/".join(request.head.path), detail=str(error))
            connection.answer(_FAILED)

    def on_refused(self, status: int) -> None:
        self._usage.note(NO_ROUTE, status)

    def on_fetch(self, connection: Connection, pull: Pull) -> None:
        self._readers.post(_Fetch(connection, pull))

    def on_more(self, connection: Connection) -> None:
        self._pacer.add(connection)

    def on_release(self, pull: Pull) -> None:
        self._readers.post(_Release(pull))

    def on_closed(self, connection: Connection) -> None:
        self._crowd.remove(connection)
        self._pacer.drop(connection)

    # ---- clients come

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
            self._take_in(sock, is_secure=listener.is_secure)

    def _take_in(self, sock: socket.socket, *, is_secure: bool) -> None:
        try:
            sock.setblocking(False)
            if sock.family == socket.AF_UNIX:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LOCAL_SEND_BYTES)
            else:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            caller = caller_of(sock, self._trusted_group)
            refusal = self._crowd.make_room(caller)
            if refusal is not None:
                if not is_secure:
                    sock.send(_turned_away(refusal))
                sock.close()
                return
            channel = self._channel_over(sock, is_secure=is_secure)
        except OSError:                # gone again
            sock.close()
            return
        connection = Connection(channel, caller, loop=self._loop, gate=self._gate, owner=self)
        self._crowd.add(connection)
        connection.begin()

    def _channel_over(self, sock: socket.socket, *, is_secure: bool) -> Channel:
        if not is_secure:
            return PlainChannel(sock)
        from blobtorrent.interface.rest.tls import SecureChannel

        assert self._identity is not None
        return SecureChannel(sock, self._identity)

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

    # ---- tokens come and go

    def _on_keys_changed(self) -> None:
        self.run_soon(self._cut_lasting)

    def _check_lasting(self) -> None:
        self._cut_lasting()
        self.run_later(LASTING_CHECK_S, self._check_lasting)

    def _cut_lasting(self) -> None:
        """End the answers whose token was revoked or has expired while they last."""
        for connection in self._lasting():
            if not self._keyring.holds(connection.grant):
                connection.close()

    def _save_uses(self) -> None:
        self._keyring.save_uses()
        self.run_later(USES_SAVED_S, self._save_uses)

    # ---- the end

    def _lasting(self) -> list[Connection]:
        return [connection for connection in self._crowd if connection.is_lasting]

    def _on_error(self, owner: object, _error: Exception) -> None:
        if isinstance(owner, Connection):
            owner.close()

    def _close_all(self) -> None:
        for connection in self._crowd:
            connection.close()
        for listener in self._listeners:
            listener.close()


def _turned_away(error: Refused) -> bytes:
    response = problem(error)
    assert isinstance(response.body, bytes)
    return render_head(response, keep_alive=False) + response.body
