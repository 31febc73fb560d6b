"""A state directory: whose it is, how its last session ended, and versions to come."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from blobtorrent.model.errors import ConfigError
from blobtorrent.model.ids import InfoHash
from blobtorrent.storage.sealed import Seal
from blobtorrent.storage.state.statedir import StateDir
from blobtorrent.storage.state.statethread import SESSION, Row


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "a/state"


def run(root: Path, *, is_clean: bool, commits: int = 1) -> tuple[bool, bytes]:
    """One session; returns whether it found a clean end, and its id."""
    state_dir = StateDir(root)
    assert state_dir.damages == []
    for number in range(commits):
        state_dir.state.commit([Row(SESSION, b"", b"%d" % number)])
    if is_clean:
        state_dir.mark_clean()
    state_dir.close()
    return state_dir.was_clean, state_dir.session_id


def test_a_new_directory_is_made_for_its_owner_alone_and_nothing_is_missed_in_it(root: Path) -> None:
    run(root, is_clean=True)
    assert root.stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in root.iterdir()) == [
        "format", "key", "key.1", "lock", "parts", "session", "state.sqlite3", "state.sqlite3.1", "torrents"]


def test_a_directory_is_clean_only_after_a_session_that_said_so(root: Path) -> None:
    ends = [True, False, False, True, True]
    found = [run(root, is_clean=is_clean)[0] for is_clean in ends]
    assert found == [False, True, False, False, True]


def test_killed_sessions_are_one_session_until_a_clean_end(root: Path) -> None:
    ids = [run(root, is_clean=is_clean)[1] for is_clean in (False, False, True, False, True)]
    assert ids[0] == ids[1] == ids[2]
    assert ids[3] == ids[4]
    assert ids[2] != ids[3]
    assert len(ids[0]) == 16


@pytest.mark.parametrize("is_clean", [True, False])
def test_rows_that_are_gone_in_both_generations_are_missed(root: Path, is_clean: bool) -> None:
    run(root, is_clean=is_clean)
    for path in root.glob("state.sqlite3*"):
        path.unlink()
    state_dir = StateDir(root)
    assert state_dir.damages[0].detail == "it is gone, and so is its previous generation"
    state_dir.close()


def test_a_second_daemon_is_refused_until_the_first_has_ended(root: Path) -> None:
    first = StateDir(root)
    with pytest.raises(ConfigError) as caught:
        StateDir(root)
    assert caught.value.code == "state.locked"
    first.close()
    StateDir(root).close()


def test_a_directory_of_a_later_version_is_refused_and_not_touched(root: Path) -> None:
    state_dir = StateDir(root)
    seal = state_dir.seal
    state_dir.close()
    (root / "format").write_bytes(seal.wrap(b"format", b"blobtorrent state, format 2\n"))
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in root.rglob("*")}
    with pytest.raises(ConfigError) as caught:
        StateDir(root)
    assert caught.value.code == "state.newer"
    assert "format 2" in caught.value.detail
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in root.rglob("*")} == before


def test_a_version_under_another_seal_is_damage_and_no_reason_to_refuse(root: Path) -> None:
    StateDir(root).close()
    (root / "format").write_bytes(Seal(bytes(32)).wrap(b"format", b"blobtorrent state, format 2\n"))
    state_dir = StateDir(root)
    state_dir.close()
    assert [damage.what for damage in state_dir.damages] == ["format"]


def test_a_place_that_cannot_be_a_directory_is_one_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for place in (tmp_path / "file", tmp_path / "file/state"):
        with pytest.raises(ConfigError) as caught:
            StateDir(place)
        assert caught.value.code == "state.unusable"


def test_a_failed_start_gives_the_lock_back(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(os, "urandom", lambda size: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            StateDir(root)
    StateDir(root).close()


def test_torrent_files_without_a_row_are_strays(root: Path) -> None:
    state_dir = StateDir(root)
    v1, v2, copy = InfoHash(v1=bytes(20)), InfoHash(v2=bytes(32)), InfoHash(v1=b"c" * 20)
    for info_hash in (v1, v2):
        state_dir.torrent_path(info_hash).write_bytes(b"")
    state_dir.torrent_path(copy).with_suffix(".torrent.1").write_bytes(b"")
    (root / "torrents/readme.torrent").write_bytes(b"")
    assert set(state_dir.stray_torrents(())) == {v1, v2, copy}
    assert state_dir.stray_torrents({v1.v1, copy.v1}) == [v2]
    state_dir.close()
