"""What the disk lanes do so that a power cut spares unfinished pieces, and what they find again afterwards."""

import errno
import os
import threading

import pytest

from blobtorrent.model.errors import StorageError
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.storage.arena import SLOT_SIZE, Arena, num_slots
from blobtorrent.storage.disk import DiskPool
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.hasher import HasherPool
from blobtorrent.storage.jobs import (
    SPILLED,
    BlocksKept,
    CloseStore,
    FullPiece,
    HashPieces,
    KeepBlocks,
    PrepareStore,
    ReadSpans,
    Span,
    SpillBlocks,
    StoreSynced,
    SyncStore,
)
from blobtorrent.storage.partstore import Durable
from blobtorrent.storage.state.statethread import row_key
from blobtorrent.storage.store import Store
from tests.support.livefiles import SEAL, key, make_live, recover
from tests.support.stored import StoredTorrent

K = 1024
ANSWER_S = 20.0
SLOTS = 64


class Process:
    """The storage half of a daemon. `die` leaves everything as a kill does."""

    def __init__(self, folder, torrent, *, have=(), recovered=None, stamps=None):
        self.folder = folder
        self.torrent = torrent
        self.info_hash = torrent.metainfo.info_hash
        self.live = make_live(folder / "live", num_slots=num_slots(SLOTS * SLOT_SIZE))
        self.arena = Arena(SLOTS * SLOT_SIZE, live=self.live)
        self.mine = self.live.torrent(self.info_hash)
        self.disk = DiskPool(self.arena, live=self.live)
        self.hashers = HasherPool(self.arena, self.disk, 1)
        self.hashers.start()
        self.inbox = Mailbox("test")
        self.store = Store(folder / "data", torrent.metainfo, FilePool(8),
                           parts=Durable(folder / "x.parts", SEAL, row_key(self.info_hash)))
        self.prepared = self.ask(
            self.disk, PrepareStore(self.info_hash, self.store, self.inbox, stamps or {}, have, recovered))

    def ask(self, pool, job):
        pool.post(job)
        return self.inbox.get(ANSWER_S)

    def receive(self, index, blocks):
        """Blocks of a piece into slots, noted; a FullPiece whose other blocks are SPILLED."""
        piece = FullPiece(index, self.torrent.geometry.piece_size(index),
                          [SPILLED] * self.torrent.geometry.num_blocks(index))
        assert self.arena.reserve(len(blocks))
        for block, slot in zip(blocks, self.arena.take(len(blocks)), strict=True):
            data = self.torrent.piece(index)[block * SLOT_SIZE : (block + 1) * SLOT_SIZE]
            self.arena.views[slot][: len(data)] = data
            self.mine.note_blocks([key(index, block)], [slot])
            piece.slots[block] = slot
        return piece

    def held(self, piece):
        return [(block, slot) for block, slot in enumerate(piece.slots) if slot != SPILLED]

    def keep(self, *pieces):
        return self.ask(self.disk, KeepBlocks(
            self.info_hash, self.store, [(piece.index, self.held(piece)) for piece in pieces], self.inbox, "token"))

    def spill(self, piece):
        return self.ask(self.disk, SpillBlocks(self.info_hash, self.store, piece.index, self.held(piece), self.inbox))

    def hash(self, piece):
        return self.ask(self.hashers, HashPieces(self.info_hash, self.store, [piece], self.inbox))

    def die(self):
        assert self.hashers.stop(ANSWER_S)
        assert self.disk.stop(ANSWER_S)


@pytest.fixture
def torrent():
    return StoredTorrent([300 * K, 100 * K], 64 * K)


@pytest.fixture
def run(tmp_path, torrent):
    processes = []

    def start(**options):
        if processes:
            processes[-1].die()
            (tmp_path / "live").unlink(missing_ok=True)
        processes.append(Process(tmp_path, torrent, **options))
        return processes[-1]

    yield start
    processes[-1].die()


def test_kept_blocks_are_there_after_memory_is_lost(run, torrent):
    first = run()
    kept = first.keep(first.receive(1, [0, 2]), first.receive(3, [1]))
    assert (kept.error, kept.token) == (None, "token")
    assert first.arena.reserved == 3
    second = run()
    assert second.prepared.partial == {1: (0, 2), 3: (1,)}
    verdicts = second.hash(second.receive(1, [1, 3]))
    assert [piece.index for piece in verdicts.written] == [1]
    assert run(have={1}).prepared.partial == {3: (1,)}


def test_blocks_in_memory_that_outlived_us_go_to_the_part_store(run, torrent, tmp_path):
    first = run()
    first.receive(2, [0, 1])
    first.hash(first.receive(4, [0, 1, 2, 3]))
    recovery = recover(tmp_path / "live")
    found = recovery.torrents[row_key(first.info_hash)]
    assert found.written == [range(4, 5)]
    second = run(recovered=found)
    assert second.prepared.partial == {2: (0, 1)}
    recovery.close()
    assert run().prepared.partial == {2: (0, 1)}


def test_a_recovered_piece_may_be_whole_and_is_hashed_from_the_part_store(run, torrent, tmp_path):
    run().receive(0, [0, 1, 2, 3])
    second = run(recovered=recover(tmp_path / "live").torrents[row_key(torrent.metainfo.info_hash)])
    assert second.prepared.partial == {0: (0, 1, 2, 3)}
    verdicts = second.hash(FullPiece(0, 64 * K, [SPILLED] * 4))
    assert [piece.index for piece in verdicts.written] == [0]
    assert second.store.parts.num_blocks == 0


def test_pieces_that_are_had_leave_the_part_store(run):
    first = run()
    first.keep(first.receive(1, [0]), first.receive(2, [0]))
    assert run(have={1, 2}).prepared.partial == {}
    assert not list(first.folder.glob("*.parts")) or (first.folder / "x.parts").stat().st_size == 0


def test_spilling_what_is_kept_writes_nothing_and_frees_memory(run):
    process = run()
    piece = process.receive(1, [0, 1, 2, 3])
    process.keep(piece)
    size = (process.folder / "x.parts").stat().st_size
    process.spill(piece)
    assert (process.folder / "x.parts").stat().st_size == size
    assert process.arena.reserved == 0
    verdicts = process.hash(FullPiece(1, 64 * K, [SPILLED] * 4))
    assert [piece.index for piece in verdicts.written] == [1]


def test_when_the_part_store_refuses_the_blocks_stay_in_memory(run, monkeypatch):
    process = run()
    piece = process.receive(1, [0, 1, 2, 3])

    def full(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwritev", full)
    assert process.keep(piece).error.code == "storage.disk-full"
    monkeypatch.undo()
    assert process.arena.reserved == 4
    assert [written.index for written in process.hash(piece).written] == [1]


def test_damaged_blocks_in_the_part_store_are_counted_and_fetched_again(run):
    first = run()
    first.keep(first.receive(1, [0, 1, 2]))
    with (first.folder / "x.parts").open("r+b") as file:
        file.seek(600)
        file.write(b"?")
    second = run()
    assert second.prepared.damaged_blocks == 1
    assert len(second.prepared.partial[1]) == 2


def test_a_part_store_that_cannot_be_opened_does_not_stop_the_torrent(run, tmp_path):
    (tmp_path / "x.parts").mkdir()
    process = run()
    assert process.prepared.error is None
    assert process.prepared.partial == {}
    assert [piece.index for piece in process.hash(process.receive(0, [0, 1, 2, 3])).written] == [0]


def test_a_synced_store_tells_how_its_files_look_and_notices_when_they_change(run, torrent):
    first = run()
    for index in range(torrent.geometry.num_pieces):
        first.hash(first.receive(index, range(torrent.geometry.num_blocks(index))))
    synced = first.ask(first.disk, SyncStore(first.info_hash, first.store, first.inbox))
    assert synced.error is None
    assert sorted(synced.stamps) == [0, 1]
    assert first.ask(first.disk, SyncStore(first.info_hash, first.store, first.inbox)).stamps == {}
    prepared = run(stamps=synced.stamps).prepared
    assert (prepared.has_data, list(prepared.changed), list(prepared.missing_files)) == (True, [], [])
    first.store.path_of(0).write_bytes(b"x" * 300 * K)
    first.store.path_of(1).unlink()
    prepared = run(stamps=synced.stamps).prepared
    assert (list(prepared.changed), list(prepared.missing_files)) == ([0], [1])


def test_a_failed_sync_is_told(run, monkeypatch):
    process = run()
    process.hash(process.receive(0, [0, 1, 2, 3]))

    def broken(_descriptor):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", broken)
    synced = process.ask(process.disk, SyncStore(process.info_hash, process.store, process.inbox))
    assert isinstance(synced.error, StorageError)


def test_while_a_slow_disk_syncs_blocks_and_files_others_are_written_and_read(run, torrent, monkeypatch):
    process = run()
    process.hash(process.receive(0, [0, 1, 2, 3]))
    kept = process.receive(3, [1])
    is_done, fdatasync = threading.Event(), os.fdatasync

    def wait(descriptor):
        is_done.wait(ANSWER_S)
        fdatasync(descriptor)

    monkeypatch.setattr(os, "fdatasync", wait)
    process.disk.post(SyncStore(process.info_hash, process.store, process.inbox))
    process.disk.post(KeepBlocks(process.info_hash, process.store, [(3, process.held(kept))], process.inbox))
    try:
        verdicts = process.hash(process.receive(1, [0, 1, 2, 3]))
        assert [piece.index for piece in verdicts.written] == [1]
        assert process.arena.reserve(1)
        span = Span(0, 0, SLOT_SIZE, process.arena.take(1))
        read = process.ask(process.disk, ReadSpans(process.info_hash, process.store, [span], process.inbox))
        assert read.spans == [span]
    finally:
        is_done.set()
    assert [type(process.inbox.get(ANSWER_S)) for _ in range(2)] == [StoreSynced, BlocksKept]


def test_blocks_that_could_not_be_made_durable_are_told(run, monkeypatch):
    def broken(_descriptor):
        raise OSError(errno.EIO, "Input/output error")

    process = run()
    monkeypatch.setattr(os, "fdatasync", broken)
    kept = process.keep(process.receive(1, [0]))
    assert (kept.error.code, kept.token) == ("storage.io", "token")


def test_a_written_piece_is_on_record_before_its_memory_is_free(run, monkeypatch):
    process = run()
    on_record = []
    release = process.arena.release

    def look_and_release(slots):
        on_record.append([list(runs) for runs in process.mine._records.values()])
        release(slots)

    monkeypatch.setattr(process.arena, "release", look_and_release)
    process.hash(process.receive(3, [0, 1, 2, 3]))
    assert on_record == [[[range(3, 4)]]]


def test_a_closed_store_keeps_its_parts_for_the_next_time(run):
    first = run()
    first.keep(first.receive(1, [0]))
    first.ask(first.disk, CloseStore(first.info_hash, first.store, first.inbox))
    assert run().prepared.partial == {1: (0,)}
