"""Domain events: what happened, at most one per piece. Published on the event bus, ordered per torrent.

Events are hints, not the truth: a slow subscriber loses the oldest and is told by a Gap; it then reads the snapshot.
"""

from __future__ import annotations

from dataclasses import dataclass

from blobtorrent.model.ids import InfoHash


@dataclass(frozen=True, slots=True)
class Gap:
    """`count` events were dropped here because this subscriber did not take them in time."""

    count: int


@dataclass(frozen=True, slots=True)
class TorrentEvent:
    """Something happened to this torrent."""

    info_hash: InfoHash


@dataclass(frozen=True, slots=True)
class TorrentAdded(TorrentEvent):
    """The torrent is known to the session; nothing was checked yet."""

    name: str


@dataclass(frozen=True, slots=True)
class StateChanged(TorrentEvent):
    """`old` and `new` are the states of TorrentStatus."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class PieceVerified(TorrentEvent):
    """The piece matched its hash and is on disk."""

    index: int


@dataclass(frozen=True, slots=True)
class TorrentFinished(TorrentEvent):
    """Every wanted byte is verified and on disk; `downloaded_bytes` is the payload received for it since the start."""

    downloaded_bytes: int


@dataclass(frozen=True, slots=True)
class TorrentFailed(TorrentEvent):
    """The torrent went to *error*; `code` is stable, `detail` is for people."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class TorrentRemoved(TorrentEvent):
    """The session has forgotten the torrent."""


Event = Gap | TorrentEvent
