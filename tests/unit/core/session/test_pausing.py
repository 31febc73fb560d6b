"""Paused torrents: they keep swarm and place, transfer nothing, and time stands still for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from blobtorrent.core.session.commands import (
    ChangeTorrent,
    PauseTorrent,
    SeedGoal,
    StartTorrent,
    StopTorrent,
    TorrentChanges,
)
from blobtorrent.core.session.rows import read_record, torrent_body
from blobtorrent.core.swarm.messages import ChangeSwarm, OpenSwarm, SwarmSettings
from blobtorrent.model.errors import Conflict
from blobtorrent.model.events import HeldChanged
from blobtorrent.model.metainfo import Metainfo
from tests.support.sessions import SessionRig, only, saved_torrent, torrent_of
from tests.unit.core.session.test_lasting import prepared


def running(tmp_path: Path, *have: int, **settings: object) -> tuple[SessionRig, Metainfo]:
    """A daemon with one torrent of four pieces that has a swarm."""
    torrent = torrent_of(4)
    rig = SessionRig(keeps=True, saved=[saved_torrent(torrent, tmp_path, *have)], **settings)
    rig.open_listeners()
    rig.answer_load(torrent)
    prepared(rig)
    return rig, torrent


def in_line(count: int) -> list[Metainfo]:
    """Torrents in the order in which the queue takes them."""
    return sorted((torrent_of(4, seed=seed) for seed in range(1, count + 1)), key=lambda one: one.info_hash)


def told(rig: SessionRig) -> SwarmSettings:
    """What the swarm was told last."""
    changes = [message for message in rig.shard.drain() if isinstance(message, ChangeSwarm)]
    settings: SwarmSettings = changes[-1].settings
    return settings


def pause(rig: SessionRig, torrent: Metainfo) -> None:
    reply = rig.command(PauseTorrent(torrent.info_hash))
    rig.save()
    reply.wait(0)


def start(rig: SessionRig, torrent: Metainfo, *, now: bool = False) -> None:
    reply = rig.command(StartTorrent(torrent.info_hash, now))
    rig.save()
    reply.wait(0)


def test_a_paused_torrent_keeps_its_swarm_and_may_neither_download_nor_upload(tmp_path: Path) -> None:
    rig, torrent = running(tmp_path, 0)
    rig.shard.drain()
    pause(rig, torrent)
    settings = told(rig)
    assert (settings.may_download, settings.upload_slots) == (False, 0)
    assert (rig.state(torrent), rig.status(torrent).held_by) == ("downloading", "pause")
    assert HeldChanged(torrent.info_hash, "pause") in rig.events()


def test_start_lets_a_paused_torrent_go_on(tmp_path: Path) -> None:
    rig, torrent = running(tmp_path, 0)
    pause(rig, torrent)
    rig.events()
    start(rig, torrent)
    settings = told(rig)
    assert (settings.may_download, settings.upload_slots) == (True, 8)
    assert (rig.state(torrent), rig.status(torrent).held_by) == ("downloading", "")
    assert rig.events() == [HeldChanged(torrent.info_hash, "")]


def test_a_torrent_is_paused_once_and_only_while_it_should_run(tmp_path: Path) -> None:
    rig, torrent = running(tmp_path, 0)
    pause(rig, torrent)
    with pytest.raises(Conflict) as raised:
        rig.ask(PauseTorrent(torrent.info_hash))
    assert raised.value.code == "torrent.paused"
    rig.command(StopTorrent(torrent.info_hash))
    with pytest.raises(Conflict) as raised:
        rig.ask(PauseTorrent(torrent.info_hash))
    assert raised.value.code == "torrent.not-running"


def test_stop_ends_the_pause(tmp_path: Path) -> None:
    rig, torrent = running(tmp_path, 0)
    pause(rig, torrent)
    rig.command(StopTorrent(torrent.info_hash))
    assert rig.status(torrent).held_by == ""


def test_a_pause_outlives_the_process(tmp_path: Path) -> None:
    torrent = torrent_of(4)
    paused = saved_torrent(torrent, tmp_path, 0)
    paused.record.is_paused = True
    paused.record = read_record(torrent_body(paused.record), None)
    paused.record.is_checked = True
    rig = SessionRig(keeps=True, saved=[paused])
    rig.open_listeners()
    rig.answer_load(torrent)
    prepared(rig)
    settings = only(OpenSwarm, rig.shard.drain()).settings
    assert (settings.may_download, settings.upload_slots) == (False, 0)
    assert rig.status(torrent).held_by == "pause"


def test_seconds_in_a_pause_do_not_count(tmp_path: Path) -> None:
    rig, torrent = running(tmp_path, 0, 1, 2, 3)
    rig.advance(10)
    pause(rig, torrent)
    rig.advance(100)
    status = rig.status(torrent)
    assert (status.seeding_s_at(rig.clock.wall()), status.active_s_at(rig.clock.wall())) == (10, 10)
    start(rig, torrent)
    rig.advance(5)
    status = rig.status(torrent)
    assert (status.seeding_s_at(rig.clock.wall()), status.active_s_at(rig.clock.wall())) == (15, 15)


def test_a_goal_of_time_is_not_reached_in_a_pause(tmp_path: Path) -> None:
    rig, torrent = running(tmp_path, 0, 1, 2, 3)
    rig.command(ChangeTorrent(torrent.info_hash, TorrentChanges(goal=SeedGoal(time_s=60, idle_s=60))))
    rig.save()
    rig.advance(50)
    pause(rig, torrent)
    rig.advance(1000)
    assert rig.state(torrent) == "seeding"
    start(rig, torrent)
    rig.advance(9)
    assert rig.state(torrent) == "seeding"
    rig.advance(2)
    rig.answer_close(torrent, have=4)
    assert rig.state(torrent) == "stopped"


def test_a_paused_torrent_keeps_its_place_in_the_queue(tmp_path: Path) -> None:
    first, second = in_line(2)
    rig = SessionRig(
        keeps=True, saved=[saved_torrent(first, tmp_path), saved_torrent(second, tmp_path)],
        queue__active_downloads=1, queue__stalled_after_s=60.0)
    rig.open_listeners()
    rig.advance(0)
    rig.answer_load(first)
    prepared(rig, has_data=False)
    pause(rig, first)
    for _ in range(60):
        rig.advance(5)
    assert (rig.state(first), rig.state(second)) == ("downloading", "queued")
    start(rig, first)
    for _ in range(13):
        rig.advance(5)
    assert rig.state(second) == "checking"                 # it moved nothing for a minute, after the pause


def test_a_torrent_that_is_started_now_passes_the_queue_and_takes_no_place(tmp_path: Path) -> None:
    torrents = in_line(3)
    rig = SessionRig(keeps=True, saved=[saved_torrent(one, tmp_path) for one in torrents], queue__active_downloads=1)
    rig.open_listeners()
    rig.advance(0)
    assert [rig.state(one) for one in torrents] == ["checking", "queued", "queued"]
    start(rig, torrents[2], now=True)
    rig.advance(0)
    assert [rig.state(one) for one in torrents] == ["checking", "queued", "checking"]
    with pytest.raises(Conflict) as raised:
        rig.ask(StartTorrent(torrents[2].info_hash, now=True))
    assert raised.value.code == "torrent.not-stopped"


def test_stop_ends_the_urgency(tmp_path: Path) -> None:
    torrents = in_line(2)
    rig = SessionRig(keeps=True, saved=[saved_torrent(one, tmp_path) for one in torrents], queue__active_downloads=1)
    rig.open_listeners()
    rig.advance(0)
    start(rig, torrents[1], now=True)
    rig.advance(0)
    rig.library.drain()
    rig.command(StopTorrent(torrents[1].info_hash))
    rig.save()
    rig.give_metainfo(torrents[1])
    start(rig, torrents[1])
    rig.advance(0)
    assert rig.state(torrents[1]) == "queued"
