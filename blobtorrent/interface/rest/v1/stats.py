"""`/v1/stats`: what was done in this run and in all runs, and where disks and memory stand."""

from __future__ import annotations

from typing import Any

from blobtorrent.core.session.gateway import Gateway
from blobtorrent.core.session.queries import StatsOf
from blobtorrent.interface.rest.encode import Shape, document, whole_seconds
from blobtorrent.interface.rest.grants import Scope
from blobtorrent.interface.rest.http import Request, Response
from blobtorrent.interface.rest.routes import Answer, Operation, Route
from blobtorrent.interface.rest.schemas import BOOLEAN, COUNT, TEXT, answer_object, list_of, nullable
from blobtorrent.model.details import Figures, FilesystemStatus, SessionStats

FIGURES: Shape[Figures] = Shape({
    "downloaded_bytes": COUNT,
    "uploaded_bytes": COUNT,
    "wasted_bytes": COUNT,
    "seconds": (COUNT, lambda figures: int(figures.seconds)),
    "runs": COUNT,
    "torrents_added": COUNT,
    "torrents_finished": COUNT,
})

FILESYSTEM: Shape[FilesystemStatus] = Shape({
    "path": TEXT,
    "free_bytes": COUNT,
    "reserve_bytes": COUNT,
    "short": (BOOLEAN, lambda filesystem: filesystem.is_short),
    "measured_at": (nullable(COUNT), lambda filesystem: whole_seconds(filesystem.measured_at)),
})

_STATS = answer_object({
    "this_run": FIGURES.schema,
    "all_time": FIGURES.schema,
    "filesystems": list_of(FILESYSTEM.schema),
    "memory": answer_object({"budget_bytes": COUNT, "used_bytes": COUNT}),
})


class StatsResource:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/v1/stats", self.read, Scope.READ, Operation(
                "What was done in this run and in all runs, and where disks and memory stand.",
                (Answer(200, "The figures.", _STATS),),
            )),
        )

    def read(self, _request: Request) -> Response:
        return document(stats_fields(self._gateway.ask(StatsOf())))


def stats_fields(stats: SessionStats) -> dict[str, Any]:
    return {
        "this_run": FIGURES.object_of(stats.this_run),
        "all_time": FIGURES.object_of(stats.all_time),
        "filesystems": [FILESYSTEM.object_of(filesystem) for filesystem in stats.filesystems],
        "memory": {"budget_bytes": stats.memory_budget_bytes, "used_bytes": stats.memory_used_bytes},
    }
