"""Two torrents that lie at one place: no byte of the one is lost to the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from blobtorrent.core.session.commands import (
    ChangeTorrent,
    FilePriority,
    MoveTorrent,
    RemoveTorrent,
    RenamePath,
    StartTorrent,
    TorrentChanges,
)
from blobtorrent.core.session.sharing import PATH_TAKEN
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.core.swarm.messages import OpenSwarm
from blobtorrent.model.errors import Conflict
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.storage.filejobs import DeleteData, FilesStamped, MoveStore, StampFiles
from blobtorrent.storage.jobs import CheckPieces, CloseStore, PrepareStore, StoreClosed, StorePrepared
from blobtorrent.storage.state.library import LoadTorrent, TorrentLoaded
from tests.support.sessions import SessionRig, only, saved_torrent, torrent_of

FIRST = torrent_of(4, seed=1)
SECOND = torrent_of(4, seed=2)._replace(name="t")          # other bytes in the same file
SAME = FIRST._replace(info_hash=InfoHash(v1=b"s" * 20))    # the same bytes, for another tracker


def stopped(metainfo: Metainfo, folder: Path) -> Torrent:
    return saved_torrent(metainfo, folder, 0, run=False)


def with_first(folder: Path, *have: int) -> SessionRig:
    """A session that has the first torrent, stopped."""
    rig = SessionRig(keeps=True, saved=[saved_torrent(FIRST, folder, *have, run=False)])
    rig.open_listeners()
    return rig


def prepare(rig: SessionRig, *, has_data: bool = True) -> None:
    job = only(PrepareStore, [message for message in rig.disks.drain() if isinstance(message, PrepareStore)])
    rig.tell(StorePrepared(job.info_hash, has_data))


def check(rig: SessionRig, metainfo: Metainfo, *, good: bool) -> None:
    for job in rig.hashers.drain():
        assert isinstance(job, CheckPieces)
        rig.answer_check(job, good=good)
    only(StampFiles, rig.files.drain())
    rig.tell(FilesStamped(metainfo.info_hash, {}))


def load(rig: SessionRig, *metainfos: Metainfo) -> None:
    """The library reads what it was asked to."""
    asked = {message.info_hash for message in rig.library.drain() if isinstance(message, LoadTorrent)}
    assert asked == {metainfo.info_hash for metainfo in metainfos}
    for metainfo in metainfos:
        rig.tell(TorrentLoaded(metainfo.info_hash, metainfo, b"", b"", None))


def add(rig: SessionRig, metainfo: Metainfo, folder: Path, *, good: bool) -> None:
    """Add a torrent where files lie already, which are all its own, or not at all."""
    rig.add_kept(metainfo, folder)
    prepare(rig)
    check(rig, metainfo, good=good)


def add_guest(folder: Path) -> SessionRig:
    rig = with_first(folder, 0, 1, 2, 3)
    add(rig, SECOND, folder, good=False)
    load(rig, FIRST)
    save_all(rig)
    return rig


def save_all(rig: SessionRig) -> None:
    while rig.saves.depth:
        rig.save()


def opened(rig: SessionRig) -> bool:
    return any(isinstance(message, OpenSwarm) for message in rig.shard.drain())


def test_who_would_write_where_another_has_data_is_an_error_that_names_it(tmp_path: Path) -> None:
    rig = add_guest(tmp_path)
    status = rig.status(SECOND)
    assert (status.state, status.error_code) == ("error", PATH_TAKEN)
    assert str(FIRST.info_hash) in status.error_detail
    assert not opened(rig)


def test_who_finds_all_its_bytes_there_seeds(tmp_path: Path) -> None:
    rig = with_first(tmp_path, 0, 1, 2, 3)
    add(rig, SECOND, tmp_path, good=True)
    assert rig.state(SECOND) == "seeding"
    assert rig.library.depth == 0      # nobody needs to know of the other


def test_the_others_metainfo_is_not_kept_in_memory(tmp_path: Path) -> None:
    first = saved_torrent(FIRST, tmp_path, 0, run=False)
    rig = SessionRig(keeps=True, saved=[first])
    rig.open_listeners()
    add(rig, SECOND, tmp_path, good=False)
    load(rig, FIRST)
    assert first.metainfo is None


def test_a_torrent_that_has_nothing_is_in_nobodys_way(tmp_path: Path) -> None:
    rig = with_first(tmp_path)
    add(rig, SECOND, tmp_path, good=False)
    assert rig.state(SECOND) == "downloading"


def test_who_downloads_there_is_in_the_way_although_it_has_nothing_yet(tmp_path: Path) -> None:
    rig = SessionRig()
    rig.add_downloading(FIRST, tmp_path)
    rig.add(SECOND, tmp_path)
    rig.answer_prepare(has_data=False)
    assert rig.status(SECOND).error_code == PATH_TAKEN


def test_of_two_that_are_checked_at_a_time_the_first_may_write(tmp_path: Path) -> None:
    rig = SessionRig()
    rig.add(FIRST, tmp_path)
    rig.clock.advance(1.0)
    rig.add(SECOND, tmp_path)
    first, second = rig.disks.drain()
    rig.tell(StorePrepared(second.info_hash, False))
    rig.tell(StorePrepared(first.info_hash, False))
    assert (rig.state(FIRST), rig.state(SECOND)) == ("downloading", "error")


def test_torrents_with_other_files_in_the_same_folder_do_not_meet(tmp_path: Path) -> None:
    other = SECOND._replace(files=tuple(entry._replace(path=("t", "elsewhere")) for entry in SECOND.files))
    rig = SessionRig()
    rig.add_downloading(FIRST, tmp_path)
    rig.add_downloading(other, tmp_path)
    assert rig.state(other) == "downloading"


def test_damage_in_files_that_two_torrents_share_is_repaired(tmp_path: Path) -> None:
    rig = with_first(tmp_path, 0, 1, 2, 3)
    add(rig, SAME, tmp_path, good=False)
    load(rig, FIRST)
    assert rig.state(SAME) == "downloading"                # whatever it writes is what the other has


def test_the_same_bytes_are_not_downloaded_twice_at_a_time(tmp_path: Path) -> None:
    rig = SessionRig()
    rig.add_downloading(FIRST, tmp_path)
    rig.add(SAME, tmp_path)
    rig.answer_prepare(has_data=False)
    assert rig.status(SAME).error_code == PATH_TAKEN


def test_a_guest_that_is_started_again_looks_what_has_become_of_the_files(tmp_path: Path) -> None:
    rig = add_guest(tmp_path)
    rig.command(StartTorrent(SECOND.info_hash))
    rig.save()
    rig.answer_close_store()
    prepare(rig)
    check(rig, SECOND, good=True)
    assert rig.state(SECOND) == "seeding"


def test_when_the_other_is_gone_the_guest_may_write(tmp_path: Path) -> None:
    rig = add_guest(tmp_path)
    rig.command(RemoveTorrent(FIRST.info_hash))
    save_all(rig)
    rig.command(StartTorrent(SECOND.info_hash))
    rig.answer_close_store()
    prepare(rig)
    check(rig, SECOND, good=False)
    assert rig.state(SECOND) == "downloading"


# ---- what a command would take from the other

def test_a_guest_is_removed_without_the_files(tmp_path: Path) -> None:
    rig = add_guest(tmp_path)
    rig.command(RemoveTorrent(SECOND.info_hash, with_data=True))
    rig.answer_close_store()
    assert rig.board.read(SECOND.info_hash) is None
    assert rig.files.depth == 0


def test_files_that_two_torrents_have_are_not_deleted_with_one(tmp_path: Path) -> None:
    rig = SessionRig(keeps=True, saved=[stopped(FIRST, tmp_path), stopped(SAME, tmp_path)])
    rig.open_listeners()
    rig.command(RemoveTorrent(FIRST.info_hash, with_data=True))
    load(rig, FIRST)
    load(rig, SAME)
    assert rig.board.read(FIRST.info_hash) is None
    assert rig.files.depth == 0
    save_all(rig)
    rig.library.drain()
    rig.command(RemoveTorrent(SAME.info_hash, with_data=True))
    load(rig, SAME)
    assert only(DeleteData, rig.files.drain()).info_hash == SAME.info_hash


def test_a_guest_moves_without_the_files_and_begins_anew(tmp_path: Path) -> None:
    rig = add_guest(tmp_path)
    reply = rig.command(MoveTorrent(SECOND.info_hash, tmp_path / "new"))
    rig.save()
    assert reply.wait(0) is None
    rig.tell(StoreClosed(only(CloseStore, rig.disks.drain()).info_hash))
    load(rig, SECOND)
    job = only(PrepareStore, rig.disks.drain())
    assert job.store.root == tmp_path / "new"
    rig.tell(StorePrepared(job.info_hash, False))
    assert (rig.state(SECOND), rig.status(SECOND).error_code) == ("downloading", "")
    assert not any(isinstance(message, MoveStore) for message in rig.files.drain())


@pytest.mark.parametrize("command", [
    MoveTorrent(FIRST.info_hash, Path("/elsewhere")),
    RenamePath(FIRST.info_hash, "t", "new"),
])
def test_files_that_two_torrents_have_are_not_taken_away_from_one(
    tmp_path: Path, command: MoveTorrent | RenamePath
) -> None:
    rig = SessionRig(keeps=True, saved=[stopped(FIRST, tmp_path), stopped(SAME, tmp_path)])
    rig.open_listeners()
    reply = rig.command(command)
    load(rig, FIRST)
    load(rig, SAME)
    with pytest.raises(Conflict, match="has files of t too"):
        reply.wait(0)
    assert rig.state(FIRST) == "stopped"


def test_the_files_of_another_are_not_renamed_by_a_guest(tmp_path: Path) -> None:
    rig = add_guest(tmp_path)
    with pytest.raises(Conflict):
        rig.ask(RenamePath(SECOND.info_hash, "t", "new"))


def test_a_file_of_another_cannot_become_wanted(tmp_path: Path) -> None:
    rig = with_first(tmp_path, 0, 1, 2, 3)
    rig.add_kept(SECOND, tmp_path, file_priorities={0: FilePriority.SKIP})
    prepare(rig, has_data=False)
    assert rig.state(SECOND) == "seeding"                  # all that it wants, which is nothing
    reply = rig.command(ChangeTorrent(SECOND.info_hash, TorrentChanges(file_priorities={0: FilePriority.NORMAL})))
    load(rig, FIRST)
    with pytest.raises(Conflict):
        reply.wait(0)
    assert rig.status(SECOND).wanted_bytes == 0


def test_a_neighbour_that_is_removed_before_it_is_read_forbids_nothing(tmp_path: Path) -> None:
    rig = with_first(tmp_path, 0, 1, 2, 3)
    add(rig, SECOND, tmp_path, good=False)
    rig.command(RemoveTorrent(FIRST.info_hash))
    assert rig.board.read(FIRST.info_hash) is None
    load(rig, FIRST)
    assert rig.state(SECOND) == "downloading"
