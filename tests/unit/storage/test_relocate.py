"""Moving the files of a torrent: killed, refused or failing at every system call on the way."""

import errno
import os
import shutil
from unittest import mock

import pytest

from blobtorrent.model.errors import DiskFull, StorageError
from blobtorrent.model.metainfo import FileEntry
from blobtorrent.storage import relocate as module
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.naming import Naming
from blobtorrent.storage.relocate import INTERRUPTED, UNFINISHED, relocate
from blobtorrent.storage.spaces import Space
from blobtorrent.storage.store import Store
from tests.support.filesystems import Killed, another_filesystem, failing_at, listing
from tests.support.stored import PAD, StoredTorrent

K = 1024
SIZES = [20 * K, 0, 3, (PAD, 12 * K - 3), 9 * K, 40 * K]


def nobody(done, total):
    pass


class Torrent:
    """A torrent with a link, its files in one folder, on its way to another."""

    def __init__(self, here, there):
        self.content = StoredTorrent(SIZES, 16 * K)
        link = FileEntry(("t", "folder1", "link"), 0, 0, symlink_target=("t", "folder2", "file5"))
        metainfo = self.content.metainfo
        self.metainfo = metainfo._replace(files=(*metainfo.files, link))
        self.here, self.there = here, there
        self.store = self.open(here)
        self.store.prepare()
        self.content.put_on_disk(here)
        self.files = listing(here)

    def open(self, root, renames=None):
        names = None if renames is None else Naming(self.metainfo.files, renames)
        return Store(root, self.metainfo, FilePool(8), names=names)

    def move(self, *, is_resumed=False, progress=nobody):
        self.store = self.open(self.here)
        return relocate(self.store, self.there, None, progress, is_resumed=is_resumed)

    def rename(self, renames, *, is_resumed=False):
        self.store = self.open(self.here)
        names = Naming(self.metainfo.files, renames)
        return relocate(self.store, self.here, names, nobody, is_resumed=is_resumed)

    def is_here(self):
        return listing(self.here) == self.files and not exists(self.there)

    def is_there(self):
        return listing(self.there) == self.files and not list(self.here.iterdir())


def exists(root):
    return root.exists() and bool(list(root.rglob("*")))


@pytest.fixture(params=["same", "other"])
def torrent(request, tmp_path):
    """To be moved within its filesystem, and to another."""
    (tmp_path / "here").mkdir()
    if request.param == "same":
        yield Torrent(tmp_path / "here", tmp_path / "some" / "there")
        return
    with another_filesystem(tmp_path) as other:
        yield Torrent(tmp_path / "here", other / "some" / "there")


def test_all_files_come_along_and_nothing_stays(torrent):
    before = torrent.open(torrent.here).path_of(0).stat().st_mtime_ns
    stamps = torrent.move()
    assert torrent.is_there()
    assert torrent.store.root == torrent.there
    assert torrent.store.device == torrent.there.stat().st_dev
    assert set(stamps) == {0, 2, 4, 5}
    assert stamps == torrent.store.stamps()
    assert stamps[0].mtime_ns == before


def test_a_moved_store_can_be_read_and_written(torrent):
    torrent.move()
    buffer = memoryview(bytearray(16 * K))
    torrent.store.read(0, [buffer])
    assert bytes(buffer) == torrent.content.piece(0)
    torrent.store.write(0, [memoryview(bytes(16 * K))])
    assert torrent.there.joinpath("t", "folder0", "file0").read_bytes()[: 16 * K] == bytes(16 * K)


def test_files_that_are_not_there_yet_do_not_matter(torrent):
    torrent.store.path_of(5).unlink()
    del torrent.files["t/folder2/file5"]
    torrent.move()
    assert torrent.is_there()


def test_what_is_not_of_the_torrent_stays_where_it_is(torrent):
    (torrent.here / "t" / "mine").write_bytes(b"mine")
    (torrent.there / "t").mkdir(parents=True)
    (torrent.there / "t" / "yours").write_bytes(b"yours")
    torrent.move()
    assert listing(torrent.here) == {"t/mine": b"mine"}
    assert listing(torrent.there) == {**torrent.files, "t/yours": b"yours"}


def test_a_link_that_the_user_turned_elsewhere_stays(torrent):
    link = torrent.here / "t" / "folder1" / "link"
    link.unlink()
    link.symlink_to("elsewhere")
    torrent.move()
    assert listing(torrent.here) == {"t/folder1/link": "elsewhere"}
    assert listing(torrent.there) == torrent.files


@pytest.mark.parametrize("foreign", ["other bytes", "other size", "link", "folder", "file for a folder"])
@pytest.mark.parametrize("is_resumed", [False, True])
def test_something_foreign_at_the_target_is_never_replaced_and_nothing_moves(torrent, foreign, is_resumed):
    path = torrent.there / "t" / "folder0" / "file0"
    path.parent.mkdir(parents=True)
    if foreign == "other bytes":
        path.write_bytes(bytes(20 * K))
    elif foreign == "other size":
        path.write_bytes(b"mine")
    elif foreign == "link":
        path.symlink_to("file")
    elif foreign == "folder":
        path.mkdir()
    else:
        path.parent.rmdir()
        path.parent.write_bytes(b"mine")
    before = listing(torrent.there)
    with pytest.raises(StorageError) as caught:
        torrent.move(is_resumed=is_resumed)
    assert caught.value.code in ("storage.in-the-way", "storage.denied", *[UNFINISHED] * is_resumed)
    assert listing(torrent.here) == torrent.files
    assert listing(torrent.there) == before


def test_a_foreign_file_in_the_place_of_one_that_was_not_downloaded_yet_is_not_taken_over(torrent):
    torrent.store.path_of(5).unlink()
    path = torrent.there / "t" / "folder2" / "file5"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"mine")
    for is_resumed in (False, True):       # killed before it had begun: what is there is not ours either
        with pytest.raises(StorageError) as caught:
            torrent.move(is_resumed=is_resumed)
        assert caught.value.code == "storage.in-the-way"
    assert listing(torrent.there) == {"t/folder2/file5": b"mine"}


def test_a_file_that_appears_at_the_target_meanwhile_is_not_replaced(torrent):
    path = torrent.there / "t" / "folder2" / "file5"

    def appear(done, total):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"mine")

    with pytest.raises(StorageError):
        torrent.move(progress=appear)
    assert listing(torrent.there) == {"t/folder2/file5": b"mine"}
    assert listing(torrent.here) == torrent.files


def test_the_same_bytes_at_both_places_are_one_file_afterwards(torrent):
    torrent.content.put_on_disk(torrent.there)
    torrent.move()
    assert torrent.is_there()


@pytest.mark.parametrize("alias", ["same", "link"])
def test_a_move_to_where_it_is_moves_nothing(tmp_path, alias):
    torrent = Torrent(tmp_path / "here", tmp_path / "here")
    if alias == "link":
        (tmp_path / "link").symlink_to("here")
        torrent.there = tmp_path / "link"
    os.link(torrent.store.path_of(0), tmp_path / "library")
    torrent.move()
    assert listing(torrent.here) == torrent.files


def test_progress_is_told_in_bytes(torrent):
    told = []
    torrent.move(progress=lambda done, total: told.append((done, total)))
    size = sum(SIZES[number] for number in (0, 2, 4, 5))
    assert told[-1] == (size, size)
    assert told == sorted(told)


def test_when_it_cannot_fit_nothing_is_copied(tmp_path):
    (tmp_path / "here").mkdir()
    with another_filesystem(tmp_path) as other:
        torrent = Torrent(tmp_path / "here", other / "there")
        with mock.patch.object(module, "measure_space", return_value=Space(72 * K - 1, 10**6)), \
                pytest.raises(DiskFull) as caught:
            torrent.move()
        assert caught.value.code == "storage.disk-full"
        assert torrent.is_here()


def test_a_move_that_is_given_up_is_undone(torrent):
    def give_up(done, total):
        if done > 21 * K:
            raise StorageError("storage.aborted", "")

    with pytest.raises(StorageError):
        torrent.move(progress=give_up)
    assert torrent.is_here()
    assert not torrent.there.parent.exists()


def test_a_resumed_move_that_is_given_up_is_all_here_or_all_there(torrent):
    def give_up(done, total):
        raise StorageError("storage.aborted", "the user says so")

    call = 0
    while True:
        try:
            with failing_at(call, Killed()):
                torrent.move()
        except Killed:
            call += 1
        else:
            break
        try:
            torrent.move(is_resumed=True, progress=give_up)
        except StorageError:
            assert torrent.is_here(), call
        else:
            assert torrent.is_there(), call
            shutil.rmtree(torrent.there)
            torrent.open(torrent.here).prepare()
            torrent.content.put_on_disk(torrent.here)
    assert call > 20


def test_an_interrupted_move_goes_on_where_it_was(torrent):
    def interrupt(done, total):
        if done > 21 * K:
            raise StorageError(INTERRUPTED, "")

    with pytest.raises(StorageError):
        torrent.move(progress=interrupt)
    assert exists(torrent.there)
    torrent.move(is_resumed=True)
    assert torrent.is_there()


def test_a_resumed_move_whose_places_cannot_be_looked_at_is_left_as_it_is(torrent):
    def interrupt(done, total):
        if done > 21 * K:
            raise StorageError(INTERRUPTED, "")

    with pytest.raises(StorageError):
        torrent.move(progress=interrupt)
    before = listing(torrent.here), listing(torrent.there)
    with (mock.patch("blobtorrent.storage.relocate.survey", side_effect=OSError(errno.EIO, "Input/output error")),
          pytest.raises(StorageError) as caught):
        torrent.move(is_resumed=True)
    assert caught.value.code == UNFINISHED
    assert (listing(torrent.here), listing(torrent.there)) == before
    torrent.move(is_resumed=True)
    assert torrent.is_there()


def test_a_move_that_had_ended_before_the_process_was_killed_is_no_trouble(torrent):
    torrent.move()
    torrent.move(is_resumed=True)
    assert torrent.is_there()


@pytest.mark.parametrize("links", [True, False])
def test_killed_at_any_call_and_started_again_it_ends_as_if_nothing_had_been(torrent, links):
    """`links` is False on filesystems that know no hard links."""
    number, was_killed = 0, True
    while was_killed:
        try:
            with no_links(links), failing_at(number, Killed()):
                torrent.move()
        except Killed:
            with no_links(links):
                torrent.move(is_resumed=True)
        else:
            was_killed = False
        assert torrent.is_there(), f"killed at call {number}"
        torrent.here, torrent.there = torrent.there, torrent.here
        torrent.there.rmdir()
        number += 1
    assert number > 20


@pytest.mark.parametrize("links", [True, False])
def test_killed_at_any_call_and_killed_again_no_byte_is_lost(torrent, links):
    for number in range(3, 40, 4):
        for is_resumed in (False, True, True):
            try:
                with no_links(links), failing_at(number, Killed()):
                    torrent.move(is_resumed=is_resumed)
            except Killed:
                assert_whole(torrent)
        with no_links(links):
            torrent.move(is_resumed=True)
        assert torrent.is_there()
        torrent.here, torrent.there = torrent.there, torrent.here
        torrent.there.rmdir()


def assert_whole(torrent):
    """Every file has all its bytes at one of the two places."""
    for path, data in torrent.files.items():
        if isinstance(data, bytes):
            found = [root / path for root in (torrent.here, torrent.there) if (root / path).exists()]
            assert found
            assert all(place.read_bytes() == data for place in found)


@pytest.mark.parametrize("links", [True, False])
def test_whatever_call_fails_it_is_all_here_or_all_there(torrent, links):
    number = 0
    while True:
        error = None
        try:
            with no_links(links), failing_at(number, OSError(errno.EIO, "Input/output error")) as made:
                torrent.move()
        except StorageError as reason:
            error = reason
        if error is not None:
            assert listing(torrent.here) == torrent.files, f"call {number}, {made[number]}"
            assert {path for path in listing(torrent.there) if not path.startswith(".blobtorrent")} == set()
        else:
            # What cannot be taken away stays behind; what is there is whole.
            assert {**listing(torrent.there), "t/folder1/link": torrent.files["t/folder1/link"]} == torrent.files
        if len(made) <= number:
            break
        torrent.move(is_resumed=True)
        assert {**listing(torrent.there), "t/folder1/link": torrent.files["t/folder1/link"]} == torrent.files
        remove_all(torrent.here)
        torrent.here, torrent.there = torrent.there, torrent.here
        torrent.open(torrent.here).prepare()
        number += 1
    assert number > 20


def no_links(links):
    error = OSError(errno.EPERM, "Operation not permitted")
    return mock.patch.object(os, "link", os.link if links else mock.Mock(side_effect=error))


def remove_all(root):
    for path in sorted(root.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()


# ---- other names in the same folder

RENAMES = {"t": "u", "t/folder0/file0": "u/first", "t/folder2": "u/two"}


@pytest.fixture
def settled(tmp_path):
    return Torrent(tmp_path / "here", tmp_path / "there")


def renamed(torrent):
    data = torrent.files
    return {
        "u/first": data["t/folder0/file0"], "u/folder1/file1": b"", "u/two/file2": data["t/folder2/file2"],
        "u/folder1/file4": data["t/folder1/file4"], "u/two/file5": data["t/folder2/file5"],
        "u/folder1/link": "../two/file5",
    }


def test_files_folders_and_links_get_their_new_names(settled):
    settled.rename(RENAMES)
    assert listing(settled.here) == renamed(settled)
    assert [path.name for path in settled.here.iterdir()] == ["u"]
    assert settled.store.path_of(0) == settled.here / "u" / "first"


def test_a_link_stays_true_when_only_its_target_gets_a_new_name(settled):
    settled.rename({"t/folder2/file5": "t/folder2/last"})
    assert (settled.here / "t" / "folder1" / "link").read_bytes() == settled.files["t/folder2/file5"]


def test_a_new_name_that_somebody_has_is_refused(settled):
    (settled.here / "u").mkdir()
    (settled.here / "u" / "first").write_bytes(b"mine")
    with pytest.raises(StorageError) as caught:
        settled.rename(RENAMES)
    assert caught.value.code == "storage.in-the-way"
    assert listing(settled.here) == {**settled.files, "u/first": b"mine"}


@pytest.mark.parametrize("links", [True, False])
def test_killed_at_any_call_a_rename_is_finished_by_the_next_process(tmp_path, links):
    number, was_killed = 0, True
    while was_killed:
        root = tmp_path / str(number)
        torrent = Torrent(root, root)
        try:
            with no_links(links), failing_at(number, Killed()):
                torrent.rename(RENAMES)
        except Killed:
            torrent.rename(RENAMES, is_resumed=True)
        else:
            was_killed = False
        assert listing(root) == renamed(torrent), f"killed at call {number}"
        assert [path.name for path in root.iterdir()] == ["u"]
        number += 1
    assert number > 15
