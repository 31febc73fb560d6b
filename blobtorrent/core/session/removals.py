"""Removals: deletes the files of a torrent that is removed with them, if they are nobody else's. Owned by `core`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from blobtorrent.core.session.metainfos import Metainfos
from blobtorrent.core.session.outlets import Outlets
from blobtorrent.core.session.roster import Roster
from blobtorrent.core.session.sharing import Sharing, is_guest
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.model.errors import BlobTorrentError
from blobtorrent.runtime.logs import get_logger

if TYPE_CHECKING:
    from blobtorrent.storage.filejobs import DataDeleted

log = get_logger(__name__)


class Removals:
    """`on_end(torrent)` is called when there is nothing more to delete."""

    def __init__(self, roster: Roster, outlets: Outlets, metainfos: Metainfos, sharing: Sharing, *,
                 on_end: Callable[[Torrent], None]) -> None:
        self._roster = roster
        self._outlets = outlets
        self._metainfos = metainfos
        self._sharing = sharing
        self._on_end = on_end

    def delete(self, torrent: Torrent) -> None:
        if is_guest(torrent):
            self._end(torrent)
        else:
            self._sharing.who_shares(torrent, lambda others: self._delete_unless_shared(torrent, others))

    def _delete_unless_shared(self, torrent: Torrent, others: list[Torrent]) -> None:
        if others:
            log.warning("files of a removed torrent are left: others have them too", torrent=torrent.info_hash,
                        others=[other.name for other in others])
            self._end(torrent)
        else:
            self._metainfos.with_metainfo(torrent, lambda error: self._post(torrent, error))

    def _post(self, torrent: Torrent, error: BlobTorrentError | None) -> None:
        from blobtorrent.storage.filejobs import DeleteData

        if torrent.store is None:
            self._conclude(torrent, error)
        else:
            self._outlets.post_file_job(DeleteData(torrent.info_hash, torrent.store, self._outlets.inbox))

    def on_deleted(self, answer: DataDeleted) -> None:
        self._conclude(self._roster.known(answer.info_hash), answer.error)

    def _conclude(self, torrent: Torrent, error: BlobTorrentError | None) -> None:
        if error is not None:
            log.warning("files of a removed torrent are left", torrent=torrent.info_hash, detail=error.detail)
        self._end(torrent)

    def _end(self, torrent: Torrent) -> None:
        torrent.record.removal = ""
        self._on_end(torrent)
