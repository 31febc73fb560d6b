"""POST /RPC2 on the REST server: calls of rTorrent's clients for whoever has a token of the scope admin."""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from blobtorrent.interface.rest.grants import Grant, Scope
from blobtorrent.interface.rest.http import Head, Refused, Request, Response
from blobtorrent.interface.rest.problems import problem
from blobtorrent.interface.rest.server import Answers
from blobtorrent.interface.rtorrent.marks import UnknownMark, is_marked
from blobtorrent.interface.rtorrent.rules import Rules, UnknownType
from blobtorrent.interface.rtorrent.trust import Trust
from blobtorrent.runtime.mailbox import Mailbox

if TYPE_CHECKING:
    from blobtorrent.interface.rtorrent.exchange import Exchange

ANSWER_S = 300.0                       # for commands that wait for a program; others take a moment
NAME = "POST /RPC2"

_PATHS = frozenset((("RPC2",), ("RPC2", "")))


class RpcRouter:
    """The answers of `router`, and to calls. `post` has work done in turn, `perform` is that work."""

    def __init__(
        self, router: Answers, post: Callable[[Callable[[], object]], None],
        perform: Callable[[Exchange, Trust], None], rules: Rules | None = None,
    ) -> None:
        self._router = router
        self._post = post
        self._perform = perform
        self._rules = rules or Rules()

    def scope_of(self, head: Head) -> Scope | None:
        return Scope.ADMIN if _is_call(head) else self._router.scope_of(head)

    def is_answered_at_once(self, head: Head) -> bool:
        return not _is_call(head) and self._router.is_answered_at_once(head)

    def name_of(self, head: Head) -> str:
        return NAME if _is_call(head) else self._router.name_of(head)

    def answer(self, request: Request) -> Response:
        if not _is_call(request.head):
            return self._router.answer(request)
        try:
            return self._answer_call(request)
        except Refused as error:
            return problem(error)

    def _answer_call(self, request: Request) -> Response:
        trust = trust_of(request.grant, request.head.headers)
        try:
            exchange = self._rules.read(request.body, request.head.content_type)
        except UnknownType:
            raise Refused(415, "rpc.bad-type", "send text/xml or application/json") from None
        done: Mailbox[bool] = Mailbox("rpc-answer")

        def work() -> None:
            try:
                self._perform(exchange, trust)
            finally:
                done.post(True)

        self._post(work)
        try:
            done.get(ANSWER_S)
        except queue.Empty:
            raise Refused(503, "command.no-answer", "there is no answer yet; it may happen all the same") from None
        answer = exchange.render()
        self._rules.tell(*answer.parts)
        return Response(200, answer.parts, answer.content_type)


def trust_of(grant: Grant, headers: Mapping[str, str]) -> Trust:
    """Who came without a token is our own user, root or of the group of a UNIX socket, and may run everything. Raises
    Refused for a token that is not for the whole session, and for a mark that nobody knows."""
    if grant.is_bound:
        raise Refused(403, "rest.scope", "a token that is bound to labels may not use this")
    try:
        if is_marked(headers):
            return Trust.SAFE
    except UnknownMark:
        raise Refused(400, "rest.bad-request", "Untrusted-Connection is neither 0 nor 1") from None
    return Trust.NO_CODE if grant.token else Trust.FULL


def _is_call(head: Head) -> bool:
    return head.method == "POST" and head.path in _PATHS
