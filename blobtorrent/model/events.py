"""Domain events: what happened, at most one per piece. Published on the event bus, ordered per torrent.

Events are hints, not the truth: a slow subscriber loses the oldest and is told by a Gap; it then reads the snapshot.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
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


class HeldChanged(NamedTuple):
    """What keeps the torrent from moving anything is something else now: `held_by` of TorrentStatus."""

    info_hash: InfoHash
    held_by: str


class PieceVerified(NamedTuple):
    """The piece matched its hash and is on disk. Who wants to hear of it finds it out from snapshots: nobody publishes
    what so few want so seldom."""

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


class TorrentChecked(NamedTuple):
    """Pieces were hashed on disk: so many were good, had other bytes, or lacked some."""

    info_hash: InfoHash
    good: int
    bad: int
    missing: int


class TorrentChanged(NamedTuple):
    """Labels, priorities, limits, trackers, names or the goal are others now; the snapshot tells which."""

    info_hash: InfoHash


class TorrentMoved(NamedTuple):
    """All files lie in `download_dir` now."""

    info_hash: InfoHash
    download_dir: str


class TorrentRemoved(NamedTuple):
    """The session has forgotten the torrent, which had these labels. Its snapshot is gone already."""

    info_hash: InfoHash
    name: str
    labels: tuple[str, ...] = ()


class SpaceLow(NamedTuple):
    """Less than the reserve is free where `path` lies: nothing is downloaded there until there is more."""

    path: str
    free_bytes: int
    reserve_bytes: int


class SpaceBack(NamedTuple):
    """There is room again where `path` lies; downloads go on."""

    path: str
    free_bytes: int


class DamageFound(NamedTuple):
    """Something that we keep was damaged or tampered with: what, where, how, and what was done about it."""

    what: str
    where: str
    detail: str
    remedy: str


class SettingsApplied(NamedTuple):
    """The session uses new settings."""


# What happened to one torrent; `isinstance(event, TorrentEvent)` tells these from the others.
TorrentEvent = (
    TorrentAdded | StateChanged | HeldChanged | PieceVerified | TorrentFinished | TorrentFailed | TorrentChecked
    | TorrentChanged | TorrentMoved | TorrentRemoved
)
SessionEvent = SpaceLow | SpaceBack | DamageFound | SettingsApplied
Event = Gap | TorrentEvent | SessionEvent
