"""`/v1/torrents/actions`: one thing done to many torrents."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from blobtorrent.config.values import boolean
from blobtorrent.core.session.commands import (
    Command,
    PauseTorrent,
    Reannounce,
    RecheckTorrent,
    RemoveTorrent,
    Reply,
    StartTorrent,
    StopTorrent,
)
from blobtorrent.core.session.gateway import COMMAND_DEADLINE_S, Gateway
from blobtorrent.core.session.options import text
from blobtorrent.interface.rest.encode import document
from blobtorrent.interface.rest.grants import Scope
from blobtorrent.interface.rest.http import Request, Response
from blobtorrent.interface.rest.jsonbody import read_fields
from blobtorrent.interface.rest.problems import problem_fields
from blobtorrent.interface.rest.routes import Answer, Body, Operation, Route
from blobtorrent.interface.rest.schemas import (
    BOOLEAN,
    TEXT,
    answer_object,
    body_object,
    described,
    list_of,
    nullable,
    one_of,
    ref,
)
from blobtorrent.interface.rest.v1.lookup import find_torrents
from blobtorrent.model.errors import BlobTorrentError, Invalid
from blobtorrent.model.ids import InfoHash

MAX_HASHES = 10_000

_COMMANDS: dict[str, Callable[[InfoHash], Command]] = {
    "start": StartTorrent,
    "stop": StopTorrent,
    "pause": PauseTorrent,
    "recheck": RecheckTorrent,
    "announce": Reannounce,
}
_REMOVE = "remove"
_WORDS = (*_COMMANDS, _REMOVE)

_BODY = Body({
    **body_object({
        "action": one_of(_WORDS),
        "hashes": described(list_of(TEXT, at_most=MAX_HASHES), "Info-hashes, in hexadecimal."),
        "with_data": nullable(described(BOOLEAN, "With remove: delete the files, too.")),
    }, required=("action", "hashes")),
    "anyOf": [{"properties": {"action": {"const": _REMOVE}}}, {"properties": {"with_data": {"enum": [False, None]}}}],
})
_RESULTS = answer_object({"results": list_of(
    answer_object({"hash": TEXT, "ok": BOOLEAN, "problem": nullable(ref("Problem"))}))})


class ActionResource:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> Iterable[Route]:
        yield Route("POST", "/v1/torrents/actions", self.act, Scope.CONTROL, Operation(
            "Do one thing to many torrents. What cannot be done to one is done to the others all the same.",
            (Answer(200, "What came of it, in the order of the hashes.", _RESULTS),), body=_BODY,
        ), for_labels=True)

    def act(self, request: Request) -> Response:
        fields = read_fields(request)
        action, hashes = fields.take("action", _action), fields.take("hashes", _hashes)
        with_data = fields.take("with_data", boolean, False)
        fields.end()
        if with_data and action != _REMOVE:
            raise Invalid("option.bad-value", "with_data is for remove")
        command = partial(RemoveTorrent, with_data=with_data) if action == _REMOVE else _COMMANDS[action]
        # All are under way before the first is waited for: the session saves what comes together at once.
        found = find_torrents(self._gateway, request.grant, hashes)
        replies = [
            status if isinstance(status, BlobTorrentError) else self._gateway.submit(command(status.info_hash))
            for status in found
        ]
        end_s = time.monotonic() + COMMAND_DEADLINE_S
        results = [_result(word, reply, end_s) for word, reply in zip(hashes, replies)]
        done = [result["hash"] for result in results if result["ok"]]
        about = {"action": f"{action} with data" if with_data else action, "torrents": ",".join(done)}
        return document({"results": results})._replace(about=about)


def _result(word: str, reply: Reply[Any] | BlobTorrentError, end_s: float) -> dict[str, Any]:
    try:
        if isinstance(reply, BlobTorrentError):
            raise reply
        reply.wait(max(0.0, end_s - time.monotonic()))
    except BlobTorrentError as error:
        return {"hash": word, "ok": False, "problem": problem_fields(error)}
    return {"hash": word, "ok": True, "problem": None}


def _action(value: object) -> str:
    word = text(value)
    if word not in _WORDS:
        raise ValueError(f"must be one of {', '.join(_WORDS)}")
    return word


def _hashes(value: object) -> list[str]:
    if not isinstance(value, list) or len(value) > MAX_HASHES or not all(isinstance(word, str) for word in value):
        raise ValueError(f"must be a list of at most {MAX_HASHES} info-hashes")
    return list(dict.fromkeys(word.lower() for word in value))
