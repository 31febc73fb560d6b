"""`/v1/session`: the daemon as a whole, and its end."""

from __future__ import annotations

from collections.abc import Iterable

from blobtorrent.config.values import duration
from blobtorrent.core.session.gateway import Gateway
from blobtorrent.interface.desk import Desk
from blobtorrent.interface.rest.encode import SESSION, document
from blobtorrent.interface.rest.grants import Scope
from blobtorrent.interface.rest.http import Request, Response
from blobtorrent.interface.rest.jsonbody import read_fields
from blobtorrent.interface.rest.routes import Answer, Body, Operation, Route, always
from blobtorrent.interface.rest.schemas import DURATION_OPTION, NOTHING, answer_object, body_object, nullable, ref
from blobtorrent.interface.rest.v1.settings import CHANGED, changed_fields

DRAIN_S = 60.0                         # when nobody says how long


class SessionResource:
    def __init__(self, gateway: Gateway, desk: Desk) -> None:
        self._gateway = gateway
        self._desk = desk

    def routes(self) -> Iterable[Route]:
        yield Route("GET", "/v1/session", self.read, Scope.READ, Operation(
            "The daemon as a whole.", (Answer(200, "The daemon.", ref("Session")),),
        ), at_once=always, for_labels=True)
        yield Route("POST", "/v1/session/reload", self.reload, Scope.ADMIN, Operation(
            "Read the settings files again.", (Answer(200, "What came of it.", answer_object(CHANGED)),),
            body=Body(NOTHING, is_required=False),
        ))
        yield Route("POST", "/v1/session/drain", self.drain, Scope.ADMIN, Operation(
            "Begin nothing more, finish what is under way, hand on pieces that nobody else has; then end.",
            (Answer(202, "It has begun; the session tells how far it is.", ref("Session")),),
            body=Body(body_object({"timeout_s": nullable(DURATION_OPTION)}), is_required=False),
        ))
        yield Route("POST", "/v1/session/stop", self.stop, Scope.ADMIN, Operation(
            "End the daemon.", (Answer(202, "It ends.", ref("Session")),), body=Body(NOTHING, is_required=False),
        ))

    def read(self, _request: Request) -> Response:
        return self._document(200)

    def reload(self, request: Request) -> Response:
        read_fields(request).end()
        return document(changed_fields(self._desk.reload()))

    def drain(self, request: Request) -> Response:
        fields = read_fields(request)
        timeout_s = fields.take("timeout_s", duration(0), DRAIN_S)
        fields.end()
        self._desk.drain(timeout_s)
        return self._document(202)

    def stop(self, request: Request) -> Response:
        read_fields(request).end()
        self._desk.stop()
        return self._document(202)

    def _document(self, status: int) -> Response:
        # Its own count is a second old at times: who has just added a torrent wants to find it counted.
        session = self._gateway.session._replace(torrents=len(self._gateway.torrents))
        return document(SESSION.object_of(session), status)
