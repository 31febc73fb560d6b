"""Admission: who of those that should run may, by the queue's limits. Owned by `core`."""

from __future__ import annotations

from blobtorrent.core.session.lifecycle import TorrentEvent, TorrentState
from blobtorrent.core.session.queueing import Contender, QueueManager, QueuePlace
from blobtorrent.core.session.roster import Roster
from blobtorrent.core.session.torrent import HELD_BY_QUEUE, HELD_BY_SPACE, Torrent
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.timers import TimerWheel

_UNHELD = ""
_NO_CONTENDER = frozenset({
    TorrentState.STOPPED, TorrentState.ERROR, TorrentState.MOVING, TorrentState.CLOSING, TorrentState.REMOVING,
})


class Admission:
    """Takes torrents from *stopped* to *loading*, through *queued* when they have to wait."""

    def __init__(self, roster: Roster, queue: QueueManager, *, clock: Clock, timers: TimerWheel) -> None:
        self._roster = roster
        self._queue = queue
        self._clock = clock
        self._timers = timers
        self._is_due = False
        self._is_over = False
        roster.at_exit(TorrentState.QUEUED, self._leave_queue)

    def apply(self, *, active_downloads: int, active_seeds: int) -> None:
        """Other limits."""
        self._queue.active_downloads, self._queue.active_seeds = active_downloads, active_seeds
        self.look_soon()

    def rest(self) -> None:
        """The session ends: places that become free stay free."""
        self._is_over = True

    def enter(self, torrent: Torrent) -> None:
        """A stopped torrent should run; or only be checked, which needs no place."""
        if not torrent.record.should_run:
            self._start(torrent)
        elif self._queue.is_needed:
            self._hold(torrent, HELD_BY_QUEUE)
            self.look_soon()
        else:
            self._start(torrent)

    def adopt(self, torrent: Torrent) -> None:
        """What a killed process left of a torrent that does not run is made durable: load it, and come back."""
        torrent.is_adopting = torrent.was_adopted = True
        self._start(torrent)

    def release(self) -> None:
        """A torrent needs its place no more, or needs one again."""
        if self._queue.is_needed:
            self.look_soon()

    def look_soon(self) -> None:
        """Decide anew when what is being done now is done."""
        if not self._is_due:
            self._is_due = True
            self._timers.at(self._clock.now(), self._look)

    def _look(self) -> None:
        self._is_due = False
        if self._is_over:
            return
        verdict = self._queue.decide(self._contenders())
        for info_hash in verdict.yield_:
            self._roster.fire(self._roster.known(info_hash), TorrentEvent.STOP)
        for info_hash in verdict.start:
            self._start(self._roster.known(info_hash))
        for torrent in list(self._roster):
            if torrent.state is TorrentState.QUEUED and torrent.must_adopt:
                self.adopt(torrent)

    def place_of(self, torrent: Torrent) -> QueuePlace:
        """Where a queued torrent stands."""
        return self._queue.place_of(torrent.info_hash, self._contenders())

    def _contenders(self) -> list[Contender]:
        full = {place for torrent in self._roster if torrent.held_by == HELD_BY_SPACE for place in _places(torrent)}
        return [
            Contender(
                torrent.info_hash,
                torrent.record.wishes.priority,
                torrent.record.facts.added_at,
                is_seed=torrent.record.is_complete,
                is_running=torrent.state is not TorrentState.QUEUED,
                is_stalled=torrent.is_stalled,
                lacks_room=not (torrent.record.is_complete or full.isdisjoint(_places(torrent))),
                ignores_queue=torrent.record.is_forced,
            )
            for torrent in self._roster
            if torrent.record.should_run and torrent.state not in _NO_CONTENDER and not torrent.is_adopting
        ]

    def _start(self, torrent: Torrent) -> None:
        torrent.held_by = _UNHELD
        self._roster.fire(torrent, TorrentEvent.FETCH if torrent.record.magnet else TorrentEvent.START)

    def _hold(self, torrent: Torrent, reason: str) -> None:
        torrent.held_by = reason
        self._roster.fire(torrent, TorrentEvent.QUEUE)

    def _leave_queue(self, torrent: Torrent) -> None:
        if torrent.held_by == HELD_BY_QUEUE:
            torrent.held_by = _UNHELD


def _places(torrent: Torrent) -> tuple[str, ...]:
    """Those at the same place lie on the same filesystem; as far as that is known before files are open."""
    place = torrent.record.place
    return (str(place.root), place.mount_point) if place.mount_point else (str(place.root),)
