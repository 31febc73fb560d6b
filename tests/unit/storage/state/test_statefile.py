"""The state file when the disk is at fault, and when a repair is interrupted. Damage is in test_damage."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from blobtorrent.model.errors import StorageError
from blobtorrent.storage.sealed import Seal
from blobtorrent.storage.state.quarantine import Quarantine
from blobtorrent.storage.state.rowfile import RowFile
from blobtorrent.storage.state.statefile import StateFile
from blobtorrent.storage.state.statethread import PEERS, TORRENT, Row, RowName

SEAL = Seal(bytes(32))
KINDS = (TORRENT, PEERS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def state(folder: Path) -> Iterator[StateFile]:
    folder.mkdir()
    state = open_state(folder)
    yield state
    state.close()


def open_state(folder: Path, *, gone: Collection[RowName] = ()) -> StateFile:
    quarantine = Quarantine(folder / "quarantine")
    return StateFile(folder / "rows", SEAL, quarantine, lambda name: name not in gone)


def rows(count: int, body: bytes = b"body") -> list[Row]:
    return [Row(TORRENT, b"%d" % number, body) for number in range(count)]


def overwrite_page(path: Path, page: int) -> None:
    with path.open("r+b") as file:
        file.seek(4096 * page)
        file.write(bytes(4096))


def test_a_new_file_is_empty_and_told_as_no_damage(state: StateFile) -> None:
    assert state.load(KINDS) == ([], [], frozenset())
    assert state.generation == 0


def test_rows_outlive_the_process(state: StateFile, folder: Path) -> None:
    state.commit(rows(3))
    state.commit([], [(TORRENT, b"1")])
    state.close()
    again = open_state(folder)
    loaded = again.load(KINDS)
    again.close()
    assert sorted(row.key for row in loaded.rows) == [b"0", b"2"]
    assert again.generation == 2


def test_only_the_kinds_asked_for_are_loaded(state: StateFile) -> None:
    state.commit([*rows(1), Row(PEERS, b"0", b"peers")])
    assert state.load([PEERS]).rows == [Row(PEERS, b"0", b"peers")]
    assert state.fetch(PEERS, b"0") == Row(PEERS, b"0", b"peers")
    assert state.fetch(PEERS, b"1") is None


def test_damage_that_shows_while_we_run_is_repaired_and_the_commit_made(state: StateFile, folder: Path) -> None:
    state.commit(rows(200, bytes(500)))
    state.fold()
    state.keep_previous()
    state.close()
    state = open_state(folder)
    for page in range(1, (folder / "rows").stat().st_size // 4096):
        overwrite_page(folder / "rows", page)
    state.commit(rows(10, b"new"))
    (damage,) = state.take_damages()
    loaded = state.load(KINDS)
    state.close()
    assert damage.where == str(folder / "rows")
    assert len(loaded.rows) == 200
    assert sum(row.body == b"new" for row in loaded.rows) == 10
    assert len(loaded.stale) == 190


def test_a_row_that_was_saved_again_is_not_stale_any_more(state: StateFile, folder: Path) -> None:
    state.commit(rows(3))
    state.keep_previous()
    state.close()
    (folder / "rows").write_bytes(b"nothing")
    state = open_state(folder)
    assert len(state.load(KINDS).stale) == 3
    state.commit(rows(2))
    assert state.load(KINDS).stale == {(TORRENT, b"2")}
    state.close()


def test_the_previous_generation_is_never_made_of_damaged_rows(state: StateFile, folder: Path) -> None:
    state.commit(rows(200, bytes(500)))
    state.keep_previous()
    state.close()
    overwrite_page(folder / "rows", 20)
    state = open_state(folder)
    state.keep_previous()
    assert len(state.take_damages()) == 1
    state.close()
    previous = RowFile(folder / "rows.1", SEAL, read_only=True)
    scan = previous.scan()
    previous.close()
    assert (len(scan.rows), scan.flaws) == (200, [])


def test_rows_that_were_dropped_do_not_come_back_from_the_previous_generation(folder: Path) -> None:
    folder.mkdir()
    state = open_state(folder)
    state.commit(rows(3))
    state.keep_previous()
    state.commit([], [(TORRENT, b"1")])
    state.close()
    (folder / "rows").write_bytes(b"nothing")
    state = open_state(folder, gone={(TORRENT, b"1")})
    assert sorted(row.key for row in state.load(KINDS).rows) == [b"0", b"2"]
    state.close()


def test_a_whole_kind_takes_nothing_from_the_previous_generation(state: StateFile, folder: Path) -> None:
    state.commit([*rows(3), Row(PEERS, b"0", b"peers")])
    state.keep_previous()
    state.commit([], [(TORRENT, b"1")])
    state.close()
    damaged = RowFile(folder / "rows", SEAL)
    damaged._db.execute("DELETE FROM rows WHERE kind = 'peers'")
    damaged.close()
    state = open_state(folder)
    loaded = state.load(KINDS)
    state.close()
    assert sorted(row.key for row in loaded.rows if row.kind == TORRENT) == [b"0", b"2"]
    assert loaded.stale == {(PEERS, b"0")}


def test_what_was_salvaged_stays_in_memory_until_it_can_be_written(
    state: StateFile, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.commit(rows(3))
    state.keep_previous()
    state.close()
    (folder / "rows").write_bytes(b"nothing")

    def refuse(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full_disk:
        full_disk.setattr(RowFile, "make", refuse)
        state = open_state(folder)
        loaded = state.load(KINDS)
        with pytest.raises(StorageError) as caught:
            state.commit(rows(1, b"new"))
    assert len(loaded.rows) == 3
    assert "in memory only" in loaded.damaged[0].remedy
    assert caught.value.code == "storage.disk-full"
    state.commit(rows(1, b"new"))
    state.close()
    again = open_state(folder)
    assert sorted(row.body for row in again.load(KINDS).rows) == [b"body", b"body", b"new"]
    again.close()


@pytest.mark.parametrize("moved", [[], ["rows"], ["rows", "rows-wal"]])
def test_a_repair_that_a_crash_interrupted_is_finished_by_the_next_start(
    state: StateFile, folder: Path, moved: list[str]
) -> None:
    state.commit(rows(5))
    for name in ("rows", "rows-wal"):
        shutil.copy(folder / name, folder / f"{name}.copy")
    state.close()
    for name in ("rows", "rows-wal"):
        (folder / f"{name}.copy").rename(folder / name)
    source = RowFile(folder / "rows", SEAL)
    source.copy_to(folder / "rows.new")
    source.close()
    for name in moved:
        (folder / name).unlink(missing_ok=True)
    state = open_state(folder)
    loaded = state.load(KINDS)
    state.close()
    assert (len(loaded.rows), loaded.damaged) == (5, [])
    assert not (folder / "rows.new").exists()
