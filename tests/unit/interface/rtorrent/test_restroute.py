"""POST /RPC2 among the routes of REST: who may ask, and for what."""

from __future__ import annotations

import json

import pytest

from blobtorrent.interface.rest.grants import Grant, Scope
from blobtorrent.interface.rest.http import Head, Request
from blobtorrent.interface.rest.router import Router
from blobtorrent.interface.rtorrent.context import Trust
from blobtorrent.interface.rtorrent.restroute import RpcResource, trust_of
from tests.support.rpc import Stage

OURSELVES = Grant("unix:0", frozenset((Scope.ADMIN,)))
TOKEN = Grant("me", frozenset((Scope.ADMIN,)), token="digest")


def router_of(perform):
    return Router(RpcResource(lambda work: work(), perform).routes())


@pytest.fixture
def router():
    return router_of(Stage().perform)


def request(path=("RPC2",), method="POST", body=b'{"id":1,"method":"execute.capture"}', grant=OURSELVES, **headers):
    return Request(Head(method, path, {}, headers, len(body), True), body, grant)


def told(response):
    return json.loads(b"".join(response.body) if isinstance(response.body, tuple) else response.body)


def test_a_call_is_answered_and_wants_the_scope_admin(router):
    call = request()
    assert told(router.answer(call))["result"] == "hi\n"
    assert router.scope_of(call.head) is Scope.ADMIN and not router.is_answered_at_once(call.head)
    assert router.name_of(call.head) == "POST /RPC2"


def test_a_token_may_do_all_but_run_code(router):
    assert "rtorrent.trusted" in told(router.answer(request(grant=TOKEN)))["error"]["message"]


@pytest.mark.parametrize(("grant", "mark", "trust"), [
    (OURSELVES, "0", Trust.FULL), (TOKEN, "0", Trust.NO_CODE), (OURSELVES, "1", Trust.SAFE), (TOKEN, "1", Trust.SAFE),
])
def test_a_mark_takes_trust_and_never_gives_it(grant, mark, trust):
    assert trust_of(grant, {"untrusted-connection": mark}) is trust
    assert trust_of(grant, {"untrusted_connection": mark, "untrusted-connection": "0"}) is trust


def test_tokens_of_some_torrents_and_unknown_marks_are_refused(router):
    assert router.answer(request(grant=TOKEN._replace(labels=frozenset("a")))).status == 403
    assert router.answer(request(**{"untrusted-connection": "yes"})).status == 400


def test_it_is_in_the_description_with_what_it_needs(router):
    described = told(router.answer(request(("v1", "openapi.json"), "GET", b"")))
    call = described["paths"]["/RPC2"]["post"]
    assert call["x-scope"] == "admin" and set(call["requestBody"]["content"]) == {"text/xml", "application/json"}


def test_a_body_of_an_unknown_type_is_refused(router):
    assert router.answer(request(body=b"x", **{"content-type": "text/plain"})).status == 415


def test_a_bug_of_a_command_is_a_fault_all_the_same():
    def perform(exchange, trust):
        try:
            Stage().perform(exchange, trust)
        except ZeroDivisionError:
            pass                       # as who has the turn logs it

    response = router_of(perform).answer(request(body=b'{"id":1,"method":"break"}'))
    assert "error" in told(response)
