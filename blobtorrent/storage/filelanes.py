"""FileLanes: threads `files-k`, for work on files that may take hours: moving, renaming, deleting, measuring.

There is one lane for the moves and one for everything else of each filesystem, so that a dead mount stalls only its
own, and a long move nobody.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from blobtorrent.model.errors import BlobTorrentError, StorageError
from blobtorrent.runtime.worker import Pool
from blobtorrent.storage.filejobs import (
    DataDeleted,
    DeleteData,
    FilesFound,
    FilesStamped,
    FindFiles,
    MeasureSpace,
    MoveProgress,
    MoveStore,
    PathsRenamed,
    RenamePaths,
    SpaceMeasured,
    StampFiles,
    StoreMoved,
)
from blobtorrent.storage.naming import Naming
from blobtorrent.storage.relocate import INTERRUPTED, UNFINISHED, Progress, relocate
from blobtorrent.storage.removal import delete_data
from blobtorrent.storage.spaces import measure_space

PROGRESS_S = 1.0

FileJob = MoveStore | RenamePaths | DeleteData | StampFiles | FindFiles | MeasureSpace
FileAnswer = StoreMoved | PathsRenamed | DataDeleted | FilesStamped | FilesFound | SpaceMeasured

_BUG = StorageError("storage.bug", "the thread for files failed; the log has the traceback")
_BUG_ON_THE_WAY = StorageError(UNFINISHED, "moving files failed; the log has the traceback")


class FileLanes:
    """Lanes are made when their first job comes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lanes: dict[tuple[int, bool], Pool[FileJob]] = {}
        self._is_stopping = False

    @property
    def depth(self) -> int:
        """Jobs waiting in all lanes."""
        return sum(lane.mailbox.depth for lane in list(self._lanes.values()))

    def post(self, job: FileJob) -> None:
        """Leave a job with its lane. Never blocks, from any thread."""
        device = job.device if isinstance(job, MeasureSpace) else job.store.device
        key = device, isinstance(job, MoveStore)
        lane = self._lanes.get(key)
        if lane is None:
            fresh: Pool[FileJob] = Pool(f"files-{len(self._lanes)}", 1, self._handle)
            lane = self._lanes.setdefault(key, fresh)          # atomic: two threads may come at once
            if lane is fresh:
                lane.start()
        lane.post(job)

    def stop(self, timeout_s: float) -> bool:
        """Finish what is short, interrupt moves. False when a lane hangs longer than `timeout_s`: it is left behind."""
        self._is_stopping = True
        deadline_s = self._clock() + timeout_s
        hung = [lane for lane in list(self._lanes.values()) if not lane.stop(deadline_s - self._clock())]
        return not hung

    def _handle(self, job: FileJob) -> None:
        try:
            answer = self._answer(job)
        except BaseException:
            job.reply_to.post(_failure(job, _BUG_ON_THE_WAY if isinstance(job, (MoveStore, RenamePaths)) else _BUG))
            raise
        job.reply_to.post(answer)

    def _answer(self, job: FileJob) -> FileAnswer:
        try:
            if isinstance(job, MoveStore):
                stamps = relocate(
                    job.store, job.target, job.store.names, self._watch(job), is_resumed=job.is_resumed)
                return StoreMoved(job.info_hash, stamps)
            if isinstance(job, RenamePaths):
                return self._rename(job)
            if isinstance(job, DeleteData):
                delete_data(job.store)
                return DataDeleted(job.info_hash)
            if isinstance(job, StampFiles):
                return FilesStamped(job.info_hash, job.store.stamps())
            if isinstance(job, FindFiles):
                return FilesFound(job.info_hash, any(stamp.size for stamp in job.store.stamps().values()))
            return SpaceMeasured(job.device, *measure_space(job.path))
        except BlobTorrentError as error:
            return _failure(job, error)

    def _rename(self, job: RenamePaths) -> PathsRenamed:
        store = job.store
        names = (store.names or Naming(store.metainfo.files)).rename(job.old, job.new)
        stamps = relocate(store, store.root, names, self._watch(job), is_resumed=job.is_resumed)
        return PathsRenamed(job.info_hash, names.renames, stamps)

    def _watch(self, job: MoveStore | RenamePaths) -> Progress:
        """Tell the asker how far it is, now and then, and stop when we are told to."""
        told_at_s = self._clock()

        def watch(done_bytes: int, total_bytes: int) -> None:
            nonlocal told_at_s
            if self._is_stopping:
                raise StorageError(INTERRUPTED, "the move goes on when the daemon is started again")
            if not isinstance(job, MoveStore):
                return
            if job.abort is not None and job.abort.is_set:
                raise StorageError("storage.aborted", "the move was given up: all files are where they were")
            now_s = self._clock()
            if now_s - told_at_s >= PROGRESS_S:
                told_at_s = now_s
                job.reply_to.post(MoveProgress(job.info_hash, done_bytes, total_bytes))

        return watch


def _failure(job: FileJob, error: BlobTorrentError) -> FileAnswer:
    if isinstance(job, RenamePaths):
        return PathsRenamed(job.info_hash, {}, {}, error)
    assert isinstance(error, StorageError)
    if isinstance(job, MoveStore):
        return StoreMoved(job.info_hash, {}, error)
    if isinstance(job, DeleteData):
        return DataDeleted(job.info_hash, error)
    if isinstance(job, StampFiles):
        return FilesStamped(job.info_hash, {}, error)
    if isinstance(job, FindFiles):
        return FilesFound(job.info_hash, False, error)
    return SpaceMeasured(job.device, 0, 0, error)
