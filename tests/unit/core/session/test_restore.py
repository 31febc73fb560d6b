"""What is believed of saved torrents at the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from blobtorrent.core.session import rows
from blobtorrent.core.session.commands import AddTorrent
from blobtorrent.core.session.past import Past
from blobtorrent.core.session.record import Lifetime, Place, Running, TorrentRecord, facts_of, wishes_of
from blobtorrent.core.session.restore import past_of, rebuild, restore
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.damage import Damage
from blobtorrent.storage.live.recovery import Recovered
from blobtorrent.storage.live.tally import Tally
from blobtorrent.storage.state.statethread import PROGRESS, SESSION, TORRENT, LoadedRows, Row, row_key
from tests.support.sessions import PIECE, torrent_of

METAINFO = torrent_of(8)
KEY = row_key(METAINFO.info_hash)
ALIVE = 1000.0


def a_record(*have: int, run: bool = True) -> TorrentRecord:
    place = Place(Path("/d"), Path("/d"))
    record = TorrentRecord(facts_of(METAINFO, 1.0), wishes_of(AddTorrent(METAINFO)), place, should_run=run)
    record.is_checked = True
    record.have = Bitfield(8, have)
    record.durable = record.have.mask
    record.done_bytes = len(have) * PIECE
    record.lifetime = Lifetime(10, 20, 30, 40.0, 50.0)
    return record


def saved(record: TorrentRecord, running: Running | None = None) -> list[Row]:
    return [Row(TORRENT, KEY, rows.torrent_body(record)), Row(PROGRESS, KEY, rows.progress_body(record, running))]


def start(found: list[Row], *, is_crash: bool = True, recovered: Recovered | None = None, alive_at: float = 0.0,
          stale: frozenset[tuple[str, bytes]] = frozenset()) -> Torrent:
    loaded = LoadedRows(found, [], stale)
    past = past_of(loaded, alive_at, ALIVE + 100)
    (torrent,) = restore(
        loaded, {} if recovered is None else {KEY: recovered}, is_crash=is_crash, alive_at=past.alive_at)
    assert isinstance(torrent, Torrent)
    return torrent


def test_after_a_clean_stop_a_record_is_believed() -> None:
    torrent = start(saved(a_record(0, 3)), is_crash=False)
    assert sorted(torrent.record.have) == [0, 3]
    assert (torrent.record.is_suspect, torrent.recovered) == (False, None)


@pytest.mark.parametrize("run", [True, False])
def test_after_a_crash_torrents_that_ran_are_suspect(run: bool) -> None:
    assert start(saved(a_record(run=run))).record.is_suspect is run


def test_a_row_of_an_hour_ago_makes_the_torrent_be_checked() -> None:
    assert not start(saved(a_record(0)), is_crash=False, stale=frozenset({(PROGRESS, KEY)})).record.is_checked


def test_a_torrent_without_its_progress_was_never_checked() -> None:
    assert not start(saved(a_record(0))[:1]).record.is_checked


def test_a_row_that_makes_no_sense_is_told() -> None:
    (damage,) = restore(LoadedRows([Row(TORRENT, KEY, b"{}")], []), {}, is_crash=False)
    assert isinstance(damage, Damage)
    assert (damage.what, damage.where) == ("row", f"torrent {KEY.hex()}")


def test_pieces_written_after_the_last_row_count_and_so_do_the_exact_totals() -> None:
    found = Recovered()
    found.written, found.tally = [range(2, 4), range(7, 99)], Tally(11, 19, 31)
    torrent = start(saved(a_record(0)), recovered=found)
    record = torrent.record
    assert sorted(record.have) == [0, 2, 3, 7]
    assert record.durable == 1         # no row claims the others
    assert record.done_bytes == 4 * PIECE
    assert record.lifetime[:3] == (11, 20, 31)
    assert record.is_suspect
    assert torrent.recovered is found


@pytest.mark.parametrize(("written", "finished_at", "owes_finish"), [
    ([range(2, 4)], 0.0, True),        # it was downloading, too short for a row that says so
    ([range(2, 4)], 5.0, False),       # the row of its finish was written, and the log not cleared behind it
    ([], 0.0, False),
])
def test_pieces_written_after_the_last_row_tell_a_download(
    written: list[range], finished_at: float, owes_finish: bool
) -> None:
    record, found = a_record(0), Recovered()
    record.finished_at, found.written = finished_at, written
    assert start(saved(record), recovered=found).record.owes_finish is owes_finish


def test_a_row_tells_a_download_that_has_not_finished() -> None:
    record = a_record(0)
    record.owes_finish = True
    assert start(saved(record)).record.owes_finish


def test_a_rebuilt_torrent_is_stopped_and_says_why() -> None:
    torrent = rebuild(METAINFO, Path("/d"), 5.0)
    assert not torrent.record.should_run
    assert not torrent.record.is_checked
    assert torrent.record.error[0] == "state.row-lost"
    assert torrent.record.own_path == Path("/d/t")


# ---- the seconds after the last row

def seconds(**how: float) -> tuple[float, float]:
    at, is_seeding = how.pop("at", ALIVE - 60), bool(how.pop("seeding", True))
    record = a_record()
    torrent = start(saved(record, Running(at, is_seeding, record.lifetime)), **how)  # type: ignore[arg-type]
    return torrent.record.lifetime.active_s, torrent.record.lifetime.seeding_s


def test_a_killed_process_ran_until_its_last_sign_of_life() -> None:
    assert seconds(alive_at=ALIVE) == (100.0, 110.0)
    assert seconds(alive_at=ALIVE, seeding=False) == (100.0, 50.0)


def test_without_a_sign_of_life_what_the_row_says_counts() -> None:
    assert seconds() == (40.0, 50.0)
    assert seconds(alive_at=ALIVE - 90) == (40.0, 50.0)    # before the row


@pytest.mark.parametrize("alive_at", [ALIVE + 1e6, float("nan"), float("inf"), -1.0])
def test_a_sign_of_life_that_cannot_be_is_not_believed(alive_at: float) -> None:
    assert seconds(alive_at=alive_at) == (40.0, 50.0)


def test_a_row_may_know_better_than_memory_that_is_gone() -> None:
    record = a_record()
    running = Running(ALIVE - 60, True, record.lifetime)
    found = [*saved(record, running), Row(SESSION, b"", rows.session_body(Past(ALIVE)))]
    assert start(found).record.lifetime.active_s == 100.0


def past_at(row: Past, alive_at: float = 0.0) -> Past:
    loaded = LoadedRows([Row(SESSION, b"", rows.session_body(row))], [])
    return past_of(loaded, alive_at, ALIVE + 100)


def test_seconds_until_the_last_sign_of_life_count() -> None:
    row = Past(ALIVE, 60.0, 2)
    assert past_at(row) == row
    assert past_at(row, ALIVE + 5) == Past(ALIVE + 5, 65.0, 2)
    assert past_at(row, ALIVE - 5) == row


@pytest.mark.parametrize("written_at", [0.0, ALIVE + 1e6, float("nan"), float("inf"), -1.0])
def test_seconds_since_a_time_that_cannot_be_do_not_count(written_at: float) -> None:
    row = Past(written_at, 60.0, 2)
    assert past_at(row) == Past(0.0, 60.0, 2)
    assert past_at(row, ALIVE) in (Past(ALIVE, 60.0, 2), Past(0.0, 60.0, 2))


def test_without_a_row_nothing_is_known_of_earlier_runs() -> None:
    assert past_of(LoadedRows([], []), 0.0, ALIVE) == Past()
    assert past_of(LoadedRows([], []), ALIVE - 1, ALIVE) == Past(ALIVE - 1)
