"""`/v1/health`: is the process alive, does it serve, how far is its start. Without a token, for probes."""

from __future__ import annotations

from blobtorrent.core.session.gateway import Gateway
from blobtorrent.interface.rest.encode import document
from blobtorrent.interface.rest.http import Request, Response
from blobtorrent.interface.rest.routes import Answer, Operation, Route, always
from blobtorrent.interface.rest.schemas import COUNT, TEXT, answer_object, list_of, one_of

_ALIVE = answer_object({"status": one_of(("ok",))})
_READY = answer_object({"status": one_of(("ok", "unavailable")), "reasons": list_of(TEXT)})
_STARTED = answer_object({"status": one_of(("ok", "unavailable")), "loaded": COUNT, "total": COUNT})


class HealthResource:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/v1/health/live", self.live, None, Operation(
                "Whether the process answers.", (Answer(200, "It does.", _ALIVE),),
            ), at_once=always, for_labels=True),
            Route("GET", "/v1/health/ready", self.ready, None, Operation(
                "Whether it serves: its torrents are known and its listeners open.",
                (Answer(200, "It does.", _READY), Answer(503, "It does not, and why.", _READY)),
            ), at_once=always, for_labels=True),
            Route("GET", "/v1/health/startup", self.startup, None, Operation(
                "How far the start is: so many of all torrents are known again.",
                (Answer(200, "It is done.", _STARTED), Answer(503, "It goes on.", _STARTED)),
            ), at_once=always, for_labels=True),
        )

    def live(self, _request: Request) -> Response:
        """The process answers."""
        return document({"status": "ok"})

    def ready(self, _request: Request) -> Response:
        """200 while the session runs. Else 503 with the reasons."""
        session = self._gateway.session
        if session.state == "running":
            return document({"status": "ok", "reasons": []})
        reason = f"the session is {session.state}"
        if session.state == "starting":
            reason += f": {session.loaded} of {session.total} torrents are loaded"
        return document({"status": "unavailable", "reasons": [reason]}, 503)

    def startup(self, _request: Request) -> Response:
        """200 from the end of the start on, also while the session ends: a probe of the start asks no more then."""
        session = self._gateway.session
        is_starting = session.state == "starting"
        fields = {"status": "unavailable" if is_starting else "ok", "loaded": session.loaded, "total": session.total}
        return document(fields, 503 if is_starting else 200)
