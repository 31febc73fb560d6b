"""`/metrics`: all figures, for collectors. Never one of a single torrent or peer: their number has no bound."""

from __future__ import annotations

from blobtorrent.interface.openmetrics import CONTENT_TYPE, expose
from blobtorrent.interface.rest.grants import Scope
from blobtorrent.interface.rest.http import Request, Response
from blobtorrent.interface.rest.routes import Answer, Operation, Route
from blobtorrent.runtime.metrics import Registry


class MetricsResource:
    """`is_open`: whether it is for everybody who can connect."""

    def __init__(self, registry: Registry, *, is_open: bool) -> None:
        self._registry = registry
        self._is_open = is_open

    def routes(self) -> tuple[Route, ...]:
        scope = None if self._is_open else Scope.READ
        return (
            Route("GET", "/metrics", self.read, scope, Operation(
                "All figures, as OpenMetrics text.", (Answer(200, "The figures.", content_type=CONTENT_TYPE),),
            )),
        )

    def read(self, _request: Request) -> Response:
        return Response(200, expose(self._registry), CONTENT_TYPE)
