"""Metainfos: has a torrent's metainfo read, by the library thread, when somebody needs it. Owned by `core`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from blobtorrent.core.session.outlets import Outlets
from blobtorrent.core.session.roster import Roster
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.model.errors import BlobTorrentError, Conflict, NotFound
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.model.splitting import in_parts

if TYPE_CHECKING:
    from blobtorrent.storage.state.library import TorrentLoaded

WithMetainfo = Callable[[BlobTorrentError | None], None]


class Metainfos:
    """With the metainfo come the torrent's store, the stamps of its files, and its peers."""

    def __init__(self, roster: Roster, outlets: Outlets) -> None:
        self._roster = roster
        self._outlets = outlets
        self._askers: dict[InfoHash, list[WithMetainfo]] = {}

    def with_metainfo(self, torrent: Torrent, then: WithMetainfo) -> None:
        """Call `then(None)` when the torrent's metainfo and store are there, or `then(error)`: that is a StorageError,
        NotFound ("torrent.unknown") when the torrent was removed meanwhile, or Conflict ("torrent.no-metadata")."""
        if torrent.metainfo is not None:
            then(None)
            return
        if torrent.record.magnet:
            then(no_metadata(torrent))
            return
        assert self._outlets.library is not None
        askers = self._askers.setdefault(torrent.info_hash, [])
        askers.append(then)
        if len(askers) == 1:
            from blobtorrent.storage.state.library import LoadTorrent

            self._outlets.library.post(LoadTorrent(torrent.info_hash, self._outlets.inbox))

    def on_loaded(self, answer: TorrentLoaded) -> None:
        torrent = self._roster.get(answer.info_hash)
        askers = self._askers.pop(answer.info_hash, [])
        if torrent is None:
            for then in askers:        # who waits for this one may be about another
                then(NotFound("torrent.unknown", f"torrent {answer.info_hash} was removed meanwhile"))
            return
        if answer.metainfo is not None:
            from blobtorrent.core.session.rows import read_peers, read_stamps

            self.provide(torrent, answer.metainfo)
            if not torrent.stamps_are_new:
                torrent.stamps = read_stamps(answer.stamps)
            torrent.peers = read_peers(answer.peers)
        for then in askers:
            then(answer.error)
        if torrent.is_idle:
            torrent.unload()           # it was read for those who asked only

    def provide(self, torrent: Torrent, metainfo: Metainfo) -> None:
        """The torrent's metainfo is here: make its store.

        A torrent goes by the digests that its link had, even if its metadata has another one too.
        """
        if metainfo.info_hash != torrent.info_hash:
            metainfo = metainfo._replace(info_hash=torrent.info_hash)
        torrent.metainfo = metainfo = in_parts(metainfo, torrent.record.place.split)
        torrent.store = self._outlets.open_store(metainfo, torrent.record)
        torrent.follow_wishes()


def no_metadata(torrent: Torrent) -> Conflict:
    """Why something cannot be done with a torrent that is no more than a link yet, or little more."""
    lacking = f"what is in {torrent.name} is not known yet: no peer has told so far"
    if torrent.lacks_layers is not None:
        lacking = f"{torrent.name} lacks the hashes of its pieces: no peer has given all of them so far"
    return Conflict("torrent.no-metadata", f"{lacking}. Wait, or add peers or trackers to it")
