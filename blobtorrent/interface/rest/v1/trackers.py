"""`/v1/torrents/{hash}/trackers` and `/webseeds`: where a torrent asks for peers and bytes besides its swarm."""

from __future__ import annotations

from collections.abc import Iterable

from blobtorrent.core.session.commands import AddTrackers, SetTrackers
from blobtorrent.core.session.gateway import Gateway
from blobtorrent.core.session.options import read_tiers
from blobtorrent.core.session.queries import TrackersOf, WebSeedsOf
from blobtorrent.interface.rest.encode import Shape, document, whole_seconds
from blobtorrent.interface.rest.grants import Scope
from blobtorrent.interface.rest.http import Request, Response
from blobtorrent.interface.rest.jsonbody import read_fields
from blobtorrent.interface.rest.routes import Answer, Body, Operation, Route
from blobtorrent.interface.rest.schemas import (
    BOOLEAN,
    COUNT,
    NUMBER,
    TEXT,
    TIERS_OPTION,
    answer_object,
    body_object,
    described,
    list_of,
    nullable,
    one_of,
)
from blobtorrent.interface.rest.v1.lookup import find_torrent
from blobtorrent.model.details import TrackerStatus, WebSeedStatus
from blobtorrent.model.ids import InfoHash

_TRACKERS = "/v1/torrents/{hash}/trackers"
_WHEN = nullable(COUNT)

TRACKER: Shape[TrackerStatus] = Shape({
    "tier": described(COUNT, "Its place among the tiers, from 0."),
    "swarm": one_of(("v1", "v2")),
    "url": (described(TEXT, "Without what looks like a passkey, for who may not control the torrent."),
            lambda tracker: tracker.url_shown),
    "state": described(TEXT, "idle, announcing, waiting, backoff or disabled."),
    "result": described(TEXT, "What came of the last announce, in words."),
    "error_code": (nullable(TEXT), lambda tracker: tracker.error_code or None),
    "failures": described(COUNT, "In a row."),
    "last_announce_at": (_WHEN, lambda tracker: whole_seconds(tracker.last_announce_at)),
    "next_announce_at": (_WHEN, lambda tracker: whole_seconds(tracker.next_announce_at)),
    "seeds": nullable(COUNT),
    "leeches": nullable(COUNT),
    "downloads": nullable(COUNT),
    "peers_got": COUNT,
})
WEB_SEED: Shape[WebSeedStatus] = Shape({
    "url": (TEXT, lambda seed: seed.url_shown),
    "state": described(TEXT, '"idle", "fetching", "resting", "banned" or "unused".'),
    "result": described(TEXT, "What went wrong last, in words; empty when all is well."),
    "error_code": (nullable(TEXT), lambda seed: seed.error_code or None),
    "failures": described(COUNT, "In a row."),
    "next_try_s": described(nullable(NUMBER), "Until it is asked again, while it rests."),
    "connections": described(COUNT, "That something is read over now."),
    "down_bytes_per_s": COUNT,
    "downloaded_bytes": described(COUNT, "Since the torrent was started last."),
    "wasted_bytes": described(COUNT, "Of these, what did not match its hash."),
    "has_ranges": described(BOOLEAN, "False when it sends whole files only."),
})

_LIST = (Answer(200, "The trackers, in the order of their tiers.",
                answer_object({"trackers": list_of(TRACKER.schema)})),)


class TrackerResource:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> Iterable[Route]:
        yield Route("GET", _TRACKERS, self.read_all, Scope.READ, Operation(
            "The trackers of a torrent, and what they say.", _LIST,
        ), for_labels=True)
        yield Route("PUT", _TRACKERS, self.replace, Scope.CONTROL, Operation(
            "Use these trackers and no others; null: those that the torrent file names.", _LIST,
            body=Body(body_object({"tiers": nullable(TIERS_OPTION)}, required=("tiers",))),
        ), for_labels=True)
        yield Route("POST", _TRACKERS, self.add, Scope.CONTROL, Operation(
            "Use these trackers, too.", _LIST, body=Body(body_object({"tiers": TIERS_OPTION}, required=("tiers",))),
        ), for_labels=True)
        yield Route("GET", "/v1/torrents/{hash}/webseeds", self.read_web_seeds, Scope.READ, Operation(
            "The web seeds of a torrent.",
            (Answer(200, "The web seeds.", answer_object({"web_seeds": list_of(WEB_SEED.schema)})),),
        ), for_labels=True)

    def read_all(self, request: Request, digits: str) -> Response:
        return self._list(request, find_torrent(self._gateway, request.grant, digits).info_hash)

    def replace(self, request: Request, digits: str) -> Response:
        fields = read_fields(request)
        tiers = None if fields.is_null("tiers") else fields.take("tiers", read_tiers)
        fields.end()
        info_hash = find_torrent(self._gateway, request.grant, digits).info_hash
        self._gateway.ask(SetTrackers(info_hash, tiers))
        return self._list(request, info_hash)

    def add(self, request: Request, digits: str) -> Response:
        fields = read_fields(request)
        tiers = fields.take("tiers", read_tiers)
        fields.end()
        info_hash = find_torrent(self._gateway, request.grant, digits).info_hash
        self._gateway.ask(AddTrackers(info_hash, tiers))
        return self._list(request, info_hash)

    def read_web_seeds(self, request: Request, digits: str) -> Response:
        info_hash = find_torrent(self._gateway, request.grant, digits).info_hash
        seeds = self._gateway.ask(WebSeedsOf(info_hash))
        if request.grant.allows(Scope.CONTROL):
            seeds = [seed._replace(url_shown=seed.url) for seed in seeds]
        return document({"web_seeds": [WEB_SEED.object_of(seed) for seed in seeds]})

    def _list(self, request: Request, info_hash: InfoHash) -> Response:
        trackers = self._gateway.ask(TrackersOf(info_hash))
        if request.grant.allows(Scope.CONTROL):
            trackers = [tracker._replace(url_shown=tracker.url) for tracker in trackers]
        return document({"trackers": [TRACKER.object_of(tracker) for tracker in trackers]})
