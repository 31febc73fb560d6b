"""A flipped bit anywhere in a state directory is detected and recovered from, or changes nothing. So are lost files.

`SavedState` knows what was saved; what a start finds is compared with it, row by row and file by file.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from pathlib import Path
from typing import NamedTuple

import pytest

from blobtorrent.model.damage import Damage
from blobtorrent.model.errors import StorageError
from blobtorrent.storage.state.examine import examine
from blobtorrent.storage.state.library import Library
from blobtorrent.storage.state.mend import mend
from blobtorrent.storage.state.statedir import StateDir
from blobtorrent.storage.state.statethread import KINDS, PROGRESS, TORRENT, Row
from tests.support.statedirs import Rows, SavedState, flip

FLIPS = 10                             # in each file, at seeded places

CLEAN, KILLED = "clean", "killed"
FILES = ["format", "key", "key.1", "session", "state.sqlite3", "state.sqlite3.1"]
LOG = "state.sqlite3-wal"


class Start(NamedTuple):
    """What a start of the daemon finds."""

    rows: Rows
    damages: list[Damage]
    stale: frozenset[tuple[str, bytes]]
    was_clean: bool


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, SavedState]:
    folder = tmp_path_factory.mktemp("saved")
    return {CLEAN: SavedState(folder / CLEAN, is_clean=True), KILLED: SavedState(folder / KILLED, is_clean=False)}


def start(root: Path) -> Start:
    """Open, load, save something, and end cleanly."""
    state_dir = StateDir(root)
    try:
        loaded = state_dir.state.load(KINDS)
        state_dir.state.commit([Row(PROGRESS, bytes(20), b"new")])
        damages = [*state_dir.damages, *loaded.damaged, *state_dir.state.take_damages()]
        state_dir.state.commit([], [(PROGRESS, bytes(20))])
        was_clean = state_dir.was_clean
        state_dir.mark_clean()
    finally:
        state_dir.close()
    return Start({(row.kind, row.key): row.body for row in loaded.rows}, damages, loaded.stale, was_clean)


def flipped(saved: SavedState, target: Path, name: str, number: int) -> Path:
    """A copy with one bit of one file turned."""
    root = saved.copy(target)
    rng = random.Random(f"{name} {number}")
    flip(root / name, rng.randrange(8 * (root / name).stat().st_size))
    return root


@pytest.mark.parametrize("ending", [CLEAN, KILLED])
def test_an_undamaged_directory_is_found_as_it_was_left(
    saved: dict[str, SavedState], tmp_path: Path, ending: str
) -> None:
    found = start(saved[ending].copy(tmp_path / "state"))
    assert found == Start(saved[ending].latest, [], frozenset(), ending == CLEAN)


@pytest.mark.parametrize("number", range(FLIPS))
@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_costs_no_row_and_never_the_start(
    saved: dict[str, SavedState], tmp_path: Path, name: str, number: int
) -> None:
    found = start(flipped(saved[CLEAN], tmp_path / "state", name, number))
    assert found.rows == saved[CLEAN].latest
    assert found.was_clean or found.damages
    assert bool(found.stale) <= bool(found.damages)
    assert start(tmp_path / "state") == Start(saved[CLEAN].latest, [], frozenset(), True)


@pytest.mark.parametrize("ending", ["", ".1"])
def test_a_schema_that_is_no_text_any_more_costs_no_row_and_never_the_start(
    saved: dict[str, SavedState], tmp_path: Path, ending: str
) -> None:
    """SQLite quotes it when it complains, and Python cannot decode that."""
    for number, place in enumerate((b"EATE TABLE rows", b"NULL, body", b"sqlite_autoindex_rows")):
        root = saved[CLEAN].copy(tmp_path / f"state-{number}")
        path = root / f"state.sqlite3{ending}"
        flip(path, 8 * path.read_bytes().index(place) + 7)
        found = start(root)
        assert found.rows == saved[CLEAN].latest
        assert [damage.what for damage in found.damages] == ([] if ending else ["state file"])


@pytest.mark.parametrize("number", range(FLIPS))
@pytest.mark.parametrize("name", ["format", "key", "key.1", "session"])
def test_a_flipped_bit_in_a_small_file_is_always_told(
    saved: dict[str, SavedState], tmp_path: Path, name: str, number: int
) -> None:
    root = flipped(saved[CLEAN], tmp_path / "state", name, number)
    assert [Path(damage.where).name for damage in examine(root).damages] == [name]
    assert name in [Path(damage.where).name for damage in start(root).damages]


@pytest.mark.parametrize("number", range(2 * FLIPS))
def test_a_flipped_bit_in_the_log_costs_whole_commits_at_most_and_is_told(
    saved: dict[str, SavedState], tmp_path: Path, number: int
) -> None:
    found = start(flipped(saved[KILLED], tmp_path / "state", LOG, number))
    assert found.damages
    assert found.rows in saved[KILLED].history
    assert list((tmp_path / "state/quarantine").glob(f"{LOG}.*"))


@pytest.mark.parametrize("number", range(FLIPS))
def test_rows_damaged_in_both_generations_are_left_out_and_the_others_kept(
    saved: dict[str, SavedState], tmp_path: Path, number: int
) -> None:
    root = flipped(saved[CLEAN], tmp_path / "state", "state.sqlite3", number)
    flip(root / "state.sqlite3.1", random.Random(number).randrange(8 * (root / "state.sqlite3.1").stat().st_size))
    found = start(root)
    assert found.rows.items() <= saved[CLEAN].latest.items()
    assert found.damages or found.rows == saved[CLEAN].latest
    assert start(root) == Start(found.rows, [], frozenset(), True)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_gone_costs_no_row(saved: dict[str, SavedState], tmp_path: Path, name: str) -> None:
    root = saved[CLEAN].copy(tmp_path / "state")
    (root / name).unlink()
    found = start(root)
    assert found.rows == saved[CLEAN].latest
    assert bool(found.damages) == (name != "state.sqlite3.1")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [b"", b"\0" * 5000, b"something else"])
def test_a_file_that_was_overwritten_costs_no_row(
    saved: dict[str, SavedState], tmp_path: Path, name: str, content: bytes
) -> None:
    root = saved[CLEAN].copy(tmp_path / "state")
    (root / name).write_bytes(content)
    assert start(root).rows == saved[CLEAN].latest


@pytest.mark.parametrize("size", [1, 100, 4096, 5000, 20480])
def test_a_state_file_that_is_cut_short_costs_no_row(
    saved: dict[str, SavedState], tmp_path: Path, size: int
) -> None:
    root = saved[CLEAN].copy(tmp_path / "state")
    with (root / "state.sqlite3").open("r+b") as file:
        file.truncate(size)
    found = start(root)
    assert found.rows == saved[CLEAN].latest
    assert found.damages
    assert list((root / "quarantine").glob("state.sqlite3.*"))


def test_an_old_state_file_put_back_is_told_and_the_newer_generation_taken(
    saved: dict[str, SavedState], tmp_path: Path
) -> None:
    root = saved[CLEAN].copy(tmp_path / "state")
    old = (root / "state.sqlite3").read_bytes()
    state_dir = StateDir(root)
    (name, _), *_ = [row for row in saved[CLEAN].latest.items() if row[0][0] == TORRENT]
    state_dir.state.commit([Row(*name, b"newer")])
    state_dir.mark_clean()
    state_dir.close()
    (root / "state.sqlite3").write_bytes(old)
    found = start(root)
    assert found.rows == {**saved[CLEAN].latest, name: b"newer"}
    assert name in found.stale
    assert "older" in found.damages[0].detail
    assert not found.was_clean


def test_an_old_directory_put_back_all_but_its_session_record_is_told(
    saved: dict[str, SavedState], tmp_path: Path
) -> None:
    root, old = saved[CLEAN].copy(tmp_path / "state"), saved[CLEAN].copy(tmp_path / "old")
    start(root)
    for name in ("state.sqlite3", "state.sqlite3.1"):
        shutil.copy(old / name, root / name)
    found = start(root)
    assert not found.was_clean
    assert "older than it was at the last stop" in found.damages[0].detail


def test_a_forged_row_is_not_believed(saved: dict[str, SavedState], tmp_path: Path) -> None:
    root = saved[CLEAN].copy(tmp_path / "state")
    with sqlite3.connect(root / "state.sqlite3") as db:
        db.execute("UPDATE rows SET body = ? WHERE kind = ?", (b"forged", TORRENT))
    db.close()
    found = start(root)
    assert found.rows == saved[CLEAN].latest
    assert {kind for kind, _ in found.stale} == {TORRENT}


def test_a_row_that_was_deleted_behind_our_back_comes_back(saved: dict[str, SavedState], tmp_path: Path) -> None:
    root = saved[CLEAN].copy(tmp_path / "state")
    with sqlite3.connect(root / "state.sqlite3") as db:
        db.execute("DELETE FROM rows WHERE rowid IN (SELECT rowid FROM rows LIMIT 3)")
    db.close()
    found = start(root)
    assert found.rows == saved[CLEAN].latest
    assert len(found.stale) == 3


def test_with_both_keys_lost_the_start_goes_on_and_all_torrents_are_still_there(
    saved: dict[str, SavedState], tmp_path: Path
) -> None:
    root = saved[CLEAN].copy(tmp_path / "state")
    for name in ("key", "key.1"):
        flip(root / name, 100)
    found = start(root)
    assert found.rows == {}
    assert found.damages
    state_dir = StateDir(root)
    strays = state_dir.stray_torrents({key for _, key in found.rows})
    told: list[Damage] = []
    names = {loaded.metainfo.name for info_hash in strays
             if (loaded := Library(state_dir, told.append).load(info_hash)).metainfo}
    state_dir.close()
    assert names == {f"torrent-{number}" for number in range(12)}
    assert told == []
    assert start(root) == Start({}, [], frozenset(), False)
    assert start(root) == Start({}, [], frozenset(), True)


@pytest.mark.parametrize("number", range(2 * FLIPS))
@pytest.mark.parametrize("copy", ["", ".1"])
def test_a_flipped_bit_in_a_torrent_file_is_repaired_from_its_second_copy(
    saved: dict[str, SavedState], tmp_path: Path, copy: str, number: int
) -> None:
    root = saved[CLEAN].copy(tmp_path / "state")
    info_hash = saved[CLEAN].torrents[0]
    path = root / "torrents" / f"{info_hash.hex}.torrent{copy}"
    whole = path.read_bytes()
    flip(path, random.Random(number).randrange(8 * len(whole)))
    assert [damage.where for damage in examine(root).damages] == [str(path)]
    state_dir = StateDir(root)
    told: list[Damage] = []
    library = Library(state_dir, told.append)
    loaded = library.load(info_hash)
    library.mend(info_hash)
    state_dir.close()
    assert loaded.metainfo is not None
    assert loaded.metainfo.tiers == (("http://tracker.example/announce",),)
    assert [damage.remedy for damage in told] == ["restored from the other copy"]
    assert path.read_bytes() == whole


@pytest.mark.parametrize("number", range(FLIPS))
def test_a_repair_leaves_nothing_for_the_next_examination(
    saved: dict[str, SavedState], tmp_path: Path, number: int
) -> None:
    root = saved[CLEAN].copy(tmp_path / "state")
    rng = random.Random(number)
    files = [path for path in sorted(root.rglob("*")) if path.is_file() and path.stat().st_size]
    for path in rng.sample([path for path in files if path.name != "key.1"], 3):
        flip(path, rng.randrange(8 * path.stat().st_size))
    mend(root)
    left = [damage for damage in examine(root).damages if damage.what != "torrent file"]
    assert left == []
    assert start(root).rows.items() <= saved[CLEAN].latest.items()


def test_two_damaged_copies_of_a_torrent_file_are_an_error_of_that_torrent_alone(
    saved: dict[str, SavedState], tmp_path: Path
) -> None:
    root = saved[CLEAN].copy(tmp_path / "state")
    bad, good = saved[CLEAN].torrents[:2]
    for copy in ("", ".1"):
        path = root / "torrents" / f"{bad.hex}.torrent{copy}"
        flip(path, path.read_bytes().index(b"16384") * 8)
    state_dir = StateDir(root)
    told: list[Damage] = []
    library = Library(state_dir, told.append)
    broken, sound = library.load(bad), library.load(good)
    state_dir.close()
    assert broken.metainfo is None
    assert isinstance(broken.error, StorageError)
    assert broken.error.code == "storage.torrent-damaged"
    assert sound.error is None
    assert [damage.remedy for damage in told] == ["add the torrent again"]
