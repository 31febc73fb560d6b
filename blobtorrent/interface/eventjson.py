"""Events as JSON: what feeds and hooks tell of them, one rendering for all. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from blobtorrent.model.eventnames import EVENT_NAMES
from blobtorrent.model.events import Event
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.status import TorrentStatus
from blobtorrent.runtime.redact import redact

_encode = json.JSONEncoder(separators=(",", ":")).encode

_NOT_TOLD = ("info_hash", "name", "labels")                # of an event: they are told the same way for all


class Told(NamedTuple):
    """One event as the outside is told of it.

    `number` counts the events of this run from 1; 0 is that of one that nobody keeps. `info_hash` is None for events of
    the whole session. `labels` are those that the torrent had when it happened.
    """

    number: int
    type: str
    info_hash: InfoHash | None
    labels: tuple[str, ...]
    fields: Mapping[str, Any]
    json: bytes


def tell(event: Event, status: TorrentStatus | None, *, number: int, event_id: str | None, wall: float) -> Told:
    """`status` is the latest snapshot of the event's torrent, if there is one; `wall` seconds since 1970.

    The JSON is one line of ASCII: id (absent when nobody keeps the event), type, time, then for the event of a torrent
    hash, name, labels and download_dir (absent when the torrent is gone), then the fields of the event itself. Foreign
    text is escaped as JSON does it, and secrets in explanations are masked.
    """
    kind = EVENT_NAMES[type(event)]
    fields: dict[str, Any] = {} if event_id is None else {"id": event_id}
    fields |= {"type": kind, "time": round(wall, 3)}
    info_hash: InfoHash | None = getattr(event, "info_hash", None)
    labels: tuple[str, ...] = ()
    if info_hash is not None:
        labels = getattr(event, "labels", ()) if status is None else status.labels
        fields |= {"hash": info_hash.hex, "name": _plain("name", getattr(event, "name", "")), "labels": labels}
    if status is not None:
        fields |= {"name": _plain("name", status.name), "download_dir": _plain("download_dir", status.download_dir)}
    for name, value in event._asdict().items():
        if name not in _NOT_TOLD:
            fields[name] = _plain(name, value)
    return Told(number, kind, info_hash, labels, fields, encoded(fields))


def encoded(fields: Mapping[str, Any]) -> bytes:
    """One line of JSON in ASCII."""
    return _encode(fields).encode("ascii")


def _plain(name: str, value: Any) -> Any:
    """Text without what is no character (bytes of a file name that are not UTF-8), explanations without secrets."""
    if not isinstance(value, str):
        return value
    text = value.encode("utf-8", "replace").decode()
    return redact(text) if name == "detail" else text
