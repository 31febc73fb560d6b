"""`/v1/watch`: the watch folders and what came of them. They are settings, and changed as these are."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from blobtorrent.core.session.watch import WatchStatus
from blobtorrent.interface.rest.encode import Shape, document, whole_seconds
from blobtorrent.interface.rest.grants import Scope
from blobtorrent.interface.rest.http import Request, Response
from blobtorrent.interface.rest.routes import Answer, Operation, Route
from blobtorrent.interface.rest.schemas import BOOLEAN, COUNT, TEXT, answer_object, described, list_of, nullable

WATCHED: Shape[WatchStatus] = Shape({
    "path": TEXT,
    "readable": (BOOLEAN, lambda status: status.is_readable),
    "added": described(COUNT, "Torrents, also those that were there already, since the start."),
    "failed": COUNT,
    "last_file": (nullable(TEXT), lambda status: status.last_file or None),
    "last_at": (nullable(COUNT), lambda status: whole_seconds(status.last_at)),
    "last_error": (
        nullable(answer_object({"code": TEXT, "message": TEXT})),
        lambda status: {"code": status.error_code, "message": status.error_detail} if status.error_code else None,
    ),
})


class WatchResource:
    """`watched` tells of all folders; it is called by any thread."""

    def __init__(self, watched: Callable[[], Iterable[WatchStatus]]) -> None:
        self._watched = watched

    def routes(self) -> Iterable[Route]:
        yield Route("GET", "/v1/watch", self.read_all, Scope.READ, Operation(
            "The watch folders and what came of them.",
            (Answer(200, "The folders.", answer_object({"folders": list_of(WATCHED.schema)})),),
        ))

    def read_all(self, _request: Request) -> Response:
        return document({"folders": [WATCHED.object_of(status) for status in self._watched()]})
