"""The REST interface before a session that is played: what was asked is recorded, what is answered is the test's."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from blobtorrent.config.values import ListenSpec
from blobtorrent.core.session.commands import AddTorrent, Ask, FilesOf, RemoveTorrent
from blobtorrent.core.session.filters import FilterManager
from blobtorrent.core.session.gateway import SESSION_KEY, Gateway
from blobtorrent.core.session.watch import WatchStatus
from blobtorrent.interface.chronicle import Chronicle
from blobtorrent.interface.jobs import JobBook
from blobtorrent.interface.rest.catalogue import Sources, all_routes
from blobtorrent.interface.rest.feed import Feed
from blobtorrent.interface.rest.keyring import Keyring
from blobtorrent.interface.rest.listeners import Place
from blobtorrent.interface.rest.router import Router
from blobtorrent.interface.rest.routes import Route
from blobtorrent.interface.rest.server import RestServer
from blobtorrent.model.errors import BlobTorrentError, Conflict
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.status import FileStatus, SessionStatus, TorrentStatus
from blobtorrent.protocol.bencode import encode
from blobtorrent.runtime.board import StatusBoard
from blobtorrent.runtime.bus import EventBus
from blobtorrent.runtime.clock import SystemClock
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.metrics import Registry
from blobtorrent.runtime.worker import Worker
from tests.support.desk import PlayedDesk

TOKEN = "0123456789abcdef" * 4
PATIENCE_S = 20.0
ANY_LOOPBACK_PORT = ListenSpec("127.0.0.1", range(1))


def info_hash(number: int) -> InfoHash:
    return InfoHash(v1=number.to_bytes(20, "big"))


def status_of(number: int, **fields: Any) -> TorrentStatus:
    """A stopped torrent of a thousand bytes, with these fields otherwise."""
    base = TorrentStatus(info_hash(number), f"torrent {number}", "stopped", 1000, 1, "/downloads")
    return base._replace(**fields)


def tiny_torrent(name: str = "tiny") -> bytes:
    """The .torrent file of a file of 100 bytes."""
    info = {b"name": name.encode(), b"piece length": 16384, b"length": 100, b"pieces": bytes(20)}
    return encode({b"info": info})


class PlayedSession:
    """Its torrents are on the board; every command is kept, and succeeds unless `refuse_with` is set. What it answers
    otherwise is in `answers`."""

    def __init__(self) -> None:
        self.inbox: Mailbox[Any] = Mailbox("core")
        self.board: StatusBoard[InfoHash, TorrentStatus] = StatusBoard()
        self.sessions: StatusBoard[str, SessionStatus] = StatusBoard()
        self.bus = EventBus()
        self.commands: list[Any] = []
        self.answers: dict[type[Any], Any] = {}            # to commands and queries, by their class
        self.refuse_with: BlobTorrentError | None = None
        self.before_answer: Callable[[], object] = lambda: None
        self.gateway = Gateway(self.inbox, self.board, self.bus, self.sessions)
        self._worker = Worker("core", self.inbox, self._on_ask)

    def start(self) -> None:
        self.tell_state("running")
        self._worker.start()

    def stop(self) -> None:
        assert self._worker.stop(PATIENCE_S)

    def tell_state(self, state: str) -> None:
        self.sessions.publish(SESSION_KEY, SessionStatus(state, ("127.0.0.1:6881",)))

    def show(self, *statuses: TorrentStatus) -> None:
        for status in statuses:
            self.board.publish(status.info_hash, status)

    def _on_ask(self, ask: Ask) -> None:
        self.commands.append(ask.command)
        self.before_answer()
        ask.reply.give(self.answer(ask.command))

    def answer(self, command: Any) -> Any:
        if self.refuse_with is not None:
            return self.refuse_with
        if type(command) in self.answers:
            return self.answers[type(command)]
        if isinstance(command, AddTorrent):
            metainfo = command.metainfo
            if self.board.read(metainfo.info_hash) is not None:
                return Conflict("torrent.present", "it is there already")
            self.show(status_of(0, info_hash=metainfo.info_hash, name=metainfo.name, labels=command.labels))
            return metainfo.info_hash
        if isinstance(command, FilesOf):
            return (FileStatus(("torrent 1", "a"), 600, 600), FileStatus(("torrent 1", "b"), 400, 0, 2, 2))
        if isinstance(command, RemoveTorrent):
            self.board.withdraw(command.info_hash)
        return None


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class RestRig:
    """A running server, with these `routes` besides the real ones. Used as a context manager."""

    def __init__(self, *places: Place, routes: Iterable[Route] = (), **options: Any) -> None:
        self.session = PlayedSession()
        self.clock = options.setdefault("clock", SystemClock())
        self.saved: list[bytes] = []   # what was saved of the tokens
        self.keyring = Keyring(TOKEN, (), self.saved.append, self.clock)
        feed = Feed(Chronicle(self.session.gateway), self.session.board, clock=self.clock)
        self.desk, self.jobs = PlayedDesk(), JobBook()
        self.watched: tuple[WatchStatus, ...] = ()
        self.registry = Registry()
        sources = Sources(
            self.session.gateway, self.desk, self.jobs, lambda: self.watched, self.keyring, feed, self.registry,
            FilterManager(lambda address_filter: None, ()))
        router = Router([*all_routes(sources), *routes])
        self.server = RestServer(router, places or (ANY_LOOPBACK_PORT,), self.keyring, **options)
        feed.serve_on(self.server)

    def __enter__(self) -> RestRig:
        self.session.start()
        self.jobs.start()
        self.server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.server.stop(PATIENCE_S)
        assert self.jobs.stop(PATIENCE_S)
        self.session.stop()

    @property
    def port(self) -> int:
        return int(self.server.addresses[0].rpartition(":")[2])

    def connect(self, address: str = "127.0.0.1") -> socket.socket:
        """A raw connection that comes from `address`."""
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE_S, (address, 0))

    def request(
        self, method: str, path: str, body: Any = None, *, token: str | None = TOKEN, address: str = "127.0.0.1",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """One request on a connection of its own. A body that is not bytes is sent as JSON."""
        with self.connect(address) as sock:
            return request_on(sock, method, path, body, token=token, headers=headers)

    def raw(self, data: bytes) -> bytes:
        """What comes back for these bytes until the server closes."""
        with self.connect() as sock:
            sock.sendall(data)
            return read_all(sock)


def request_on(
    sock: socket.socket, method: str, path: str, body: Any = None, *, token: str | None = TOKEN,
    headers: dict[str, str] | None = None,
) -> Answer:
    """One request on an open connection."""
    connection = http.client.HTTPConnection("127.0.0.1")
    connection.sock = sock
    fields = dict(headers or {})
    if token is not None:
        fields["Authorization"] = f"Bearer {token}"
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        fields.setdefault("Content-Type", "application/json")
    connection.request(method, path, body, fields)
    response = connection.getresponse()
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


def unix_connection(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(PATIENCE_S)
    sock.connect(str(path))
    return sock


def read_all(sock: socket.socket) -> bytes:
    """Everything until the other end closes or resets."""
    sock.settimeout(PATIENCE_S)
    parts = []
    try:
        while part := sock.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)
