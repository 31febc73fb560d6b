"""Which resource answers which request. Used by all threads of the interface; it never changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from blobtorrent.core.session.gateway import Gateway
from blobtorrent.interface.rest.http import Head, Refused, Request, Response
from blobtorrent.interface.rest.problems import problem
from blobtorrent.interface.rest.v1.files import FileResource
from blobtorrent.interface.rest.v1.health import HealthResource
from blobtorrent.interface.rest.v1.session import SessionResource
from blobtorrent.interface.rest.v1.torrents import TorrentResource
from blobtorrent.model.errors import BlobTorrentError

Handler = Callable[..., Response]      # handler(request, *what stands for the {} of the pattern)


class Route(NamedTuple):
    """`pattern` is a path whose segment `{}` stands for any one. `at_once`: the handler waits for nothing."""

    method: str
    pattern: str
    handler: Handler
    at_once: bool = False


def routes_of(gateway: Gateway) -> tuple[Route, ...]:
    """Every resource of version 1."""
    session, torrents = SessionResource(gateway), TorrentResource(gateway)
    files, health = FileResource(gateway), HealthResource(gateway)
    return (
        Route("GET", "/v1/health/live", health.live, at_once=True),
        Route("GET", "/v1/health/ready", health.ready, at_once=True),
        Route("GET", "/v1/session", session.read),
        Route("GET", "/v1/torrents", torrents.read_all),
        Route("POST", "/v1/torrents", torrents.add),
        Route("GET", "/v1/torrents/{}", torrents.read),
        Route("PATCH", "/v1/torrents/{}", torrents.change),
        Route("DELETE", "/v1/torrents/{}", torrents.remove),
        Route("POST", "/v1/torrents/{}/start", torrents.start),
        Route("POST", "/v1/torrents/{}/stop", torrents.stop),
        Route("POST", "/v1/torrents/{}/recheck", torrents.recheck),
        Route("POST", "/v1/torrents/{}/announce", torrents.announce),
        Route("POST", "/v1/torrents/{}/move", torrents.move),
        Route("POST", "/v1/torrents/{}/rename", torrents.rename),
        Route("GET", "/v1/torrents/{}/files", files.read_all),
    )


class Router:
    """Finds the route and turns the errors of its handler into problem documents."""

    def __init__(self, gateway: Gateway) -> None:
        self._routes: dict[tuple[str, ...], dict[str, Route]] = {}
        for route in routes_of(gateway):
            self._routes.setdefault(tuple(route.pattern[1:].split("/")), {})[route.method] = route

    def is_answered_at_once(self, head: Head) -> bool:
        """Whether `answer` neither waits nor takes long."""
        try:
            return self._find(head)[0].at_once
        except Refused:
            return True

    def answer(self, request: Request) -> Response:
        """The response to any request. Raises nothing but bugs."""
        try:
            route, arguments = self._find(request.head)
            return route.handler(request, *arguments)
        except BlobTorrentError as error:
            return problem(error)

    def _find(self, head: Head) -> tuple[Route, list[str]]:
        """The route and what stands for its `{}`. Raises Refused (404, 405)."""
        for pattern, methods in self._routes.items():
            if len(pattern) != len(head.path):
                continue
            pairs = list(zip(pattern, head.path))
            if any(name not in ("{}", segment) for name, segment in pairs):
                continue
            route = methods.get("GET" if head.method == "HEAD" else head.method)
            if route is None:
                raise Refused(
                    405, "rest.bad-method", f"no {head.method} here", (("Allow", ", ".join(sorted(methods))),)
                )
            return route, [segment for name, segment in pairs if name == "{}"]
        raise Refused(404, "rest.no-resource", "there is no such resource")
