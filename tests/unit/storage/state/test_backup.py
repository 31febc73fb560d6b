"""Backups: what comes back is what was there, and what is no backup changes nothing."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from blobtorrent.model.errors import Conflict, Invalid, NotFound, ResumeCorrupt
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.partstore import Durable, PartStore
from blobtorrent.storage.state import backup
from blobtorrent.storage.state.backup import back_up, restore
from blobtorrent.storage.state.examine import examine
from blobtorrent.storage.state.library import Library
from blobtorrent.storage.state.statedir import StateDir
from blobtorrent.storage.state.statethread import KINDS, SESSION, TORRENT, Row, all_rows_of
from tests.support.statedirs import SavedState, flip, make_torrent, read_rows


@pytest.fixture
def saved(tmp_path: Path) -> SavedState:
    return SavedState(tmp_path / "state", is_clean=True, num_torrents=3)


def add_to_tar(archive: Path, name: str, content: bytes = b"x", kind: bytes = tarfile.REGTYPE) -> None:
    with tarfile.open(archive, "a") as tar:
        member = tarfile.TarInfo(name)
        member.size = len(content) if kind == tarfile.REGTYPE else 0
        member.type = kind
        member.linkname = "/etc/passwd"
        tar.addfile(member, io.BytesIO(content))


def test_a_restored_directory_has_all_rows_and_torrents_and_counts_as_killed(
    saved: SavedState, tmp_path: Path
) -> None:
    back_up(saved.root, tmp_path / "tar")
    restore(tmp_path / "tar", tmp_path / "restored", force=False)
    assert examine(tmp_path / "restored") == (len(saved.latest), 3, 0, [])
    state_dir = StateDir(tmp_path / "restored")
    assert read_rows(state_dir, KINDS) == saved.latest
    assert (state_dir.damages, state_dir.was_clean) == ([], False)
    state_dir.close()


def test_who_waits_is_told_how_far_it_is(saved: SavedState, tmp_path: Path) -> None:
    written: list[tuple[int, int]] = []
    read: list[tuple[int, int]] = []
    back_up(saved.root, tmp_path / "tar", lambda done, total: written.append((done, total)))
    restore(tmp_path / "tar", tmp_path / "restored", force=False, progress=lambda *how_far: read.append(how_far))
    count = len(list((saved.root / "torrents").glob("*.torrent")))
    assert written == [(number, count) for number in range(1, count + 1)] and count
    assert read == sorted(read) and 0 < read[0][0] <= read[-1][0] <= read[-1][1] == (tmp_path / "tar").stat().st_size


def test_a_backup_is_for_its_owner_alone(saved: SavedState, tmp_path: Path) -> None:
    (saved.root / "admin.token").write_text("secret")
    num_files = back_up(saved.root, tmp_path / "tar")
    with tarfile.open(tmp_path / "tar") as tar:
        assert len(tar.getnames()) == num_files
        assert "admin.token" in tar.getnames()
    assert (tmp_path / "tar").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state", "tar"]


def test_a_backup_while_the_daemon_runs_has_the_rows_of_one_commit(saved: SavedState, tmp_path: Path) -> None:
    state_dir = StateDir(saved.root)
    state_dir.state.commit([Row(SESSION, b"", b"one")])
    back_up(saved.root, tmp_path / "tar")
    state_dir.state.commit([Row(SESSION, b"", b"two")])
    state_dir.close()
    restore(tmp_path / "tar", tmp_path / "restored", force=False)
    restored = StateDir(tmp_path / "restored")
    assert read_rows(restored, (SESSION,)) == {(SESSION, b""): b"one"}
    restored.close()


def add_a_torrent(state_dir: StateDir, saved: SavedState) -> None:
    Library(state_dir, lambda damage: None).keep(*make_torrent("new"))


def remove_a_torrent(state_dir: StateDir, saved: SavedState) -> None:
    Library(state_dir, lambda damage: None).drop(saved.torrents[0])
    state_dir.state.commit([], all_rows_of(saved.torrents[0]))


def write_half_a_block(state_dir: StateDir, saved: SavedState) -> None:
    info_hash = saved.torrents[0]
    path = state_dir.parts_path(info_hash)
    parts = PartStore(path.parent, FilePool(4), "owner", Durable(path, state_dir.seal, info_hash.v1))
    parts.load_existing()
    parts.adopt({1: [(0, memoryview(bytearray(16384)))]})
    parts.close()
    flip(path, 8 * 9000)


@pytest.mark.parametrize(
    ("change", "num_left"), [(add_a_torrent, 3), (remove_a_torrent, 2), (write_half_a_block, 3)])
def test_a_backup_can_be_restored_whatever_the_daemon_does_meanwhile(
    saved: SavedState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    change: Callable[[StateDir, SavedState], None], num_left: int,
) -> None:
    state_dir = StateDir(saved.root)
    copy_rows = backup._copy_rows
    changes = [change]

    def copy_rows_and_go_on(*arguments: object) -> object:
        copied = copy_rows(*arguments)  # type: ignore[arg-type]
        while changes:
            changes.pop()(state_dir, saved)
        return copied

    monkeypatch.setattr(backup, "_copy_rows", copy_rows_and_go_on)
    back_up(saved.root, tmp_path / "tar")
    state_dir.close()
    restore(tmp_path / "tar", tmp_path / "restored", force=False)
    restored = StateDir(tmp_path / "restored")
    assert len(read_rows(restored, (TORRENT,))) == num_left
    assert len(list((restored.path / "torrents").glob("*.torrent"))) == num_left
    restored.close()


@pytest.mark.parametrize("ending", ["torrent", "torrent.1"])
def test_a_damaged_copy_of_a_torrent_file_does_not_get_into_the_backup(
    saved: SavedState, tmp_path: Path, ending: str
) -> None:
    flip(saved.root / "torrents" / f"{saved.torrents[0].hex}.{ending}", 300)
    back_up(saved.root, tmp_path / "tar")
    restore(tmp_path / "tar", tmp_path / "restored", force=False)
    assert examine(tmp_path / "restored").damages == []


def test_a_state_without_a_whole_torrent_file_is_not_backed_up_over_a_sound_backup(
    saved: SavedState, tmp_path: Path
) -> None:
    back_up(saved.root, tmp_path / "tar")
    before = (tmp_path / "tar").read_bytes()
    for ending in ("torrent", "torrent.1"):
        flip(saved.root / "torrents" / f"{saved.torrents[0].hex}.{ending}", 300)
    with pytest.raises(ResumeCorrupt):
        back_up(saved.root, tmp_path / "tar")
    assert (tmp_path / "tar").read_bytes() == before


def test_a_damaged_state_is_not_backed_up_over_a_sound_backup(saved: SavedState, tmp_path: Path) -> None:
    back_up(saved.root, tmp_path / "tar")
    before = (tmp_path / "tar").read_bytes()
    (saved.root / "state.sqlite3").write_bytes(b"damaged")
    with pytest.raises(ResumeCorrupt):
        back_up(saved.root, tmp_path / "tar")
    assert (tmp_path / "tar").read_bytes() == before


def test_a_directory_with_something_in_it_is_replaced_only_by_force(saved: SavedState, tmp_path: Path) -> None:
    back_up(saved.root, tmp_path / "tar")
    (saved.root / "admin.token").write_text("precious")
    with pytest.raises(Conflict):
        restore(tmp_path / "tar", saved.root, force=False)
    restore(tmp_path / "tar", saved.root, force=True)
    assert not (saved.root / "admin.token").exists()
    (kept,) = (saved.root / "quarantine").glob("admin.token.*")
    assert kept.read_text() == "precious"
    assert examine(saved.root).damages == []


@pytest.mark.parametrize(
    "name", ["../evil", "/tmp/evil", "torrents/../../evil", "torrents/.hidden", "other", "torrents/a/b", "torrents/"])
def test_a_tar_file_with_a_foreign_name_is_refused_and_nothing_written(
    saved: SavedState, tmp_path: Path, name: str
) -> None:
    back_up(saved.root, tmp_path / "tar")
    add_to_tar(tmp_path / "tar", name)
    with pytest.raises(Invalid):
        restore(tmp_path / "tar", tmp_path / "restored", force=False)
    assert [path.name for path in (tmp_path / "restored").iterdir()] == ["lock"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_a_tar_file_with_anything_but_files_is_refused(saved: SavedState, tmp_path: Path, kind: bytes) -> None:
    back_up(saved.root, tmp_path / "tar")
    add_to_tar(tmp_path / "tar", "admin.token", kind=kind)
    with pytest.raises(Invalid):
        restore(tmp_path / "tar", tmp_path / "restored", force=False)


def test_a_damaged_backup_is_refused_and_nothing_written(saved: SavedState, tmp_path: Path) -> None:
    back_up(saved.root, tmp_path / "tar")
    data = (tmp_path / "tar").read_bytes()
    flip(tmp_path / "tar", 8 * data.index(b"http://tracker.example"))
    with pytest.raises(ResumeCorrupt):
        restore(tmp_path / "tar", tmp_path / "restored", force=False)
    assert [path.name for path in (tmp_path / "restored").iterdir()] == ["lock"]


@pytest.mark.parametrize("content", [b"", b"no tar file at all", bytes(10240)])
def test_what_is_no_backup_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tar").write_bytes(content)
    with pytest.raises((Invalid, ResumeCorrupt)):
        restore(tmp_path / "tar", tmp_path / "restored", force=False)


def test_a_backup_of_nothing_and_a_missing_backup_are_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        back_up(tmp_path, tmp_path / "tar")
    with pytest.raises(NotFound):
        restore(tmp_path / "tar", tmp_path / "restored", force=False)
