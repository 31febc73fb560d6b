"""TrackerManager: the trackers that a torrent's owner wants instead of, or besides, those of its .torrent file, which
stays as it is. Owned by `core`.
"""

from __future__ import annotations

from typing import Any

from blobtorrent.core.session.announces import AnnounceManager
from blobtorrent.core.session.commands import AddTrackers, Reply, SetTrackers, Tiers
from blobtorrent.core.session.keeping import Keeper
from blobtorrent.core.session.metainfos import Metainfos
from blobtorrent.core.session.roster import Roster
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.core.session.torrents import TorrentManager
from blobtorrent.model.errors import BlobTorrentError, Invalid
from blobtorrent.model.events import TorrentChanged
from blobtorrent.model.urls import MAX_TRACKERS, TRACKER_SCHEMES, usable_url


class TrackerManager:
    """Answers when the change is safe; trackers of a running torrent hear of it at once."""

    def __init__(self, roster: Roster, metainfos: Metainfos, announces: AnnounceManager, keeper: Keeper,
                 torrents: TorrentManager) -> None:
        self._roster = roster
        self._metainfos = metainfos
        self._announces = announces
        self._keeper = keeper
        self._torrents = torrents

    def set(self, command: SetTrackers, reply: Reply[Any]) -> Reply[Any]:
        """Raises NotFound, Conflict ("torrent.removing"), or Invalid ("trackers.bad-url", "trackers.too-many")."""
        torrent = self._torrents.present(command)
        self._use(torrent, None if command.tiers is None else checked(command.tiers), reply)
        return reply

    def add(self, command: AddTrackers, reply: Reply[Any]) -> Reply[Any]:
        """Raises what `set` does, or StorageError."""
        torrent = self._torrents.present(command)
        more = checked(command.tiers)
        if torrent.record.magnet:      # its link has them
            self._add(torrent, more, reply, None)
        else:
            self._metainfos.with_metainfo(torrent, lambda error: self._add(torrent, more, reply, error))
        return reply

    def _add(self, torrent: Torrent, more: Tiers, reply: Reply[Any], error: BlobTorrentError | None) -> None:
        if error is not None:
            reply.give(error)
            return
        try:
            tiers = checked(torrent.tiers + more)
        except Invalid as refusal:
            reply.give(refusal)
            return
        self._use(torrent, tiers, reply)

    def _use(self, torrent: Torrent, tiers: Tiers | None, reply: Reply[Any]) -> None:
        torrent.record.wishes = torrent.record.wishes._replace(trackers=tiers)
        self._keeper.save(torrent, reply.give)
        if torrent.has_peers:
            self._announces.change(torrent.info_hash, torrent.tiers)
        self._roster.publish(torrent)
        self._roster.tell(TorrentChanged(torrent.info_hash))


def checked(tiers: Tiers) -> Tiers:
    """The tiers in the form in which a metainfo has them: each URL once, no empty tier.

    Raises Invalid: here somebody chose them, so one that is of no use is not passed over as one in a file is.
    """
    seen: set[str] = set()
    kept = []
    for tier in tiers:
        fresh = [url for url in dict.fromkeys(map(_checked_url, tier)) if url not in seen]
        seen.update(fresh)
        if fresh:
            kept.append(tuple(fresh))
    if len(seen) > MAX_TRACKERS:
        raise Invalid("trackers.too-many", f"{len(seen)} trackers; at most {MAX_TRACKERS} are of use")
    return tuple(kept)


def _checked_url(text: str) -> str:
    try:
        url = usable_url(text.encode(), TRACKER_SCHEMES)
    except UnicodeEncodeError:         # half a character
        url = None
    if url is None:
        schemes = ", ".join(sorted(TRACKER_SCHEMES))
        raise Invalid("trackers.bad-url", f"{text!r} is no URL of a tracker ({schemes}, with a host and a sane port)")
    return url
