"""What a client is told when a request fails: problem documents (RFC 9457) with our stable codes."""

from __future__ import annotations

import json
from typing import Any

from blobtorrent.interface.rest.http import Refused, Response
from blobtorrent.model.errors import (
    BlobTorrentError,
    ConfigError,
    Conflict,
    FormatError,
    Invalid,
    NetworkError,
    NotFound,
    StorageError,
    Unavailable,
)
from blobtorrent.model.text import clean

PROBLEM_TYPE = "application/problem+json"

# The first class that fits decides.
_STATUSES: tuple[tuple[type[BlobTorrentError], int, str], ...] = (
    (NotFound, 404, "There is no such thing"),
    (Conflict, 409, "Contradicts what is there"),
    (Invalid, 422, "Cannot be accepted"),
    (ConfigError, 422, "Cannot be accepted"),
    (FormatError, 422, "Not what it should be"),
    (NetworkError, 422, "Cannot be fetched"),
    (Unavailable, 503, "Not available now"),
    (StorageError, 507, "The storage failed"),
)


def problem(error: BlobTorrentError) -> Response:
    """The answer for an expected error; one that has no status of its own is our fault (500)."""
    fields = problem_fields(error)
    headers = error.headers if isinstance(error, Refused) else ()
    return Response(fields["status"], json.dumps(fields).encode(), PROBLEM_TYPE, headers)


def problem_fields(error: BlobTorrentError) -> dict[str, Any]:
    """The problem document, also for one of many things that a request asked for."""
    status, title = _status_of(error)
    return {"title": title, "status": status, "code": error.code, "detail": clean(error.detail)}


def _status_of(error: BlobTorrentError) -> tuple[int, str]:
    if isinstance(error, Refused):
        return error.status, "The request was refused"
    for kind, status, title in _STATUSES:
        if isinstance(error, kind):
            return status, title
    return 500, "An error of the program"
