"""The router: which route is meant, who may use it; what is wrong with a request is told and not carried out."""

from __future__ import annotations

import pytest

from blobtorrent.interface.rest.grants import NOBODY, Scope
from blobtorrent.interface.rest.http import Request, Response, parse_head
from blobtorrent.interface.rest.router import Router, path_of
from blobtorrent.interface.rest.routes import Answer, Body, Operation, Parameter, Route, always
from tests.support.resources import ADMIN, Resources, grant_of

DOC = Operation("Anything.", (Answer(200, "It is so."),))


def named(name: str):
    return lambda _request, *segments: Response(200, f"{name}{list(segments)}".encode())


ROUTER = Router([
    Route("GET", "/v1/things", named("all"), Scope.READ, DOC._replace(query=(Parameter("a", {}, ""),)),
          for_labels=True),
    Route("GET", "/v1/things/{id}", named("one"), Scope.READ, DOC, at_once=always, for_labels=True),
    Route("POST", "/v1/things/special", named("special"), Scope.CONTROL, DOC._replace(body=Body({})), for_labels=True),
    Route("GET", "/v1/things/{id}/parts/{name}", named("part"), None, DOC),
])


def head(method: str, target: str):
    return parse_head(f"{method} {target} HTTP/1.1\r\nhost: a")


def ask(method: str, target: str, grant=ADMIN, body: bytes = b"") -> Response:
    return ROUTER.answer(Request(head(method, target), body, grant))


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("GET", "/v1/things", b"all[]"), ("GET", "/v1/things?a=1", b"all[]"), ("GET", "/v1/things/7", b"one['7']"),
        ("HEAD", "/v1/things/7", b"one['7']"), ("GET", "/v1/things/a%2Fb", b"one['a/b']"),
        ("GET", "/v1/things/", b"one['']"),
        ("GET", "/v1/things/7/parts/x", b"part['7', 'x']"), ("GET", "/v1/things/{id}", b"one['{id}']"),
    ],
)
def test_a_path_finds_its_route(method, target, body):
    assert ask(method, target).body == body


def test_the_pattern_that_says_more_is_meant():
    assert ask("POST", "/v1/things/special", body=b"{}").body == b"special[]"
    told = ask("GET", "/v1/things/special")
    assert (told.status, dict(told.headers)["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [("GET", "/", 404), ("GET", "/v1", 404), ("GET", "/v1/thing", 404), ("GET", "/v1/things/7/parts", 404),
     ("DELETE", "/v1/things", 405), ("OPTIONS", "/v1/things", 405), ("GET", "//v1/things", 404),
     ("GET", "/v1/things//", 404)],
)
def test_what_does_not_exist_is_told_as_a_problem(method, target, status):
    told = ask(method, target)
    assert (told.status, told.content_type) == (status, "application/problem+json")


def test_the_methods_that_there_are_are_told():
    assert dict(ask("DELETE", "/v1/things").headers)["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("method", "target", "scope"),
    [("GET", "/v1/things", Scope.READ), ("HEAD", "/v1/things", Scope.READ),
     ("POST", "/v1/things/special", Scope.CONTROL),
     ("GET", "/v1/things/7/parts/x", None), ("GET", "/nowhere", Scope.READ), ("DELETE", "/v1/things", Scope.READ)],
)
def test_a_request_needs_the_scope_of_its_route(method, target, scope):
    assert ROUTER.scope_of(head(method, target)) is scope


def test_what_waits_for_nothing_is_answered_at_once():
    assert [ROUTER.is_answered_at_once(head("GET", target)) for target in ("/v1/things", "/v1/things/7",
                                                                           "/nowhere")] == [
        False, True, True]


def test_a_query_that_is_misspelt_is_refused():
    for target in ("/v1/things?b=1", "/v1/things/7?a=1"):
        assert ask("GET", target).status == 422


def test_a_body_that_is_needed_is_needed():
    assert ask("POST", "/v1/things/special").status == 400


def test_a_bound_token_is_kept_from_what_is_not_made_for_it():
    bound = grant_of("admin", "a")
    assert [ask("GET", target, bound).status for target in ("/v1/things", "/v1/things/7/parts/x")] == [200, 403]


def test_a_path_that_is_told_is_a_path():
    assert path_of("torrents", "ab") == "/v1/torrents/ab"
    assert path_of("groups", "a/b ?#ä") == "/v1/groups/a%2Fb%20%3F%23%C3%A4"


# ---- the real table

FOR_BOUND = {
    "/v1/health/live", "/v1/health/ready", "/v1/health/startup", "/v1/session", "/v1/torrents", "/v1/torrents/actions",
    "/v1/events", "/v1/openapi.json",
}


def test_a_bound_token_may_use_what_is_of_torrents_and_little_else():
    routes = Resources().router.routes
    for_all = {route.pattern for route in routes if route.for_labels and "{hash}" not in route.pattern}
    assert for_all <= FOR_BOUND
    assert {route.pattern for route in routes if "{hash}" in route.pattern and not route.for_labels} == set()
    assert not any(route.for_labels for route in routes if route.scope is Scope.ADMIN)


def test_only_health_needs_no_token_and_whatever_changes_something_needs_more_than_reading():
    routes = Resources().router.routes
    assert {route.pattern for route in routes if route.scope is None} == {
        "/v1/health/live", "/v1/health/ready", "/v1/health/startup"}
    assert not [route for route in routes if route.method != "GET" and route.scope in (None, Scope.READ)]


@pytest.mark.parametrize(
    ("pattern", "scope"),
    [("POST /v1/torrents", Scope.ADD), ("PATCH /v1/settings", Scope.ADMIN), ("POST /v1/session/stop", Scope.ADMIN),
     ("GET /v1/tokens", Scope.ADMIN), ("POST /v1/jobs", Scope.ADMIN), ("PUT /v1/groups/{name}", Scope.ADMIN),
     ("DELETE /v1/torrents/{hash}", Scope.CONTROL), ("PUT /v1/torrents/{hash}", Scope.ADD)],
)
def test_the_scopes_are_those_that_were_promised(pattern, scope):
    found = {f"{route.method} {route.pattern}": route.scope for route in Resources().router.routes}
    assert found[pattern] is scope


def test_every_problem_has_the_same_members():
    rest = Resources()
    for told in (rest.ask("GET", "/nope"), rest.ask("PUT", "/v1/session"), rest.ask("GET", "/v1/torrents?x=1"),
                 rest.ask("GET", "/v1/torrents/x"), rest.ask("POST", "/v1/torrents", b"{"),
                 rest.ask("POST", "/v1/torrents"),
                 rest.ask("PATCH", "/v1/settings", b"[]"), rest.ask("GET", "/v1/jobs/9", grant=NOBODY)):
        assert told.json.keys() == {"title", "status", "code", "detail"}
        assert told.json["status"] == told.status
