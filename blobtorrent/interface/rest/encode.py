"""Snapshots as JSON. Numbers are plain, times are seconds since 1970, what is absent is null. Pure.

A Shape says once what an object has: how each member is read, and its schema.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, Generic, TypeVar

from blobtorrent import __version__
from blobtorrent.core.session.commands import GoalAction
from blobtorrent.interface.rest.http import Response
from blobtorrent.interface.rest.routes import Schema
from blobtorrent.interface.rest.schemas import (
    ANY_OBJECT,
    BOOLEAN,
    COUNT,
    HASH,
    INTEGER,
    NUMBER,
    TEXT,
    answer_object,
    described,
    list_of,
    nullable,
    one_of,
    ref,
)
from blobtorrent.model.status import FileStatus, GoalStatus, MappingStatus, SessionStatus, TorrentStatus

T = TypeVar("T")

RATIO_DIGITS = 4
TORRENT_STATES = ("stopped", "queued", "checking", "metadata", "downloading", "seeding", "moving", "error")

_encode = json.JSONEncoder(separators=(",", ":")).encode


def json_bytes(value: Any) -> bytes:
    """Compact JSON in ASCII."""
    return _encode(value).encode("ascii")


def document(value: Any, status: int = 200) -> Response:
    """The response that has `value` as its body."""
    return Response(status, json_bytes(value))


class Shape(Generic[T]):
    """The members of an object in their order: the schema of each, and how it is read from a `T`.

    Without a reader it is the attribute of the same name.
    """

    def __init__(self, members: Mapping[str, Schema | tuple[Schema, Callable[[T], Any]]]) -> None:
        self.readers: dict[str, Callable[[T], Any]] = {}
        self.schemas: dict[str, Schema] = {}
        for name, member in members.items():
            schema, reader = member if isinstance(member, tuple) else (member, attrgetter(name))
            self.schemas[name], self.readers[name] = schema, reader
        self.schema = answer_object(self.schemas)

    def object_of(self, value: T) -> dict[str, Any]:
        return {name: read(value) for name, read in self.readers.items()}


def whole_seconds(wall: float) -> int | None:
    """A time as it is told; 0 means never."""
    return int(wall) or None


def _error_of(code: str, detail: str) -> dict[str, str] | None:
    return {"code": code, "message": detail} if code else None


def _error(status: TorrentStatus | MappingStatus) -> dict[str, str] | None:
    return _error_of(status.error_code, status.error_detail)


_WHEN = nullable(COUNT)

GOAL: Shape[GoalStatus] = Shape({
    "ratio": nullable(NUMBER),
    "time_s": nullable(NUMBER),
    "idle_s": nullable(NUMBER),
    "action": one_of(tuple(action.value for action in GoalAction)),
})

TORRENT: Shape[TorrentStatus] = Shape({
    "hash": (described(HASH, "Its name here: the v1 info-hash if it has one, else the v2 one."),
             lambda status: status.info_hash.hex),
    "info_hash_v1": (nullable(HASH), lambda status: status.info_hash.v1.hex() or None),
    "info_hash_v2": (nullable(HASH), lambda status: status.info_hash.v2.hex() or None),
    "name": TEXT,
    "state": one_of(TORRENT_STATES),
    "held_by": (described(nullable(TEXT), "What keeps it from moving anything: pause, queue, space, disk, or "
                          "goal, which is that it seeded enough."),
                lambda status: status.held_by or None),
    "error": (nullable(answer_object({"code": TEXT, "message": TEXT})), _error),
    "size_bytes": COUNT,
    "wanted_bytes": COUNT,
    "done_bytes": COUNT,
    "checked_bytes": COUNT,
    "moved_bytes": COUNT,
    "down_bytes_per_s": COUNT,
    "up_bytes_per_s": COUNT,
    "downloaded_bytes": COUNT,
    "uploaded_bytes": COUNT,
    "wasted_bytes": COUNT,
    "spoiled_pieces": described(COUNT, "Pieces that did not match their hashes since it was started."),
    "peers_banned": described(COUNT, "Peers that were proven to have sent what is not the torrent's since then."),
    "ratio": (NUMBER, lambda status: round(status.ratio, RATIO_DIGITS)),
    "eta_s": (nullable(COUNT), lambda status: None if status.eta_s is None else round(status.eta_s)),
    "peers_connected": COUNT,
    "peers_known": COUNT,
    "peers_from": (described({"type": "object", "additionalProperties": answer_object({
        "known": COUNT, "connected": COUNT})}, "The same of each source that told of any, by its name."),
                   lambda status: {row.source: {"known": row.known, "connected": row.connected}
                                   for row in status.peers_from}),
    "seeds_connected": COUNT,
    "availability": (NUMBER, lambda status: round(status.availability, RATIO_DIGITS)),
    "download_dir": TEXT,
    "labels": list_of(TEXT),
    "group": (nullable(TEXT), lambda status: status.group or None),
    "priority": INTEGER,
    "added_at": (_WHEN, lambda status: whole_seconds(status.added_at)),
    "finished_at": (_WHEN, lambda status: whole_seconds(status.finished_at)),
    "active_s": (COUNT, lambda status: int(status.active_s)),
    "seeding_s": (COUNT, lambda status: int(status.seeding_s)),
    "started": (described(BOOLEAN, "Its owner wants it to run."), lambda status: status.is_started),
    "seeding": (described(nullable(ref("Goal")), "Its own goals; null: those of the settings."),
                lambda status: None if status.goal is None else GOAL.object_of(status.goal)),
    "down_limit_bytes_per_s": described(COUNT, "Its own limit; 0: none."),
    "up_limit_bytes_per_s": COUNT,
    "upload_slots": described(nullable(COUNT), "Null: as in the settings."),
    "max_peers": nullable(COUNT),
    "private": (BOOLEAN, lambda status: status.is_private),
    "sequential": (BOOLEAN, lambda status: status.is_sequential),
    "picker": (described(nullable(ANY_OBJECT), "Its own settings of the picker; null: all as in the settings."),
               lambda status: dict(status.picker) if status.picker else None),
    "super_seeding": (described(BOOLEAN, "Whether it shows each peer a few pieces only while it seeds (BEP 16)."),
                      lambda status: status.super_seeding),
})

FILE: Shape[FileStatus] = Shape({
    "number": described(COUNT, "Its place among all files of the torrent."),
    "path": described(list_of(TEXT), "Relative to the download folder."),
    "size_bytes": COUNT,
    "done_bytes": COUNT,
    "priority": described({"type": "integer", "enum": [0, 1, 2]}, "0: not wanted, 2: wanted more."),
    "part_of": (described(nullable(COUNT), "Of a torrent with files in parts (storage.split_size): the place, in the "
                          ".torrent file, of the file that it is or is a part of. Additions count files so."),
                lambda status: status.whole),
})

_ERROR = nullable(answer_object({"code": TEXT, "message": TEXT}))

MAPPING: Shape[MappingStatus] = Shape({
    "transport": one_of(("tcp", "udp")),
    "port": COUNT,
    "state": one_of(("unmapped", "requesting", "mapped", "renewing", "backoff")),
    "way": (described(nullable(one_of(("pcp", "nat-pmp", "upnp"))), "How the router was asked that agreed."),
            lambda status: status.way or None),
    "external_host": (nullable(TEXT), lambda status: status.external_host or None),
    "external_port": (nullable(COUNT), lambda status: status.external_port or None),
    "lease_until": (_WHEN, lambda status: whole_seconds(status.lease_until)),
    "next_try_at": (_WHEN, lambda status: whole_seconds(status.next_try_at)),
    "error": (described(_ERROR, "What the last try ended with."), _error),
})


def _interface(session: SessionStatus) -> dict[str, Any] | None:
    network = session.network
    return {"name": network.interface, "addresses": network.addresses} if network.interface else None


def _proxy(session: SessionStatus) -> dict[str, Any] | None:
    network = session.network
    if not network.proxy:
        return None
    return {
        "url": network.proxy,
        "strict": network.is_strict,
        "error": _error_of(network.proxy_error_code, network.proxy_error_detail),
        "datagrams": network.datagrams,
        "datagrams_error": _error_of(network.datagrams_error_code, network.datagrams_error_detail),
    }


SESSION: Shape[SessionStatus] = Shape({
    "version": (TEXT, lambda _: __version__),
    "state": one_of(("starting", "running", "draining", "stopped")),
    "listen": list_of(TEXT),
    "external": described(list_of(TEXT), "Addresses that others see the daemon at, when enough of them agree."),
    "interface": (described(nullable(answer_object({"name": TEXT, "addresses": list_of(TEXT)})),
                            "What traffic is bound to, as in the settings; without addresses it is gone."), _interface),
    "proxy": (nullable(answer_object({
        "url": TEXT,
        "strict": BOOLEAN,
        "error": described(_ERROR, "Why it carries no connections now."),
        "datagrams": described(one_of(("direct", "relay", "waiting", "none")),
                               "How datagrams go; waiting: by the proxy, when it grants that."),
        "datagrams_error": _ERROR,
    })), _proxy),
    "mappings": (described(list_of(ref("Mapping")), "Ports that the router is asked to pass on."),
                 lambda status: [MAPPING.object_of(mapping) for mapping in status.mappings]),
    "torrents": COUNT,
    "down_bytes_per_s": COUNT,
    "up_bytes_per_s": COUNT,
    "started_at": (_WHEN, lambda status: whole_seconds(status.started_at)),
    "damages": described(list_of(TEXT), "What was found damaged when the state was read."),
    "warnings": described(list_of(TEXT), "What the settings give up of the protection that is usual."),
    "loaded": described(COUNT, "So many of the torrents that there were are known again."),
    "total": described(COUNT, "So many there were."),
    "drained": described(COUNT, "While it drains: so many torrents have left their swarms."),
    "to_drain": described(COUNT, "So many are to."),
    "unique_pieces": described(nullable(COUNT), "When it was drained: pieces that no peer who was connected has."),
})

SHAPES: dict[str, Shape[Any]] = {"Torrent": TORRENT, "Goal": GOAL, "File": FILE, "Session": SESSION, "Mapping": MAPPING}


def as_of(status: TorrentStatus, wall: float) -> TorrentStatus:
    """The snapshot with its seconds counted up to now, `wall` seconds since 1970."""
    if not status.counted_at:
        return status
    return status._replace(
        active_s=status.active_s_at(wall), seeding_s=status.seeding_s_at(wall), counted_at=wall)


def torrent_fields(status: TorrentStatus, wall: float) -> dict[str, Any]:
    """One torrent, at `wall` seconds since 1970."""
    return TORRENT.object_of(as_of(status, wall))
