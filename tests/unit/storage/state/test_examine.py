"""What the examination of a state directory sees, and that it changes nothing. Flipped bits are in test_damage."""

from __future__ import annotations

from pathlib import Path

import pytest

from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.partstore import Durable, PartStore
from blobtorrent.storage.state.examine import examine
from blobtorrent.storage.state.mend import mend
from blobtorrent.storage.state.statedir import StateDir
from blobtorrent.storage.state.statethread import KINDS, row_key
from tests.support.statedirs import SavedState, flip, make_torrent, read_rows

BLOCK = 16384


@pytest.fixture
def saved(tmp_path: Path) -> SavedState:
    return SavedState(tmp_path / "state", is_clean=True, num_torrents=3)


def save_blocks(saved: SavedState, count: int) -> Path:
    """Unverified blocks of the first torrent, in its part store."""
    state_dir = StateDir(saved.root)
    path, key = state_dir.parts_path(saved.torrents[0]), row_key(saved.torrents[0])
    pool = FilePool(2)
    store = PartStore(path.parent, pool, path, Durable(path, state_dir.seal, key))
    store.save(7, [(block, memoryview(bytes([block]) * BLOCK)) for block in range(count)])
    store.sync()
    pool.close_owner(path)
    state_dir.mark_clean()
    state_dir.close()
    return path


def contents(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file() and path.suffix[-4:] != "-shm"}


@pytest.mark.parametrize("is_clean", [True, False])
def test_a_sound_directory_has_no_damage_and_is_not_changed(tmp_path: Path, is_clean: bool) -> None:
    saved = SavedState(tmp_path / "state", is_clean=is_clean, num_torrents=3)
    before = contents(saved.root)
    assert examine(saved.root) == (len(saved.latest), 3, 0, [])
    after = contents(saved.root)
    assert {path: after[path] for path in before if not path.name.endswith("-shm")} == {
        path: content for path, content in before.items() if not path.name.endswith("-shm")}


def test_damaged_blocks_are_counted_and_dropped_by_a_repair(saved: SavedState) -> None:
    path = save_blocks(saved, 3)
    assert examine(saved.root).num_blocks == 3
    flip(path, 8 * (512 + BLOCK + 700))
    found = examine(saved.root)
    assert found.num_blocks == 2
    assert [(damage.what, damage.where) for damage in found.damages] == [("part store", str(path))]
    mend(saved.root)
    found = examine(saved.root)
    assert (found.num_blocks, found.damages) == (2, [])
    state_dir = StateDir(saved.root)
    store = PartStore(path.parent, FilePool(1), path, Durable(path, state_dir.seal, row_key(saved.torrents[0])))
    assert store.load_existing() == {7: [0, 2]}
    assert state_dir.was_clean
    state_dir.close()


def test_a_part_store_without_a_sound_block_is_gone_after_a_repair(saved: SavedState) -> None:
    path = save_blocks(saved, 1)
    flip(path, 8 * 600)
    mend(saved.root)
    assert not path.exists()
    assert examine(saved.root).damages == []


def test_a_repair_of_a_killed_session_leaves_it_to_be_checked(tmp_path: Path) -> None:
    saved = SavedState(tmp_path / "state", is_clean=False, num_torrents=3)
    assert mend(saved.root) == []
    state_dir = StateDir(saved.root)
    assert not state_dir.was_clean
    assert read_rows(state_dir, KINDS) == saved.latest
    state_dir.close()


def test_a_torrent_file_without_a_row_and_a_row_without_a_torrent_file_are_told(saved: SavedState) -> None:
    stray, raw = make_torrent("stray")
    for copy in ("", ".1"):
        (saved.root / "torrents" / f"{stray.hex}.torrent{copy}").write_bytes(raw)
        (saved.root / "torrents" / f"{saved.torrents[0].hex}.torrent{copy}").unlink()
    found = examine(saved.root)
    assert sorted(damage.what for damage in found.damages) == ["row", "torrent file", "torrent file"]
    assert found.num_torrents == 4


def test_without_a_key_there_is_nothing_to_examine(saved: SavedState) -> None:
    for name in ("key", "key.1"):
        (saved.root / name).unlink()
    assert {damage.what for damage in examine(saved.root).damages} == {"key"}


def test_rows_of_another_directory_are_damage(saved: SavedState, tmp_path: Path) -> None:
    other = SavedState(tmp_path / "other", is_clean=True, num_torrents=3)
    (saved.root / "state.sqlite3").write_bytes((other.root / "state.sqlite3").read_bytes())
    assert examine(saved.root).damages
