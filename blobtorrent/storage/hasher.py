"""HasherPool: threads `hash-k`, which check pieces from memory and from disk. hashlib gives up the GIL meanwhile."""

from __future__ import annotations

import os
import time
from typing import Protocol

from blobtorrent.model.errors import StorageError
from blobtorrent.runtime.histogram import Histogram
from blobtorrent.runtime.worker import Pool
from blobtorrent.storage.arena import Arena
from blobtorrent.storage.checker import check_pieces
from blobtorrent.storage.disk import DiskPool
from blobtorrent.storage.hashchild import HashChildren
from blobtorrent.storage.jobs import CheckPieces, FullPiece, HashPieces, PiecesChecked, PieceVerdicts, WritePieces
from blobtorrent.storage.pieces import PieceReader, ThreadBuffer, block_digests, slots_of

CHECK_BUFFER_BYTES = 2 << 20           # still in a shared cache when it is hashed; smaller ones cost more calls


class Computing(Protocol):
    """A job that needs nothing but time, and answers by itself."""

    def run(self) -> None: ...


HashJob = HashPieces | CheckPieces | Computing

_BUG = StorageError("storage.bug", "the hashing thread failed; the log has the traceback")


def default_size() -> int:
    return min(4, os.cpu_count() or 1)


class HasherPool:
    """Hashes pieces on `size` threads. What matches goes on to the disk lanes without passing the swarm.

    `piece_times` are of jobs with pieces from memory, `check_times` of those that check what is on disk.
    """

    def __init__(self, arena: Arena, disk: DiskPool, size: int, children: HashChildren | None = None) -> None:
        self._arena = arena
        self._disk = disk
        self._reader = PieceReader(arena)
        self._buffer = ThreadBuffer(CHECK_BUFFER_BYTES)
        self._children = HashChildren(size) if children is None else children
        self._pool: Pool[HashJob] = Pool("hash", size, self._handle)
        self.piece_times, self.check_times = Histogram(), Histogram()

    @property
    def depth(self) -> int:
        """Jobs waiting."""
        return self._pool.mailbox.depth

    def post(self, job: HashJob) -> None:
        self._pool.post(job)

    def start(self) -> None:
        self._pool.start()

    def stop(self, timeout_s: float) -> bool:
        """Finish what was posted, then end. Stop this pool before the disk lanes, to which it posts."""
        deadline_s = time.monotonic() + timeout_s
        have_ended = self._pool.stop(timeout_s)
        return self._children.stop(deadline_s - time.monotonic()) and have_ended

    def _handle(self, job: HashJob) -> None:
        begun_s = time.monotonic()
        if isinstance(job, CheckPieces):
            self._check(job)
            self.check_times.note(time.monotonic() - begun_s)
        elif isinstance(job, HashPieces):
            self._hash(job)
            self.piece_times.note(time.monotonic() - begun_s)
        else:
            job.run()

    def _hash(self, job: HashPieces) -> None:
        matching: list[FullPiece] = []
        spoiled: list[FullPiece] = []
        lost: list[FullPiece] = []
        error: StorageError | None = None
        matches, buffers, parts = job.store.verifier.matches, self._reader.buffers, job.store.parts
        try:
            for piece in job.pieces:
                try:
                    is_good = matches(piece.index, buffers(piece, parts))
                    if piece.is_doubted or not is_good:
                        piece.digests = block_digests(buffers(piece, parts))
                except StorageError as reason:
                    error = reason
                    lost.append(piece)
                else:
                    (matching if is_good else spoiled).append(piece)
        except BaseException:
            self._forget(job, job.pieces)
            job.reply_to.post(PieceVerdicts(job.info_hash, [], [], [], _BUG, job.pieces))
            raise
        if matching:
            self._disk.post(WritePieces(job.info_hash, job.store, matching, job.reply_to))
        if spoiled or lost:
            self._forget(job, spoiled + lost)
            job.reply_to.post(PieceVerdicts(job.info_hash, [], spoiled, [], error, lost))

    def _forget(self, job: HashPieces, pieces: list[FullPiece]) -> None:
        self._arena.release([slot for piece in pieces for slot in slots_of(piece)])
        for piece in pieces:
            job.store.parts.drop(piece.index)

    def _check(self, job: CheckPieces) -> None:
        try:
            found = check_pieces(job.store, job.indices, self._buffer.view, self._children)
        except StorageError as reason:
            job.reply_to.post(PiecesChecked(job.info_hash, job.indices, [], [], [], reason))
        except BaseException:
            job.reply_to.post(PiecesChecked(job.info_hash, job.indices, [], [], [], _BUG))
            raise
        else:
            job.reply_to.post(PiecesChecked(job.info_hash, job.indices, found.good, found.bad, found.missing))
