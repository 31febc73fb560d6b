"""Closer: takes what is open of a torrent down, in order: swarm, jobs under way, what is not durable, files. Owned by
`core`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobtorrent.core.session.announces import AnnounceManager
from blobtorrent.core.session.keeping import Keeper
from blobtorrent.core.session.lifecycle import TorrentEvent, TorrentState
from blobtorrent.core.session.loading import mark_unsaved
from blobtorrent.core.session.outlets import Outlets
from blobtorrent.core.session.record import REMOVAL_DELETE
from blobtorrent.core.session.roster import Roster
from blobtorrent.core.session.swarms import SwarmManager
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.core.swarm.messages import SwarmClosed
from blobtorrent.model.errors import StorageError
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.logs import get_logger
from blobtorrent.storage.jobs import CloseStore, StoreClosed

if TYPE_CHECKING:
    from blobtorrent.core.session.loading import Loader
    from blobtorrent.storage.filejobs import DataDeleted

log = get_logger(__name__)

_CLOSING = (TorrentState.CLOSING, TorrentState.REMOVING)


class Closer:
    """Work of the states *closing* and *removing*. `go_on` is called whenever a job of a torrent has ended."""

    def __init__(self, roster: Roster, outlets: Outlets, swarms: SwarmManager, announces: AnnounceManager,
                 keeper: Keeper, clock: Clock) -> None:
        self._roster = roster
        self._outlets = outlets
        self._swarms = swarms
        self._announces = announces
        self._keeper = keeper
        self._clock = clock
        self.loader: Loader | None = None                  # set by who builds both: deleting needs the metainfo
        roster.at_entry(TorrentState.CLOSING, self._close)
        roster.at_entry(TorrentState.REMOVING, self._close)

    def _close(self, torrent: Torrent, _event: TorrentEvent) -> None:
        if torrent.swarm_is_open:
            torrent.jobs_in_flight += 1
            self._announces.end(torrent.info_hash)
            self._swarms.close(torrent)
        self.go_on(torrent)

    def on_swarm_closed(self, answer: SwarmClosed) -> None:
        torrent = self._roster.known(answer.info_hash)
        now = self._clock.now()
        torrent.take_report(answer.report, now)
        torrent.bank_time(now)
        torrent.active_since_s = torrent.seeding_since_s = None
        self._keeper.touch(torrent)
        self._job_ended(torrent)

    def on_store_closed(self, answer: StoreClosed) -> None:
        self._job_ended(self._roster.known(answer.info_hash))

    def on_deleted(self, answer: DataDeleted) -> None:
        torrent = self._roster.known(answer.info_hash)
        if answer.error is not None:
            log.warning("files of a removed torrent are left", torrent=torrent.info_hash, detail=answer.error.detail)
        torrent.record.removal = ""
        self._job_ended(torrent)

    def _job_ended(self, torrent: Torrent) -> None:
        torrent.jobs_in_flight -= 1
        self.go_on(torrent)

    def go_on(self, torrent: Torrent) -> None:
        """Take the next step when the torrent is being closed and nothing of it is under way."""
        if torrent.state not in _CLOSING or torrent.jobs_in_flight:
            return
        if torrent.record.unsaved and torrent.store_is_open and self._outlets.state is not None:
            mark_unsaved(torrent)
            torrent.jobs_in_flight += 1
            self._keeper.settle(torrent, lambda: self._job_ended(torrent))
        elif torrent.store_is_open:
            assert torrent.store is not None
            torrent.store_is_open = False
            torrent.jobs_in_flight += 1
            self._outlets.disks.post(CloseStore(torrent.info_hash, torrent.store, self._outlets.inbox))
        elif torrent.state is TorrentState.REMOVING and torrent.record.removal == REMOVAL_DELETE:
            assert self.loader is not None
            torrent.jobs_in_flight += 1
            self.loader.with_metainfo(torrent, lambda error: self._delete(torrent, error))
        else:
            self._roster.fire(torrent, TorrentEvent.CLOSED)

    def _delete(self, torrent: Torrent, error: StorageError | None) -> None:
        from blobtorrent.storage.filejobs import DataDeleted, DeleteData

        if torrent.store is None:
            self.on_deleted(DataDeleted(torrent.info_hash, error))
        else:
            self._outlets.post_file_job(DeleteData(torrent.info_hash, torrent.store, self._outlets.inbox))
