"""Answers of a daemon of another version, or of no daemon at all: nonsense is an error, no accident. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from blobtorrent.model.errors import NetworkError


@contextmanager
def understood(what: str) -> Iterator[None]:
    """Around what reads an answer about something: NetworkError ("client.bad-answer") when it cannot be."""
    try:
        yield
    except (TypeError, ValueError, AttributeError, LookupError):
        raise NetworkError(
            "client.bad-answer", f"what the daemon tells of {what} cannot be: it may be of another version") from None
