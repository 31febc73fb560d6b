"""Which resource answers which request. Used by all threads of the interface; it never changes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import quote

from blobtorrent.interface.rest.conditional import with_tag
from blobtorrent.interface.rest.grants import Scope
from blobtorrent.interface.rest.http import Head, Refused, Request, Response
from blobtorrent.interface.rest.openapi import description_route
from blobtorrent.interface.rest.problems import problem
from blobtorrent.interface.rest.routes import Route
from blobtorrent.interface.rest.usage import NO_ROUTE
from blobtorrent.model.errors import BlobTorrentError, Invalid


class Router:
    """Finds the route and turns the errors of its handler into problem documents.

    Of two patterns that fit, the one that says more of the path is meant. The description of all `routes` is one more.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        routes = list(routes)
        routes.append(description_route(routes))
        self.routes: Sequence[Route] = tuple(routes)
        self._by_length: dict[int, dict[tuple[str, ...], dict[str, Route]]] = {}
        for route in routes:
            pattern = tuple(route.pattern[1:].split("/"))
            self._by_length.setdefault(len(pattern), {}).setdefault(pattern, {})[route.method] = route

    def scope_of(self, head: Head) -> Scope | None:
        """What a token must have for this request, None: nobody needs one.

        For what does not exist it is the least that there is: who may ask nothing is not told that either.
        """
        try:
            return self._find(head)[0].scope
        except Refused:
            return Scope.READ

    def is_answered_at_once(self, head: Head) -> bool:
        """Whether `answer` neither waits nor takes long."""
        try:
            return self._find(head)[0].at_once(head)
        except Refused:
            return True

    def name_of(self, head: Head) -> str:
        """The route as it is counted: method and pattern, never what the client wrote."""
        try:
            route = self._find(head)[0]
        except Refused:
            return NO_ROUTE
        return f"{route.method} {route.pattern}"

    def answer(self, request: Request) -> Response:
        """The response to any request. Raises nothing but bugs."""
        try:
            route, arguments = self._find(request.head)
            _check(request, route)
            return with_tag(request.head, route.handler(request, *arguments))
        except BlobTorrentError as error:
            return problem(error)

    def _find(self, head: Head) -> tuple[Route, list[str]]:
        """The route and what stands for the names of its pattern. Raises Refused (404, 405)."""
        patterns = self._by_length.get(len(head.path), {})
        methods = patterns.get(head.path)
        pattern = head.path
        if methods is None:
            pattern = next((pattern for pattern in patterns if _fits(pattern, head.path)), ())
            methods = patterns.get(pattern)
        if methods is None:
            raise Refused(404, "rest.no-resource", "there is no such resource")
        route = methods.get("GET" if head.method == "HEAD" else head.method)
        if route is None:
            raise Refused(405, "rest.bad-method", f"no {head.method} here", (("Allow", _allowed(methods)),))
        return route, [segment for name, segment in zip(pattern, head.path) if _is_name(name)]


def path_of(*segments: object) -> str:
    """The path of a resource of version 1, for headers that name one."""
    return "/v1/" + "/".join(quote(str(segment), safe="") for segment in segments)


def _check(request: Request, route: Route) -> None:
    """What holds for all routes alike. Raises Refused, or Invalid ("option.unknown") for a misspelt query."""
    if request.grant.is_bound and not route.for_labels:
        raise Refused(403, "rest.scope", "a token that is bound to labels may not use this")
    unknown = request.query.keys() - {parameter.name for parameter in route.doc.query}
    if unknown:
        raise Invalid("option.unknown", f"there is no field {min(unknown)} in this query")
    if route.doc.body is not None and route.doc.body.is_required and not request.body:
        raise Refused(400, "rest.no-body", "this needs a body")


def _fits(pattern: tuple[str, ...], path: tuple[str, ...]) -> bool:
    return all(name == segment or _is_name(name) for name, segment in zip(pattern, path))


def _is_name(segment: str) -> bool:
    return segment.startswith("{")


def _allowed(methods: Iterable[str]) -> str:
    names = set(methods)
    return ", ".join(sorted(names | {"HEAD"} if "GET" in names else names))
