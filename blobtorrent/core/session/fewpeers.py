"""FewPeers: has trackers asked sooner for torrents that have fewer peers than they are to have. Owned by `core`."""

from __future__ import annotations

from blobtorrent.core.session.announces import AnnounceManager
from blobtorrent.core.session.lifecycle import TorrentState
from blobtorrent.core.session.swarms import SwarmManager
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.timers import TimerWheel

LOOK_S = 60.0                          # trackers are not asked more often than every ten minutes


class FewPeers:
    """A torrent is to have `normal` peers, one that is complete `seed`, or as many as others where that is below 0;
    unless its owner said how many."""

    def __init__(self, swarms: SwarmManager, announces: AnnounceManager, *, normal: int, seed: int, clock: Clock,
                 timers: TimerWheel) -> None:
        self._swarms = swarms
        self._announces = announces
        self._clock = clock
        self._timers = timers
        self.apply(normal, seed)

    def begin(self) -> None:
        self._timers.at(self._clock.now() + LOOK_S, self._look)

    def apply(self, normal: int, seed: int) -> None:
        """Other numbers, from the next look on."""
        self._normal, self._seed = normal, seed

    def _look(self) -> None:
        for torrent in self._swarms.running():
            links = 0 if torrent.report is None else torrent.report.links
            if links < self._least(torrent) and not torrent.record.is_paused:
                self._announces.hasten(torrent.info_hash, links, seeding=torrent.state is TorrentState.SEEDING)
        self.begin()

    def _least(self, torrent: Torrent) -> int:
        """Never more than it may have."""
        least = torrent.record.wishes.min_peers
        if least is None:
            is_other = torrent.state is TorrentState.SEEDING and self._seed >= 0
            least = self._seed if is_other else self._normal
        return min(least, self._swarms.most_peers(torrent))
