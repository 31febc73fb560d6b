"""Snapshots as JSON. Numbers are plain, times are seconds since 1970, what is absent is null. Pure."""

from __future__ import annotations

import json
from typing import Any

from blobtorrent import __version__
from blobtorrent.interface.rest.http import Response
from blobtorrent.model.status import FileStatus, SessionStatus, TorrentStatus

RATIO_DIGITS = 4

_encode = json.JSONEncoder(separators=(",", ":")).encode


def json_bytes(value: Any) -> bytes:
    """Compact JSON in ASCII."""
    return _encode(value).encode("ascii")


def document(value: Any, status: int = 200) -> Response:
    """The response that has `value` as its body."""
    return Response(status, json_bytes(value))


def torrent_fields(status: TorrentStatus, wall: float) -> dict[str, Any]:
    """One torrent, at `wall` seconds since 1970."""
    error = {"code": status.error_code, "message": status.error_detail} if status.error_code else None
    return {
        "hash": status.info_hash.hex,
        "info_hash_v1": status.info_hash.v1.hex() or None,
        "info_hash_v2": status.info_hash.v2.hex() or None,
        "name": status.name,
        "state": status.state,
        "held_by": status.held_by or None,
        "error": error,
        "size_bytes": status.size_bytes,
        "wanted_bytes": status.wanted_bytes,
        "done_bytes": status.done_bytes,
        "checked_bytes": status.checked_bytes,
        "moved_bytes": status.moved_bytes,
        "down_bytes_per_s": status.down_bytes_per_s,
        "up_bytes_per_s": status.up_bytes_per_s,
        "downloaded_bytes": status.downloaded_bytes,
        "uploaded_bytes": status.uploaded_bytes,
        "wasted_bytes": status.wasted_bytes,
        "ratio": round(status.ratio, RATIO_DIGITS),
        "eta_s": None if status.eta_s is None else round(status.eta_s),
        "peers_connected": status.peers_connected,
        "peers_known": status.peers_known,
        "seeds_connected": status.seeds_connected,
        "availability": round(status.availability, RATIO_DIGITS),
        "download_dir": status.download_dir,
        "labels": status.labels,
        "group": status.group or None,
        "priority": status.priority,
        "added_at": _time(status.added_at),
        "finished_at": _time(status.finished_at),
        "active_s": int(status.active_s_at(wall)),
        "seeding_s": int(status.seeding_s_at(wall)),
        "private": status.is_private,
        "sequential": status.is_sequential,
    }


def file_fields(status: FileStatus) -> dict[str, Any]:
    """One file of a torrent; `number` is its place among all files of the torrent, `priority` 0, 1 or 2."""
    return {
        "number": status.number,
        "path": status.path,
        "size_bytes": status.size_bytes,
        "done_bytes": status.done_bytes,
        "priority": status.priority,
    }


def session_fields(status: SessionStatus, torrents: int) -> dict[str, Any]:
    """The daemon as a whole."""
    return {
        "version": __version__,
        "state": status.state,
        "listen": status.listen,
        "torrents": torrents,
        "down_bytes_per_s": status.down_bytes_per_s,
        "up_bytes_per_s": status.up_bytes_per_s,
        "started_at": _time(status.started_at),
        "damages": status.damages,
    }


def _time(seconds: float) -> int | None:
    return int(seconds) or None
