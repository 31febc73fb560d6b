"""DiskPool: threads `disk-L-k`, a lane L for each filesystem, so that a disk that hangs stalls only what lives on it.

Whatever happens to a job, it is answered once: the operating system's errors travel in the answer, and even after a
mistake of ours the asker hears of it before the thread logs the traceback.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from blobtorrent.model.errors import StorageError
from blobtorrent.model.ids import InfoHash
from blobtorrent.runtime.histogram import Histogram
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.worker import Pool
from blobtorrent.storage.arena import SLOT_SIZE, Arena
from blobtorrent.storage.copier import Copier, CopyFile
from blobtorrent.storage.holes import lost_in_the_end, lost_pieces
from blobtorrent.storage.jobs import (
    SPILLED,
    BlocksKept,
    BlocksSpilled,
    CloseStore,
    FindLost,
    FullPiece,
    KeepBlocks,
    LostFound,
    PieceVerdicts,
    PrepareStore,
    ReadSpans,
    Span,
    SpansRead,
    SpillBlocks,
    StoreClosed,
    StorePrepared,
    StoreSynced,
    SyncStore,
    WritePieces,
)
from blobtorrent.storage.pieces import PieceReader, slots_of
from blobtorrent.storage.preparing import make_files
from blobtorrent.storage.repair import FileShared
from blobtorrent.storage.store import Store

if TYPE_CHECKING:
    from blobtorrent.storage.filejobs import FilesSkipped, SkipFiles
    from blobtorrent.storage.live.livefile import LiveFile

DiskJob: TypeAlias = (
    "WritePieces | ReadSpans | SpillBlocks | KeepBlocks | _SyncKept | SyncStore | _SyncFailed | FindLost | SkipFiles"
    " | PrepareStore | CloseStore"
)
DiskAnswer: TypeAlias = (
    "PieceVerdicts | SpansRead | BlocksSpilled | BlocksKept | StoreSynced | LostFound | FilesSkipped | StorePrepared"
    " | StoreClosed"
)

log = get_logger(__name__)

_BUG = StorageError("storage.bug", "the disk thread failed; the log has the traceback")


class _SyncKept(NamedTuple):
    """The second half of KeepBlocks: what was saved is made durable."""

    info_hash: InfoHash
    store: Store
    reply_to: Mailbox[Any]
    token: Any


class _SyncFailed(NamedTuple):
    """The second half of a SyncStore that failed: whoever hears of it has heard of all that was written before."""

    info_hash: InfoHash
    store: Store
    reply_to: Mailbox[Any]
    answer: StoreSynced


class _Lane:
    """The threads of one filesystem: one writes, one syncs, the others read; one copies, if that is ever needed.

    More than one writer gains nothing: writes to one file exclude each other in the kernel, and the loser of that
    contest spins (measured: two writers of one file took 5.9 CPU s/GiB, one takes 0.7). And reads for uploads never
    queue behind writes, and neither of them behind a sync, which may wait for a slow disk for minutes.
    """

    def __init__(self, name: str, readers: int, handle: Callable[[DiskJob], None]) -> None:
        self._writer: Pool[DiskJob] = Pool(f"{name}-w", 1, handle)
        self._readers: Pool[DiskJob] = Pool(f"{name}-r", readers, handle)
        self._syncer: Pool[DiskJob] = Pool(f"{name}-s", 1, handle)
        self.copier = Copier(f"{name}-c", handle)
        self._pools = (self._readers, self._writer, self._syncer)

    def start(self) -> None:
        for pool in self._pools:
            pool.start()

    def post(self, job: DiskJob) -> None:
        if isinstance(job, (ReadSpans, FindLost)):
            self._readers.post(job)
        elif isinstance(job, (SyncStore, _SyncKept)):
            self._syncer.post(job)
        else:
            self._writer.post(job)

    @property
    def depth(self) -> int:
        return self.copier.depth + sum(pool.mailbox.depth for pool in self._pools)

    def stop(self, timeout_s: float) -> bool:
        """In this order: what the writer did last may have to be synced."""
        hung = [threads for threads in (*self._pools, self.copier) if not threads.stop(timeout_s)]
        return not hung


class DiskPool:
    """Lanes of one writer and `threads_per_device - 1` readers each, made when the first job for a device comes.

    With `live`, written pieces are on record there before their memory is used again: whenever we are killed, a piece
    is in the memory that outlives us or known to be in the files. `write_times` and `read_times` are of runs of pieces
    and of spans, also of those that failed.
    """

    def __init__(self, arena: Arena, threads_per_device: int = 3, live: LiveFile | None = None) -> None:
        self._arena = arena
        self._live = live
        self._num_readers = max(1, threads_per_device - 1)
        self._reader = PieceReader(arena)
        self._lanes: dict[int, _Lane] = {}
        self.write_times, self.read_times = Histogram(), Histogram()

    @property
    def depth(self) -> int:
        """Jobs waiting in all lanes."""
        return sum(lane.depth for lane in list(self._lanes.values()))

    def post(self, job: DiskJob) -> None:
        """Leave a job with the lane of its store's device. Never blocks, from any thread."""
        device = job.store.device
        lane = self._lanes.get(device)
        if lane is None:
            fresh = _Lane(f"disk-{len(self._lanes)}", self._num_readers, self._handle)
            lane = self._lanes.setdefault(device, fresh)      # atomic: two threads may come at once
            if lane is fresh:
                lane.start()
        lane.post(job)

    def stop(self, timeout_s: float) -> bool:
        """Finish what was posted, then end. False when a lane hangs longer than `timeout_s`: it is left behind."""
        hung = [lane for lane in list(self._lanes.values()) if not lane.stop(timeout_s)]
        return not hung

    def _handle(self, job: DiskJob) -> None:
        try:
            answer = self._answer(job)
        except BaseException:
            job.reply_to.post(_failure(job))
            raise
        if answer is not None:
            job.reply_to.post(answer)

    def _answer(self, job: DiskJob) -> DiskAnswer | None:
        """None when another thread of the lane goes on with the job."""
        if isinstance(job, WritePieces):
            return self._write(job)
        if isinstance(job, ReadSpans):
            return self._read(job)
        if isinstance(job, SpillBlocks):
            return self._spill(job)
        if isinstance(job, KeepBlocks):
            return self._keep(job)
        if isinstance(job, _SyncKept):
            return _sync_kept(job)
        if isinstance(job, SyncStore):
            return self._sync(job)
        if isinstance(job, _SyncFailed):
            return job.answer
        if isinstance(job, FindLost):
            return _find_lost(job)
        if isinstance(job, PrepareStore):
            return self._prepare(job)
        if isinstance(job, CloseStore):
            return self._close(job)
        return _skip(job)

    # ---- writing

    def _write(self, job: WritePieces) -> PieceVerdicts:
        written: list[FullPiece] = []
        unwritten: list[FullPiece] = []
        error: StorageError | None = None
        for run in _runs(job.store, job.pieces):
            begun_s = time.monotonic()
            try:
                self._write_run(job.store, run)
            except StorageError as reason:
                error = reason
                unwritten += run
                if isinstance(reason, FileShared) and job.store.copies.begin(reason.number):
                    self._lanes[job.store.device].copier.post(CopyFile(job.store, reason.number))
            else:
                written += run
            self.write_times.note(time.monotonic() - begun_s)
        if self._live is not None and written:
            self._live.note_written(job.info_hash, [piece.index for piece in written])
        self._arena.release([slot for piece in written for slot in slots_of(piece)])
        for piece in written:
            job.store.parts.drop(piece.index)
        with suppress(StorageError):   # room that does not come free is no reason to doubt what was written
            job.store.parts.tidy()
        return PieceVerdicts(job.info_hash, written, [], unwritten, error)

    def _write_run(self, store: Store, run: list[FullPiece]) -> None:
        """Write pieces that follow each other. A piece with spilled blocks is always alone."""
        offset = store.geometry.piece_offset(run[0].index)
        if SPILLED in run[0].slots:
            for buffer in self._reader.buffers(run[0], store.parts):
                store.write(offset, [buffer])
                offset += len(buffer)
            return
        slots = [slot for piece in run for slot in piece.slots]
        store.write(offset, self._arena.segments(slots, sum([piece.size for piece in run])))

    # ---- the other jobs

    def _read(self, job: ReadSpans) -> SpansRead:
        done: list[Span] = []
        failed: list[Span] = []
        error: StorageError | None = None
        for span in job.spans:
            offset = job.store.geometry.piece_offset(span.index) + span.begin
            begun_s = time.monotonic()
            try:
                if span.announced_bytes:               # before the read, which may wait for the same disk
                    with suppress(StorageError):       # that is a matter of whoever asks for those bytes
                        job.store.announce(offset + span.length, span.announced_bytes)
                job.store.read(offset, self._arena.segments(span.slots, span.length))
            except StorageError as reason:
                error = reason
                failed.append(span)
            else:
                done.append(span)
            self.read_times.note(time.monotonic() - begun_s)
        return SpansRead(job.info_hash, done, failed, error)

    def _spill(self, job: SpillBlocks) -> BlocksSpilled:
        error: StorageError | None = None
        try:
            views = self._arena.views
            job.store.parts.save(job.index, [(block, views[slot]) for block, slot in job.blocks])
            self._arena.release([slot for _, slot in job.blocks])
        except StorageError as reason:
            error = reason
        return BlocksSpilled(job.info_hash, job.index, job.blocks, job.token, error)

    def _keep(self, job: KeepBlocks) -> BlocksKept | None:
        views = self._arena.views
        try:
            for index, blocks in job.pieces:
                job.store.parts.save(index, [(block, views[slot]) for block, slot in blocks])
        except StorageError as reason:
            return BlocksKept(job.info_hash, job.token, reason)
        self.post(_SyncKept(job.info_hash, job.store, job.reply_to, job.token))
        return None

    def _sync(self, job: SyncStore) -> StoreSynced | None:
        try:
            return StoreSynced(job.info_hash, job.store.sync(), lost=lost_pieces(job.store, job.have))
        except StorageError as reason:
            answer = StoreSynced(job.info_hash, {}, reason, job.store.durability.take_gone())
        self.post(_SyncFailed(job.info_hash, job.store, job.reply_to, answer))
        return None

    def _prepare(self, job: PrepareStore) -> StorePrepared:
        try:
            files = job.store.compare(job.stamps)
            has_data = job.store.prepare()
            missing = [*files.missing, *job.store.lacking_files(job.have)]
            if job.have:               # pieces that came after the last stamp tell how long a file was at least
                known = job.stamps.keys() - files.changed
                missing += job.store.short_files(job.have, known)
            if job.made or job.sized:  # only now: what is made would hide what is missing
                make_files(job.store, job.made, job.sized)
        except StorageError as reason:
            return StorePrepared(job.info_hash, False, reason)
        try:
            _collect_parts(job)
        except StorageError as reason:
            log.warning("unfinished pieces are lost", torrent=job.info_hash, code=reason.code, detail=reason.detail)
        parts, neighbours = job.store.parts, job.store.neighbours
        damaged = parts.damaged_blocks + (neighbours.damaged_blocks if neighbours is not None else 0)
        partial = {index: tuple(blocks) for index, blocks in parts.held().items()}
        return StorePrepared(job.info_hash, has_data, None, partial, files.changed, missing, damaged)

    def _close(self, job: CloseStore) -> StoreClosed | None:
        copies = job.store.copies
        if not copies.is_idle:
            copies.is_given_up = True
            self._lanes[job.store.device].copier.post(job)         # comes back when the copying has ended
            return None
        copies.is_given_up = False
        job.store.close()
        return StoreClosed(job.info_hash)


def _sync_kept(job: _SyncKept) -> BlocksKept:
    try:
        job.store.parts.sync()
    except StorageError as reason:
        return BlocksKept(job.info_hash, job.token, reason)
    return BlocksKept(job.info_hash, job.token)


def _find_lost(job: FindLost) -> LostFound:
    try:
        return LostFound(job.info_hash, lost_in_the_end(job.store, job.have))
    except StorageError as reason:
        return LostFound(job.info_hash, (), reason)


def _collect_parts(job: PrepareStore) -> None:
    """Bring together what is left of pieces that are not had: in the part store, and in memory that outlived us."""
    parts = job.store.parts
    for index in parts.load_existing():
        if index in job.have:
            parts.drop(index)
    if job.recovered is not None:
        parts.adopt(job.recovered.wanted_blocks(job.store.geometry, job.have))
    parts.tidy()


def _skip(job: SkipFiles) -> FilesSkipped:
    # Here, because one download in the foreground wants all of its files and starts sooner without.
    from blobtorrent.storage.filejobs import FilesSkipped
    from blobtorrent.storage.preparing import skip

    try:
        skip(job.store, job.skipped)
    except StorageError as reason:
        return FilesSkipped(job.info_hash, reason)
    return FilesSkipped(job.info_hash)


def _failure(job: DiskJob) -> DiskAnswer:
    """The answer when a mistake of ours ended the job."""
    if isinstance(job, WritePieces):
        return PieceVerdicts(job.info_hash, [], [], job.pieces, _BUG)
    if isinstance(job, ReadSpans):
        return SpansRead(job.info_hash, [], job.spans, _BUG)
    if isinstance(job, SpillBlocks):
        return BlocksSpilled(job.info_hash, job.index, job.blocks, job.token, _BUG)
    if isinstance(job, (KeepBlocks, _SyncKept)):
        return BlocksKept(job.info_hash, job.token, _BUG)
    if isinstance(job, SyncStore):
        return StoreSynced(job.info_hash, {}, _BUG)
    if isinstance(job, FindLost):
        return LostFound(job.info_hash, (), _BUG)
    if isinstance(job, PrepareStore):
        return StorePrepared(job.info_hash, False, _BUG)
    if isinstance(job, CloseStore):
        return StoreClosed(job.info_hash)
    from blobtorrent.storage.filejobs import FilesSkipped

    return FilesSkipped(job.info_hash, _BUG)


def _runs(store: Store, pieces: list[FullPiece]) -> Iterator[list[FullPiece]]:
    """Group pieces that one call can write: neighbours, of whole slots except at the end, all of it in memory."""
    run: list[FullPiece] = []
    for piece in sorted(pieces, key=lambda piece: piece.index):
        if run and not _follows(store, run[-1], piece):
            yield run
            run = []
        run.append(piece)
    if run:
        yield run


def _follows(store: Store, before: FullPiece, piece: FullPiece) -> bool:
    return (
        piece.index == before.index + 1
        and before.size == store.geometry.piece_length
        and before.size % SLOT_SIZE == 0
        and SPILLED not in piece.slots
        and SPILLED not in before.slots
    )
