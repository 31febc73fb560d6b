"""Domain events: what happened, at most one per piece. Published on the event bus, ordered per torrent.

Events are hints, not the truth: a slow subscriber loses the oldest and is told by a Gap; it then reads the snapshot.
"""

from __future__ import annotations

from typing import NamedTuple

from blobtorrent.model.ids import InfoHash


class Gap(NamedTuple):
    """`missed` events were dropped here because this subscriber did not take them in time."""

    missed: int


class TorrentAdded(NamedTuple):
    """The torrent is known to the session; nothing was checked yet."""

    info_hash: InfoHash
    name: str


class StateChanged(NamedTuple):
    """`old` and `new` are the states of TorrentStatus."""

    info_hash: InfoHash
    old: str
    new: str


class PieceVerified(NamedTuple):
    """The piece matched its hash and is on disk."""

    info_hash: InfoHash
    piece: int


class TorrentFinished(NamedTuple):
    """Every wanted byte is verified and on disk; `downloaded_bytes` is the payload received for it since the start."""

    info_hash: InfoHash
    downloaded_bytes: int


class TorrentFailed(NamedTuple):
    """The torrent went to *error*; `code` is stable, `detail` is for people."""

    info_hash: InfoHash
    code: str
    detail: str


class TorrentRemoved(NamedTuple):
    """The session has forgotten the torrent."""

    info_hash: InfoHash


# What happened to one torrent; `isinstance(event, TorrentEvent)` tells these from a Gap.
TorrentEvent = TorrentAdded | StateChanged | PieceVerified | TorrentFinished | TorrentFailed | TorrentRemoved
Event = Gap | TorrentEvent
