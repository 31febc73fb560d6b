"""Syncs: makes what torrents wrote durable, so that a row may claim it. Owned by `core`."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from collections.abc import Callable
from typing import NamedTuple

from blobtorrent.core.session.lifecycle import TorrentState
from blobtorrent.core.session.losses import Losses
from blobtorrent.core.session.outlets import Outlets
from blobtorrent.core.session.roster import Roster
from blobtorrent.core.session.swarms import SwarmManager
from blobtorrent.core.session.torrent import HELD_BY_DISK, Torrent
from blobtorrent.core.session.trust import mask_of_files
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.errors import StorageError
from blobtorrent.model.ids import InfoHash
from blobtorrent.runtime.logs import get_logger
from blobtorrent.storage.jobs import StoreSynced, SyncStore
from blobtorrent.storage.stamps import claimed_sizes

MAX_FAILURES = 3

log = get_logger(__name__)


class _Sync(NamedTuple):
    """A torrent whose files are being made durable: the mask of pieces that will be, and who waits for it."""

    mask: int
    then: list[Callable[[], None]]


class Syncs:
    """One at a time of each torrent. `on_end(torrent)` is called after each, `on_idle(torrent)` when those that waited
    for it were called."""

    def __init__(self, roster: Roster, outlets: Outlets, swarms: SwarmManager, losses: Losses, *,
                 on_end: Callable[[Torrent], None], on_idle: Callable[[Torrent], None]) -> None:
        self._roster = roster
        self._outlets = outlets
        self._swarms = swarms
        self._losses = losses
        self._on_end = on_end
        self._on_idle = on_idle
        self._syncs: dict[InfoHash, _Sync] = {}
        self._failures: dict[InfoHash, int] = {}           # in a row
        roster.at_exit(TorrentState.ERROR, _forgive)

    @property
    def is_quiet(self) -> bool:
        """None is under way."""
        return not self._syncs

    def begin(self, torrent: Torrent, then: Callable[[], None] | None = None) -> None:
        """Sync the torrent's open files, unless that is under way; call `then()` when nothing is left to sync."""
        sync = self._syncs.get(torrent.info_hash)
        if sync is None:
            assert torrent.store is not None
            sync = self._syncs[torrent.info_hash] = _Sync(torrent.record.have.mask, [])
            torrent.jobs_in_flight += 1
            self._outlets.disks.post(SyncStore(torrent.info_hash, torrent.store, self._outlets.inbox, sync.mask))
        if then is not None:
            sync.then.append(then)

    def on_synced(self, answer: StoreSynced) -> None:
        torrent = self._roster.known(answer.info_hash)
        sync = self._syncs.pop(answer.info_hash)
        torrent.jobs_in_flight -= 1
        if answer.error is None:
            self._failures.pop(answer.info_hash, None)
            torrent.record.durable |= sync.mask & torrent.record.have.mask
            if answer.stamps:
                torrent.stamps.update(answer.stamps)
                torrent.stamps_are_new = True
            self._look_for_cuts(torrent, sync.mask, answer)
        else:
            # What was written since it began too, also what no report has told us of yet: the system tells of a page
            # that it lost only once.
            assert torrent.metainfo is not None
            unsaved = (1 << torrent.record.facts.num_pieces) - 1 & ~torrent.record.durable
            self._losses.unsynced(
                torrent, unsaved | mask_of_files(torrent.metainfo, answer.gone_files), answer.error)
            self._count_failure(torrent, answer.error)
        self._on_end(torrent)
        if sync.then and torrent.record.unsaved:
            for then in sync.then:
                self.begin(torrent, then)                  # the last pieces came after it had begun
        else:
            for then in sync.then:
                then()
        self._on_idle(torrent)

    def _look_for_cuts(self, torrent: Torrent, written: int, answer: StoreSynced) -> None:
        """A file that ends before the pieces do that were written to it was cut short by somebody else."""
        assert torrent.metainfo is not None
        have, stamps = Bitfield.from_mask(torrent.record.have.size, written), answer.stamps
        claimed = claimed_sizes(torrent.metainfo, have, stamps) if stamps else {}
        short = [number for number, size in claimed.items() if stamps[number].size < size]
        lost = mask_of_files(torrent.metainfo, short) | Bitfield(have.size, answer.lost).mask
        if lost:
            self._losses.cut(torrent, lost)

    def _count_failure(self, torrent: Torrent, error: StorageError) -> None:
        """A disk that keeps nothing is not downloaded onto for ever."""
        failures = self._failures.pop(torrent.info_hash, 0) + 1
        if failures < MAX_FAILURES:
            self._failures[torrent.info_hash] = failures
        elif torrent.state in (TorrentState.DOWNLOADING, TorrentState.SEEDING):
            torrent.held_by = HELD_BY_DISK
            self._swarms.change(torrent)
            self._roster.fail(torrent, StorageError(error.code, (
                f"{error.detail}. The disk has refused {failures} times to keep what was written: check it, then start"
                " the torrent again")))


def _forgive(torrent: Torrent) -> None:
    """It stops: the next start tries the disk again."""
    if torrent.held_by == HELD_BY_DISK:
        torrent.held_by = ""
