import errno
import os
import random

import pytest

from blobtorrent.model.geometry import BLOCK_SIZE, PieceGeometry
from blobtorrent.storage.live.livelayout import PAGE, LiveLayout
from blobtorrent.storage.live.recovery import Recovery
from blobtorrent.storage.live.tally import Tally
from blobtorrent.storage.sealed import Seal
from tests.support.filesystems import another_filesystem
from tests.support.livefiles import NUM_SLOTS, ONE, SEAL, SESSION, TWO, make_live, payload, put_block, recover

LAYOUT = LiveLayout(NUM_SLOTS, 3, 4)
TALLY = Tally(11 * BLOCK_SIZE, 77, 5)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "live"


@pytest.fixture
def killed(path):
    """The file of a process that was killed in the middle of two torrents."""
    live = make_live(path)
    for block in range(3):
        put_block(live, ONE, 6, block, slot=2 + block)
    put_block(live, TWO, 0, 1, slot=0)
    live.note_written(ONE, [1, 2, 3])
    live.note_written(TWO, [8])
    live.torrent(ONE).save_tally(*TALLY)
    return path


def pieces(found):
    return {index for run in found.written for index in run}


def names(path):
    return sorted(found.name for found in path.parent.iterdir())


def test_without_a_file_there_is_nothing_to_recover(path):
    assert Recovery.recover(path, SEAL, SESSION) is None


def test_everything_is_found(killed):
    recovery = recover(killed)
    one, two = recovery.torrents[ONE.v1], recovery.torrents[TWO.v2]
    assert (pieces(one), pieces(two)) == ({1, 2, 3}, {8})
    assert (one.is_whole, two.is_whole) == (True, True)
    assert one.tally == TALLY
    assert {block: bytes(data) for block, data in one.blocks[6].items()} == {
        block: payload(6, block) for block in range(3)}
    assert recovery.damages == []


def test_the_file_makes_room_for_the_next_one(killed):
    recover(killed)
    assert make_live(killed).path == killed


def test_what_was_not_made_safe_is_found_by_the_start_after_that(killed):
    recover(killed)
    again = recover(killed)
    assert pieces(again.torrents[ONE.v1]) == {1, 2, 3}


def test_two_killed_processes_are_found_together(killed):
    recover(killed)
    live = make_live(killed)
    live.torrent(ONE, TALLY)
    put_block(live, ONE, 6, 3, slot=2)
    live.note_written(ONE, [4])
    found = recover(killed).torrents[ONE.v1]
    assert pieces(found) == {1, 2, 3, 4}
    assert sorted(found.blocks[6]) == [0, 1, 2, 3]
    assert found.tally == TALLY._replace(downloaded=TALLY.downloaded + BLOCK_SIZE)


def test_a_forgotten_torrent_does_not_come_back(killed):
    recover(killed).forget(ONE.v1)
    assert list(recover(killed).torrents) == [TWO.v2]


def test_when_all_are_safe_nothing_is_left(killed):
    recovery = recover(killed)
    recovery.forget(ONE.v1)
    recovery.forget(TWO.v2)
    assert list(killed.parent.iterdir()) == []


def test_torrents_that_nobody_knows_are_forgotten(killed):
    recovery = recover(killed)
    recovery.keep_only({TWO.v2: "a record"})
    assert list(recovery.torrents) == [TWO.v2]
    recovery.keep_only({})
    assert list(killed.parent.iterdir()) == []


def test_a_file_without_torrents_is_not_kept(path):
    make_live(path)
    assert Recovery.recover(path, SEAL, SESSION) is None
    assert list(path.parent.iterdir()) == []


def test_a_file_goes_when_its_own_torrents_are_safe_though_others_are_not(killed):
    recover(killed)
    live = make_live(killed)
    live.note_written(ONE, [4])
    live.torrent(ONE)
    recovery = recover(killed)
    assert names(killed) == ["live.1", "live.2"]
    recovery.forget(ONE.v1)
    assert names(killed) == ["live.1"]


def test_starts_that_leave_nothing_do_not_pile_up_behind_one_that_did(killed):
    for _ in range(3):
        recover(killed)
        make_live(killed)
    recover(killed)
    assert names(killed) == ["live.1"]


def test_what_was_put_aside_keeps_no_memory_but_that_of_its_blocks(tmp_path):
    with another_filesystem(tmp_path) as memory:
        path = memory / "live"
        live = make_live(path, num_slots=1000)
        live.slot_memory[:] = b"x" * len(live.slot_memory)
        for slot in (0, 500, 999):
            put_block(live, ONE, 1, slot % 7, slot)
        for _ in range(2):
            recovery = recover(path)
            (aside,) = memory.iterdir()
            assert 3 * BLOCK_SIZE <= aside.stat().st_blocks * 512 <= 3 * BLOCK_SIZE + 8 * PAGE
            assert {block: bytes(view) for block, view in recovery.torrents[ONE.v1].blocks[1].items()} == {
                slot % 7: payload(1, slot % 7) for slot in (0, 500, 999)}


def test_a_start_that_records_nothing_itself_leaves_no_proof_of_being_whole(killed):
    first = recover(killed)
    first.note_gap()
    assert first.torrents[ONE.v1].is_whole
    later = recover(killed)
    assert [(found.is_whole, pieces(found)) for found in (later.torrents[ONE.v1], later.torrents[TWO.v2])] == [
        (False, {1, 2, 3}), (False, {8})]
    assert later.damages == []


def test_blocks_can_be_read_until_they_are_let_go(killed):
    recovery = recover(killed)
    block = recovery.torrents[ONE.v1].blocks[6][1]
    recovery.close()
    assert block == payload(6, 1)


def test_what_another_session_left_proves_no_piece(killed):
    recovery = recover(killed, session_id=b"another session.")
    one = recovery.torrents[ONE.v1]
    assert one.written == []
    assert not one.is_whole
    assert sorted(one.blocks[6]) == [0, 1, 2]


@pytest.mark.parametrize("size", [0, 1, 100, PAGE, LAYOUT.slots_at, LAYOUT.size - 1])
def test_a_file_cut_short_is_set_aside_and_told(killed, size):
    os.truncate(killed, size)
    recovery = recover(killed)
    assert recovery.torrents == {}
    assert [damage.what for damage in recovery.damages] == ["live file"]
    put_block(make_live(killed), ONE, 0, 0, slot=0)
    again = recover(killed)
    assert list(again.torrents) == [ONE.v1]
    assert again.damages == []


def test_a_file_under_another_key_is_set_aside_and_told(killed):
    recovery = Recovery.recover(killed, Seal(b"x" * 32), SESSION)
    assert recovery.torrents == {}
    assert len(recovery.damages) == 1


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink("/dev/zero", path)])
def test_something_else_in_its_place_is_told_and_does_not_hang(path, make):
    make(path)
    recovery = recover(path)
    assert recovery.torrents == {}
    assert len(recovery.damages) == 1
    make_live(path)


def test_any_damaged_bit_is_told_and_never_proves_a_piece(killed):
    sound = killed.read_bytes()
    rng = random.Random(5)
    used = [at for at in range(LAYOUT.slots_at) if sound[at]] + rng.sample(range(LAYOUT.slots_at), 300)
    descriptors = range(PAGE, LAYOUT.torrents_at)
    for at in used:
        spoiled = bytearray(sound)
        spoiled[at] ^= 1 << rng.randrange(8)
        for old in killed.parent.iterdir():
            old.unlink()
        killed.write_bytes(spoiled)
        recovery = recover(killed)
        one, two = (recovery.torrents.get(key) for key in (ONE.v1, TWO.v2))
        for found, written in ((one, {1, 2, 3}), (two, {8})):
            if found is not None:
                assert pieces(found) <= written, at
                assert pieces(found) == written or not found.is_whole, at
        if at not in descriptors and spoiled != sound:
            is_same = one is not None and two is not None and one.tally == TALLY and one.is_whole and two.is_whole
            assert recovery.damages or is_same, at


def test_damage_in_one_torrent_leaves_the_other(killed):
    data = bytearray(killed.read_bytes())
    for at in (LAYOUT.entry_at(1) + 40, LAYOUT.entry_at(1) + 104):
        data[at] ^= 1
    killed.write_bytes(data)
    recovery = recover(killed)
    assert list(recovery.torrents) == [TWO.v2]
    assert recovery.damages
    assert sorted(recovery.torrents[TWO.v2].blocks[0]) == [1]


def test_half_of_a_header_is_enough(killed):
    data = bytearray(killed.read_bytes())
    data[:100] = bytes(100)
    killed.write_bytes(data)
    recovery = recover(killed)
    assert pieces(recovery.torrents[ONE.v1]) == {1, 2, 3}
    assert len(recovery.damages) == 1


def test_blocks_that_are_wanted_exclude_those_of_written_and_known_pieces(path):
    live = make_live(path)
    for slot, (index, block) in enumerate([(0, 0), (1, 0), (2, 0), (2, 1), (2, 2), (3, 0)]):
        put_block(live, ONE, index, block, slot)
    live.note_written(ONE, [0])
    geometry = PieceGeometry(size=3 * 2 * BLOCK_SIZE, piece_length=2 * BLOCK_SIZE)
    wanted = recover(path).torrents[ONE.v1].wanted_blocks(geometry, have={1})
    assert {index: [block for block, _ in blocks] for index, blocks in wanted.items()} == {2: [0, 1]}
    assert wanted[2][1][1] == payload(2, 1)


def test_a_file_that_is_not_ours_to_move_is_told_and_stops_nothing(path, monkeypatch):
    path.write_bytes(b"x" * PAGE)

    def refuse(*_arguments):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(type(path), "replace", refuse)         # a folder like /dev/shm, where others leave files
    (damage,) = recover(path).damages
    assert "header" in damage.detail


def test_files_that_only_look_like_ours_are_left_alone(killed):
    odd = [killed.with_name(f"live.{ending}") for ending in ("\u00b2", "x", "-1")]
    for other in odd:
        other.touch()
    assert len(recover(killed).torrents) == 2
    assert all(other.exists() for other in odd)


def test_when_the_killed_process_was_alive_last_is_found(path):
    live = make_live(path)
    live.torrent(ONE)
    live.beat(1234.5)
    assert recover(path).alive_at == 1234.5


def test_the_last_commit_that_the_killed_process_saw_is_found(path):
    make_live(path).note_commit(17)
    recovery = recover(path)
    assert (recovery.generation, recovery.torrents) == (17, {})


def test_of_two_killed_processes_of_a_session_the_later_commit_counts(killed):
    killed_first = recover(killed)
    assert killed_first.generation == 0
    for generation in (9, 3):
        live = make_live(killed)
        live.torrent(ONE)
        live.note_commit(generation)
        latest = recover(killed)
    assert latest.generation == 9


def test_when_rows_are_lost_no_torrent_counts_as_known_in_whole(killed):
    recovery = recover(killed)
    recovery.distrust()
    assert [found.is_whole for found in recovery.torrents.values()] == [False, False]
    assert pieces(recovery.torrents[ONE.v1]) == {1, 2, 3}
