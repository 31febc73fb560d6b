"""Loader: from a record to files that are ready, and what must be hashed before they are used. Owned by `core`.

The metainfo is read by the library thread, the files are prepared by the disk's. Only a few torrents are loaded at a
time: ten thousand that begin at once would fill every queue, and the first would wait for the last.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from blobtorrent.core.session.keeping import Keeper
from blobtorrent.core.session.lifecycle import TorrentEvent, TorrentState
from blobtorrent.core.session.metainfos import Metainfos
from blobtorrent.core.session.outlets import Outlets
from blobtorrent.core.session.roster import Roster
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.core.session.trust import Evidence, Sampler, doubtful_pieces, files_of_mask, mask_of_files
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.errors import BlobTorrentError, FileMissing
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.runtime.logs import get_logger
from blobtorrent.storage.jobs import PrepareStore, StorePrepared

if TYPE_CHECKING:
    from blobtorrent.storage.filejobs import FilesFound, FilesStamped

log = get_logger(__name__)

AT_ONCE = 8


class Loader:
    """`on_ready(torrent)` is called when nothing has to be hashed, `on_idle(torrent)` when a job of it has ended."""

    def __init__(self, roster: Roster, outlets: Outlets, metainfos: Metainfos, keeper: Keeper, rng: Sampler, *,
                 on_ready: Callable[[Torrent], None], on_idle: Callable[[Torrent], None]) -> None:
        self._roster = roster
        self._outlets = outlets
        self._metainfos = metainfos
        self._keeper = keeper
        self._rng = rng
        self._on_ready = on_ready
        self._on_idle = on_idle
        self._line: deque[Torrent] = deque()
        self._loading: set[InfoHash] = set()
        roster.at_entry(TorrentState.LOADING, self._begin)
        roster.at_exit(TorrentState.LOADING, self._end)

    def num_ahead_of(self, torrent: Torrent) -> int:
        """How many are loaded before it; 0 when it is being loaded."""
        return self._line.index(torrent) + len(self._loading) if torrent in self._line else 0

    # ---- the way through *loading*

    def _begin(self, torrent: Torrent, _event: TorrentEvent) -> None:
        if len(self._loading) >= AT_ONCE:
            self._line.append(torrent)
        else:
            self._load(torrent)

    def _end(self, torrent: Torrent) -> None:
        """Whatever became of it, its place is free."""
        self._loading.discard(torrent.info_hash)
        if torrent in self._line:
            self._line.remove(torrent)
        while self._line and len(self._loading) < AT_ONCE:
            self._load(self._line.popleft())

    def _load(self, torrent: Torrent) -> None:
        self._loading.add(torrent.info_hash)
        torrent.jobs_in_flight += 1
        self._metainfos.with_metainfo(torrent, lambda error: self._prepare(torrent, error))

    def _prepare(self, torrent: Torrent, error: BlobTorrentError | None) -> None:
        torrent.jobs_in_flight -= 1
        if torrent.state is not TorrentState.LOADING:
            self._on_idle(torrent)
        elif error is not None:
            self._roster.fail(torrent, error)
        elif torrent.record.place.is_incomplete and not torrent.record.is_checked:
            self._look_for_it(torrent)
        else:
            self._prepare_store(torrent)

    def _look_for_it(self, torrent: Torrent) -> None:
        """It is new, and is to lie in the incomplete folder: perhaps it lies where it belongs already."""
        from blobtorrent.storage.filejobs import FindFiles
        from blobtorrent.storage.store import Store

        own = torrent.store
        assert own is not None
        store = Store(torrent.record.place.download_dir, own.metainfo, own.pool, names=own.names)
        torrent.jobs_in_flight += 1
        self._outlets.post_file_job(FindFiles(torrent.info_hash, store, self._outlets.inbox))

    def on_found(self, answer: FilesFound) -> None:
        torrent = self._roster.known(answer.info_hash)
        torrent.jobs_in_flight -= 1
        if torrent.state is not TorrentState.LOADING:
            self._on_idle(torrent)
            return
        if answer.has_data:
            assert torrent.metainfo is not None
            place = torrent.record.place
            torrent.record.place = place._replace(root=place.download_dir, is_incomplete=False)
            self._keeper.save(torrent)
            self._metainfos.provide(torrent, torrent.metainfo)
        self._prepare_store(torrent)

    def _prepare_store(self, torrent: Torrent) -> None:
        assert torrent.store is not None
        torrent.jobs_in_flight += 1
        torrent.store_is_open = True
        made, sized = torrent.files_to_make
        torrent.files_to_make = frozenset(), frozenset()
        self._outlets.disks.post(PrepareStore(
            torrent.info_hash, torrent.store, self._outlets.inbox, torrent.stamps, torrent.record.have,
            torrent.recovered, made, sized))

    def on_prepared(self, answer: StorePrepared) -> None:
        torrent = self._roster.known(answer.info_hash)
        torrent.jobs_in_flight -= 1
        if torrent.state is not TorrentState.LOADING:
            self._on_idle(torrent)
        elif answer.error is not None:
            self._roster.fail(torrent, answer.error)
        else:
            self._weigh(torrent, answer)

    def _weigh(self, torrent: Torrent, answer: StorePrepared) -> None:
        """Decide what of the record is believed."""
        record, metainfo = torrent.record, torrent.metainfo
        assert metainfo is not None
        assert torrent.store is not None
        torrent.partial = dict(answer.partial)
        if record.place.is_unseen:
            if not files_of_mask(metainfo, record.have.mask) <= torrent.stamps.keys():
                record.forget_pieces() # only stamps prove that these are the files it had elsewhere
            record.place = record.place._replace(is_unseen=False)
            self._keeper.save(torrent)
        if torrent.store.mount_point and torrent.store.mount_point != record.place.mount_point:
            record.place = record.place._replace(mount_point=torrent.store.mount_point)
            self._keeper.save(torrent)
        if answer.damaged_blocks:
            log.warning("kept blocks were damaged, their pieces are fetched again", torrent=torrent.info_hash,
                        blocks=answer.damaged_blocks)
        found, torrent.recovered = torrent.recovered, None
        evidence = Evidence(
            is_crash=record.is_suspect,
            log_survived=found is not None and found.is_whole,
            changed=answer.changed,
            missing=answer.missing_files,
        )
        if torrent.skip_check and answer.has_data and self._outlets.files is not None:
            torrent.is_prepared = True
            self._ask_sizes(torrent)
            return
        if torrent.wants_check:
            doubtful = (1 << record.facts.num_pieces) - 1
        elif record.is_checked and len(record.have) and not answer.has_data:
            torrent.set_have(Bitfield.from_mask(record.have.size, record.durable))
            self._roster.fail(torrent, FileMissing(
                "storage.files-gone", f"all files of {record.facts.name} are gone from {record.place.root}: put them "
                "back, or recheck the torrent to download them again"))
            return
        else:
            doubtful = doubtful_pieces(record, metainfo, evidence, self._rng)
        torrent.is_prepared = True
        mark_unsaved(torrent)
        if found is not None:          # soon it is safe elsewhere: every kill leaves a file as large as all our memory
            torrent.rescued = record.unsaved
            self._keeper.save(torrent)
        if doubtful and (answer.has_data or len(record.have)):
            torrent.doubtful = doubtful
            self._roster.fire(torrent, TorrentEvent.FOUND)
            return
        if record.is_suspect or not record.is_checked:
            record.is_checked = True
            torrent.set_have(record.have)
        torrent.wants_check = False
        self._on_ready(torrent)

    # ---- torrents that are believed to be complete

    def _ask_sizes(self, torrent: Torrent) -> None:
        from blobtorrent.storage.filejobs import StampFiles

        assert torrent.store is not None
        torrent.jobs_in_flight += 1
        self._outlets.post_file_job(StampFiles(torrent.info_hash, torrent.store, self._outlets.inbox))

    def on_sized(self, answer: FilesStamped) -> None:
        """A new torrent that is not to be checked: it is complete when all the files that are wanted have their size,
        and so it has what lies in others that do."""
        torrent = self._roster.known(answer.info_hash)
        torrent.jobs_in_flight -= 1
        torrent.skip_check = False
        record, metainfo = torrent.record, torrent.metainfo
        assert metainfo is not None
        if torrent.state is not TorrentState.LOADING:
            self._on_idle(torrent)
        elif answer.error is None and (cut := _cut_files(metainfo, answer)) <= record.wishes.skipped_files:
            torrent.stamps, torrent.stamps_are_new = dict(answer.stamps), True
            whole = (1 << record.have.size) - 1 & ~mask_of_files(metainfo, cut)
            torrent.set_have(Bitfield.from_mask(record.have.size, whole))
            mark_unsaved(torrent)
            record.is_checked, torrent.wants_check = True, False
            self._on_ready(torrent)
        else:
            torrent.doubtful = (1 << record.have.size) - 1
            self._roster.fire(torrent, TorrentEvent.FOUND)


def _cut_files(metainfo: Metainfo, answer: FilesStamped) -> frozenset[int]:
    """Files with bytes that are not there, or have another size."""
    return frozenset(
        number for number, entry in enumerate(metainfo.files)
        if entry.length and not entry.is_pad
        and (number not in answer.stamps or answer.stamps[number].size != entry.length)
    )


def mark_unsaved(torrent: Torrent) -> None:
    """Files with pieces that no row claims are synced before one does, whoever wrote them."""
    assert torrent.metainfo is not None and torrent.store is not None
    if torrent.record.unsaved:
        # A diverted file is not there to be synced: its bytes lie in the part store.
        for number in files_of_mask(torrent.metainfo, torrent.record.unsaved) - torrent.store.diverted:
            torrent.store.durability.mark(number)
