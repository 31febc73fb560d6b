"""Server-sent events: the stream of bytes becomes events. Pure (HTML standard, section 9.2)."""

from __future__ import annotations

from typing import NamedTuple

from blobtorrent.model.errors import NetworkError

MAX_LINE_BYTES = 1 << 20


class ServerEvent(NamedTuple):
    """`type` is "message" for one that does not say."""

    type: str
    data: str


class SseReader:
    """Takes what arrives, however it is cut, and returns the events that are complete with it.

    `last_id` is that of the last event that had one: behind it a next stream goes on.
    """

    def __init__(self, last_id: str = "") -> None:
        self.last_id = last_id
        self._rest = b""
        self._type = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Raises NetworkError ("client.bad-answer") for a line without an end."""
        *lines, self._rest = (self._rest + chunk).replace(b"\r\n", b"\n").split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            raise NetworkError("client.bad-answer", "the daemon sends a line without an end")
        events = []
        for line in lines:
            event = self._take(line.decode("utf-8", "replace"))
            if event is not None:
                events.append(event)
        return events

    def _take(self, line: str) -> ServerEvent | None:
        if not line:
            return self._end()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._type = value
        elif field == "id" and "\0" not in value:
            self.last_id = value
        return None                    # a comment has no field before its colon

    def _end(self) -> ServerEvent | None:
        """An empty line: what came is an event if it has data."""
        kind, data = self._type or "message", self._data
        self._type, self._data = "", []
        return ServerEvent(kind, "\n".join(data)) if data else None
