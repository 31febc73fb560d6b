"""Completions: what seems complete is looked at before anybody is told that it is. Owned by `core`."""

from __future__ import annotations

from blobtorrent.core.session.lifecycle import TorrentEvent, TorrentState
from blobtorrent.core.session.losses import Losses
from blobtorrent.core.session.outlets import Outlets
from blobtorrent.core.session.roster import Roster
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.ids import InfoHash
from blobtorrent.runtime.logs import get_logger
from blobtorrent.storage.jobs import FindLost, LostFound

log = get_logger(__name__)


class Completions:
    """Takes torrents from *downloading* to *seeding*."""

    def __init__(self, roster: Roster, outlets: Outlets, losses: Losses) -> None:
        self._roster = roster
        self._outlets = outlets
        self._losses = losses
        self._under_way: set[InfoHash] = set()

    def begin(self, torrent: Torrent) -> None:
        """Nothing lacks any more, as far as we know."""
        if torrent.info_hash in self._under_way:
            return
        assert torrent.store is not None
        self._under_way.add(torrent.info_hash)
        torrent.jobs_in_flight += 1
        self._outlets.disks.post(
            FindLost(torrent.info_hash, torrent.store, torrent.record.have.mask, self._outlets.inbox))

    def on_lost_found(self, answer: LostFound) -> Torrent:
        """Returns the torrent, of which a job has ended."""
        torrent = self._roster.known(answer.info_hash)
        self._under_way.discard(answer.info_hash)
        torrent.jobs_in_flight -= 1
        if answer.error is not None:
            log.warning("the files could not be looked at", torrent=torrent.info_hash, code=answer.error.code,
                        detail=answer.error.detail)
        if answer.lost:
            self._losses.cut(torrent, Bitfield(torrent.record.have.size, answer.lost).mask)
        elif torrent.state is TorrentState.DOWNLOADING and not torrent.lacking:
            self._roster.fire(torrent, TorrentEvent.FINISH)
        return torrent
