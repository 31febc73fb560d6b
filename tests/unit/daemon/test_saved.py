"""What a start makes of a state directory in which rows and .torrent files do not tell the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from blobtorrent.config.load import load
from blobtorrent.core.session import rows
from blobtorrent.core.session.past import Past
from blobtorrent.core.session.record import Place, TorrentRecord, Wishes, facts_of
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.daemon.saved import AT_ONCE, Saved
from blobtorrent.model.events import DamageFound, Event
from blobtorrent.protocol.metafile import parse_torrent
from blobtorrent.storage.live.livefile import LiveFile
from blobtorrent.storage.live.liveplace import live_path
from blobtorrent.storage.state.library import Library
from blobtorrent.storage.state.statedir import StateDir
from blobtorrent.storage.state.statethread import PROGRESS, SESSION, TORRENT, Row, row_key
from tests.support.statedirs import SavedState, make_torrent


@pytest.fixture(autouse=True)
def shared_memory(tmp_path: Path) -> Iterator[None]:
    """Nothing of the state directory is left in the system's shared memory."""
    yield
    place = live_path(tmp_path, tmp_path / "state")
    for left in place.parent.glob(f"{place.name}*") if place is not None else ():
        left.unlink()


def restored(saved: Saved) -> list[Torrent]:
    return [torrent for some in saved.restore() for torrent in some]


def start(root: Path, runtime: Path) -> tuple[list[str], list[Event]]:
    """Names of the torrents that a start finds, and what it tells."""
    events: list[Event] = []
    saved = Saved(load([], {}, []), root, runtime, events.append, scratch_slots=1)
    names = sorted(torrent.name for torrent in restored(saved))
    saved.close(is_clean=False)
    return names, events


@pytest.mark.parametrize("is_clean", [True, False])
def test_when_all_rows_are_gone_torrents_are_made_of_their_torrent_files(tmp_path: Path, is_clean: bool) -> None:
    root = SavedState(tmp_path / "state", is_clean=is_clean, num_torrents=3).root
    for path in root.glob("state.sqlite3*"):
        path.unlink()
    names, events = start(root, tmp_path)
    assert names == ["torrent-0", "torrent-1", "torrent-2"]
    assert any(isinstance(event, DamageFound) and event.what == "state file" for event in events)
    assert len(list((root / "torrents").glob("*.torrent"))) == 3


def test_a_torrent_file_that_no_row_tells_of_goes_to_quarantine(tmp_path: Path) -> None:
    state_dir = StateDir(tmp_path / "state")
    info_hash, raw = make_torrent("half-added")
    Library(state_dir, lambda damage: None).keep(info_hash, raw)
    state_dir.close()
    assert start(tmp_path / "state", tmp_path) == ([], [])
    assert list((tmp_path / "state" / "torrents").iterdir()) == []
    (kept,) = (tmp_path / "state" / "quarantine").iterdir()
    assert kept.name.startswith(f"{info_hash.hex}.torrent.")
    assert kept.read_bytes() == raw


def leave_unfinished_work(root: Path, runtime: Path, *, commits_lost: int = 0) -> None:
    """A stopped torrent of which a killed process left a block in memory, and, perhaps, that more was committed."""
    live_file = live_path(runtime, root)
    if live_file is None:
        pytest.skip("no folder in memory here")
    state_dir = StateDir(root)
    info_hash, raw = make_torrent("stopped")
    record = TorrentRecord(
        facts_of(parse_torrent(raw), 0.0), Wishes(), Place(runtime, runtime), should_run=False)
    state_dir.state.commit([
        Library(state_dir, lambda damage: None).keep(info_hash, raw),
        Row(TORRENT, row_key(info_hash), rows.torrent_body(record)),
        Row(PROGRESS, row_key(info_hash), rows.progress_body(record)),
    ])
    killed = LiveFile.create(live_file, num_slots=1, seal=state_dir.seal, session_id=state_dir.session_id)
    place = killed.torrent(info_hash)
    assert place is not None
    place.note_blocks([0], [0])
    killed.note_commit(state_dir.state.generation + commits_lost)
    state_dir.close()


@pytest.mark.parametrize("commits_lost", [0, 2])
def test_commits_that_memory_knows_of_and_the_disk_does_not_are_told_and_looked_for(
    tmp_path: Path, commits_lost: int
) -> None:
    leave_unfinished_work(tmp_path / "state", tmp_path, commits_lost=commits_lost)
    state_dir = StateDir(tmp_path / "state")
    info_hash, raw = make_torrent("added")
    Library(state_dir, lambda damage: None).keep(info_hash, raw)
    state_dir.close()
    events: list[Event] = []
    saved = Saved(load([], {}, []), tmp_path / "state", tmp_path, events.append, scratch_slots=1)
    found = {torrent.name: torrent for torrent in restored(saved)}
    saved.close(is_clean=False)
    told = [event.what for event in events if isinstance(event, DamageFound)]
    recovered = found["stopped"].recovered
    assert recovered is not None
    assert (told, recovered.is_whole) == ((["saved changes", "torrent"], False) if commits_lost else ([], True))
    assert ("added" in found) == bool(commits_lost), "else it was half added when the process was killed"


def test_a_stopped_torrent_with_unfinished_work_keeps_it_and_no_other_from_a_clean_end(tmp_path: Path) -> None:
    root = tmp_path / "state"
    leave_unfinished_work(root, tmp_path)
    for _ in range(2):
        saved = Saved(load([], {}, []), root, tmp_path, lambda event: None, scratch_slots=1)
        (torrent,) = restored(saved)
        assert torrent.recovered is not None
        assert list(torrent.recovered.blocks) == [0]
        saved.close(is_clean=True)
        after = StateDir(root)
        assert after.was_clean
        after.mark_clean()
        after.close()


def test_a_start_that_goes_no_further_leaves_a_clean_directory_clean(tmp_path: Path) -> None:
    root = SavedState(tmp_path / "state", is_clean=True, num_torrents=0).root
    saved = Saved(load([], {}, []), root, tmp_path, lambda event: None, scratch_slots=1)
    assert not saved.damages
    saved.abandon()
    after = StateDir(root)
    assert after.was_clean
    after.close()
    live_file = live_path(tmp_path, root)
    assert live_file is None or not live_file.exists()


@pytest.mark.parametrize("is_clean", [True, False])
def test_a_start_that_goes_no_further_hides_no_crash_and_no_damage(tmp_path: Path, is_clean: bool) -> None:
    root = SavedState(tmp_path / "state", is_clean=is_clean, num_torrents=1).root
    if is_clean:
        for path in root.glob("state.sqlite3*"):
            path.unlink()
    saved = Saved(load([], {}, []), root, tmp_path, lambda event: None, scratch_slots=1)
    saved.abandon()
    after = StateDir(root)
    assert not after.was_clean
    after.close()


def leave_torrents(root: Path, count: int, *, is_clean: bool) -> None:
    """The state of a process that had so many stopped torrents."""
    state_dir = StateDir(root)
    made = []
    for number in range(count):
        _, raw = make_torrent(f"torrent-{number}")
        record = TorrentRecord(facts_of(parse_torrent(raw), 0.0), Wishes(), Place(root, root), should_run=False)
        made.append(Row(TORRENT, row_key(record.info_hash), rows.torrent_body(record)))
    state_dir.state.commit(made)
    if is_clean:
        state_dir.mark_clean()
    state_dir.close()


def test_torrents_are_read_some_at_a_time(tmp_path: Path) -> None:
    root = tmp_path / "state"
    leave_torrents(root, AT_ONCE + 5, is_clean=True)
    saved = Saved(load([], {}, []), root, tmp_path, lambda event: None, scratch_slots=1)
    sizes = []
    for some in saved.restore():
        sizes.append(len(some))
        assert saved.num_torrents == AT_ONCE + 5
    assert sizes == [AT_ONCE, 5]
    saved.close(is_clean=True)


@pytest.mark.parametrize("was_clean", [True, False])
def test_an_end_before_all_torrents_are_read_leaves_all_as_it_was(tmp_path: Path, was_clean: bool) -> None:
    root = tmp_path / "state"
    leave_torrents(root, AT_ONCE + 5, is_clean=was_clean)
    saved = Saved(load([], {}, []), root, tmp_path, lambda event: None, scratch_slots=1)
    reading = saved.restore()
    next(reading)
    reading.close()
    saved.close(is_clean=True)
    after = StateDir(root)
    assert after.was_clean == was_clean
    after.close()


def test_what_is_known_of_earlier_runs_is_read_with_the_torrents(tmp_path: Path) -> None:
    root = SavedState(tmp_path / "state", is_clean=True, num_torrents=1).root
    state_dir = StateDir(root)
    state_dir.state.commit([Row(SESSION, b"", rows.session_body(Past(5.0, 60.0, 2)))])
    state_dir.mark_clean()
    state_dir.close()
    saved = Saved(load([], {}, []), root, tmp_path, lambda event: None, scratch_slots=1)
    restored(saved)
    assert saved.past == Past(5.0, 60.0, 2)
    saved.close(is_clean=True)


def test_unfinished_work_outlives_an_end_before_all_torrents_are_read(tmp_path: Path) -> None:
    root = tmp_path / "state"
    leave_unfinished_work(root, tmp_path)
    for _ in range(2):
        saved = Saved(load([], {}, []), root, tmp_path, lambda event: None, scratch_slots=1)
        reading = saved.restore()
        (torrent,) = next(reading)
        assert torrent.recovered is not None
        assert list(torrent.recovered.blocks) == [0]
        reading.close()
        saved.close(is_clean=True)
        after = StateDir(root)
        assert not after.was_clean
        after.close()
