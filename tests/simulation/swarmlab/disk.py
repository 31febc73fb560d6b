"""A disk that serves one job after another, each in a fixed time, and knows which files it has in hand."""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING, Any

from blobtorrent.storage.arena import Arena
from blobtorrent.storage.jobs import SPILLED, FullPiece, HashPieces, PieceVerdicts, ReadSpans, SpansRead, WritePieces
from blobtorrent.storage.pieces import block_digests
from tests.support.simdisk import SimDisk, SimParts
from tests.support.stored import StoredTorrent

if TYPE_CHECKING:
    from tests.simulation.swarmlab.node import LabNode

SERVICE_US = 2_000                     # of one job


class LabStore:
    """The files of one torrent. What is written was verified, so all nodes share one copy of the content."""

    def __init__(self, torrent: StoredTorrent) -> None:
        self.torrent = torrent
        self.content = torrent.content
        self.parts = SimParts()


class LabDisk(SimDisk):
    """`lies` is the share of blocks read that it spoils."""

    def __init__(self, arena: Arena, node: LabNode, rng: random.Random, lies: float = 0.0) -> None:
        super().__init__(arena)
        self._node = node
        self._rng = rng
        self._lies = lies
        self._free_at_us = 0
        self._memory = arena
        self._last_written = -2
        self.write_runs = 0            # writes that do not go on where the last one ended

    def post(self, job: Any) -> None:
        events = self._node.events
        self._free_at_us = max(self._free_at_us, events.now_us) + SERVICE_US
        events.at(self._free_at_us, partial(self._finish, job))

    def _finish(self, job: Any) -> None:
        if not self._node.is_gone:
            self._answer(job)
            self._node.wake()

    def _hash(self, job: HashPieces) -> None:
        """Bytes that are those of the torrent have its hash: comparing is quicker."""
        store: Any = job.store
        good: list[FullPiece] = []
        spoiled: list[FullPiece] = []
        for piece in job.pieces:
            assert SPILLED not in piece.slots, "there is memory enough for all"
            data = b"".join(self._memory.segments(piece.slots, piece.size))
            is_good = data == store.torrent.piece(piece.index)
            if piece.is_doubted or not is_good:
                piece.digests = block_digests([data])
            (good if is_good else spoiled).append(piece)
        if good:
            self.post(WritePieces(job.info_hash, job.store, good, job.reply_to))
        if spoiled:
            self._release(store, spoiled)
            job.reply_to.post(PieceVerdicts(job.info_hash, [], spoiled, []))

    def _write(self, job: WritePieces) -> PieceVerdicts:
        self._release(job.store, job.pieces)  # type: ignore[arg-type]
        for piece in sorted(job.pieces, key=lambda piece: piece.index):
            self.write_runs += piece.index != self._last_written + 1
            self._last_written = piece.index
            self._node.on_written(piece.index)
        return PieceVerdicts(job.info_hash, job.pieces, [], [])

    def _read(self, job: ReadSpans) -> SpansRead:
        answer = super()._read(job)
        if self._lies:
            for span in job.spans:
                for slot in span.slots:
                    if self._rng.random() < self._lies:
                        self._memory.views[slot][self._rng.randrange(min(span.length, 1024))] ^= 0x55
        return answer
