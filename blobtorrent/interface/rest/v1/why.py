"""`/v1/torrents/{hash}/why`: what keeps a torrent from moving, and what can be done about it."""

from __future__ import annotations

from collections.abc import Iterable

from blobtorrent.core.session.gateway import Gateway
from blobtorrent.core.session.queries import Explain
from blobtorrent.interface.rest.encode import TORRENT_STATES, Shape, document
from blobtorrent.interface.rest.grants import Scope
from blobtorrent.interface.rest.http import Request, Response
from blobtorrent.interface.rest.routes import Answer, Operation, Route
from blobtorrent.interface.rest.schemas import ANY_OBJECT, COUNT, TEXT, described, list_of, nullable, one_of
from blobtorrent.interface.rest.v1.lookup import find_torrent
from blobtorrent.model.details import Cause, Explanation

CAUSE: Shape[Cause] = Shape({
    "code": described(TEXT, "Stable."),
    "text": described(TEXT, "For people."),
    "advice": described(TEXT, "What can be done."),
    "since_s": (described(nullable(COUNT), "For how long it has been so, if that is known."),
                lambda cause: None if cause.since_s is None else int(cause.since_s)),
})
EXPLANATION: Shape[Explanation] = Shape({
    "state": one_of(TORRENT_STATES),
    "summary": TEXT,
    "causes": (described(list_of(CAUSE.schema), "The most important one first."),
               lambda explanation: [CAUSE.object_of(cause) for cause in explanation.causes]),
    "facts": (described(ANY_OBJECT, "What the causes were drawn from."), lambda explanation: dict(explanation.facts)),
})


class WhyResource:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> Iterable[Route]:
        yield Route("GET", "/v1/torrents/{hash}/why", self.read, Scope.READ, Operation(
            "Why the torrent does what it does.", (Answer(200, "The reasons.", EXPLANATION.schema),),
        ), for_labels=True)

    def read(self, request: Request, digits: str) -> Response:
        info_hash = find_torrent(self._gateway, request.grant, digits).info_hash
        return document(EXPLANATION.object_of(self._gateway.ask(Explain(info_hash))))
