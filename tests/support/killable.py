"""A storage engine that fetches a torrent from a file and is killed at any moment; run again, it goes on.

    python -m tests.support.killable FOLDER SEED [ROUNDS]

After so many rounds of receiving it waits to be killed: however slow whoever kills it is, there is something left.
FOLDER/content is the torrent's content. What happens is told in FOLDER/told, a line at a time, unbuffered: `begin PIECE
BLOCK` before a block is received, `noted PIECE BLOCK` after it is, `lost PIECE` when a piece does not match, `tally N`
and `end` at the end. FOLDER/row stands for the saved rows. The last run takes its live file away.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.storage.arena import Arena, num_slots
from blobtorrent.storage.atomicfile import write_atomically
from blobtorrent.storage.disk import DiskPool
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.hasher import HasherPool
from blobtorrent.storage.jobs import (
    SPILLED,
    BlocksKept,
    BlocksSpilled,
    FullPiece,
    HashPieces,
    KeepBlocks,
    PieceVerdicts,
    PrepareStore,
    SpillBlocks,
    StoreSynced,
    SyncStore,
)
from blobtorrent.storage.live.livefile import LiveFile
from blobtorrent.storage.live.recovery import Recovery
from blobtorrent.storage.live.tally import Tally
from blobtorrent.storage.partstore import Durable
from blobtorrent.storage.state.statethread import row_key
from blobtorrent.storage.store import Store
from tests.support.livefiles import SEAL, SESSION, key
from tests.support.stored import StoredTorrent

SIZE = 12 << 20
PIECE_LENGTH = 128 << 10
BUDGET = 2 << 20
AT_ONCE = 6                            # blocks of a receive, and open pieces
PAUSE_S = 0.001
ANSWER_S = 20.0
KILLED_S = 60.0                        # until then

EMPTY = -2                             # a block that is not here


def torrent() -> StoredTorrent:
    return StoredTorrent([SIZE // 3, SIZE - SIZE // 3], PIECE_LENGTH, seed=9)


class Run:
    """One life of the process."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.folder = folder
        self.torrent = torrent()
        self.info_hash = self.torrent.metainfo.info_hash
        self.told = os.open(folder / "told", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.inbox: Mailbox[Any] = Mailbox("killable")
        self.open: dict[int, list[int]] = {}               # piece -> slot, SPILLED or EMPTY for each block
        self.busy: set[int] = set()                        # with the hasher or the disk
        self.received = 0

    def tell(self, *words: object) -> None:
        os.write(self.told, (" ".join(map(str, words)) + "\n").encode())

    # ---- start

    def start(self) -> None:
        row = self._row()
        self.have = Bitfield(self.torrent.geometry.num_pieces, row["have"])
        tally = Tally(*row["tally"])
        path = self.folder / "live"
        recovery = Recovery.recover(path, SEAL, SESSION)
        found = None if recovery is None else recovery.torrents.get(row_key(self.info_hash))
        if found is not None:
            assert found.is_whole and not recovery.damages
            for index in (index for run in found.written for index in run):
                self.have.add(index)
            tally = Tally(*map(max, tally, found.tally))
        live = LiveFile.create(path, num_slots=num_slots(BUDGET), seal=SEAL, session_id=SESSION)
        self.live = live
        self.arena = Arena(BUDGET, live=live)
        self.disk = DiskPool(self.arena, live=live)
        self.hashers = HasherPool(self.arena, self.disk, 2)
        self.hashers.start()
        mine = live.torrent(self.info_hash, tally)
        assert mine is not None
        self.mine = mine
        self.tally = tally
        files = FilePool(16)
        parts = Durable(self.folder / "x.parts", SEAL, row_key(self.info_hash))
        self.store = Store(self.folder / "data", self.torrent.metainfo, files, parts=parts)
        self.disk.post(PrepareStore(self.info_hash, self.store, self.inbox, have=self.have, recovered=found))
        prepared = self.inbox.get(ANSWER_S)
        assert prepared.error is None and not prepared.damaged_blocks
        for index, blocks in prepared.partial.items():
            slots = self._open(index)
            for block in blocks:
                slots[block] = SPILLED
        self._save_row()
        if recovery is not None:
            recovery.close()
        for index in list(self.open):
            self._hash_if_full(index)
        print("ready", flush=True)

    def _row(self) -> dict[str, Any]:
        try:
            row: dict[str, Any] = json.loads((self.folder / "row").read_bytes())
        except FileNotFoundError:
            return {"have": [], "tally": [0, 0, 0]}
        return row

    def _save_row(self) -> None:
        row = {"have": list(self.have), "tally": [self.tally.downloaded + self.received, 0, 0]}
        write_atomically(self.folder / "row", json.dumps(row).encode())

    # ---- work

    def work(self, most: int | None) -> None:
        rounds = 0
        while len(self.have) < self.torrent.geometry.num_pieces:
            if rounds == most:
                time.sleep(KILLED_S)
                raise SystemExit("nobody killed it")
            rounds += 1
            self._receive()
            while self.inbox.depth:
                self._hear(self.inbox.get(0.0))
            if self.rng.random() < 0.05:
                self.disk.post(SyncStore(self.info_hash, self.store, self.inbox))
            idle = [index for index in self.open if index not in self.busy]
            if idle and self.rng.random() < 0.1:
                self._put_aside(self.rng.choice(idle))
            time.sleep(PAUSE_S)

    def _open(self, index: int) -> list[int]:
        self.open[index] = [EMPTY] * self.torrent.geometry.num_blocks(index)
        return self.open[index]

    def _receive(self) -> None:
        """As the network threads do: bytes into slots first, then one note of all of them."""
        wanted = [index for index in range(self.torrent.geometry.num_pieces)
                  if index not in self.have and index not in self.open]
        while wanted and len(self.open) < AT_ONCE:
            self._open(wanted.pop(self.rng.randrange(len(wanted))))
        missing = [(index, block) for index, slots in self.open.items() for block, slot in enumerate(slots)
                   if slot == EMPTY]
        chosen = self.rng.sample(missing, min(len(missing), AT_ONCE))
        if not chosen or not self.arena.reserve(len(chosen)):
            return
        slots = self.arena.take(len(chosen))
        for (index, block), slot in zip(chosen, slots):
            self.tell("begin", index, block)
            data = self.torrent.piece(index)[block * BLOCK_SIZE : (block + 1) * BLOCK_SIZE]
            self.arena.views[slot][: len(data)] = data
        self.mine.note_blocks([key(index, block) for index, block in chosen], slots)
        for (index, block), slot in zip(chosen, slots):
            self.open[index][block] = slot
            self.tell("noted", index, block)
        self.received += len(chosen) * BLOCK_SIZE
        self.mine.save_tally(self.tally.downloaded + self.received, 0, 0)
        for index in {index for index, _ in chosen}:
            self._hash_if_full(index)

    def _hash_if_full(self, index: int) -> None:
        slots = self.open.get(index)
        if slots is not None and EMPTY not in slots and index not in self.busy:
            self.busy.add(index)
            piece = FullPiece(index, self.torrent.geometry.piece_size(index), slots)
            self.hashers.post(HashPieces(self.info_hash, self.store, [piece], self.inbox))

    def _put_aside(self, index: int) -> None:
        held = [(block, slot) for block, slot in enumerate(self.open[index]) if slot >= 0]
        if not held:
            return
        self.busy.add(index)
        if self.rng.random() < 0.5:
            self.disk.post(KeepBlocks(self.info_hash, self.store, [(index, held)], self.inbox, index))
        else:
            self.disk.post(SpillBlocks(self.info_hash, self.store, index, held, self.inbox))

    def _hear(self, answer: Any) -> None:
        assert answer.error is None, answer.error
        if isinstance(answer, StoreSynced):
            self._save_row()
            self.live.on_committed(self.info_hash, self.have)
        elif isinstance(answer, PieceVerdicts):
            for piece in answer.written:
                self.have.add(piece.index)
                del self.open[piece.index]
            for piece in answer.spoiled:
                self.tell("lost", piece.index)
                del self.open[piece.index]
            self.busy -= {piece.index for piece in (*answer.written, *answer.spoiled)}
        elif isinstance(answer, BlocksKept):
            self.busy.discard(answer.token)
            self._hash_if_full(answer.token)
        else:
            assert isinstance(answer, BlocksSpilled)
            for block, _ in answer.blocks:
                self.open[answer.index][block] = SPILLED
            self.busy.discard(answer.index)
            self._hash_if_full(answer.index)

    def finish(self) -> None:
        assert self.hashers.stop(ANSWER_S)
        assert self.disk.stop(ANSWER_S)
        self.live.remove()
        self.tell("tally", self.tally.downloaded + self.received)
        self.tell("end")


if __name__ == "__main__":
    run = Run(Path(sys.argv[1]), int(sys.argv[2]))
    run.start()
    run.work(int(sys.argv[3]) if len(sys.argv) > 3 else None)
    run.finish()
