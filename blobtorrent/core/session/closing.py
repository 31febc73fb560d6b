"""Closer: takes what is open of a torrent down, in order: swarm, jobs under way, what is not durable, files. Owned by
`core`.
"""

from __future__ import annotations

from collections.abc import Callable

from blobtorrent.core.session.announces import AnnounceManager
from blobtorrent.core.session.keeping import Keeper
from blobtorrent.core.session.lifecycle import TorrentEvent, TorrentState
from blobtorrent.core.session.outlets import Outlets
from blobtorrent.core.session.record import REMOVAL_DELETE
from blobtorrent.core.session.roster import Roster
from blobtorrent.core.session.swarms import SwarmManager
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.core.swarm.messages import SwarmClosed
from blobtorrent.runtime.clock import Clock
from blobtorrent.storage.jobs import CloseStore, StoreClosed

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
        self.delete_data: Callable[[Torrent], None] = self.job_ended   # set by who builds what can
        roster.at_entry(TorrentState.CLOSING, self._close)
        roster.at_entry(TorrentState.REMOVING, self._close)

    def _close(self, torrent: Torrent, _event: TorrentEvent) -> None:
        if torrent.swarm_is_open:
            torrent.jobs_in_flight += 1
            self._swarms.close(torrent)
            self._announces.end(torrent.info_hash)
        self.go_on(torrent)

    def on_swarm_closed(self, answer: SwarmClosed) -> None:
        torrent = self._roster.known(answer.info_hash)
        now = self._clock.now()
        torrent.take_report(answer.report, now)
        torrent.stop_clock(now)
        # What came while it was being closed is told at the next start; what others bring until then is no download.
        torrent.record.owes_finish &= torrent.record.is_complete
        self._keeper.touch(torrent)
        self.job_ended(torrent)

    def on_store_closed(self, answer: StoreClosed) -> None:
        self.job_ended(self._roster.known(answer.info_hash))

    def job_ended(self, torrent: Torrent) -> None:
        """One that `jobs_in_flight` counts."""
        torrent.jobs_in_flight -= 1
        self.go_on(torrent)

    def go_on(self, torrent: Torrent) -> None:
        """Take the next step when the torrent is being closed and nothing of it is under way."""
        if torrent.state not in _CLOSING or torrent.jobs_in_flight:
            return
        if torrent.record.unsaved and torrent.is_prepared and self._outlets.state is not None:
            torrent.jobs_in_flight += 1
            self._keeper.settle(torrent, lambda: self.job_ended(torrent))
        elif torrent.store_is_open:
            assert torrent.store is not None
            torrent.store_is_open = torrent.is_prepared = False
            torrent.jobs_in_flight += 1
            self._outlets.disks.post(CloseStore(torrent.info_hash, torrent.store, self._outlets.inbox))
        elif torrent.state is TorrentState.REMOVING and torrent.record.removal == REMOVAL_DELETE:
            torrent.jobs_in_flight += 1
            self.delete_data(torrent)
        else:
            self._roster.fire(torrent, TorrentEvent.CLOSED)
