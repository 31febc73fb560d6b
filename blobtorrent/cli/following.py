"""Following: the daemon's events as they happen, with a new connection whenever the old one ends."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from blobtorrent.cli.client import Client
from blobtorrent.cli.sse import ServerEvent, SseReader
from blobtorrent.model.errors import NetworkError

HEARTBEAT_LIMIT_S = 40.0               # the daemon says something every 15 s
FIRST_PAUSE_S, MAX_PAUSE_S = 0.5, 15.0


def follow(
    client: Client, query: Mapping[str, str | None], last_id: str, *, deadline_s: float | None
) -> Iterator[ServerEvent]:
    """Events without an end, or until `deadline_s` on the monotonic clock.

    A broken connection is made anew, and goes on behind the last event. Raises NetworkError when the daemon was never
    reached, ApiError when it refuses.
    """
    reader = SseReader(last_id)
    was_reached = False
    pause_s = FIRST_PAUSE_S
    while _left_s(deadline_s) > 0:
        headers = {"Accept": "text/event-stream"}
        if reader.last_id:
            headers["Last-Event-ID"] = reader.last_id
        try:
            with client.stream("/v1/events", query=query, headers=headers) as stream:
                was_reached = True
                pause_s = FIRST_PAUSE_S
                while (left_s := _left_s(deadline_s)) > 0 and (chunk := stream.read(left_s)):
                    yield from reader.feed(chunk)
        except NetworkError:
            if not was_reached:
                raise
        reader = SseReader(reader.last_id)
        time.sleep(min(pause_s, _left_s(deadline_s)))
        pause_s = min(2 * pause_s, MAX_PAUSE_S)


def _left_s(deadline_s: float | None) -> float:
    """For how long to wait for the next byte."""
    if deadline_s is None:
        return HEARTBEAT_LIMIT_S
    return max(0.0, min(HEARTBEAT_LIMIT_S, deadline_s - time.monotonic()))
