"""The part store that the next process finds again."""

import errno
import os
import random
import shutil

import pytest

from blobtorrent.model.errors import StorageError
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.partstore import SEAL_BYTES, Durable, PartStore
from blobtorrent.storage.sealed import Seal

BLOCK = 16384
PLACE = BLOCK + SEAL_BYTES
SEALED = BLOCK + 40                    # what follows is padding
SEAL = Seal(b"k" * 32)
KEY = b"t" * 20


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.parts"


def block(seed):
    return memoryview(random.Random(seed).randbytes(BLOCK))


class Process:
    """Opens the store as a process does. What it leaves is what a kill leaves: nothing is closed in order."""

    def __init__(self, path, seal=SEAL, key=KEY):
        self.parts = PartStore(path.parent, FilePool(4), "owner", Durable(path, seal, key))
        self.found = self.parts.load_existing()

    def load(self, index, number, size=BLOCK):
        view = memoryview(bytearray(size))
        self.parts.load(index, number, [view])
        return bytes(view)


def test_the_next_process_finds_the_blocks(path):
    parts = Process(path).parts
    parts.save(7, [(2, block(2)), (0, block(0))])
    parts.save(9, [(1, block(1))])
    later = Process(path)
    assert later.found == {7: [0, 2], 9: [1]}
    assert [later.load(7, 0), later.load(7, 2), later.load(9, 1)] == [block(0), block(2), block(1)]
    assert later.parts.damaged_blocks == 0


def test_without_a_file_there_is_nothing_and_none_is_made(path):
    process = Process(path)
    assert process.found == {}
    process.parts.sync()
    process.parts.tidy()
    process.parts.close()
    assert list(path.parent.iterdir()) == []


def test_nobody_else_may_read_the_file(path):
    Process(path).parts.save(1, [(0, block(0))])
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_link_in_its_place_is_not_followed(path, tmp_path):
    path.symlink_to(tmp_path / "target")
    with pytest.raises(StorageError):
        Process(path).parts.save(1, [(0, block(0))])
    assert not (tmp_path / "target").exists()


def test_a_short_block_is_read_in_part(path):
    Process(path).parts.save(1, [(0, block(0))])
    assert Process(path).load(1, 0, size=100) == block(0)[:100]


def test_blocks_that_are_here_are_not_written_again(path):
    parts = Process(path).parts
    parts.save(1, [(0, block(0)), (1, block(1))])
    parts.save(1, [(1, block(99)), (2, block(2))])
    assert path.stat().st_size == 3 * PLACE
    later = Process(path)
    assert later.found == {1: [0, 1, 2]}
    assert later.load(1, 1) == block(1)


def test_dropped_pieces_do_not_come_back_once_their_room_is_free(path):
    parts = Process(path).parts
    for index in range(4):
        parts.save(index, [(0, block(index))])
    parts.drop(1)
    parts.drop(2)
    parts.tidy()
    assert Process(path).found == {0: [0], 3: [0]}


def test_the_file_is_emptied_when_nothing_is_left_and_removed_at_the_end(path):
    parts = Process(path).parts
    parts.save(1, [(0, block(0)), (1, block(1))])
    parts.drop(1)
    parts.tidy()
    assert path.stat().st_size == 0
    parts.save(2, [(0, block(5))])
    assert path.stat().st_size == PLACE
    parts.close()
    assert Process(path).found == {2: [0]}
    last = Process(path).parts
    last.drop(2)
    last.close()
    assert list(path.parent.iterdir()) == []


def test_of_a_block_saved_twice_the_newer_counts(path):
    first = Process(path).parts
    first.save(1, [(0, block(1))])
    first.save(2, [(0, block(2))])
    first.drop(1)                      # killed before the room of the old one was freed
    first._free.append(2)
    first._dropped.clear()
    first.save(1, [(0, block(111))])
    later = Process(path)
    assert later.found == {1: [0], 2: [0]}
    assert later.load(1, 0) == block(111)
    later.parts.tidy()
    assert Process(path).load(1, 0) == block(111)


def test_blocks_of_another_torrent_or_another_key_are_not_ours(path):
    Process(path).parts.save(1, [(0, block(0))])
    for process in (Process(path, key=b"another"), Process(path, seal=Seal(b"x" * 32))):
        assert process.found == {}
        assert process.parts.damaged_blocks == 1


@pytest.mark.parametrize("seed", range(5))
def test_a_flipped_bit_anywhere_costs_that_block_alone(path, seed):
    parts = Process(path).parts
    parts.save(1, [(number, block(number)) for number in range(4)])
    sound = path.read_bytes()
    rng = random.Random(seed)
    places = [BLOCK + rng.randrange(SEAL_BYTES) for _ in range(40)] + [rng.randrange(PLACE) for _ in range(20)]
    for at in places:
        hit = rng.randrange(4)
        data = bytearray(sound)
        data[hit * PLACE + at] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        process = Process(path)
        assert process.found == {1: [number for number in range(4) if number != hit]}
        assert process.parts.damaged_blocks == 1


def test_a_block_that_is_damaged_later_is_not_handed_out(path):
    process = Process(path)
    process.parts.save(1, [(0, block(0)), (1, block(1))])
    with path.open("r+b") as file:
        file.seek(PLACE + 5)
        file.write(b"x")
    assert process.load(1, 0) == block(0)
    with pytest.raises(StorageError) as caught:
        process.load(1, 1)
    assert caught.value.code == "storage.parts-damaged"


@pytest.mark.parametrize("size", [0, 1, BLOCK, SEALED - 1, SEALED, PLACE, PLACE + BLOCK, PLACE + SEALED - 1])
def test_of_a_file_cut_anywhere_the_sealed_places_count(path, size):
    Process(path).parts.save(1, [(0, block(0)), (1, block(1))])
    os.truncate(path, size)
    process = Process(path)
    assert process.found == ({1: [0]} if size >= SEALED else {})
    process.parts.save(1, [(0, block(0)), (1, block(1))])
    assert Process(path).found == {1: [0, 1]}


@pytest.mark.parametrize("written", [1, 4096, BLOCK - 1, BLOCK])
def test_what_it_was_killed_in_the_middle_of_writing_is_neither_there_nor_damaged(path, written):
    parts = Process(path).parts
    parts.save(1, [(0, block(0)), (1, block(1)), (2, block(2))])
    whole = path.read_bytes()
    parts.drop_block(1, 1)
    parts.tidy()                       # its place is free
    for place in (1, 3):               # in the midst of the file, and at its end
        with path.open("r+b") as file:
            file.seek(place * PLACE)
            file.write(whole[:written])
    process = Process(path)
    assert process.found == {1: [0, 2]}
    assert process.parts.damaged_blocks == 0


def test_garbage_is_survived_and_written_over(path):
    path.write_bytes(random.Random(3).randbytes(3 * PLACE + 77))
    process = Process(path)
    assert process.found == {}
    assert process.parts.damaged_blocks == 3               # the rest looks like the begin of one that is being written
    process.parts.save(5, [(number, block(number)) for number in range(4)])
    assert Process(path).found == {5: [0, 1, 2, 3]}
    assert path.stat().st_size == 4 * PLACE


def test_a_file_that_fails_to_sync_once_is_not_believed_again(path, monkeypatch):
    parts = Process(path).parts
    calls = []

    def broken(_descriptor):
        calls.append("fdatasync")
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", broken)
    for _ in range(2):
        with pytest.raises(StorageError):
            parts.adopt({1: [(0, block(0))]})
    monkeypatch.undo()
    with pytest.raises(StorageError):
        parts.adopt({1: [(0, block(0))]})
    assert len(calls) == 1
    parts.drop(1)
    parts.tidy()                       # nothing of that time is left
    parts.adopt({2: [(0, block(2))]})


def test_syncing_is_asked_of_the_system_only_after_a_save(path, monkeypatch):
    calls = []
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: (calls.append(1), real(descriptor)))
    parts = Process(path).parts
    parts.adopt({1: [(0, block(0))]})
    parts.adopt({1: [(0, block(0))]})
    parts.sync()
    assert len(calls) == 1


def test_what_a_killed_process_may_not_have_synced_is_synced_by_the_next(path, monkeypatch):
    Process(path).parts.save(1, [(0, block(0))])
    calls = []
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: (calls.append(1), real(descriptor)))
    Process(path).parts.sync()
    assert len(calls) == 1


def test_a_full_disk_keeps_none_of_the_new_blocks(path, monkeypatch):
    parts = Process(path).parts
    parts.save(1, [(0, block(0))])

    def full(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwritev", full)
    with pytest.raises(StorageError):
        parts.save(2, [(0, block(2)), (1, block(3))])
    monkeypatch.undo()
    assert parts.held() == {1: [0]}
    parts.save(2, [(0, block(2))])
    assert Process(path).found == {1: [0], 2: [0]}


def test_a_copy_taken_at_any_moment_holds_only_what_was_saved(path, tmp_path):
    rng = random.Random(11)
    parts = Process(path).parts
    alive = {}
    for step in range(120):
        index = rng.randrange(8)
        if index in alive and rng.random() < 0.3:
            parts.drop(index)
            del alive[index]
            if rng.random() < 0.7:
                parts.tidy()
        else:
            fresh = [number for number in rng.sample(range(6), 3) if number not in alive.get(index, {})]
            seeds = {number: 1000 * step + number for number in fresh}
            parts.save(index, [(number, block(seed)) for number, seed in seeds.items()])
            alive.setdefault(index, {}).update(seeds)
        if path.exists() and step % 5 == 0:
            copy = tmp_path / "copy.parts"
            shutil.copyfile(path, copy)
            process = Process(copy)
            assert process.parts.damaged_blocks == 0
            for one, blocks in alive.items():
                assert set(process.found[one]) >= set(blocks)
                assert all(process.load(one, number) == block(seed) for number, seed in blocks.items())


def test_a_file_that_nobody_looked_into_stays_when_its_store_is_closed(path):
    Process(path).parts.adopt({7: [(0, block(0))]})
    PartStore(path.parent, FilePool(4), "owner", Durable(path, SEAL, KEY)).close()
    assert Process(path).found == {7: [0]}


def test_a_store_may_be_closed_and_loaded_again_and_gives_no_place_twice(path):
    parts = Process(path).parts
    parts.save(3, [(number, block(number)) for number in range(3)])
    parts.drop(3)
    parts.save(4, [(0, block(40))])
    parts.close()
    assert parts.load_existing() == {4: [0]}
    parts.save(9, [(number, block(90 + number)) for number in range(5)])
    later = Process(path)
    assert later.found == {4: [0], 9: [0, 1, 2, 3, 4]}
    assert later.load(4, 0) == block(40)
    assert [later.load(9, number) for number in range(5)] == [block(90 + number) for number in range(5)]


def test_a_store_without_a_name_is_empty_when_it_is_loaded_again(tmp_path):
    parts = PartStore(tmp_path, FilePool(4), "owner")
    parts.save(3, [(0, block(0))])
    parts.close()
    assert parts.load_existing() == parts.held() == {}


class Interrupted(dict):
    """The places of pieces; another thread is quick to tidy up whenever one is dropped."""

    def __init__(self, parts):
        super().__init__(parts._places)
        self.parts = parts

    def pop(self, *arguments):
        found = super().pop(*arguments)
        self.parts.tidy()
        return found


def test_a_file_that_is_tidied_while_its_last_piece_is_dropped_gives_no_place_twice(path):
    parts = Process(path).parts
    parts.save(1, [(0, block(1))])
    parts.save(2, [(0, block(2)), (1, block(3))])
    parts.drop(1)
    parts._places = Interrupted(parts)
    parts.drop(2)
    parts.save(9, [(number, block(number)) for number in range(5)])
    assert Process(path).found == {9: [0, 1, 2, 3, 4]}
