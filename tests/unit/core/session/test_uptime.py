"""Signs of life."""

from __future__ import annotations

from pathlib import Path

from blobtorrent.core.session.rows import read_past
from blobtorrent.core.session.uptime import BEAT_S, ROW_S
from blobtorrent.storage.state.statethread import SESSION
from tests.support.livefiles import make_live, recover
from tests.support.sessions import SessionRig, torrent_of


def test_the_memory_that_outlives_us_says_when_we_lived(tmp_path: Path) -> None:
    live = make_live(tmp_path / "live")
    rig, torrent = SessionRig(keeps=True, live=live), torrent_of(4)
    rig.open_listeners()
    rig.add_kept(torrent, tmp_path)
    rig.answer_prepare(has_data=False)
    for _ in range(3):
        rig.advance(BEAT_S)
    assert recover(tmp_path / "live").alive_at == rig.clock.wall()


def test_a_row_says_so_now_and_then_while_something_runs(tmp_path: Path) -> None:
    rig, torrent = SessionRig(keeps=True), torrent_of(4)
    rig.open_listeners()
    rig.add_kept(torrent, tmp_path)
    rig.answer_prepare(has_data=False)
    rig.advance(ROW_S)
    wall = rig.clock.wall()
    rig.advance(5.0)
    (row,) = rig.save()
    assert (row.kind, read_past(row.body).alive_at) == (SESSION, wall)


def test_while_nothing_runs_nothing_is_written(tmp_path: Path) -> None:
    rig = SessionRig(keeps=True)
    rig.add_kept(torrent_of(4), tmp_path, start=False)
    rig.advance(ROW_S)
    rig.advance(ROW_S)
    assert rig.saves.depth == 0
