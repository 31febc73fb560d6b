"""What the session gathers to explain a torrent: each manager's part is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from blobtorrent.config.transfers import GroupSettings
from blobtorrent.core.session.commands import (
    ApplySettings,
    OpenListeners,
    PauseTorrent,
    RemoveTorrent,
    SeedGoal,
    StopTorrent,
)
from blobtorrent.core.session.queries import Explain
from blobtorrent.core.swarm.messages import Insight, PeersTold, TellPeers
from blobtorrent.discovery.messages import Announce, AnnounceDone
from blobtorrent.model.details import Explanation
from blobtorrent.model.errors import NetworkError, NotFound, StorageError
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.storage.filejobs import SpaceMeasured
from blobtorrent.storage.jobs import PrepareStore, StorePrepared
from tests.support.sessions import PIECE, SessionRig, only, saved_torrent, settings_of, torrent_of

TRACKER = "http://t.test/announce"
SWARM = Insight(upload_slots=4, addresses_dialled=0, addresses_resting=0, pieces_lacking=4, pieces_unavailable=4,
                waits_for_memory=False)


def running_rig(**more: Any) -> SessionRig:
    rig = SessionRig(keeps=True, **more)
    rig.open_listeners()
    return rig


def begin_download(rig: SessionRig, metainfo: Metainfo, folder: Path, **options: Any) -> Metainfo:
    rig.add_kept(metainfo, folder, **options)
    rig.answer_prepare(has_data=False)
    rig.shard.drain()
    return metainfo


def why(rig: SessionRig, metainfo: Metainfo, insight: Insight | None = SWARM) -> Explanation:
    """The explanation; a swarm says that nobody is connected."""
    reply = rig.command(Explain(metainfo.info_hash))
    for question in rig.shard.drain():
        if isinstance(question, TellPeers):
            rig.tell(PeersTold(metainfo.info_hash, question.token, (), insight))
    found = reply.wait(0)
    assert isinstance(found, Explanation)
    return found


def codes(found: Explanation) -> list[str]:
    return [cause.code for cause in found.causes]


def test_an_unknown_torrent_cannot_be_explained() -> None:
    with pytest.raises(NotFound):
        running_rig().ask(Explain(InfoHash(v1=bytes(20))))


def test_a_download_without_peers_tells_what_its_tracker_said(tmp_path: Path) -> None:
    rig = running_rig()
    torrent = begin_download(rig, torrent_of(4, tiers=((TRACKER,),)), tmp_path)
    assert codes(why(rig, torrent)) == ["no-peers", "tracker.announcing", "listener.closed"]
    order = only(Announce, rig.outcalls.drain())
    rig.tell(AnnounceDone(order.info_hash, order.url, order.query, error=NetworkError("net.refused", "refused")))
    rig.advance(40.0)
    found = why(rig, torrent)
    assert codes(found)[:2] == ["no-peers", "tracker.failed"]
    assert found.causes[0].since_s == pytest.approx(40.0)
    assert [step["state"] for step in found.facts["history"]][-2:] == ["loading", "downloading"]


def test_one_that_is_removed_before_its_swarm_answers_is_unknown(tmp_path: Path) -> None:
    rig = running_rig()
    torrent = begin_download(rig, torrent_of(4), tmp_path)
    reply = rig.command(Explain(torrent.info_hash))
    question = only(TellPeers, rig.shard.drain())
    rig.command(RemoveTorrent(torrent.info_hash))
    rig.answer_close(torrent, have=0)
    rig.tell(PeersTold(torrent.info_hash, question.token))
    with pytest.raises(NotFound):
        reply.wait(0)


def test_one_that_is_stopped_before_its_swarm_answers_is_explained_as_it_is_then(tmp_path: Path) -> None:
    rig = running_rig()
    torrent = begin_download(rig, torrent_of(4), tmp_path)
    reply = rig.command(Explain(torrent.info_hash))
    question = only(TellPeers, rig.shard.drain())
    rig.command(StopTorrent(torrent.info_hash))
    rig.tell(PeersTold(torrent.info_hash, question.token))
    assert codes(reply.wait(0)) == ["closing"]


def test_queued_torrents_know_their_place(tmp_path: Path) -> None:
    torrents = [torrent_of(4, seed=number) for number in (1, 2, 3)]
    saved = [saved_torrent(torrent, tmp_path / str(number)) for number, torrent in enumerate(torrents)]
    for number, torrent in enumerate(saved):
        torrent.record.facts = torrent.record.facts._replace(added_at=float(number))
    rig = running_rig(saved=saved, queue__active_downloads=1)
    found = why(rig, torrents[2])
    assert codes(found) == ["queue.full"]
    assert found.facts["queue"] == {
        "is_seed": False, "limit": 1, "running": 1, "ahead": 1, "lacks_room": False}
    assert found.facts["held_by"] == "queue"


def test_torrents_that_wait_to_be_loaded_know_how_many_are_before_them(tmp_path: Path) -> None:
    torrents = [torrent_of(4, seed=number) for number in range(1, 11)]
    rig = running_rig(saved=[saved_torrent(torrent, tmp_path / torrent.name) for torrent in torrents])
    assert "9 others are loaded before it" in why(rig, torrents[9]).causes[0].text
    assert codes(why(rig, torrents[0])) == ["loading"]


def test_a_torrent_that_waits_for_the_hashers_knows_how_many_are_before_it(tmp_path: Path) -> None:
    rig = running_rig()
    torrents = [torrent_of(4, seed=number) for number in (1, 2)]
    for torrent in torrents:
        rig.add_kept(torrent, tmp_path / torrent.name)
        rig.answer_prepare(has_data=True)
    assert codes(why(rig, torrents[0])) == ["checking"]
    found = why(rig, torrents[1])
    assert codes(found) == ["checking.queued"]
    assert found.causes[0].text.startswith("1 others")


def test_limits_are_told_with_what_all_who_share_them_use(tmp_path: Path) -> None:
    rig = running_rig(limits__down_bytes_per_s=10_000)
    settings = settings_of(limits__down_bytes_per_s=10_000)._replace(
        groups={"tv": GroupSettings(down_bytes_per_s=3000)})
    rig.ask(ApplySettings(settings))
    first, second = (torrent_of(4, seed=number) for number in (1, 2))
    begin_download(rig, first, tmp_path / "1", group="tv", down_bytes_per_s=5000)
    begin_download(rig, second, tmp_path / "2", group="tv")
    rig.report(first, have=0, down_bytes_per_s=1000)
    rig.report(second, have=0, down_bytes_per_s=1900)
    limits = {limit["whose"]: limit for limit in why(rig, first).facts["limits"]}
    assert limits["the torrent"]["used_bytes_per_s"] == 1000
    assert limits["group tv"]["used_bytes_per_s"] == 2900
    assert limits["group tv"]["is_reached"]
    assert (limits["all torrents"]["used_bytes_per_s"], limits["all torrents"]["is_reached"]) == (2900, False)


def test_a_paused_torrent_says_for_how_long(tmp_path: Path) -> None:
    rig = running_rig()
    torrent = begin_download(rig, torrent_of(4), tmp_path)
    rig.command(PauseTorrent(torrent.info_hash))
    rig.advance(7.0)
    (cause,) = why(rig, torrent).causes
    assert (cause.code, cause.since_s) == ("paused", pytest.approx(7.0))


def test_room_that_is_short_is_told_with_its_figures(tmp_path: Path) -> None:
    rig = running_rig(storage__reserve=100)
    torrent = begin_download(rig, torrent_of(4), tmp_path)
    (question,) = rig.files.drain()
    rig.tell(SpaceMeasured(question.device, 60, None))
    found = why(rig, torrent)
    assert codes(found) == ["space.low"]
    assert "60 B, and 100 B are to stay free" in found.causes[0].text
    assert found.facts["room"]["free_bytes"] == 60


def test_a_failed_torrent_tells_its_error(tmp_path: Path) -> None:
    rig = running_rig()
    torrent = torrent_of(4)
    rig.add_kept(torrent, tmp_path)
    job = only(PrepareStore, rig.disks.drain())
    rig.tell(StorePrepared(job.info_hash, False, StorageError("storage.denied", "no")))
    rig.advance(3.0)
    (cause,) = why(rig, torrent).causes
    assert (cause.code, cause.text, cause.since_s) == ("storage.denied", "no", pytest.approx(3.0))


def test_a_seed_that_gave_enough_says_which_goal_it_met(tmp_path: Path) -> None:
    torrent = torrent_of(4)
    saved = saved_torrent(torrent, tmp_path, *range(4), run=False)
    saved.record.has_given_enough = True
    saved.record.wishes = saved.record.wishes._replace(goal=SeedGoal(ratio=1.5))
    saved.record.lifetime = saved.record.lifetime._replace(uploaded_bytes=6 * PIECE)
    found = why(running_rig(saved=[saved]), torrent)
    assert codes(found) == ["goal.met"]
    assert (found.facts["goal"]["ratio"], found.facts["goal"]["ratio_now"]) == (1.5, 1.5)


def test_while_the_daemon_starts_that_is_the_first_cause(tmp_path: Path) -> None:
    torrent = torrent_of(4)
    rig = SessionRig(keeps=True, saved=[saved_torrent(torrent, tmp_path)])
    assert codes(why(rig, torrent)) == ["session.starting", "starting"]
    rig.ask(OpenListeners(()))
    assert codes(why(rig, torrent)) == ["loading"]
