"""Hasher pool and disk lanes with real threads and files: what is asked for happens, and is answered once."""

import os
import queue
import random
import resource
import threading

import pytest

from blobtorrent.model.errors import FileMissing, StorageError
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.storage import repair
from blobtorrent.storage.arena import SLOT_SIZE, Arena
from blobtorrent.storage.disk import DiskPool
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.hasher import HasherPool
from blobtorrent.storage.jobs import (
    SPILLED,
    CheckPieces,
    CloseStore,
    HashPieces,
    PrepareStore,
    ReadSpans,
    Span,
    SpillBlocks,
    StoreClosed,
    WritePieces,
)
from blobtorrent.storage.store import Store
from tests.support.stored import PAD, StoredTorrent

K = 1024
ANSWER_S = 20.0


class Engine:
    """The storage half of a daemon, and a mailbox for its answers."""

    def __init__(self, root):
        self.root = root
        self.arena = Arena(256 * SLOT_SIZE)
        self.files = FilePool(8)
        self.disk = DiskPool(self.arena, threads_per_device=2)
        self.hashers = HasherPool(self.arena, self.disk, 2)
        self.inbox = Mailbox("test")
        self.hashers.start()

    def open(self, torrent):
        store = Store(self.root, torrent.metainfo, self.files)
        self.disk.post(PrepareStore(torrent.metainfo.info_hash, store, self.inbox))
        assert self.answer().error is None
        return store

    def hash(self, torrent, store, pieces):
        self.hashers.post(HashPieces(torrent.metainfo.info_hash, store, pieces, self.inbox))

    def write(self, torrent, store, pieces):
        self.disk.post(WritePieces(torrent.metainfo.info_hash, store, pieces, self.inbox))

    def spill(self, torrent, store, piece, blocks):
        pairs = [(block, piece.slots[block]) for block in blocks]
        self.disk.post(SpillBlocks(torrent.metainfo.info_hash, store, piece.index, pairs, self.inbox, token=piece))
        answer = self.answer()
        assert answer.error is None
        assert answer.token is piece
        for block in blocks:
            piece.slots[block] = SPILLED

    def answer(self):
        return self.inbox.get(ANSWER_S)

    def stop(self):
        assert self.hashers.stop(ANSWER_S)
        assert self.disk.stop(ANSWER_S)


@pytest.fixture
def engine(tmp_path):
    engine = Engine(tmp_path / "root")
    yield engine
    engine.stop()
    with pytest.raises(queue.Empty):       # nothing was answered twice
        engine.inbox.get(0.0)


def random_torrent(seed):
    rng = random.Random(seed)
    v1 = rng.random() < 0.6
    piece_length = rng.choice((16 * K, 32 * K, 64 * K)) if not v1 else rng.choice((16 * K, 20 * K, 64 * K, 100 * K + 1))
    sizes = []
    for _ in range(rng.randint(1, 12)):
        sizes.append(rng.choice((0, 1, rng.randint(1, 300), rng.randint(1, 200 * K))))
        if v1 and rng.random() < 0.3:
            sizes.append((PAD, rng.randint(1, 5000)))
    sizes.append(rng.choice((1, 5, piece_length, piece_length + 1)))
    return StoredTorrent(sizes, piece_length, seed=seed, v1=v1)


@pytest.mark.parametrize("seed", range(25))
def test_pieces_in_any_order_and_batches_become_the_files(engine, seed):
    torrent = random_torrent(seed)
    store = engine.open(torrent)
    rng = random.Random(seed)
    order = list(range(torrent.geometry.num_pieces))
    rng.shuffle(order)
    written = []
    while order:
        batch = [torrent.full_piece(engine.arena, order.pop()) for _ in range(min(len(order), rng.randint(1, 8)))]
        for piece in batch:
            if rng.random() < 0.3:
                count = rng.randint(1, len(piece.slots))
                engine.spill(torrent, store, piece, rng.sample(range(len(piece.slots)), count))
        engine.hash(torrent, store, batch)
        verdicts = engine.answer()
        assert (verdicts.error, verdicts.spoiled, verdicts.unwritten, list(verdicts.lost)) == (None, [], [], [])
        written += [piece.index for piece in verdicts.written]
    assert sorted(written) == list(range(torrent.geometry.num_pieces))
    assert torrent.is_on_disk(engine.root)
    assert 1 <= sum(engine.disk.write_times.read().counts) <= torrent.geometry.num_pieces
    assert engine.arena.reserved == 0
    assert engine.arena.free == engine.arena.capacity
    assert store.parts.num_blocks == 0


def test_a_piece_that_does_not_match_never_touches_the_files(engine):
    torrent = StoredTorrent([200 * K], 64 * K)
    store = engine.open(torrent)
    spoiled = torrent.full_piece(engine.arena, 1, spoil=True)
    engine.hash(torrent, store, [spoiled])
    verdicts = engine.answer()
    assert verdicts.spoiled == [spoiled]
    assert engine.arena.reserved == 0
    assert [path for path in engine.root.rglob("*") if path.is_file()] == []


def test_a_spilled_piece_that_does_not_match_never_touches_the_files(engine):
    torrent = StoredTorrent([200 * K], 64 * K)
    store = engine.open(torrent)
    spoiled = torrent.full_piece(engine.arena, 1, spoil=True)
    engine.spill(torrent, store, spoiled, [0, 1, 2])
    engine.hash(torrent, store, [spoiled])
    assert engine.answer().spoiled == [spoiled]
    assert store.parts.num_blocks == 0
    assert [path for path in engine.root.rglob("*") if path.is_file()] == []


def test_good_and_spoiled_pieces_of_one_batch_are_told_apart(engine):
    torrent = StoredTorrent([200 * K], 64 * K)
    store = engine.open(torrent)
    pieces = [torrent.full_piece(engine.arena, index, spoil=index == 1) for index in range(3)]
    engine.hash(torrent, store, pieces)
    answers = [engine.answer(), engine.answer()]
    assert [piece.index for answer in answers for piece in answer.spoiled] == [1]
    assert [piece.index for answer in answers for piece in answer.written] == [0, 2]
    assert engine.arena.reserved == 0


def test_digests_of_the_blocks_tell_what_was_wrong_with_a_piece_as_soon_as_it_comes_right(engine):
    torrent = StoredTorrent([200 * K], 64 * K)
    store = engine.open(torrent)
    wrong, right = torrent.full_piece(engine.arena, 1, spoil=True), torrent.full_piece(engine.arena, 1)
    right.is_doubted = True
    engine.spill(torrent, store, wrong, [0, 1])
    engine.hash(torrent, store, [wrong])
    assert engine.answer().spoiled == [wrong]
    engine.hash(torrent, store, [right])
    assert engine.answer().written == [right]
    assert len(wrong.digests) == len(right.digests) == 4
    assert sum(bad != good for bad, good in zip(wrong.digests, right.digests)) == 1


def test_neighbouring_pieces_go_to_the_disk_in_one_call(engine):
    torrent = StoredTorrent([64 * 16 * K], 16 * K)
    store = engine.open(torrent)
    writes = []
    plain = store.write
    store.write = lambda offset, buffers: (writes.append(offset), plain(offset, buffers))
    pieces = [torrent.full_piece(engine.arena, index) for index in range(64)]
    random.Random(1).shuffle(pieces)
    engine.hash(torrent, store, pieces)
    assert len(engine.answer().written) == 64
    assert writes == [0]
    assert torrent.is_on_disk(engine.root)


def test_pieces_that_the_disk_refuses_keep_their_slots_and_can_be_written_later(engine):
    torrent = StoredTorrent([300 * K], 64 * K)
    store = engine.open(torrent)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100 * K, hard))
    try:
        engine.hash(torrent, store, [torrent.full_piece(engine.arena, index) for index in (0, 2, 4)])
        verdicts = engine.answer()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [piece.index for piece in verdicts.written] == [0]
    assert [piece.index for piece in verdicts.unwritten] == [2, 4]
    assert verdicts.error.code == "storage.too-large"
    assert engine.arena.reserved == sum(len(piece.slots) for piece in verdicts.unwritten)
    engine.write(torrent, store, verdicts.unwritten)
    again = engine.answer()
    assert ([piece.index for piece in again.written], again.error) == ([2, 4], None)
    assert engine.arena.reserved == 0


def test_spilled_blocks_that_cannot_be_read_back_cost_the_piece_but_blame_nobody(engine):
    torrent = StoredTorrent([200 * K], 64 * K)
    store = engine.open(torrent)
    piece = torrent.full_piece(engine.arena, 0)
    engine.spill(torrent, store, piece, [1, 2])
    store.parts.drop(0)
    engine.hash(torrent, store, [piece])
    verdicts = engine.answer()
    assert (verdicts.lost, verdicts.spoiled, verdicts.written) == ([piece], [], [])
    assert verdicts.error.code == "storage.parts-lost"
    assert engine.arena.reserved == 0


def test_spans_are_read_into_their_slots(engine):
    torrent = StoredTorrent([100 * K, 300 * K], 200 * K)
    torrent.put_on_disk(engine.root)
    store = engine.open(torrent)
    engine.arena.reserve(14)
    spans = [Span(0, 32 * K, 150 * K, engine.arena.take(10)), Span(1, 0, 50 * K + 1, engine.arena.take(4))]
    engine.disk.post(ReadSpans(torrent.metainfo.info_hash, store, spans, engine.inbox))
    answer = engine.answer()
    assert (answer.spans, answer.failed, answer.error) == (spans, [], None)
    for span in spans:
        data = b"".join(engine.arena.segments(span.slots, span.length))
        assert data == torrent.piece(span.index)[span.begin : span.begin + span.length]


def test_spans_that_cannot_be_read_are_told_apart_and_keep_their_slots(engine):
    torrent = StoredTorrent([64 * K, 64 * K], 64 * K)
    torrent.put_on_disk(engine.root)
    store = engine.open(torrent)
    (engine.root / "t" / "folder1" / "file1").unlink()
    engine.arena.reserve(8)
    spans = [Span(index, 0, 64 * K, engine.arena.take(4)) for index in range(2)]
    engine.disk.post(ReadSpans(torrent.metainfo.info_hash, store, spans, engine.inbox))
    answer = engine.answer()
    assert (answer.spans, answer.failed) == (spans[:1], spans[1:])
    assert isinstance(answer.error, FileMissing)
    assert engine.arena.reserved == 8


def test_what_lies_on_disk_is_checked(engine):
    torrent = StoredTorrent([500 * K, 100 * K], 64 * K)
    torrent.put_on_disk(engine.root)
    os.truncate(engine.root / "t" / "folder0" / "file0", 70 * K)
    store = engine.open(torrent)
    engine.hashers.post(CheckPieces(torrent.metainfo.info_hash, store, range(10), engine.inbox))
    answer = engine.answer()
    assert (answer.good, answer.bad, answer.missing) == ([0, 8, 9], [], [1, 2, 3, 4, 5, 6, 7])


def test_preparing_a_folder_that_is_in_the_way_says_why(engine):
    torrent = StoredTorrent([10, 0], 16 * K)
    engine.root.write_bytes(b"a file")
    store = Store(engine.root, torrent.metainfo, engine.files)
    engine.disk.post(PrepareStore(torrent.metainfo.info_hash, store, engine.inbox))
    assert engine.answer().error.code.startswith("storage.")


def test_closing_is_answered(engine):
    torrent = StoredTorrent([10], 16 * K)
    store = engine.open(torrent)
    engine.disk.post(CloseStore(torrent.metainfo.info_hash, store, engine.inbox))
    assert engine.answer().info_hash == torrent.metainfo.info_hash


class BrokenStore(Store):
    """A store with a mistake in it."""

    def pin(self, number, *, writable=False):
        raise ZeroDivisionError


def test_a_mistake_in_our_code_is_answered_too_and_the_threads_go_on(engine):
    torrent = StoredTorrent([100 * K], 64 * K)
    torrent.put_on_disk(engine.root)
    info_hash = torrent.metainfo.info_hash
    broken = BrokenStore(engine.root, torrent.metainfo, engine.files)
    piece = torrent.full_piece(engine.arena, 0)
    for _ in range(5):                     # more often than there are threads
        engine.write(torrent, broken, [piece])
        answer = engine.answer()
        assert (answer.unwritten, answer.error.code) == ([piece], "storage.bug")
        engine.hashers.post(CheckPieces(info_hash, broken, range(2), engine.inbox))
        assert engine.answer().error.code == "storage.bug"
    assert engine.arena.reserved == 4


class HangingStore(Store):
    """A store on a dead mount: writes wait until `mount_is_back`."""

    def __init__(self, *args):
        super().__init__(*args)
        self.device = -1
        self.mount_is_back = threading.Event()

    def write(self, offset, buffers):
        self.mount_is_back.wait(ANSWER_S)
        super().write(offset, buffers)


def test_a_disk_that_hangs_stalls_only_what_lives_on_it(engine):
    torrent = StoredTorrent([300 * K], 16 * K)
    hanging = HangingStore(engine.root, torrent.metainfo, engine.files)
    for index in range(4):                 # more than the lane has threads
        engine.write(torrent, hanging, [torrent.full_piece(engine.arena, index)])
    store = engine.open(torrent)
    engine.hash(torrent, store, [torrent.full_piece(engine.arena, 9)])
    assert [piece.index for piece in engine.answer().written] == [9]
    hanging.mount_is_back.set()
    assert sorted(engine.answer().written[0].index for _ in range(4)) == [0, 1, 2, 3]


@pytest.fixture
def copying(monkeypatch):
    """Every hard-linked file is a large one, whose copy takes until `go` is set or somebody gives it up."""
    go = threading.Event()
    copied = repair.copy

    def slowly(source, target, watch):
        while not go.wait(0.001):
            watch(1)
        copied(source, target, watch)

    monkeypatch.setattr(repair, "AT_ONCE_BYTES", 1)
    monkeypatch.setattr(repair, "copy", slowly)
    monkeypatch.setattr(repair, "clone", lambda _source, _target: False)
    return go


def shared_file(engine, torrent):
    torrent.put_on_disk(engine.root)
    path = engine.root / "t" / "folder0" / "file0"
    path.write_bytes(bytes(path.stat().st_size))
    os.link(path, engine.root / "library")
    return path


def test_while_a_large_shared_file_is_copied_other_files_are_written(engine, copying):
    torrent = StoredTorrent([160 * K, 160 * K], 16 * K)
    shared_file(engine, torrent)
    store, piece = engine.open(torrent), torrent.full_piece(engine.arena, 3)
    engine.write(torrent, store, [piece])
    refused = engine.answer()
    assert (refused.unwritten, refused.error.code) == ([piece], "storage.being-copied")
    engine.write(torrent, store, [torrent.full_piece(engine.arena, 12)])
    assert [written.index for written in engine.answer().written] == [12]
    copying.set()
    while refused.unwritten:
        engine.write(torrent, store, refused.unwritten)
        refused = engine.answer()
    assert refused.written == [piece]
    assert (engine.root / "library").read_bytes() == bytes(160 * K)


def test_a_torrent_that_closes_gives_up_the_copy_of_its_file(engine, copying):
    torrent = StoredTorrent([300 * K], 16 * K)
    path = shared_file(engine, torrent)
    store = engine.open(torrent)
    engine.write(torrent, store, [torrent.full_piece(engine.arena, 3)])
    assert engine.answer().error.code == "storage.being-copied"
    engine.disk.post(CloseStore(torrent.metainfo.info_hash, store, engine.inbox))
    assert engine.answer() == StoreClosed(torrent.metainfo.info_hash)
    assert path.stat().st_nlink == 2
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_the_end_does_not_wait_for_a_copy(engine, copying):
    torrent = StoredTorrent([300 * K], 16 * K)
    path = shared_file(engine, torrent)
    engine.write(torrent, engine.open(torrent), [torrent.full_piece(engine.arena, 3)])
    assert engine.answer().error.code == "storage.being-copied"
    assert engine.disk.stop(ANSWER_S)
    assert path.stat().st_nlink == 2


def test_when_writes_lag_no_more_memory_is_granted_and_its_return_is_announced(engine):
    torrent = StoredTorrent([512 * 16 * K], 512 * K)
    engine.root.mkdir()
    hanging = HangingStore(engine.root, torrent.metainfo, engine.files)
    pieces = [torrent.full_piece(engine.arena, index) for index in range(8)]
    engine.hash(torrent, hanging, pieces)
    room = threading.Event()
    assert not engine.arena.reserve(32, when_free=room.set)
    hanging.mount_is_back.set()
    assert room.wait(ANSWER_S)
    assert engine.arena.reserve(32)
    assert len(engine.answer().written) == 8


def test_a_folder_that_is_swapped_for_a_link_all_the_time_lets_no_byte_out(engine, tmp_path):
    torrent = StoredTorrent([100 * K], 64 * K)
    outside = tmp_path / "outside"
    outside.mkdir()
    store = engine.open(torrent)
    folder = engine.root / "t" / "folder0"
    done = threading.Event()

    def swap():
        number = 0
        while not done.is_set():
            number += 1
            try:
                folder.rename(engine.root / "t" / f"away{number}")
                folder.symlink_to(outside)
                folder.unlink()
            except OSError:            # the store made the folder meanwhile, or has not yet
                continue

    attacker = threading.Thread(target=swap)
    attacker.start()
    tries = refused = 0
    try:
        while tries < 1000 or refused < 20:
            tries += 1
            try:
                store.write(0, [memoryview(b"secret")])
            except StorageError:
                refused += 1
            store.close()              # so that the next write opens the file again
    finally:
        done.set()
        attacker.join()
    assert list(outside.iterdir()) == []
