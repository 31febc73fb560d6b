"""Losses: pieces that were had and are not there any more: told, forgotten, and fetched again. Owned by `core`."""

from __future__ import annotations

from blobtorrent.core.session.outlets import Outlets
from blobtorrent.core.session.roster import Roster
from blobtorrent.core.session.swarms import SwarmManager
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.core.session.trust import files_of_mask
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.errors import StorageError
from blobtorrent.model.events import DamageFound
from blobtorrent.runtime.logs import get_logger

MOST_NAMES = 3                         # of files, in what is told

log = get_logger(__name__)


class Losses:
    """For torrents whose metainfo is loaded."""

    def __init__(self, roster: Roster, outlets: Outlets, swarms: SwarmManager) -> None:
        self._roster = roster
        self._outlets = outlets
        self._swarms = swarms

    def unsynced(self, torrent: Torrent, mask: int, error: StorageError) -> None:
        """What could not be made durable may be gone from the page cache too: it is not had any more."""
        log.error("written pieces could not be made durable", torrent=torrent.info_hash, code=error.code,
                  detail=error.detail, pieces=(mask & torrent.record.have.mask).bit_count())
        self._forget(torrent, mask)

    def cut(self, torrent: Torrent, mask: int) -> None:
        """These pieces are gone, because somebody else cut files short while they were written."""
        assert torrent.metainfo is not None and torrent.store is not None
        numbers = sorted(files_of_mask(torrent.metainfo, mask))
        where = ", ".join(str(torrent.store.path_of(number)) for number in numbers[:MOST_NAMES])
        count = (mask & torrent.record.have.mask).bit_count()
        log.error("files were cut short while they were written", torrent=torrent.info_hash, files=len(numbers),
                  pieces=count, where=where)
        self._roster.tell(DamageFound(
            "file", where, f"cut short by somebody else while it was written: {count} pieces are lost",
            "they are fetched again"))
        self._forget(torrent, mask)

    def _forget(self, torrent: Torrent, mask: int) -> None:
        if self._outlets.live is not None:
            self._outlets.live.on_lost(torrent.info_hash, Bitfield.from_mask(torrent.record.have.size, mask))
        self._swarms.lose(torrent, mask)
        torrent.set_have(Bitfield.from_mask(torrent.record.have.size, torrent.record.have.mask & ~mask))
        self._roster.publish(torrent)
