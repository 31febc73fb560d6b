"""What only a daemon's session does: saved torrents, moves, renames, the queue, one writer a place, reserves."""

from __future__ import annotations

from pathlib import Path

import pytest

from blobtorrent.core.session.commands import (
    RESET,
    AddTorrent,
    ApplySettings,
    ChangeTorrent,
    FilePriority,
    FilesOf,
    MoveTorrent,
    RecheckTorrent,
    RenamePath,
    StartTorrent,
    StopTorrent,
    TorrentChanges,
)
from blobtorrent.core.session.record import Place
from blobtorrent.core.session.reserves import LOOK_S
from blobtorrent.core.swarm.messages import ChangeSwarm, OpenSwarm, WantPieces
from blobtorrent.core.swarm.weights import BALANCED, PRESETS
from blobtorrent.discovery.messages import Announce
from blobtorrent.model.errors import Conflict, DiskFull, Invalid, Unavailable
from blobtorrent.model.events import SpaceBack, SpaceLow, TorrentMoved
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.storage.filejobs import (
    FilesFound,
    FilesStamped,
    FindFiles,
    MeasureSpace,
    MoveStore,
    PathsRenamed,
    RenamePaths,
    SpaceMeasured,
    StampFiles,
    StoreMoved,
)
from blobtorrent.storage.jobs import CheckPieces, PrepareStore, StorePrepared
from blobtorrent.storage.stamps import FileStamp
from blobtorrent.storage.state.library import KeepTorrent, LoadTorrent, TorrentKept, TorrentLoaded
from blobtorrent.storage.state.statethread import METAFILE, Row, row_key
from tests.support.sessions import SessionRig, only, saved_torrent, settings_of, torrent_of


def prepared(rig: SessionRig, **found: object) -> None:
    job = only(PrepareStore, rig.disks.drain())
    rig.tell(StorePrepared(job.info_hash, **{"has_data": True, **found}))  # type: ignore[arg-type]


def moved(rig: SessionRig) -> MoveStore:
    job = only(MoveStore, rig.files.drain())
    rig.tell(StoreMoved(job.info_hash, {0: FileStamp(1, 2, 3)}))
    return job


def test_saved_torrents_begin_when_the_listeners_are_open_and_are_believed(tmp_path: Path) -> None:
    torrent = torrent_of(4)
    rig = SessionRig(keeps=True, saved=[saved_torrent(torrent, tmp_path, 0, 2)])
    assert (rig.state(torrent), rig.status(torrent).done_bytes) == ("stopped", 2 * 16384)
    assert rig.library.depth == 0
    rig.open_listeners()
    rig.answer_load(torrent)
    prepared(rig)
    assert rig.hashers.depth == 0
    assert sorted(only(OpenSwarm, rig.shard.drain()).have) == [0, 2]


def test_a_stopped_torrent_is_not_even_loaded(tmp_path: Path) -> None:
    torrent = torrent_of(4)
    rig = SessionRig(keeps=True, saved=[saved_torrent(torrent, tmp_path, run=False)])
    rig.open_listeners()
    assert rig.library.depth == 0
    assert rig.state(torrent) == "stopped"


def test_only_pieces_of_changed_files_are_hashed(tmp_path: Path) -> None:
    torrent = torrent_of(4)
    rig = SessionRig(keeps=True, saved=[saved_torrent(torrent, tmp_path, 0, 1, 2, 3)])
    rig.open_listeners()
    rig.answer_load(torrent)
    prepared(rig, changed=[0])
    rig.answer_check(only(CheckPieces, rig.hashers.drain()))
    assert rig.shard.depth == 0        # the files are stamped before anything is written to them
    stamped = only(StampFiles, rig.files.drain())
    rig.tell(FilesStamped(stamped.info_hash, {}))
    assert rig.state(torrent) == "seeding"


def test_files_that_are_all_gone_are_an_error_and_not_a_new_download(tmp_path: Path) -> None:
    torrent = torrent_of(4)
    rig = SessionRig(keeps=True, saved=[saved_torrent(torrent, tmp_path, 0, 1, 2, 3)])
    rig.open_listeners()
    rig.answer_load(torrent)
    prepared(rig, has_data=False)
    assert (rig.state(torrent), rig.status(torrent).error_code) == ("error", "storage.files-gone")


def test_a_stopped_torrent_is_moved_and_stays_stopped(tmp_path: Path) -> None:
    torrent = torrent_of(4)
    rig = SessionRig(keeps=True, saved=[saved_torrent(torrent, tmp_path, 0, 1, 2, 3, run=False)])
    rig.open_listeners()
    reply = rig.command(MoveTorrent(torrent.info_hash, tmp_path / "new"))
    rig.answer_load(torrent)
    rig.save()
    assert reply.wait(0) is None
    rig.save()                         # that it is about to begin
    assert rig.state(torrent) == "moving"
    with pytest.raises(Conflict):
        rig.ask(MoveTorrent(torrent.info_hash, tmp_path))
    job = moved(rig)
    assert (job.target, job.is_resumed) == (tmp_path / "new", False)
    rig.save()
    assert rig.state(torrent) == "stopped"
    assert TorrentMoved(torrent.info_hash, str(tmp_path / "new")) in rig.events()


def test_a_move_that_a_kill_cut_short_is_resumed_at_the_start(tmp_path: Path) -> None:
    torrent = torrent_of(4)
    left = saved_torrent(torrent, tmp_path, run=False)
    left.record.place = Place(tmp_path / "new", tmp_path, is_moving=True)
    rig = SessionRig(keeps=True, saved=[left])
    rig.open_listeners()
    rig.answer_load(torrent)
    rig.save()
    assert only(MoveStore, rig.files.drain()).is_resumed


def begin_incomplete(rig: SessionRig, torrent: Metainfo, folder: Path, *, is_there: bool = False) -> PrepareStore:
    """Add a torrent while there is a folder for incomplete ones."""
    rig.open_listeners()
    rig.add_kept(torrent, folder / "final")
    look = only(FindFiles, rig.files.drain())
    assert look.store.root == folder / "final"
    rig.tell(FilesFound(torrent.info_hash, is_there))
    return only(PrepareStore, rig.disks.drain())


def test_a_download_in_the_incomplete_folder_moves_when_it_is_complete(tmp_path: Path) -> None:
    rig, torrent = SessionRig(keeps=True, storage__incomplete_dir=tmp_path / "inc"), torrent_of(4)
    job = begin_incomplete(rig, torrent, tmp_path)
    assert job.store.root == tmp_path / "inc"
    rig.tell(StorePrepared(job.info_hash, has_data=False))
    rig.shard.drain()
    rig.report(torrent, have=4)
    assert [type(message).__name__ for message in rig.shard.drain()][-1] == "CloseSwarm"


def test_what_lies_in_its_own_folder_already_is_used_there(tmp_path: Path) -> None:
    rig, torrent = SessionRig(keeps=True, storage__incomplete_dir=tmp_path / "inc"), torrent_of(4)
    assert begin_incomplete(rig, torrent, tmp_path, is_there=True).store.root == tmp_path / "final"


def test_a_torrent_that_was_killed_before_its_move_began_moves_at_the_start(tmp_path: Path) -> None:
    torrent = torrent_of(4)
    left = saved_torrent(torrent, tmp_path, 0, 1, 2, 3)
    left.record.place = Place(tmp_path / "final", tmp_path, is_incomplete=True)
    rig = SessionRig(keeps=True, saved=[left])
    rig.open_listeners()
    rig.answer_load(torrent)
    rig.save()
    assert only(MoveStore, rig.files.drain()).target == tmp_path / "final"


def test_a_move_from_the_incomplete_folder_that_failed_is_tried_again_with_the_next_start(tmp_path: Path) -> None:
    torrent = torrent_of(4)
    left = saved_torrent(torrent, tmp_path, 0, 1, 2, 3)
    left.record.place = Place(tmp_path / "final", tmp_path, is_incomplete=True)
    rig = SessionRig(keeps=True, saved=[left])
    rig.open_listeners()
    rig.answer_load(torrent)
    rig.save()
    only(MoveStore, rig.files.drain())
    rig.tell(StoreMoved(torrent.info_hash, {}, DiskFull("storage.disk-full", "no room")))
    rig.save()
    assert (rig.state(torrent), rig.status(torrent).error_code) == ("error", "storage.disk-full")
    rig.command(StartTorrent(torrent.info_hash))
    rig.save()
    assert only(MoveStore, rig.files.drain()).target == tmp_path / "final"


def test_a_rename_is_answered_when_it_is_done(tmp_path: Path) -> None:
    torrent = torrent_of(4)
    rig = SessionRig(keeps=True, saved=[saved_torrent(torrent, tmp_path, run=False)])
    rig.open_listeners()
    reply = rig.command(RenamePath(torrent.info_hash, "t", "new"))
    rig.answer_load(torrent)
    rig.save()
    job = only(RenamePaths, rig.files.drain())
    assert (job.old, job.new) == ("t", "new")
    rig.tell(PathsRenamed(torrent.info_hash, {"t": "new"}, {}))
    with pytest.raises(Unavailable):
        reply.wait(0)                  # a kill now would leave a record of the old name
    rig.save()
    assert reply.wait(0) is None
    assert rig.state(torrent) == "stopped"


def test_a_rename_to_what_cannot_be_a_name_is_refused_before_anything_is_stopped(tmp_path: Path) -> None:
    torrent = torrent_of(4)
    rig = SessionRig(keeps=True, saved=[saved_torrent(torrent, tmp_path, run=False)])
    rig.open_listeners()
    with pytest.raises(Invalid):
        rig.ask(RenamePath(torrent.info_hash, "t", "../outside"))
    assert rig.library.depth == 0


def test_a_torrent_that_is_just_being_added_is_told_as_present_when_it_is(tmp_path: Path) -> None:
    torrent = torrent_of(4)
    rig = SessionRig(keeps=True)
    rig.open_listeners()
    command = AddTorrent(torrent, tmp_path, raw=b"raw")
    first, second = rig.command(command), rig.command(command)
    job = only(KeepTorrent, rig.library.drain())
    rig.tell(TorrentKept(job.info_hash, job.token, Row(METAFILE, row_key(torrent.info_hash), b"digest"), None))
    with pytest.raises(Unavailable):
        second.wait(0)                 # it cannot be found yet
    rig.save()
    assert first.wait(0) == torrent.info_hash
    with pytest.raises(Conflict, match="there already"):
        second.wait(0)


def test_only_so_many_download_and_the_next_begins_when_one_stops(tmp_path: Path) -> None:
    first, second = torrent_of(4, seed=1), torrent_of(4, seed=2)
    rig = SessionRig(keeps=True, queue__active_downloads=1)
    rig.open_listeners()
    rig.add_kept(first, tmp_path)
    rig.clock.advance(1.0)
    rig.add_kept(second, tmp_path)
    assert (rig.state(first), rig.state(second)) == ("checking", "queued")
    assert rig.status(second).held_by == "queue"
    rig.command(StopTorrent(first.info_hash))
    rig.save()
    rig.answer_prepare(has_data=False)
    rig.answer_close_store()
    rig.advance(0.0)
    assert (rig.state(first), rig.state(second)) == ("stopped", "checking")


def test_what_is_complete_is_no_download_any_more_and_the_next_begins(tmp_path: Path) -> None:
    first, second = torrent_of(4, seed=1), torrent_of(4, seed=2)
    rig = SessionRig(keeps=True, queue__active_downloads=1)
    rig.open_listeners()
    rig.add_kept(first, tmp_path)
    rig.clock.advance(1.0)
    rig.add_kept(second, tmp_path)
    rig.answer_prepare(has_data=False)
    rig.report(first, have=4)
    rig.advance(0.0)
    assert (rig.state(first), rig.state(second)) == ("seeding", "checking")


def test_downloads_wait_while_their_filesystem_is_short_of_room(tmp_path: Path) -> None:
    rig, torrent = SessionRig(keeps=True, storage__reserve=1 << 30), torrent_of(4)
    rig.open_listeners()
    rig.add_kept(torrent, tmp_path)
    rig.answer_prepare(has_data=False)
    rig.shard.drain()
    job = only(MeasureSpace, rig.files.drain())
    rig.tell(SpaceMeasured(job.device, 1, 2))
    assert not only(ChangeSwarm, rig.shard.drain()).settings.may_download
    assert rig.status(torrent).held_by == "space"
    assert any(isinstance(event, SpaceLow) for event in rig.events())
    rig.advance(LOOK_S)
    rig.tell(SpaceMeasured(only(MeasureSpace, rig.files.drain()).device, 1 << 40, 1 << 41))
    assert only(ChangeSwarm, rig.shard.drain()).settings.may_download
    assert rig.status(torrent).held_by == ""
    assert any(isinstance(event, SpaceBack) for event in rig.events())


def measured(rig: SessionRig, free_bytes: int) -> None:
    """Every filesystem that was asked about has so much room."""
    for job in rig.files.drain():
        rig.tell(SpaceMeasured(job.device, free_bytes, 1 << 41))
    rig.advance(0.0)


def test_a_download_that_is_held_for_room_gives_its_place_to_one_that_lies_elsewhere(tmp_path: Path) -> None:
    held, like_it, elsewhere = (torrent_of(4, seed=seed) for seed in (1, 2, 3))
    rig = SessionRig(keeps=True, storage__reserve=1 << 30, queue__active_downloads=1)
    rig.open_listeners()
    for torrent, folder in ((held, "full"), (like_it, "full"), (elsewhere, "other")):
        rig.add_kept(torrent, tmp_path / folder)
        rig.clock.advance(1.0)
    rig.answer_prepare(has_data=False)
    assert [rig.state(torrent) for torrent in (held, like_it, elsewhere)] == ["downloading", "queued", "queued"]
    measured(rig, 1)
    assert rig.status(held).held_by == "space"
    assert [rig.state(torrent) for torrent in (held, like_it, elsewhere)] == ["downloading", "queued", "checking"]
    rig.answer_prepare(has_data=False)
    rig.shard.drain()
    rig.advance(LOOK_S)
    measured(rig, 1 << 40)
    assert rig.status(held).held_by == ""
    rig.answer_close(elsewhere, have=0)
    rig.advance(0.0)
    assert [rig.state(torrent) for torrent in (held, like_it, elsewhere)] == ["downloading", "queued", "queued"]


def test_when_the_one_that_is_held_for_room_is_stopped_the_next_at_its_place_looks_whether_there_is_some(
    tmp_path: Path
) -> None:
    first, second = torrent_of(4, seed=1), torrent_of(4, seed=2)
    rig = SessionRig(keeps=True, storage__reserve=1 << 30, queue__active_downloads=1)
    rig.open_listeners()
    rig.add_kept(first, tmp_path)
    rig.clock.advance(1.0)
    rig.add_kept(second, tmp_path)
    rig.answer_prepare(has_data=False)
    measured(rig, 1)
    rig.shard.drain()
    rig.command(StopTorrent(first.info_hash))
    rig.answer_close(first, have=0)
    rig.advance(0.0)
    assert (rig.state(first), rig.state(second)) == ("stopped", "checking")
    rig.answer_prepare(has_data=False)
    assert rig.status(second).held_by == "space"


def test_files_of_a_stopped_torrent_are_told_and_its_metainfo_is_let_go(tmp_path: Path) -> None:
    torrent = torrent_of(4)
    left = saved_torrent(torrent, tmp_path, 0, run=False)
    rig = SessionRig(keeps=True, saved=[left])
    rig.open_listeners()
    reply = rig.command(FilesOf(torrent.info_hash))
    only(LoadTorrent, [rig.library.drain()[0]])
    rig.tell(TorrentLoaded(torrent.info_hash, torrent, b"", b"", None))
    (status,) = reply.wait(0)
    assert (status.size_bytes, status.done_bytes, status.priority) == (4 * 16384, 16384, 1)
    assert left.metainfo is None


def test_a_file_that_is_not_wanted_any_more_changes_what_is_fetched(tmp_path: Path) -> None:
    rig, torrent = SessionRig(keeps=True), torrent_of(4)
    rig.open_listeners()
    rig.add_kept(torrent, tmp_path)
    rig.answer_prepare(has_data=False)
    rig.shard.drain()
    rig.command(ChangeTorrent(torrent.info_hash, TorrentChanges(file_priorities={0: FilePriority.SKIP})))
    wants = only(WantPieces, [message for message in rig.shard.drain() if isinstance(message, WantPieces)])
    assert wants.skipped == 0b1111
    assert rig.status(torrent).wanted_bytes == 0
    with pytest.raises(Invalid):
        rig.ask(ChangeTorrent(torrent.info_hash, TorrentChanges(file_priorities={9: FilePriority.SKIP})))


def test_a_change_is_made_only_of_what_the_torrent_was_when_it_was_read(tmp_path: Path) -> None:
    torrent = torrent_of(4)
    rig = SessionRig(keeps=True, saved=[saved_torrent(torrent, tmp_path, 0, run=False)])
    rig.open_listeners()
    first, second = (
        ChangeTorrent(torrent.info_hash, TorrentChanges(labels=(label,)), lambda status: status.labels == ())
        for label in ("first", "second")
    )
    rig.command(first)
    with pytest.raises(Conflict) as caught:
        rig.ask(second)
    assert (caught.value.code, rig.status(torrent).labels) == ("torrent.changed", ("first",))


def test_a_recheck_hashes_everything_and_a_stopped_torrent_stays_stopped(tmp_path: Path) -> None:
    torrent = torrent_of(4)
    rig = SessionRig(keeps=True, saved=[saved_torrent(torrent, tmp_path, 0, run=False)])
    rig.open_listeners()
    rig.ask(RecheckTorrent(torrent.info_hash))
    rig.answer_load(torrent)
    prepared(rig)
    job = only(CheckPieces, rig.hashers.drain())
    assert job.indices == range(4)
    rig.answer_check(job)
    rig.tell(FilesStamped(torrent.info_hash, {}))
    rig.sync()                         # before a row claims what was found
    rig.answer_close_store()
    assert (rig.state(torrent), rig.status(torrent).done_bytes) == ("stopped", 4 * 16384)


def test_other_settings_hold_at_once(tmp_path: Path) -> None:
    rig, torrent = SessionRig(keeps=True), torrent_of(4)
    rig.open_listeners()
    rig.add_kept(torrent, tmp_path)
    rig.answer_prepare(has_data=False)
    rig.shard.drain()
    rig.ask(ApplySettings(settings_of(network__upload_slots=3, network__max_peers_per_torrent=7)))
    changed = [message for message in rig.shard.drain() if isinstance(message, ChangeSwarm)]
    assert (changed[-1].settings.upload_slots, changed[-1].settings.max_links) == (3, 4)


def test_a_torrent_may_ask_another_number_of_peers_than_the_settings_say(tmp_path: Path) -> None:
    torrent = torrent_of(4)
    rig = SessionRig(keeps=True, saved=[saved_torrent(torrent, tmp_path, 0)], network__download_slots=8)
    rig.open_listeners()
    rig.answer_load(torrent)
    prepared(rig)
    rig.shard.drain()
    told = []
    for wish in (2, 0, RESET):
        rig.command(ChangeTorrent(torrent.info_hash, TorrentChanges(download_slots=wish)))
        told.append([message.settings for message in rig.shard.drain() if isinstance(message, ChangeSwarm)][-1])
    assert [settings.download_slots for settings in told] == [2, 0, 8]


def test_a_torrent_may_have_limits_of_its_own_on_peers_and_slots_and_lose_them_again(tmp_path: Path) -> None:
    torrent = torrent_of(4)
    rig = SessionRig(keeps=True, saved=[saved_torrent(torrent, tmp_path, 0)], network__upload_slots=8)
    rig.open_listeners()
    rig.answer_load(torrent)
    prepared(rig)
    (usual,) = [message.settings for message in rig.shard.drain() if isinstance(message, OpenSwarm)]
    for changes, expected in (
        (TorrentChanges(upload_slots=2, max_peers=3), (2, 3)),
        (TorrentChanges(upload_slots=0), (0, 3)),
        (TorrentChanges(max_peers=100_000), (0, usual.max_links)),
        (TorrentChanges(upload_slots=RESET, max_peers=RESET), (8, usual.max_links)),
    ):
        reply = rig.command(ChangeTorrent(torrent.info_hash, changes))
        rig.save()
        reply.wait(0)
        told = [message.settings for message in rig.shard.drain() if isinstance(message, ChangeSwarm)][-1]
        assert (told.upload_slots, told.max_links) == expected


def test_a_torrent_may_choose_its_pieces_in_a_way_of_its_own(tmp_path: Path) -> None:
    torrent = torrent_of(4)
    rig = SessionRig(keeps=True, saved=[saved_torrent(torrent, tmp_path, 0)], picker__weight_rarity=2.0)
    rig.open_listeners()
    rig.answer_load(torrent)
    prepared(rig)
    (usual,) = [message.settings for message in rig.shard.drain() if isinstance(message, OpenSwarm)]
    assert usual.picker == BALANCED._replace(rarity=2.0)
    for wish, expected in (
        ({"guard": 7.0}, usual.picker._replace(guard=7.0)),
        ({"preset": "archive", "temperature": 0.3}, PRESETS["archive"]._replace(temperature=0.3)),
        (RESET, usual.picker),
    ):
        reply = rig.command(ChangeTorrent(torrent.info_hash, TorrentChanges(picker=wish)))
        rig.save()
        reply.wait(0)
        told = [message.settings for message in rig.shard.drain() if isinstance(message, ChangeSwarm)][-1]
        assert told.picker == expected
        assert rig.status(torrent).picker == (None if wish is RESET else wish)
    rig.ask(ApplySettings(settings_of(picker__preset="rarest")))
    told = [message.settings for message in rig.shard.drain() if isinstance(message, ChangeSwarm)][-1]
    assert told.picker == PRESETS["rarest"]


@pytest.mark.parametrize("is_usual", [True, False])
def test_a_torrent_may_exchange_peers_or_not_whatever_others_do(tmp_path: Path, is_usual: bool) -> None:
    torrent = torrent_of(4)
    rig = SessionRig(keeps=True, saved=[saved_torrent(torrent, tmp_path, 0)], pex__enabled=is_usual)
    rig.open_listeners()
    rig.answer_load(torrent)
    prepared(rig)
    (usual,) = [message.settings for message in rig.shard.drain() if isinstance(message, OpenSwarm)]
    assert usual.exchanges_peers is is_usual
    for wish, expected in ((not is_usual, not is_usual), (RESET, is_usual)):
        reply = rig.command(ChangeTorrent(torrent.info_hash, TorrentChanges(exchanges_peers=wish)))
        rig.save()
        reply.wait(0)
        told = [message.settings for message in rig.shard.drain() if isinstance(message, ChangeSwarm)][-1]
        assert told.exchanges_peers is expected


def test_a_reset_of_the_file_priorities_wants_all_files_again(tmp_path: Path) -> None:
    torrent = torrent_of(4)
    saved = saved_torrent(torrent, tmp_path, run=False)
    saved.record.wishes = saved.record.wishes._replace(file_priorities={0: FilePriority.SKIP})
    rig = SessionRig(keeps=True, saved=[saved])
    rig.open_listeners()
    reply = rig.command(ChangeTorrent(torrent.info_hash, TorrentChanges(file_priorities=RESET)))
    rig.answer_load(torrent)
    rig.save()
    reply.wait(0)
    assert saved.record.wishes.file_priorities == {}
    assert rig.status(torrent).skipped_bytes == 0


def test_trackers_of_a_torrent_may_be_asked_for_more_or_fewer_peers_than_those_of_others(tmp_path: Path) -> None:
    torrent = torrent_of(4, tiers=(("http://a.test/announce",),))
    rig = SessionRig(keeps=True, saved=[saved_torrent(torrent, tmp_path, 0)], trackers__peers_wanted=50)
    rig.open_listeners()
    rig.answer_load(torrent)
    prepared(rig)
    (order,) = rig.outcalls.drain()
    assert order.query.num_want == 50
    for wish, expected in ((7, 7), (0, 0), (RESET, 50)):
        rig.answer_announce(order, interval_s=60)
        reply = rig.command(ChangeTorrent(torrent.info_hash, TorrentChanges(peers_wanted=wish)))
        rig.save()
        reply.wait(0)
        assert rig.status(torrent).peers_wanted == (None if wish is RESET else wish)
        rig.advance(60.0)
        rig.saves.drain()
        (order,) = [order for order in rig.outcalls.drain() if isinstance(order, Announce)]
        assert order.query.num_want == expected


def test_torrents_share_the_slots_of_all_by_what_they_report(tmp_path: Path) -> None:
    first, second = torrents = torrent_of(4), torrent_of(5)
    saved = [saved_torrent(torrent, tmp_path / str(torrent.info_hash), 0) for torrent in torrents]
    rig = SessionRig(keeps=True, saved=saved, network__upload_slots_total=6)
    rig.open_listeners()
    rig.library.drain()
    for torrent in torrents:
        rig.give_metainfo(torrent)
        prepared(rig)

    def told() -> dict[InfoHash, int | None]:
        return {message.info_hash: message.settings.granted_slots for message in rig.shard.drain()
                if isinstance(message, (OpenSwarm, ChangeSwarm))}

    assert told() == {first.info_hash: 1, second.info_hash: 1}
    rig.report(first, have=1, takers=20)
    assert told() == {first.info_hash: 5}
    rig.report(second, have=1, takers=20)
    rig.advance(60.0)
    assert told() == {first.info_hash: 3, second.info_hash: 3}
    rig.command(ChangeTorrent(second.info_hash, TorrentChanges(upload_slots=1)))
    rig.report(second, have=1, takers=20, uploaded=1)
    rig.advance(60.0)
    assert told() == {first.info_hash: 5, second.info_hash: 1}
    rig.command(ApplySettings(settings_of(limits__up_bytes_per_s=1 << 10)))
    rig.advance(60.0)
    assert told() == {first.info_hash: 1, second.info_hash: 1}
    rig.command(ApplySettings(settings_of()))
    assert told() == {first.info_hash: None, second.info_hash: None}


def test_one_that_seeds_may_have_fewer_peers_unless_its_owner_said_how_many(tmp_path: Path) -> None:
    torrent = torrent_of(4)
    rig = SessionRig(keeps=True, saved=[saved_torrent(torrent, tmp_path, 0)], network__max_peers_per_seed=3)
    rig.open_listeners()
    rig.answer_load(torrent)
    prepared(rig)
    (usual,) = [message.settings for message in rig.shard.drain() if isinstance(message, OpenSwarm)]
    assert usual.max_links > 9

    def told() -> list[int]:
        return [message.settings.max_links for message in rig.shard.drain() if isinstance(message, ChangeSwarm)]

    rig.report(torrent, have=4)
    assert told()[-1] == 3
    rig.command(ChangeTorrent(torrent.info_hash, TorrentChanges(max_peers=9)))
    assert told()[-1] == 9
    rig.command(ChangeTorrent(torrent.info_hash, TorrentChanges(max_peers=RESET)))
    assert told()[-1] == 3
    rig.command(ApplySettings(settings_of(network__max_peers_per_seed=0)))
    assert told()[-1] > 3
