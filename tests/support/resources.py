"""The resources of the REST interface without its server and without threads: a request in, the answer out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from blobtorrent.core.session.commands import Command, Reply
from blobtorrent.core.session.filters import FilterManager
from blobtorrent.core.session.gateway import Gateway
from blobtorrent.core.session.watch import WatchStatus
from blobtorrent.interface.chronicle import Chronicle
from blobtorrent.interface.jobs import JobBook
from blobtorrent.interface.rest.catalogue import Sources, all_routes
from blobtorrent.interface.rest.feed import Feed
from blobtorrent.interface.rest.grants import Grant, Scope
from blobtorrent.interface.rest.http import Request, Response, parse_head
from blobtorrent.interface.rest.keyring import Keyring
from blobtorrent.interface.rest.router import Router
from blobtorrent.interface.rtorrent.restroute import RpcResource
from blobtorrent.runtime.clock import FakeClock
from blobtorrent.runtime.metrics import Registry
from tests.support.desk import PlayedDesk
from tests.support.rest import TOKEN, PlayedSession
from tests.support.rpc import Stage as RpcStage

ADMIN = Grant("admin", frozenset((Scope.ADMIN,)))


def grant_of(scope: str, *labels: str) -> Grant:
    return Grant("test", frozenset((Scope(scope),)), frozenset(labels))


class Told(NamedTuple):
    """An answer; `headers` have names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """Of a problem."""
        return str(self.json["code"])


class _DirectGateway(Gateway):
    """Its commands are answered before `submit` returns."""

    def __init__(self, session: PlayedSession) -> None:
        super().__init__(session.inbox, session.board, session.bus, session.sessions)
        self._session = session

    def submit(self, command: Command | Any) -> Reply[Any]:
        reply: Reply[Any] = Reply()
        self._session.commands.append(command)
        reply.give(self._session.answer(command))
        return reply


class Resources:
    """All of them, before a session and a desk that are played."""

    def __init__(self, *, settings: Mapping[str, Any] | None = None) -> None:
        self.session = PlayedSession()
        self.session.tell_state("running")
        self.desk = PlayedDesk(settings)
        self.jobs = JobBook(lambda: 1_700_000_000.0)
        self.watched: tuple[WatchStatus, ...] = ()
        self.filters = FilterManager(lambda address_filter: None, ())
        gateway, clock = _DirectGateway(self.session), FakeClock()
        feed = Feed(Chronicle(gateway), self.session.board, clock=clock)
        keyring = Keyring(TOKEN, (), lambda data: None, clock)
        self.routes = all_routes(Sources(
            gateway, self.desk, self.jobs, lambda: self.watched, keyring, feed, Registry(), self.filters))
        self.rpc = RpcStage()
        self.router = Router((*self.routes, *RpcResource(lambda work: work(), self.rpc.perform).routes()))

    @property
    def commands(self) -> list[Any]:
        return self.session.commands

    def ask(
        self, method: str, target: str, body: Any = None, *, grant: Grant = ADMIN, **headers: str
    ) -> Told:
        """A body that is not bytes is sent as JSON; `if_match="..."` is the header If-Match."""
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        fields = {"host": "localhost", "content-length": str(len(data)), "content-type": "application/json"}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        return _told(self.router.answer(Request(parse_head("\r\n".join(lines)), data, grant)))


def _told(response: Response) -> Told:
    headers = {name.lower(): value for name, value in response.headers} | {"content-type": response.content_type}
    return Told(response.status, headers, _bytes_of(response))


def _bytes_of(response: Response) -> bytes:
    body: Any = response.body
    if isinstance(body, (bytes, tuple)):
        return body if isinstance(body, bytes) else b"".join(body)
    parts = []
    while sum(map(len, parts)) < body.length:
        parts.append(body.read(7))
        assert parts[-1]
    body.close()
    return b"".join(parts)
