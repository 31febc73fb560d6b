import errno
import os

import pytest

from blobtorrent.model.errors import Denied, StorageError
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.folders import Folders, make_root
from blobtorrent.storage.placing import place, remove
from blobtorrent.storage.store import Store
from tests.support.filesystems import another_filesystem, failing_at, listing
from tests.support.stored import StoredTorrent


@pytest.fixture
def folders(tmp_path):
    folders = Folders(tmp_path, FilePool(8), "owner")
    yield folders
    folders.close()


def test_folders_are_pruned_as_far_as_they_are_empty(folders, tmp_path):
    for path in ("a/b/c", "a/d", "e/f"):
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / "e" / "mine").write_bytes(b"x")
    with folders.open(("a", "b", "c")):
        pass
    folders.prune([("a", "b", "c", "file"), ("a", "d", "file"), ("e", "f", "file"), ("gone", "file"), ("file",)])
    assert [path.name for path in tmp_path.iterdir()] == ["e"]
    assert [path.name for path in (tmp_path / "e").iterdir()] == ["mine"]


def test_a_pruned_folder_is_made_again_when_it_is_needed(folders, tmp_path):
    with folders.open(("a",), create=True):
        pass
    folders.prune([("a", "file")])
    with folders.open(("a",), create=True) as folder:
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    assert (tmp_path / "a" / "file").exists()


def test_no_planted_link_is_followed(folders, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("outside")
    with pytest.raises(OSError):
        folders.status(("link", "file"))
    assert folders.names(("outside",)) == ["file"]
    assert folders.names(("gone",)) == []


def test_folders_that_were_made_are_told(tmp_path):
    assert make_root(tmp_path / "a" / "b") == [tmp_path / "a" / "b", tmp_path / "a"]
    assert make_root(tmp_path / "a" / "b") == []


@pytest.mark.parametrize("place", ["/proc/no/such", "file", "file/below"])
def test_a_folder_that_cannot_be_made_is_told_as_that(tmp_path, place):
    (tmp_path / "file").touch()
    with pytest.raises(Denied, match=f"cannot make the folder .*{place}: [A-Z]") as caught:
        make_root(tmp_path / place)
    assert caught.value.code == "storage.no-folder"


def test_when_another_filesystem_is_where_the_root_was_nothing_is_made_there(tmp_path):
    torrent = StoredTorrent([100], 16384)
    with another_filesystem(tmp_path) as other:
        (tmp_path / "root").symlink_to(other)          # as good as a mount
        store = Store(tmp_path / "root", torrent.metainfo, FilePool(8))
        store.prepare()
        store.close()
        (tmp_path / "root").unlink()                   # unmounted: the folder below appears
        (tmp_path / "root").mkdir()
        with pytest.raises(StorageError) as caught:
            store.write(0, [memoryview(torrent.content)])
    assert caught.value.code == "storage.unmounted"
    assert listing(tmp_path) == {}


def test_a_torrent_whose_mount_is_gone_is_not_prepared(tmp_path):
    torrent = StoredTorrent([100], 16384)
    store = Store(tmp_path / "root", torrent.metainfo, FilePool(8), mount_point=str(tmp_path / "disk"))
    with pytest.raises(StorageError) as caught:
        store.prepare()
    assert caught.value.code == "storage.unmounted"
    assert not (tmp_path / "root").exists()


def test_a_prepared_store_knows_its_mount(tmp_path):
    with another_filesystem(tmp_path) as other:
        store = Store(other / "root", StoredTorrent([100], 16384).metainfo, FilePool(8), mount_point="")
        store.prepare()
        assert store.mount_point == "/dev/shm"
        again = Store(other / "root", store.metainfo, FilePool(8), mount_point=store.mount_point)
        again.prepare()


# ---- giving files other names

def test_a_file_gets_a_second_name(folders, tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    assert place(folders, ("a",), folders, ("new", "b"))
    assert listing(tmp_path) == {"a": b"x", "new/b": b"x"}


@pytest.mark.parametrize("reason", [errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK])
def test_where_there_are_no_links_it_is_renamed(folders, tmp_path, reason):
    (tmp_path / "a").write_bytes(b"x")
    with failing_at(0, OSError(reason, "no links"), ("link",)):
        assert not place(folders, ("a",), folders, ("b",))
    assert listing(tmp_path) == {"b": b"x"}


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_whatever_has_the_name_is_never_replaced(folders, tmp_path, links, kind):
    (tmp_path / "a").write_bytes(b"x")
    if kind == "file":
        (tmp_path / "b").write_bytes(b"mine")
    elif kind == "link":
        (tmp_path / "b").symlink_to("nowhere")
    else:
        (tmp_path / "b").mkdir()
    before = listing(tmp_path)
    with failing_at(9 if links else 0, OSError(errno.EPERM, "no links"), ("link",)), pytest.raises(FileExistsError):
        place(folders, ("a",), folders, ("b",))
    assert listing(tmp_path) == before


def test_another_filesystem_is_told(folders, tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    with another_filesystem(tmp_path) as other, pytest.raises(OSError) as caught:
        place(folders, ("a",), Folders(other, FilePool(8), "other"), ("b",))
    assert caught.value.errno == errno.EXDEV


def test_removing_what_is_gone_is_no_error(folders):
    remove(folders, ("a",))
    remove(folders, ("no", "folder", "a"))
