import errno
import os
import stat
from pathlib import Path

import pytest

from blobtorrent.model.errors import DiskFull, StorageError
from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.model.ids import InfoHash
from blobtorrent.storage.live.livefile import LiveDraft, LiveFile
from blobtorrent.storage.live.recovery import Recovery
from blobtorrent.storage.live.tally import Tally
from tests.support.livefiles import HYBRID, NUM_SLOTS, ONE, SEAL, SESSION, TWO, key, make_live, put_block, recover


@pytest.fixture
def path(tmp_path):
    return tmp_path / "live"


def test_nobody_else_may_read_the_file(path):
    make_live(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_in_the_way_is_neither_used_nor_removed(path):
    path.write_bytes(b"somebody's")
    with pytest.raises(StorageError):
        make_live(path)
    assert path.read_bytes() == b"somebody's"


def test_a_file_that_a_kill_left_half_made_is_no_live_file(path, monkeypatch):
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(os, "link", killed)
        patched.setattr(Path, "unlink", lambda *_arguments, **_options: None)      # nobody tidies up
        make_live(path)
    assert Recovery.recover(path, SEAL, SESSION) is None
    make_live(path)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def killed(*_arguments):
    raise KeyboardInterrupt


def test_a_link_in_the_way_is_not_followed(path, tmp_path):
    path.symlink_to(tmp_path / "target")
    with pytest.raises(StorageError):
        make_live(path)
    assert not (tmp_path / "target").exists()


def test_without_room_for_all_of_it_nothing_is_left(path, monkeypatch):
    def full(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(DiskFull):
        make_live(path)
    assert not path.exists()


def test_a_draft_that_is_abandoned_leaves_nothing(path):
    draft = LiveDraft(path, num_slots=NUM_SLOTS)
    draft.abandon()
    draft.abandon()
    assert list(path.parent.iterdir()) == []


def test_a_finished_draft_cannot_be_abandoned_any_more(path):
    draft = LiveDraft(path, num_slots=NUM_SLOTS)
    live = draft.finish(SEAL, SESSION)
    put_block(live, ONE, 0, 0, slot=0)
    draft.abandon()
    assert len(recover(path).torrents[ONE.v1].blocks[0]) == 1


def test_all_of_it_is_reserved_before_it_is_used(path):
    make_live(path)
    found = path.stat()
    assert found.st_blocks * 512 >= found.st_size > NUM_SLOTS * BLOCK_SIZE


def test_slots_are_one_stretch_that_starts_on_a_page(path):
    live = make_live(path)
    assert len(live.slot_memory) == NUM_SLOTS * BLOCK_SIZE
    live.slot_memory[:5] = b"first"
    live.slot_memory[-4:] = b"last"
    data = path.read_bytes()
    assert data.endswith(b"last")
    assert data.index(b"first") % 4096 == 0


def test_a_torrent_keeps_its_place_until_it_is_forgotten(path):
    live = make_live(path)
    first = live.torrent(ONE)
    assert live.torrent(ONE) is first
    live.forget(ONE)
    assert live.torrent(ONE) is not first


def test_torrents_beyond_the_room_have_no_place(path):
    live = make_live(path, num_torrents=2)
    assert live.torrent(ONE)
    assert live.torrent(TWO)
    assert live.torrent(HYBRID) is None
    live.note_written(HYBRID, [1])
    live.on_committed(HYBRID, {1})
    live.forget(HYBRID)
    live.forget(ONE)
    assert live.torrent(HYBRID)


def test_no_more_torrents_than_descriptors_can_name(path):
    with pytest.raises(ValueError, match="16384"):
        LiveFile.create(path, num_slots=1, seal=SEAL, session_id=SESSION, num_torrents=1 << 14)


def test_noted_blocks_are_found_with_their_bytes(path):
    live = make_live(path)
    put_block(live, ONE, 5, 0, slot=3)
    put_block(live, ONE, 5, 2, slot=9)
    put_block(live, TWO, 4_000_000_000, 200_000, slot=0)
    found = recover(path).torrents
    assert sorted(found[ONE.v1].blocks[5]) == [0, 2]
    assert found[ONE.v1].blocks[5][2] == live.slot_memory[9 * BLOCK_SIZE : 10 * BLOCK_SIZE]
    assert list(found[TWO.v2].blocks[4_000_000_000]) == [200_000]


def test_a_cleared_descriptor_holds_no_block(path):
    live = make_live(path)
    put_block(live, ONE, 0, 0, slot=3)
    live.descriptors[3] = 0
    assert recover(path).torrents[ONE.v1].blocks == {}


def test_written_pieces_are_found_until_a_row_says_them(path):
    live = make_live(path)
    live.torrent(ONE)
    live.note_written(ONE, [7, 3, 4])
    live.note_written(ONE, [9])
    live.on_committed(ONE, {3, 4, 9})          # 7 is not saved: its record stays
    assert recover(path).torrents[ONE.v1].written == [range(3, 5), range(7, 8)]


def test_lost_pieces_are_not_found_and_the_others_of_their_records_are(path):
    live = make_live(path)
    live.torrent(ONE)
    live.note_written(ONE, [3, 4, 5])
    live.note_written(ONE, [9])
    live.on_lost(ONE, {4, 9})
    live.on_lost(TWO, {4})
    found = recover(path).torrents[ONE.v1]
    assert (found.written, found.is_whole) == ([range(3, 4), range(5, 6)], True)


def test_a_lost_piece_without_a_record_is_lacking_no_more(path):
    live = make_live(path, num_records=1)
    live.torrent(ONE)
    live.note_written(ONE, [1])
    live.note_written(ONE, [5])
    live.on_lost(ONE, {5})
    found = recover(path).torrents[ONE.v1]
    assert (found.written, found.is_whole) == ([range(1, 2)], True)


def test_many_runs_take_several_records(path):
    live = make_live(path)
    live.torrent(ONE)
    pieces = list(range(0, 38, 2))
    live.note_written(ONE, pieces)
    found = recover(path).torrents[ONE.v1]
    assert sorted(index for run in found.written for index in run) == pieces
    assert found.is_whole


def test_without_room_for_records_the_torrent_is_known_to_lack_some(path):
    live = make_live(path, num_records=2)
    live.torrent(ONE)
    live.torrent(TWO)
    for index in (1, 3, 5):
        live.note_written(ONE, [index])
    live.on_committed(ONE, {1})
    found = recover(path).torrents
    assert found[ONE.v1].written == [range(3, 4)]
    assert not found[ONE.v1].is_whole
    assert found[TWO.v2].is_whole


def test_once_all_is_saved_it_lacks_nothing_again(path):
    live = make_live(path, num_records=1)
    live.torrent(ONE)
    live.note_written(ONE, [1])
    live.note_written(ONE, [5])
    live.on_committed(ONE, {1, 5})
    live.note_written(ONE, [8])
    found = recover(path).torrents[ONE.v1]
    assert found.written == [range(8, 9)]
    assert found.is_whole


def test_totals_are_exact_from_the_start_and_after_every_receive(path):
    live = make_live(path)
    live.torrent(ONE, Tally(1000, 500, 10))
    put_block(live, ONE, 0, 0, slot=1)
    torrent = live.torrent(ONE)
    torrent.save_tally(1000 + BLOCK_SIZE, 700, 10)
    torrent.note_blocks([key(0, 1), key(0, 2)], [2, 3])
    assert recover(path).torrents[ONE.v1].tally == Tally(1000 + 3 * BLOCK_SIZE, 700, 10)


def test_a_forgotten_torrent_is_not_found(path):
    live = make_live(path)
    put_block(live, ONE, 0, 0, slot=1)
    live.note_written(ONE, [1])
    live.torrent(TWO)
    live.forget(ONE)
    recovery = recover(path)
    assert list(recovery.torrents) == [TWO.v2]
    assert recovery.damages == []


def test_a_torrent_is_found_by_the_key_of_its_rows(path):
    live = make_live(path)
    for info_hash in (ONE, TWO, HYBRID):
        live.torrent(info_hash)
    assert sorted(recover(path).torrents) == sorted([ONE.v1, TWO.v2, HYBRID.v1])


def test_numbers_are_used_again_without_mixing_torrents_up(path):
    live = make_live(path, num_torrents=1)
    for letter in b"abcdefgh":
        name = InfoHash(v1=bytes([letter]) * 20)
        torrent = live.torrent(name)
        torrent.save_tally(letter, 0, 0)
        live.note_written(name, [letter])
        if letter != ord("h"):
            live.forget(name)
    recovery = recover(path)
    assert list(recovery.torrents) == [b"h" * 20]
    assert recovery.torrents[b"h" * 20].written == [range(ord("h"), ord("h") + 1)]


def test_after_a_clean_stop_there_is_no_file(path):
    live = make_live(path)
    live.remove()
    live.remove()
    assert list(path.parent.iterdir()) == []
    live.slot_memory[:4] = b"fine"
