"""Live files that nobody will read again: which are told of, and which are removed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from blobtorrent.storage.live.leftovers import leftovers, remove_own
from blobtorrent.storage.live.livefile import LiveFile
from blobtorrent.storage.live.liveplace import place_id, shared_prefix
from blobtorrent.storage.sealed import Seal
from blobtorrent.storage.state.keyfile import read_key
from blobtorrent.storage.state.statedir import StateDir


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return make_state(tmp_path / "state")


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """In the place of /dev/shm."""
    folder = tmp_path / "shared"
    folder.mkdir()
    return folder


def make_state(folder: Path) -> Path:
    StateDir(folder).close()
    return folder


def leave_live(shared: Path, state: Path, ending: str = "", key: bytes | None = None) -> Path:
    """The live file of a killed daemon."""
    path = shared / f"{shared_prefix()}{place_id(state)}{ending}"
    seal = Seal(key or read_key(state) or b"k" * 32)
    LiveFile.create(path, num_slots=1, seal=seal, session_id=bytes(16), owner=state, num_torrents=1, num_records=1)
    return path


def found(state: Path, shared: Path) -> list[tuple[Path, bool]]:
    return [(leftover.path, leftover.is_own) for leftover in leftovers(state, shared=shared)]


@pytest.mark.parametrize("ending", ["", ".1"])
def test_unfinished_work_of_a_killed_daemon_is_no_leftover(state: Path, shared: Path, ending: str) -> None:
    leave_live(shared, state, ending)
    assert found(state, shared) == []


@pytest.mark.parametrize("ending", [".damaged", ".draft"])
def test_what_no_start_reads_is_one(state: Path, shared: Path, ending: str) -> None:
    path = leave_live(shared, state, ending)
    assert found(state, shared) == [(path, True)]
    assert leftovers(state, shared=shared)[0].size == path.stat().st_size


def test_so_is_what_an_earlier_state_directory_at_the_same_place_left(state: Path, shared: Path) -> None:
    path = leave_live(shared, state, key=b"of the directory that was there.")
    assert found(state, shared) == [(path, True)]


def test_without_a_key_nothing_is_taken_for_a_leftover(state: Path, shared: Path) -> None:
    leave_live(shared, state)
    for name in ("key", "key.1"):
        (state / name).unlink()
    assert found(state, shared) == []


def test_the_file_of_a_state_directory_that_is_gone_is_named_and_not_removed(
    state: Path, shared: Path, tmp_path: Path
) -> None:
    path = leave_live(shared, tmp_path / "gone")
    left = leftovers(state, shared=shared)
    assert [(leftover.path, leftover.is_own) for leftover in left] == [(path, False)]
    assert str(tmp_path / "gone") in left[0].detail
    assert remove_own(left) == left
    assert path.exists()


def test_the_file_of_another_state_directory_is_nobody_elses_business(
    state: Path, shared: Path, tmp_path: Path
) -> None:
    leave_live(shared, make_state(tmp_path / "other"))
    assert found(state, shared) == []


def test_those_of_the_state_directory_are_removed(state: Path, shared: Path) -> None:
    path = leave_live(shared, state, ".damaged")
    assert remove_own(leftovers(state, shared=shared)) == []
    assert not path.exists()


def test_what_is_no_live_file_is_left_alone(state: Path, shared: Path, tmp_path: Path) -> None:
    name = f"{shared_prefix()}{place_id(state)}"
    (shared / f"{name}.damaged").symlink_to(tmp_path)
    (shared / f"{name}.draft").write_bytes(b"short")
    (shared / f"{name}.notes").write_bytes(bytes(4096))
    os.mkfifo(shared / name)
    assert found(state, shared) == []
