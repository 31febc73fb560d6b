"""`/v1/jobs`: making torrents of what lies on the daemon's machine."""

from __future__ import annotations

import time
from collections.abc import Iterable

from blobtorrent import __version__
from blobtorrent.config.values import boolean, size
from blobtorrent.core.session.options import Fields, absolute_folder, read_tiers, text
from blobtorrent.interface.jobs import Creation, Job, JobBook, JobState, Made
from blobtorrent.interface.rest.attachment import disposition
from blobtorrent.interface.rest.encode import Shape, document, whole_seconds
from blobtorrent.interface.rest.grants import Scope
from blobtorrent.interface.rest.http import Request, Response
from blobtorrent.interface.rest.jsonbody import read_fields
from blobtorrent.interface.rest.problems import problem_fields
from blobtorrent.interface.rest.router import path_of
from blobtorrent.interface.rest.routes import Answer, Body, Operation, Route
from blobtorrent.interface.rest.schemas import (
    BOOLEAN,
    COUNT,
    FOLDER_OPTION,
    MAX_PIECE_BYTES,
    MIN_PIECE_BYTES,
    SIZE_OPTION,
    TEXT,
    TIERS_OPTION,
    URL_OPTION,
    answer_object,
    body_object,
    described,
    list_of,
    nullable,
    one_of,
    ref,
)
from blobtorrent.interface.rest.v1.metainfo import TORRENT_TYPE
from blobtorrent.model.urls import MAX_TRACKERS, MAX_WEB_SEEDS, TRACKER_SCHEMES, WEB_SEED_SCHEMES, usable_url

KIND = "create"
FORMATS = ("v1", "v2", "hybrid")
MAX_TEXT = 4096                        # characters of comment and source

_RESULT: Shape[Made] = Shape({
    "name": TEXT,
    "info_hash_v1": (nullable(TEXT), lambda made: made.info_hash_v1 or None),
    "info_hash_v2": (nullable(TEXT), lambda made: made.info_hash_v2 or None),
    "size_bytes": COUNT,
    "piece_length": COUNT,
    "num_pieces": COUNT,
})
_WHEN = nullable(COUNT)
JOB: Shape[Job] = Shape({
    "id": TEXT,
    "kind": (one_of((KIND,)), lambda _: KIND),
    "state": (one_of([state.value for state in JobState]), lambda job: job.state.value),
    "path": (TEXT, lambda job: str(job.task.path)),
    "done_bytes": COUNT,
    "total_bytes": described(COUNT, "0 while it is not known."),
    "created_at": (_WHEN, lambda job: whole_seconds(job.created_at)),
    "ended_at": (_WHEN, lambda job: whole_seconds(job.ended_at)),
    "problem": (nullable(ref("Problem")), lambda job: None if job.error is None else problem_fields(job.error)),
    "result": (nullable(_RESULT.schema), lambda job: None if job.made is None else _RESULT.object_of(job.made)),
})

_SHORT_TEXT = {"type": "string", "maxLength": MAX_TEXT}
_WANTED = Body(body_object({
    "kind": one_of((KIND,)),
    "path": FOLDER_OPTION,
    "trackers": nullable(TIERS_OPTION),
    "web_seeds": nullable(list_of(URL_OPTION, at_most=MAX_WEB_SEEDS)),
    "piece_size": nullable(SIZE_OPTION),
    "private": nullable(BOOLEAN),
    "source": nullable(_SHORT_TEXT),
    "comment": nullable(_SHORT_TEXT),
    "format": nullable(one_of(FORMATS)),
}, required=("kind", "path")))


class JobResource:
    def __init__(self, book: JobBook) -> None:
        self._book = book

    def routes(self) -> Iterable[Route]:
        one = "/v1/jobs/{id}"
        yield Route("GET", "/v1/jobs", self.read_all, Scope.ADMIN, Operation(
            "All jobs of this run that are not forgotten yet.",
            (Answer(200, "The jobs, the oldest first.", answer_object({"jobs": list_of(JOB.schema)})),),
        ))
        yield Route("POST", "/v1/jobs", self.add, Scope.ADMIN, Operation(
            "Have a torrent made of a file or folder.", (Answer(202, "The job; it goes on by itself.", JOB.schema),),
            body=_WANTED,
        ))
        yield Route("GET", one, self.read, Scope.ADMIN, Operation(
            "One job and how far it is.", (Answer(200, "The job.", JOB.schema),)))
        yield Route("DELETE", one, self.remove, Scope.ADMIN, Operation(
            "Forget a job, and end it if it is under way.", (Answer(204, "It is forgotten."),)))
        yield Route("GET", f"{one}/result", self.read_result, Scope.ADMIN, Operation(
            "The torrent file that a job has made.", (Answer(200, "The file.", content_type=TORRENT_TYPE),),
            problems=(409, 507),
        ))

    def read_all(self, _request: Request) -> Response:
        return document({"jobs": [JOB.object_of(job) for job in self._book.all()]})

    def add(self, request: Request) -> Response:
        fields = read_fields(request)
        task = _read_task(fields)
        fields.end()
        job = self._book.add(task)
        return document(JOB.object_of(job), 202)._replace(headers=(("Location", path_of("jobs", job.id)),))

    def read(self, _request: Request, name: str) -> Response:
        return document(JOB.object_of(self._book.get(name)))

    def remove(self, _request: Request, name: str) -> Response:
        self._book.drop(name)
        return Response(204)

    def read_result(self, _request: Request, name: str) -> Response:
        made = self._book.result_of(name)
        return Response(200, made.data, TORRENT_TYPE, (disposition(f"{made.name}.torrent"),))


def _read_task(fields: Fields) -> Creation:
    """Raises Invalid ("option.bad-value"). What cannot be known without a look at the disk is for the job to find."""
    from blobtorrent.storage.author import Format, Recipe

    fields.take("kind", _kind)
    return Creation(fields.take("path", absolute_folder), Recipe(
        format=Format(fields.take("format", _format, FORMATS[0])),
        piece_length=fields.take("piece_size", size(MIN_PIECE_BYTES, MAX_PIECE_BYTES), 0),
        tiers=fields.take("trackers", _tiers, ()),
        web_seeds=fields.take("web_seeds", _web_seeds, ()),
        is_private=fields.take("private", boolean, False),
        source=fields.take("source", _short_text, None),
        comment=fields.take("comment", _short_text, None),
        created_by=f"BlobTorrent {__version__}",
        creation_date=int(time.time()),
    ))


def _kind(value: object) -> str:
    if value != KIND:
        raise ValueError(f"must be {KIND}")
    return KIND


def _format(value: object) -> str:
    if value not in FORMATS:
        raise ValueError(f"must be one of {', '.join(FORMATS)}")
    return text(value)


def _short_text(value: object) -> str:
    words = text(value)
    try:
        words.encode()
    except UnicodeEncodeError:
        raise ValueError("holds half a character (a lone surrogate)") from None
    if len(words) > MAX_TEXT:
        raise ValueError(f"must be text of at most {MAX_TEXT} characters")
    return words


def _tiers(value: object) -> tuple[tuple[str, ...], ...]:
    tiers = read_tiers(value)
    if sum(map(len, tiers)) > MAX_TRACKERS:
        raise ValueError(f"must be at most {MAX_TRACKERS} URLs")
    return tuple(tuple(_usable(url, TRACKER_SCHEMES) for url in tier) for tier in tiers if tier)


def _web_seeds(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MAX_WEB_SEEDS:
        raise ValueError(f"must be a list of at most {MAX_WEB_SEEDS} URLs")
    return tuple(_usable(text(url), WEB_SEED_SCHEMES) for url in value)


def _usable(url: str, schemes: frozenset[str]) -> str:
    usable = usable_url(_short_text(url).encode(), schemes)
    if usable is None:
        raise ValueError(f"has {url!r}, which is no URL of {', '.join(sorted(schemes))} that can be used")
    return usable
