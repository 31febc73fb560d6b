"""The description of the interface, OpenAPI 3.1: made from the route table, for `GET /v1/openapi.json`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from blobtorrent import __version__
from blobtorrent.interface.rest.conditional import UNLESS_SAME
from blobtorrent.interface.rest.encode import SHAPES, json_bytes
from blobtorrent.interface.rest.grants import Scope
from blobtorrent.interface.rest.http import Request, Response
from blobtorrent.interface.rest.multipart import FORM_TYPE
from blobtorrent.interface.rest.routes import Answer, Operation, Parameter, Route, Schema
from blobtorrent.interface.rest.schemas import ANY_OBJECT, COUNT, HASH, PROBLEM, ref

PATTERN = "/v1/openapi.json"
PROBLEM_TYPE = "application/problem+json"

# What every route may answer, by who is asked: the reader, the gate, the router, the server.
_OF_ALL = (400, 408, 413, 414, 415, 421, 422, 429, 431, 500, 503)
_OF_GUARDED = (401, 403)
_OF_PATHS = (404,)
_OF_CHANGES = (409, 411, 507)

_NAMES: dict[str, tuple[Schema, str]] = {
    "hash": (HASH, "The torrent's v1 or v2 info-hash, in hexadecimal."),
    "number": (COUNT, "The file's number, as the list of files has it."),
    "piece": (COUNT, "The piece's number; the first one is 0."),
    "name": ({"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}, "Its name."),
    "id": ({"type": "string", "pattern": "^[a-z0-9-]{1,32}$"}, "Its id, as it was given when it was made."),
    "address": ({"type": "string", "pattern": "^[0-9A-Fa-f.:%]{2,64}$"}, "An IPv4 or IPv6 address."),
}


def description_route(routes: Sequence[Route]) -> Route:
    """The route of the description, which describes itself, too."""
    made: list[Response] = []

    def read(_request: Request) -> Response:
        if not made:
            made.append(Response(200, json_bytes(describe([*routes, own]))))
        return made[0]

    own = Route("GET", PATTERN, read, Scope.READ, Operation(
        "This description of the interface, OpenAPI 3.1.",
        (Answer(200, "The document.", ANY_OBJECT),),
    ), for_labels=True)
    return own


def describe(routes: Sequence[Route]) -> dict[str, Any]:
    """The whole document."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.pattern, {})[route.method.lower()] = _operation(route)
    for pattern, item in paths.items():
        names = [segment[1:-1] for segment in pattern.split("/") if segment.startswith("{")]
        if names:
            item["parameters"] = [_path_parameter(name) for name in names]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "BlobTorrent",
            "version": __version__,
            "license": {"name": "MIT", "identifier": "MIT"},
            "description": "Times are seconds since 1970, sizes are bytes, what is absent is null.",
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Problem": PROBLEM,
                "SelectedTorrent": {**SHAPES["Torrent"].schema, "required": []},
                **{name: shape.schema for name, shape in SHAPES.items()},
            },
            "responses": {"Problem": {
                "description": "It was not done, and nothing changed.",
                "content": {PROBLEM_TYPE: {"schema": ref("Problem")}},
            }},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    doc = route.doc
    operation: dict[str, Any] = {
        "summary": doc.summary,
        "operationId": _operation_id(route),
        "responses": _responses(route),
    }
    if route.scope is None:
        operation["security"] = []
    else:
        operation["x-scope"] = route.scope.value
    parameters = [_parameter(parameter, "query") for parameter in doc.query]
    parameters += [_parameter(parameter, "header") for parameter in _headers(route)]
    if parameters:
        operation["parameters"] = parameters
    if doc.body is not None:
        content = {kind: {"schema": doc.body.schema} for kind in doc.body.types}
        if doc.body.form is not None:
            content[FORM_TYPE] = {"schema": doc.body.form}
        operation["requestBody"] = {"required": doc.body.is_required, "content": content}
    return operation


def _operation_id(route: Route) -> str:
    """"getTorrentsHashFiles" for `GET /v1/torrents/{hash}/files`."""
    words = [segment.strip("{}").partition(".")[0] for segment in route.pattern.split("/")[1:] if segment != "v1"]
    return route.method.lower() + "".join(word.capitalize() for word in words)


def _responses(route: Route) -> dict[str, Any]:
    responses = {str(answer.status): _answer(answer) for answer in route.doc.answers}
    statuses = {*_OF_ALL, *route.doc.problems}
    if route.scope is not None:
        statuses.update(_OF_GUARDED)
    if route.names:
        statuses.update(_OF_PATHS)
    if _can_be_same(route):
        responses.setdefault("304", {"description": "It is what If-None-Match says."})
    if route.method != "GET":
        statuses.update(_OF_CHANGES)
    responses.update((str(status), {"$ref": "#/components/responses/Problem"}) for status in sorted(statuses)
                     if str(status) not in responses)
    return responses


def _headers(route: Route) -> tuple[Parameter, ...]:
    """Those of a request that are looked at, besides those of every request."""
    return (UNLESS_SAME, *route.doc.headers) if _can_be_same(route) else route.doc.headers


def _can_be_same(route: Route) -> bool:
    return route.method == "GET" and route.doc.has_tag


def _answer(answer: Answer) -> dict[str, Any]:
    told: dict[str, Any] = {"description": answer.doc}
    if answer.schema is not None:
        told["content"] = {answer.content_type: {"schema": answer.schema}}
    elif answer.content_type != "application/json":
        told["content"] = {answer.content_type: {}}
    return told


def _path_parameter(name: str) -> dict[str, Any]:
    schema, doc = _NAMES[name]
    return {"name": name, "in": "path", "required": True, "description": doc, "schema": schema}


def _parameter(parameter: Parameter, place: str) -> dict[str, Any]:
    return {"name": parameter.name, "in": place, "description": parameter.doc, "schema": parameter.schema}
