"""Hasher, disk and part store in memory. Jobs run when the simulation says so, late or in vain if it wants."""

from __future__ import annotations

from hashlib import sha1
from typing import Any

from blobtorrent.model.errors import StorageError
from blobtorrent.storage.arena import SLOT_SIZE, Arena
from blobtorrent.storage.computing import Compute
from blobtorrent.storage.jobs import (
    SPILLED,
    BlocksKept,
    BlocksSpilled,
    FullPiece,
    HashPieces,
    KeepBlocks,
    PieceVerdicts,
    ReadSpans,
    SpansRead,
    SpillBlocks,
    WritePieces,
)
from blobtorrent.storage.pieces import block_digests
from tests.support.stored import StoredTorrent

REFUSED = StorageError("storage.disk-full", "the simulated disk refuses")


class SimParts:
    """The part store of one torrent."""

    def __init__(self) -> None:
        self.blocks: dict[int, dict[int, bytes]] = {}

    def drop(self, index: int) -> None:
        self.blocks.pop(index, None)

    def drop_block(self, index: int, block: int) -> None:
        self.blocks.get(index, {}).pop(block, None)


class SimStore:
    """The files of one torrent."""

    def __init__(self, torrent: StoredTorrent, have: bool) -> None:
        self.torrent = torrent
        self.content = bytearray(torrent.content) if have else bytearray(len(torrent.content))
        self.parts = SimParts()


class SimDisk:
    """Runs every job `delay_s` after it was posted. `refuses_*` make the work fail from now on."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._jobs: list[tuple[float, Any]] = []
        self.now = 0.0
        self.delay_s = 0.0
        self.refuses_writes = False
        self.refuses_reads = False
        self.refuses_spills = False
        self.loses_parts = False
        self.spills = 0
        self.keeps = 0
        self.writes = 0

    def post(self, job: Any) -> None:
        self._jobs.append((self.now + self.delay_s, job))

    @property
    def reading(self) -> list[ReadSpans]:
        return [job for _, job in self._jobs if isinstance(job, ReadSpans)]

    def run(self, now: float) -> None:
        """Do what is due and post the answers."""
        self.now = now
        due = [job for at, job in self._jobs if at <= now]
        self._jobs = [(at, job) for at, job in self._jobs if at > now]
        for job in due:
            self._answer(job)

    def _answer(self, job: Any) -> None:
        if isinstance(job, HashPieces):
            self._hash(job)
        elif isinstance(job, WritePieces):
            job.reply_to.post(self._write(job))
        elif isinstance(job, ReadSpans):
            job.reply_to.post(self._read(job))
        elif isinstance(job, KeepBlocks):
            job.reply_to.post(self._keep(job))
        elif isinstance(job, Compute):
            job.run()
        else:
            assert isinstance(job, SpillBlocks)
            job.reply_to.post(self._spill(job))

    def _bytes_of(self, store: SimStore, piece: FullPiece) -> bytes:
        parts = store.parts.blocks.get(piece.index, {})
        blocks = [parts[block] if slot == SPILLED else bytes(self._arena.views[slot])
                  for block, slot in enumerate(piece.slots)]
        return b"".join(blocks)[:piece.size]

    def _release(self, store: SimStore, pieces: list[FullPiece]) -> None:
        for piece in pieces:
            self._arena.release([slot for slot in piece.slots if slot != SPILLED])
            store.parts.drop(piece.index)

    def _hash(self, job: HashPieces) -> None:
        store: Any = job.store
        hashes = store.torrent.metainfo.piece_hashes_v1
        good: list[FullPiece] = []
        spoiled: list[FullPiece] = []
        lost: list[FullPiece] = []
        for piece in job.pieces:
            if SPILLED in piece.slots and self.loses_parts:
                lost.append(piece)
            else:
                data = self._bytes_of(store, piece)
                is_good = sha1(data).digest() == hashes[20 * piece.index:20 * piece.index + 20]
                if piece.is_doubted or not is_good:
                    piece.digests = block_digests([data])
                (good if is_good else spoiled).append(piece)
        if good:
            self.post(WritePieces(job.info_hash, job.store, good, job.reply_to))
        if spoiled or lost:
            self._release(store, spoiled + lost)
            job.reply_to.post(PieceVerdicts(job.info_hash, [], spoiled, [], REFUSED if lost else None, lost))

    def _write(self, job: WritePieces) -> PieceVerdicts:
        if self.refuses_writes:
            return PieceVerdicts(job.info_hash, [], [], job.pieces, REFUSED)
        store: Any = job.store
        for piece in job.pieces:
            offset = store.torrent.geometry.piece_offset(piece.index)
            store.content[offset:offset + piece.size] = self._bytes_of(store, piece)
            self.writes += 1
        self._release(store, job.pieces)
        return PieceVerdicts(job.info_hash, job.pieces, [], [])

    def _read(self, job: ReadSpans) -> SpansRead:
        if self.refuses_reads:
            return SpansRead(job.info_hash, [], job.spans, REFUSED)
        store: Any = job.store
        for span in job.spans:
            offset = store.torrent.geometry.piece_offset(span.index) + span.begin
            data = store.content[offset:offset + span.length]
            for at, slot in zip(range(0, span.length, SLOT_SIZE), span.slots, strict=True):
                part = data[at:at + SLOT_SIZE]
                self._arena.views[slot][:len(part)] = part
        return SpansRead(job.info_hash, job.spans, [])

    def _spill(self, job: SpillBlocks) -> BlocksSpilled:
        if self.refuses_spills:
            return BlocksSpilled(job.info_hash, job.index, job.blocks, job.token, REFUSED)
        self._save(job.store, job.index, job.blocks)
        self._arena.release([slot for _, slot in job.blocks])
        self.spills += 1
        return BlocksSpilled(job.info_hash, job.index, job.blocks, job.token)

    def _keep(self, job: KeepBlocks) -> BlocksKept:
        if self.refuses_spills:
            return BlocksKept(job.info_hash, job.token, REFUSED)
        for index, blocks in job.pieces:
            self._save(job.store, index, blocks)
        self.keeps += 1
        return BlocksKept(job.info_hash, job.token)

    def _save(self, store: Any, index: int, blocks: list[tuple[int, int]]) -> None:
        saved = {block: bytes(self._arena.views[slot]) for block, slot in blocks}
        store.parts.blocks.setdefault(index, {}).update(saved)
