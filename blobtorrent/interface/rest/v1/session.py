"""`/v1/session`: the daemon as a whole."""

from __future__ import annotations

from collections.abc import Iterable

from blobtorrent.core.session.gateway import Gateway
from blobtorrent.interface.rest.encode import SESSION, document
from blobtorrent.interface.rest.grants import Scope
from blobtorrent.interface.rest.http import Request, Response
from blobtorrent.interface.rest.routes import Answer, Operation, Route
from blobtorrent.interface.rest.schemas import ref


class SessionResource:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> Iterable[Route]:
        yield Route("GET", "/v1/session", self.read, Scope.READ, Operation(
            "The daemon as a whole.", (Answer(200, "The daemon.", ref("Session")),),
        ), for_labels=True)

    def read(self, _request: Request) -> Response:
        # Its own count is a second old at times: who has just added a torrent wants to find it counted.
        status = self._gateway.session._replace(torrents=len(self._gateway.torrents))
        return document(SESSION.object_of(status))
