"""What a killed process left of torrents that do not run is made durable all the same."""

from __future__ import annotations

import json
from pathlib import Path

from blobtorrent.core.session.commands import ChangeTorrent, StartTorrent, StopSession, StopTorrent, TorrentChanges
from blobtorrent.core.session.rows import read_record
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.model.errors import StorageError
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.storage.jobs import CloseStore, PrepareStore, StoreClosed, StorePrepared
from blobtorrent.storage.live.recovery import Recovered
from blobtorrent.storage.state.statethread import PROGRESS
from blobtorrent.storage.state.statethread import TORRENT as ROW_OF_TORRENT
from tests.support.sessions import SessionRig, only, saved_torrent, torrent_of

TORRENT = torrent_of(4)


def left(metainfo: Metainfo, folder: Path, *, run: bool = False) -> Torrent:
    """Of which a block was received, and pieces 0 and 1 were written and no row claims the second."""
    torrent = saved_torrent(metainfo, folder, 0, run=run)
    torrent.record.have.add(1)
    torrent.record.is_suspect = True
    torrent.recovered = Recovered()
    torrent.recovered.written = [range(1, 2)]
    return torrent


def start(torrents: list[Torrent], **settings: object) -> tuple[SessionRig, list[InfoHash]]:
    safe: list[InfoHash] = []
    rig = SessionRig(keeps=True, saved=torrents, on_safe=safe.append, **settings)
    rig.open_listeners()
    return rig, safe


def prepare(rig: SessionRig) -> None:
    job = only(PrepareStore, rig.disks.drain())
    assert job.recovered is not None
    rig.tell(StorePrepared(job.info_hash, True, partial={2: (0,)}))


def test_a_stopped_torrent_is_loaded_saved_and_stopped_again(tmp_path: Path) -> None:
    rig, safe = start([left(TORRENT, tmp_path)])
    rig.answer_load(TORRENT)
    prepare(rig)
    assert safe == []
    rig.sync()
    rig.tell(StoreClosed(only(CloseStore, rig.disks.drain()).info_hash))
    assert rig.state(TORRENT) == "stopped"
    rig.advance(10.0)
    rig.save()
    assert safe == [TORRENT.info_hash]
    assert rig.shard.depth == 0
    assert rig.library.depth == 0
    reply = rig.command(StopSession())
    rig.save()
    assert reply.wait(0) is True


def test_a_torrent_that_has_to_wait_is_saved_and_waits_on(tmp_path: Path) -> None:
    first = torrent_of(4, seed=2)
    running = saved_torrent(first, tmp_path / "other", 0)
    running.record.facts = running.record.facts._replace(added_at=0.0)
    rig, safe = start([running, left(TORRENT, tmp_path, run=True)], queue__active_downloads=1)
    rig.advance(0.0)
    asked = [message.info_hash for message in rig.library.drain()]
    assert asked == [first.info_hash, TORRENT.info_hash]
    rig.give_metainfo(TORRENT)
    prepare(rig)
    rig.sync()
    rig.tell(StoreClosed(only(CloseStore, rig.disks.drain()).info_hash))
    rig.advance(10.0)
    rig.save()
    assert safe == [TORRENT.info_hash]
    assert (rig.state(first), rig.state(TORRENT)) == ("checking", "queued")
    assert rig.library.depth == 0      # once is enough


def test_a_torrent_that_is_started_meanwhile_goes_on(tmp_path: Path) -> None:
    rig, _ = start([left(TORRENT, tmp_path)])
    rig.command(StartTorrent(TORRENT.info_hash))
    rig.answer_load(TORRENT)
    rig.save()
    prepare(rig)
    assert rig.state(TORRENT) == "downloading"


def test_what_was_found_is_safe_at_once_though_more_and_more_comes(tmp_path: Path) -> None:
    rig, safe = start([left(TORRENT, tmp_path, run=True)])
    rig.advance(0.0)
    rig.answer_load(TORRENT)
    prepare(rig)
    rig.advance(0.0)                   # not only after the interval between two commits
    rig.report(TORRENT, have=3)
    rig.sync()
    assert safe == []
    rig.save()
    assert safe == [TORRENT.info_hash]


def test_what_cannot_be_made_durable_is_an_error_that_a_stop_ends(tmp_path: Path) -> None:
    rig, safe = start([left(TORRENT, tmp_path)])
    rig.answer_load(TORRENT)
    job = only(PrepareStore, rig.disks.drain())
    rig.tell(StorePrepared(job.info_hash, False, StorageError("storage.unmounted", "the disk is away")))
    rig.save()
    assert rig.state(TORRENT) == "error"
    rig.command(StopTorrent(TORRENT.info_hash))
    rig.tell(StoreClosed(TORRENT.info_hash))
    assert rig.state(TORRENT) == "stopped"
    assert safe == []


def suspect(metainfo: Metainfo, folder: Path) -> Torrent:
    """It ran when the power failed, soon after its last row, which was the first to claim piece 1."""
    torrent = saved_torrent(metainfo, folder, 0, 1)
    torrent.record.is_suspect, torrent.record.recent = True, 1 << 1
    return torrent


def test_what_a_crash_makes_doubtful_is_still_that_when_its_rows_are_written_anew(tmp_path: Path) -> None:
    torrent = suspect(TORRENT, tmp_path)
    rig = SessionRig(keeps=True, saved=[torrent])          # it does not run before the listeners are open
    rig.command(ChangeTorrent(TORRENT.info_hash, TorrentChanges(labels=("new",))))
    rows = {row.kind: row.body for row in rig.save()}
    again = read_record(rows[ROW_OF_TORRENT], rows[PROGRESS])
    assert (again.is_suspect, again.recent) == (True, 1 << 1)


def test_a_clean_end_does_not_vouch_for_torrents_that_were_not_looked_at_since_a_crash(tmp_path: Path) -> None:
    rig = SessionRig(keeps=True, saved=[suspect(TORRENT, tmp_path), saved_torrent(torrent_of(4, seed=2), tmp_path)])
    reply = rig.command(StopSession())
    found = [json.loads(row.body) for row in rig.save() if row.kind == PROGRESS]
    assert [(row["suspect"], row["recent"]) for row in found] == [(True, [1])]
    assert reply.wait(0) is True
