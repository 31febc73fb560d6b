"""Jobs: work that takes longer than a client waits for an answer. It is begun, looked at and fetched by its id.

One thread, `jobs`, does them one after the other: making a torrent reads as fast as the disks go already. Those that
ask, on any thread, put jobs into the book and take them out; the thread alone moves a job on. Nothing outlives the
process.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from blobtorrent.model.errors import BlobTorrentError, BugError, Conflict, NotFound, Unavailable
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.machine import Machine, Table
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.worker import Worker

if TYPE_CHECKING:
    from pathlib import Path

    from blobtorrent.storage.author import Recipe

log = get_logger(__name__)

MAX_JOBS = 64                          # in the book: the oldest that have ended make room
MAX_RESULT_BYTES = 64 << 20            # of all results that are kept


class JobState(Enum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class JobEvent(Enum):
    BEGIN = "begin"
    SUCCEED = "succeed"
    FAIL = "fail"


_S, _E = JobState, JobEvent

JOB = Table(
    {
        _S.WAITING: {_E.BEGIN: _S.RUNNING},
        _S.RUNNING: {_E.SUCCEED: _S.DONE, _E.FAIL: _S.FAILED},
    },
    home=_S.DONE,
    start=_S.WAITING,
    ends=(_S.DONE, _S.FAILED),
)


class Creation(NamedTuple):
    """Make a torrent of what lies at `path`."""

    path: Path
    recipe: Recipe


class Made(NamedTuple):
    """A torrent that was made: its file, and what is in it."""

    data: bytes
    name: str
    info_hash_v1: str                  # hexadecimal digits, empty without one
    info_hash_v2: str
    size_bytes: int
    piece_length: int
    num_pieces: int


class Job:
    """What is known of one job. Times are seconds since 1970, 0 for not yet."""

    def __init__(self, number: int, task: Creation, now: float) -> None:
        self.id = str(number)
        self.task = task
        self.machine = Machine(JOB)
        self.is_cancelled = False      # nobody wants it any more; set by any thread
        self.created_at = now
        self.ended_at = 0.0
        self.done_bytes = 0
        self.total_bytes = 0           # 0 while it is not known
        self.error: BlobTorrentError | None = None
        self.made: Made | None = None

    @property
    def state(self) -> JobState:
        return self.machine.state

    @property
    def has_ended(self) -> bool:
        return self.state in JOB.ends


class _Cancelled(Exception):
    """The job is not wanted any more."""


class JobBook:
    """All jobs. `start` and `stop` belong to one thread, the rest to any."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._jobs: dict[str, Job] = {}
        self._numbers = itertools.count(1)
        self._is_ending = False
        self._worker: Worker[Job] = Worker("jobs", Mailbox("jobs"), self._work)

    def start(self) -> None:
        self._worker.start()

    def stop(self, timeout_s: float) -> bool:
        """Give up what is under way, then end. True when the thread has ended within `timeout_s` seconds."""
        self._is_ending = True
        return self._worker.stop(timeout_s)

    def add(self, task: Creation) -> Job:
        """Have it done. Raises Unavailable ("job.too-many") while too many wait."""
        self._make_room()
        job = Job(next(self._numbers), task, self._now())
        self._jobs[job.id] = job
        self._worker.mailbox.post(job)
        return job

    def all(self) -> list[Job]:
        """The oldest first."""
        return list(self._jobs.values())

    def get(self, name: str) -> Job:
        """Raises NotFound ("job.unknown")."""
        job = self._jobs.get(name)
        if job is None:
            raise NotFound("job.unknown", "there is no such job")
        return job

    def result_of(self, name: str) -> Made:
        """Raises NotFound, or Conflict ("job.not-done", "job.failed")."""
        job = self.get(name)
        if job.error is not None:
            raise Conflict("job.failed", f"{job.error.code}: {job.error.detail}")
        if job.made is None:
            raise Conflict("job.not-done", f"the job is {job.state.value}")
        return job.made

    def drop(self, name: str) -> None:
        """Forget a job; what is under way of it ends soon. Raises NotFound."""
        job = self.get(name)
        job.is_cancelled = True
        self._jobs.pop(job.id, None)

    def _make_room(self) -> None:
        ended = [job for job in self.all() if job.has_ended]
        results = sum(len(job.made.data) for job in ended if job.made is not None)
        for job in ended:
            if len(self._jobs) < MAX_JOBS and results <= MAX_RESULT_BYTES:
                break
            self._jobs.pop(job.id, None)
            results -= 0 if job.made is None else len(job.made.data)
        if len(self._jobs) >= MAX_JOBS:
            raise Unavailable("job.too-many", f"{MAX_JOBS} jobs are waiting already")

    # ---- on the thread jobs

    def _work(self, job: Job) -> None:
        if job.is_cancelled or self._is_ending:
            return
        job.machine.fire(JobEvent.BEGIN)
        log.info("job begins", job=job.id, path=job.task.path)
        try:
            job.made = self._create(job)
        except _Cancelled:
            job.error = Conflict("job.cancelled", "it was cancelled")
        except BlobTorrentError as error:
            job.error = error
        finally:
            if job.made is None and job.error is None:     # on its way to the log
                job.error = BugError("bug.job", "the job failed; the log has the reason")
            job.ended_at = self._now()
            job.machine.fire(JobEvent.SUCCEED if job.error is None else JobEvent.FAIL)
            log.info("job ended", job=job.id, state=job.state.value, code=job.error.code if job.error else "")

    def _create(self, job: Job) -> Made:
        from blobtorrent.protocol.metafile import parse_torrent
        from blobtorrent.storage.author import make_torrent
        from blobtorrent.storage.source import scan

        def on_progress(done: int, total: int) -> None:
            job.done_bytes, job.total_bytes = done, total
            if job.is_cancelled or self._is_ending:
                raise _Cancelled

        source = scan(job.task.path)
        on_progress(0, source.size)
        data = make_torrent(source, job.task.recipe, progress=on_progress)
        metainfo = parse_torrent(data)     # what we cannot read ourselves is not given out
        return Made(
            data, metainfo.name, metainfo.info_hash.v1.hex(), metainfo.info_hash.v2.hex(), metainfo.payload_bytes,
            metainfo.geometry.piece_length, metainfo.geometry.num_pieces)
