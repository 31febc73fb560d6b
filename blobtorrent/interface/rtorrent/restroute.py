"""POST /RPC2 on the REST server: calls of rTorrent's clients for whoever has a token of the scope admin."""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from blobtorrent.interface.rest.grants import Grant, Scope
from blobtorrent.interface.rest.http import Refused, Request, Response
from blobtorrent.interface.rest.routes import Answer, Body, Operation, Route
from blobtorrent.interface.rtorrent.marks import UnknownMark, is_marked
from blobtorrent.interface.rtorrent.rules import Rules, UnknownType
from blobtorrent.interface.rtorrent.trust import Trust
from blobtorrent.runtime.mailbox import Mailbox

if TYPE_CHECKING:
    from blobtorrent.interface.rtorrent.exchange import Exchange

ANSWER_S = 300.0                       # for commands that wait for a program; others take a moment

_CALL = Operation(
    "A call of rTorrent's commands, in XML-RPC or JSON-RPC: see blobtorrent-rtorrent(7). "
    "With a token it may do all but run code; marked Untrusted-Connection: 1 it has the safe commands only.",
    (Answer(200, "The answer in the language of the call. Faults are answers, too."),),
    body=Body({}, is_required=False, types=("text/xml", "application/json")),      # no call is told so in a fault
)


class RpcResource:
    """`post` has work done in turn, `perform` is that work."""

    def __init__(
        self, post: Callable[[Callable[[], object]], None], perform: Callable[[Exchange, Trust], None],
        rules: Rules | None = None,
    ) -> None:
        self._post = post
        self._perform = perform
        self._rules = rules or Rules()

    def routes(self) -> tuple[Route, ...]:
        return (Route("POST", "/RPC2", self.call, Scope.ADMIN, _CALL),)

    def call(self, request: Request) -> Response:
        """Raises Refused."""
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
    Refused for a mark that nobody knows."""
    try:
        if is_marked(headers):
            return Trust.SAFE
    except UnknownMark:
        raise Refused(400, "rest.bad-request", "Untrusted-Connection is neither 0 nor 1") from None
    return Trust.NO_CODE if grant.token else Trust.FULL

