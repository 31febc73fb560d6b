"""A session that is about to leave."""

from __future__ import annotations

from pathlib import Path

import pytest

from blobtorrent.core.session.commands import (
    AddTorrent,
    DrainSession,
    MoveTorrent,
    RecheckTorrent,
    RemoveTorrent,
    RenamePath,
    StartTorrent,
    StopSession,
)
from blobtorrent.core.session.draining import GRACE_S
from blobtorrent.core.session.gateway import SESSION_KEY
from blobtorrent.core.swarm.messages import RetireSwarm, SwarmRetired
from blobtorrent.model.errors import Unavailable
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.model.status import SessionStatus
from blobtorrent.storage.jobs import PrepareStore, StorePrepared
from tests.support.sessions import SessionRig, saved_torrent, torrent_of

TORRENTS = [torrent_of(4, seed=seed) for seed in (1, 2)]


def seeding(folder: Path, *torrents: Metainfo, **settings: object) -> SessionRig:
    rig = SessionRig(keeps=True, saved=[saved_torrent(one, folder, 0, 1, 2, 3) for one in torrents], **settings)
    rig.open_listeners()
    for torrent in torrents:
        rig.give_metainfo(torrent)
    for job in rig.disks.drain():
        assert isinstance(job, PrepareStore)
        rig.tell(StorePrepared(job.info_hash, has_data=True))
    return rig


def session(rig: SessionRig) -> SessionStatus:
    status = rig.sessions.read(SESSION_KEY)
    assert status is not None
    return status


def drain(rig: SessionRig, timeout_s: float = 60.0) -> None:
    rig.ask(DrainSession(timeout_s))


def unique_pieces(rig: SessionRig) -> int | None:
    """None: it is not drained yet."""
    return session(rig).unique_pieces


def orders(rig: SessionRig) -> list[RetireSwarm]:
    return [message for message in rig.shard.drain() if isinstance(message, RetireSwarm)]


def test_every_swarm_is_told_and_it_ends_with_the_last(tmp_path: Path) -> None:
    rig = seeding(tmp_path, *TORRENTS)
    drain(rig)
    assert [(order.info_hash, order.timeout_s) for order in orders(rig)] == [(one.info_hash, 60.0) for one in TORRENTS]
    assert (session(rig).state, unique_pieces(rig)) == ("draining", None)
    rig.advance(2)
    assert (session(rig).drained, session(rig).to_drain) == (0, 2)
    rig.tell(SwarmRetired(TORRENTS[0].info_hash, 3, True))
    rig.advance(2)
    assert unique_pieces(rig) is None
    assert (session(rig).drained, session(rig).to_drain) == (1, 2)
    rig.tell(SwarmRetired(TORRENTS[1].info_hash, 1, True))
    rig.advance(2)                     # also with the next snapshot
    assert (session(rig).state, unique_pieces(rig)) == ("draining", 4)
    assert (session(rig).drained, session(rig).to_drain) == (2, 2)


def test_a_session_without_swarms_is_drained_at_once(tmp_path: Path) -> None:
    rig = seeding(tmp_path)
    drain(rig)
    assert unique_pieces(rig) == 0


def test_nothing_is_begun_any_more(tmp_path: Path) -> None:
    rig = seeding(tmp_path, TORRENTS[0])
    drain(rig)
    there = TORRENTS[0].info_hash
    for command in (
        AddTorrent(TORRENTS[1], tmp_path, raw=b"raw"), StartTorrent(there), RecheckTorrent(there),
        MoveTorrent(there, tmp_path / "new"), RenamePath(there, "t", "u"),
    ):
        with pytest.raises(Unavailable) as raised:
            rig.ask(command)
        assert raised.value.code == "session.draining"


def test_what_waits_in_the_queue_or_is_being_checked_does_not_begin(tmp_path: Path) -> None:
    saved = [saved_torrent(one, tmp_path) for one in TORRENTS]
    rig = SessionRig(keeps=True, saved=saved, queue__active_downloads=1)
    rig.open_listeners()
    rig.advance(0)
    first, second = sorted(TORRENTS, key=lambda one: one.info_hash)
    assert [rig.state(first), rig.state(second)] == ["checking", "queued"]
    drain(rig)
    assert unique_pieces(rig) == 0
    rig.answer_load(first)
    rig.advance(60)
    assert [rig.state(first), rig.state(second)] == ["stopped", "queued"]
    assert all(torrent.record.should_run for torrent in saved)


def test_a_swarm_that_does_not_answer_is_not_waited_for_longer_than_was_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    rig = seeding(tmp_path, *TORRENTS)
    drain(rig, 5.0)
    rig.tell(SwarmRetired(TORRENTS[0].info_hash, 3, True))
    rig.advance(5.0 + GRACE_S - 0.1)
    assert unique_pieces(rig) is None
    rig.advance(0.2)
    assert unique_pieces(rig) == 3
    assert "drained" in caplog.text
    rig.tell(SwarmRetired(TORRENTS[1].info_hash, 1, True))
    assert unique_pieces(rig) == 3


def test_who_asks_again_changes_nothing(tmp_path: Path) -> None:
    rig = seeding(tmp_path, TORRENTS[0])
    drain(rig)
    drain(rig)
    assert len(orders(rig)) == 1
    rig.tell(SwarmRetired(TORRENTS[0].info_hash, 0, False))
    assert unique_pieces(rig) == 0


def test_torrents_can_be_removed_meanwhile(tmp_path: Path) -> None:
    rig = seeding(tmp_path, TORRENTS[0])
    drain(rig)
    reply = rig.command(RemoveTorrent(TORRENTS[0].info_hash))
    rig.save()
    assert reply.wait(0) is None


def test_a_session_that_starts_is_not_drained(tmp_path: Path) -> None:
    rig = SessionRig(keeps=True)
    with pytest.raises(Unavailable) as raised:
        rig.ask(DrainSession(1.0))
    assert raised.value.code == "session.starting"


def test_the_end_follows_as_ever(tmp_path: Path) -> None:
    rig = seeding(tmp_path, TORRENTS[0])
    drain(rig)
    reply = rig.command(StopSession())
    rig.answer_close(TORRENTS[0], have=4)
    rig.save()
    assert reply.wait(0) is True
    assert session(rig).state == "stopped"
