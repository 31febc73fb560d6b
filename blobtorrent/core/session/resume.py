"""ResumeManager: decides when what is saved. Owned by `core`; the thread `state` does the writing.

Order is what makes it safe: first the pieces are made durable (SyncStore), then a row claims them, then the log of
written pieces forgets them. Whatever moment a process is killed or the power fails, a row never claims what is not on
disk. All torrents that changed are committed together, at most every few seconds; what a command changed goes at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from blobtorrent.config.schema import StorageSettings
from blobtorrent.core.session import rows
from blobtorrent.core.session.keeping import Then
from blobtorrent.core.session.losses import Losses
from blobtorrent.core.session.outlets import Outlets
from blobtorrent.core.session.roster import Roster
from blobtorrent.core.session.swarms import SwarmManager
from blobtorrent.core.session.syncing import Syncs
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.core.swarm.messages import PeersKept
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.errors import StorageError
from blobtorrent.model.ids import InfoHash
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.timers import TimerWheel
from blobtorrent.storage.stamps import FileStamp
from blobtorrent.storage.state.library import DropTorrent
from blobtorrent.storage.state.statethread import (
    PEERS,
    PROGRESS,
    SESSION,
    STAMPS,
    TORRENT,
    KeepPrevious,
    Row,
    SaveState,
    StateSaved,
    all_rows_of,
    row_key,
)

log = get_logger(__name__)

_SYNC, _PEERS = "sync", "peers"

MAX_UNSAVED_BYTES = 64 << 20           # then it is saved before the interval is over
PATIENCE_S = 2.5                       # a disk that takes longer keeps only its own torrents from being saved
RETRY_S = 5.0                          # after the state file could not be written
PREVIOUS_S = 3600.0


def _interval_of(storage: StorageSettings) -> float:
    return storage.sync_always_after_s if storage.sync == "always" else storage.sync_after_s


class _Commit(NamedTuple):
    """Rows on their way: what they claim, of whom, the stamps that they hold, and who waits for them."""

    claims: dict[InfoHash, int]
    stamps: dict[InfoHash, dict[int, FileStamp]]
    dropped: list[InfoHash]
    then: list[Then]
    puts: list[Row]


class ResumeManager:
    """A Keeper that keeps.

    `on_idle(torrent)` is called when a sync of it has ended, `on_safe(info_hash)` when all that
    a killed process left of it is in rows and in the part store.
    """

    def __init__(
        self,
        roster: Roster,
        outlets: Outlets,
        swarms: SwarmManager,
        losses: Losses,
        *,
        clock: Clock,
        timers: TimerWheel,
        storage: StorageSettings,
        on_idle: Callable[[Torrent], None],
        on_safe: Callable[[InfoHash], None] | None = None,
    ) -> None:
        self._roster = roster
        self._outlets = outlets
        self._swarms = swarms
        self._clock = clock
        self._timers = timers
        self._interval_s = _interval_of(storage)
        self._on_safe = on_safe
        self._dirty: dict[InfoHash, Torrent] = {}          # their progress is to be saved
        self._wishes: dict[InfoHash, Torrent] = {}         # their other row too
        self._rows: list[Row] = []     # made already
        self._dropped: list[InfoHash] = []
        self._after_drop: dict[InfoHash, Callable[[], None]] = {}
        self._then: list[Then] = []
        self.syncs = Syncs(roster, outlets, swarms, losses, on_end=self._on_synced, on_idle=on_idle)
        self._awaited: set[tuple[str, InfoHash]] = set()   # what the commit to come waits for: _SYNC or _PEERS of whom
        self._in_flight: _Commit | None = None
        self._due_at_s: float | None = None
        self._is_patient = False       # syncs were asked for, and the commit waits for them
        self._unsaved_bytes = 0
        self._received: dict[InfoHash, int] = {}

    def apply(self, storage: StorageSettings) -> None:
        """Save as often as these settings say, what waits already, too."""
        self._interval_s = _interval_of(storage)
        if self._due_at_s is not None:
            self._commit_in(self._interval_s)

    @property
    def unsaved_bytes(self) -> int:
        return self._unsaved_bytes

    @property
    def is_quiet(self) -> bool:
        """All is saved."""
        return self.syncs.is_quiet and not (self._has_work or self._in_flight)

    @property
    def _has_work(self) -> bool:
        return bool(self._dirty or self._rows or self._dropped or self._then)

    # ---- what there is to save

    def touch(self, torrent: Torrent) -> None:
        self._dirty[torrent.info_hash] = torrent
        came = torrent.record.lifetime.downloaded_bytes
        self._unsaved_bytes += came - self._received.get(torrent.info_hash, came)
        self._received[torrent.info_hash] = came
        self._commit_in(0.0 if self._unsaved_bytes >= MAX_UNSAVED_BYTES else self._interval_s)

    def save(self, torrent: Torrent, then: Then | None = None, extra: Row | None = None) -> None:
        self._dirty[torrent.info_hash] = self._wishes[torrent.info_hash] = torrent
        if extra is not None:
            self._rows.append(extra)
        if then is not None:
            self._then.append(then)
        self._commit_in(0.0)

    def drop(self, torrent: Torrent) -> None:
        info_hash = torrent.info_hash
        self._dirty.pop(info_hash, None)
        self._wishes.pop(info_hash, None)
        self._received.pop(info_hash, None)
        self._rows = [row for row in self._rows if row.key != row_key(info_hash)]
        self._dropped.append(info_hash)
        self._commit_in(0.0)

    def when_dropped(self, info_hash: InfoHash, then: Callable[[], None]) -> None:
        if info_hash in self._dropped or self._in_flight is not None and info_hash in self._in_flight.dropped:
            self._after_drop[info_hash] = then
        else:
            then()

    def settle(self, torrent: Torrent, then: Callable[[], None]) -> None:
        self.touch(torrent)
        if torrent.record.unsaved:
            self.syncs.begin(torrent, then)
        else:
            then()

    def flush(self) -> None:
        """Save now what would be saved soon."""
        if self._has_work:
            self._commit_in(0.0)

    def on_peers(self, message: PeersKept) -> None:
        torrent = self._roster.get(message.info_hash)
        if torrent is not None:
            torrent.peers = message.peers
            self.put(Row(PEERS, row_key(message.info_hash), rows.peers_body(message.peers)))
        self._on_answer(_PEERS, message.info_hash)

    def put(self, row: Row) -> None:
        """Save this row with the next commit."""
        self._rows.append(row)
        self._commit_in(self._interval_s)

    # ---- the rhythm

    def begin(self) -> None:
        """Look after what is done now and then."""
        self._timers.at(self._clock.now() + PREVIOUS_S, self._keep_previous)

    def _keep_previous(self) -> None:
        assert self._outlets.state is not None
        self._outlets.state.post(KeepPrevious())
        self._timers.at(self._clock.now() + PREVIOUS_S, self._keep_previous)

    def _commit_in(self, seconds: float) -> None:
        at_s = self._clock.now() + seconds
        if self._due_at_s is None or at_s < self._due_at_s:
            self._due_at_s = at_s
            self._timers.at(at_s, self._on_due)

    def _on_due(self) -> None:
        if self._due_at_s is None or self._clock.now() < self._due_at_s or self._in_flight or self._is_patient:
            return                     # an earlier timer was set since; or the one under way ends with another look
        self._due_at_s = None
        if not self._has_work:
            return
        self._unsaved_bytes = 0
        for info_hash, torrent in self._dirty.items():
            if torrent.record.unsaved and torrent.is_prepared:
                self.syncs.begin(torrent)
                self._awaited.add((_SYNC, info_hash))
            if torrent.has_other_peers:
                torrent.saw_peers()
                self._swarms.ask_peers(torrent)
                self._awaited.add((_PEERS, info_hash))
        if self._awaited:
            self._is_patient = True
            self._timers.at(self._clock.now() + PATIENCE_S, self._lose_patience)
        else:
            self._commit()

    def _on_synced(self, torrent: Torrent) -> None:
        self.touch(torrent)
        self._on_answer(_SYNC, torrent.info_hash)

    def _on_answer(self, kind: str, info_hash: InfoHash) -> None:
        """Something that the commit waits for, perhaps, is here."""
        self._awaited.discard((kind, info_hash))
        if self._is_patient and not self._awaited:
            self._commit()

    def _lose_patience(self) -> None:
        if self._is_patient:
            self._awaited.clear()
            self._commit()

    # ---- rows

    def _commit(self) -> None:
        """Post all rows that there are to save."""
        self._is_patient = False
        puts, claims, stamps = self._rows, dict[InfoHash, int](), dict[InfoHash, dict[int, FileStamp]]()
        for info_hash, torrent in self._dirty.items():
            claims[info_hash] = torrent.record.durable
            puts += self._rows_of(torrent)
            if torrent.stamps_are_new:
                stamps[info_hash] = dict(torrent.stamps)
        drops = [name for info_hash in self._dropped for name in all_rows_of(info_hash)]
        commit = _Commit(claims, stamps, self._dropped, self._then, puts)
        self._dirty = {info_hash: torrent for info_hash, torrent in self._dirty.items()
                       if torrent.record.unsaved and torrent.is_prepared}        # pieces came meanwhile
        self._wishes, self._rows, self._dropped, self._then = {}, [], [], []
        if self._dirty:
            self._commit_in(self._interval_s)
        self._in_flight = commit
        assert self._outlets.state is not None
        self._outlets.state.post(SaveState(puts, drops, None, self._outlets.inbox))

    def _rows_of(self, torrent: Torrent) -> list[Row]:
        key, record = row_key(torrent.info_hash), torrent.record
        if not record.is_suspect:      # else what the row of before added last is still to be looked at
            record.recent = record.durable & ~torrent.claimed
        made = [Row(PROGRESS, key, rows.progress_body(record, torrent.running(self._clock.now(), self._clock.wall())))]
        if torrent.info_hash in self._wishes:
            made.append(Row(TORRENT, key, rows.torrent_body(record)))
        if torrent.stamps_are_new:
            made.append(Row(STAMPS, key, rows.stamps_body(torrent.stamps)))
        return made

    def on_saved(self, answer: StateSaved) -> None:
        commit = self._in_flight
        assert commit is not None
        self._in_flight = None
        if answer.error is not None:
            self._retry_later(commit, answer.error)
        else:
            self._end(commit)
        self._on_due()

    def _end(self, commit: _Commit) -> None:
        """All of it is durable."""
        for info_hash, mask in commit.claims.items():
            torrent = self._roster.get(info_hash)
            if torrent is None:
                continue
            torrent.claimed = mask
            if commit.stamps.get(info_hash) == torrent.stamps:
                torrent.stamps_are_new = False             # not before: who loads it now would read the row of before
                if torrent.metainfo is None:
                    torrent.stamps = {}                    # it was unloaded before they were saved
            if self._outlets.live is not None:
                if torrent.swarm_is_open or torrent.record.unsaved:
                    self._outlets.live.on_committed(info_hash, Bitfield.from_mask(torrent.record.have.size, mask))
                else:
                    self._outlets.live.forget(info_hash)
            if torrent.recovered is None and not torrent.rescued & torrent.record.have.mask & ~mask:
                torrent.rescued = 0
                self._tell_safe(info_hash)
        for info_hash in commit.dropped:
            assert self._outlets.library is not None
            self._outlets.library.post(DropTorrent(info_hash))
            if self._outlets.live is not None:
                self._outlets.live.forget(info_hash)
            self._tell_safe(info_hash)
            if info_hash in self._after_drop:
                self._after_drop.pop(info_hash)()
        for then in commit.then:
            then(None)

    def _tell_safe(self, info_hash: InfoHash) -> None:
        if self._on_safe is not None:
            self._on_safe(info_hash)

    def _retry_later(self, commit: _Commit, error: StorageError) -> None:
        """Those who wait hear of it; what was to be saved is saved with the next commit."""
        log.error("the state could not be saved", code=error.code, detail=error.detail)
        for info_hash in commit.claims:
            torrent = self._roster.get(info_hash)
            if torrent is not None:
                self._dirty[info_hash] = self._wishes[info_hash] = torrent
        self._rows = [row for row in commit.puts if row.kind in (SESSION, PEERS)] + self._rows
        self._dropped = commit.dropped + self._dropped
        for then in commit.then:
            then(error)
        self._commit_in(RETRY_S)
