"""`/v1/events`: what happens, as it happens (server-sent events)."""

from __future__ import annotations

from blobtorrent.interface.rest.feed import EventStream, Feed, Wanted
from blobtorrent.interface.rest.grants import Scope
from blobtorrent.interface.rest.http import Request, Response
from blobtorrent.interface.rest.routes import Answer, Operation, Parameter, Route, always
from blobtorrent.interface.rest.v1.lookup import digest_of
from blobtorrent.model.errors import Invalid
from blobtorrent.model.eventnames import EVENT_NAMES, GAP

STREAM_TYPE = "text/event-stream"
MAX_ID = 64                            # characters

_TEXT = {"type": "string"}
_TYPES = tuple(name for name in EVENT_NAMES.values() if name != GAP)

# A proxy that collects answers until there is more of them would keep every event for itself.
_UNBUFFERED = (("X-Accel-Buffering", "no"),)


class EventResource:
    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def routes(self) -> tuple[Route, ...]:
        return (
            Route(
                "GET", "/v1/events", self.stream, Scope.READ, Operation(
                    "What happens, as it happens.",
                    (Answer(200, "A stream of events; blobtorrent-events(7) explains it.", content_type=STREAM_TYPE),),
                    (
                        Parameter("types", _TEXT, f"Only these types, with commas between: {', '.join(_TYPES)}."),
                        Parameter("torrents", _TEXT, "Only events of torrents with these info-hashes."),
                        Parameter("labels", _TEXT, "Only events of torrents with one of these labels."),
                        Parameter("since", _TEXT, "The id of the last event seen; as the header Last-Event-ID, which "
                                  "comes before it."),
                    ),
                    headers=(Parameter("Last-Event-ID", _TEXT, "As since: it comes before it."),),
                    has_tag=False,
                ),
                at_once=always, for_labels=True,
            ),
        )

    def stream(self, request: Request) -> Response:
        """Raises Invalid ("event.unknown-type", "torrent.bad-hash", "event.bad-id")."""
        wanted = Wanted(request.grant, _types(request), _digests(request), _listed(request, "labels"))
        since = request.head.headers.get("last-event-id", request.query.get("since", ""))
        if len(since) > MAX_ID:
            raise Invalid("event.bad-id", f"an id of more than {MAX_ID} characters is none of ours")
        return Response(200, EventStream(self._feed, wanted, since), STREAM_TYPE, _UNBUFFERED)


def _types(request: Request) -> frozenset[str] | None:
    types = _listed(request, "types")
    unknown = sorted((types or frozenset()).difference(_TYPES))
    if unknown:
        raise Invalid("event.unknown-type", f"types: there is no {unknown[0]}, but {', '.join(_TYPES)}")
    return types


def _digests(request: Request) -> frozenset[bytes] | None:
    hashes = _listed(request, "torrents")
    return None if hashes is None else frozenset(map(digest_of, hashes))


def _listed(request: Request, name: str) -> frozenset[str] | None:
    """The words of a field of the query; None when it was not given, or has none."""
    words = frozenset(word.strip() for word in request.query.get(name, "").split(","))
    return words - {""} or None
