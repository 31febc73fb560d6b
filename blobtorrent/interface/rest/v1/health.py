"""`/v1/health`: is the process alive, does it serve. Without a token, for probes."""

from __future__ import annotations

from blobtorrent.core.session.gateway import Gateway
from blobtorrent.interface.rest.encode import document
from blobtorrent.interface.rest.http import Request, Response


class HealthResource:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def live(self, _request: Request) -> Response:
        """The process answers."""
        return document({"status": "ok"})

    def ready(self, _request: Request) -> Response:
        """200 while the session runs: its torrents are known and its listeners open. Else 503 with the reasons."""
        state = self._gateway.session.state
        if state == "running":
            return document({"status": "ok", "reasons": []})
        return document({"status": "unavailable", "reasons": [f"the session is {state}"]}, 503)
