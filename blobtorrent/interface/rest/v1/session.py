"""`/v1/session`: the daemon as a whole."""

from __future__ import annotations

from blobtorrent.core.session.gateway import Gateway
from blobtorrent.interface.rest.encode import document, session_fields
from blobtorrent.interface.rest.http import Request, Response


class SessionResource:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def read(self, _request: Request) -> Response:
        return document(session_fields(self._gateway.session, len(self._gateway.torrents)))
