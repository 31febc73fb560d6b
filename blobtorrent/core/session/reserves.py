"""ReserveManager: measures the filesystems that are downloaded to, and holds downloads where there is no room. Owned by
`core`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from blobtorrent.core.session.lifecycle import TorrentState
from blobtorrent.core.session.outlets import Outlets
from blobtorrent.core.session.roster import Roster
from blobtorrent.core.session.spaces import Filesystem, SpaceManager
from blobtorrent.core.session.swarms import SwarmManager
from blobtorrent.core.session.torrent import HELD_BY_SPACE, Torrent
from blobtorrent.model.events import SpaceBack, SpaceLow
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.timers import Timer, TimerWheel

if TYPE_CHECKING:
    from blobtorrent.model.details import FilesystemStatus
    from blobtorrent.storage.filejobs import SpaceMeasured

log = get_logger(__name__)

LOOK_S = 5.0


class ReserveManager:
    """Looks every few seconds, and more often where little is left; but only while something is downloaded or waits
    for room. `on_turn()` is called when downloads need their places in the queue no more, or again."""

    def __init__(self, roster: Roster, outlets: Outlets, swarms: SwarmManager, spaces: SpaceManager, *,
                 clock: Clock, timers: TimerWheel, on_turn: Callable[[], None]) -> None:
        self._roster = roster
        self._outlets = outlets
        self._swarms = swarms
        self._spaces = spaces
        self._clock = clock
        self._timers = timers
        self._on_turn = on_turn
        self._downloads: dict[Torrent, None] = {}
        self._paths: dict[int, Path] = {}
        self._measured: dict[int, tuple[int, float]] = {}  # free bytes, and when
        self._next_look: Timer | None = None
        roster.at_entry(TorrentState.DOWNLOADING, lambda torrent, _: self._begin(torrent))
        roster.at_exit(TorrentState.DOWNLOADING, self._end)

    def apply(self, reserve_bytes: int) -> None:
        self._spaces.reserve_bytes = reserve_bytes

    def rooms(self) -> tuple[FilesystemStatus, ...]:
        """The filesystems that were measured, as they were then."""
        return tuple(map(self._room, self._measured))

    def room_of(self, torrent: Torrent) -> FilesystemStatus | None:
        """That of a torrent whose files are open, if it was measured."""
        store = torrent.store
        return self._room(store.device) if store is not None and store.device in self._measured else None

    def _room(self, device: int) -> FilesystemStatus:
        from blobtorrent.model.details import FilesystemStatus

        free_bytes, at = self._measured[device]
        return FilesystemStatus(
            str(self._paths[device]), free_bytes, self._spaces.reserve_bytes, self._spaces.is_short(device), at)

    def _begin(self, torrent: Torrent) -> None:
        assert torrent.store is not None
        self._downloads[torrent] = None
        if self._spaces.is_short(torrent.store.device):
            self._hold(torrent, HELD_BY_SPACE)
            self._on_turn()
        if self._next_look is None or not self._next_look.is_pending:
            self._look()

    def _end(self, torrent: Torrent) -> None:
        self._downloads.pop(torrent, None)
        if torrent.held_by == HELD_BY_SPACE:
            torrent.held_by = ""

    def _look(self) -> None:
        from blobtorrent.storage.filejobs import MeasureSpace

        places = [Filesystem(torrent.store.device, torrent.store.root)
                  for torrent in self._downloads if torrent.store is not None]
        for place in self._spaces.to_measure(places):
            self._paths[place.device] = place.path
            self._outlets.post_file_job(MeasureSpace(place.device, place.path, self._outlets.inbox))
        if places:
            self._next_look = self._timers.at(self._clock.now() + LOOK_S, self._look)

    def _look_within(self, seconds: float) -> None:
        at_s = self._clock.now() + seconds
        if self._next_look is not None and self._next_look.is_pending and at_s < self._next_look.deadline_s:
            self._next_look.cancel()
            self._next_look = self._timers.at(at_s, self._look)

    def on_measured(self, answer: SpaceMeasured) -> None:
        place = Filesystem(answer.device, self._paths[answer.device])
        free = None if answer.error is not None else answer.free_bytes
        if free is not None:
            self._measured[answer.device] = (free, self._clock.wall())
        is_short = self._spaces.on_measured(place, free)
        if free is not None and not self._spaces.is_short(answer.device):
            self._look_within(self._spaces.safe_s(free))
        if is_short is None:
            return
        if is_short:
            log.warning("little room is left: downloads wait", path=str(place.path), free=answer.free_bytes)
            self._roster.tell(SpaceLow(str(place.path), answer.free_bytes, self._spaces.reserve_bytes))
        else:
            log.info("there is room again: downloads go on", path=str(place.path), free=answer.free_bytes)
            self._roster.tell(SpaceBack(str(place.path), answer.free_bytes))
        for torrent in self._downloads:
            if torrent.store is not None and torrent.store.device == answer.device:
                self._hold(torrent, HELD_BY_SPACE if is_short else "")
        self._on_turn()

    def _hold(self, torrent: Torrent, reason: str) -> None:
        torrent.held_by = reason
        self._swarms.change(torrent)
        self._roster.publish(torrent)
