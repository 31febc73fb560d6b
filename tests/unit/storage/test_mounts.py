import os
from pathlib import Path

import pytest

from blobtorrent.model.errors import StorageError
from blobtorrent.storage.mounts import device_of, is_in_memory, mount_point_of, mounts, require_mounted

TABLE = r"""22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
28 22 0:25 / /proc rw,relatime - proc proc rw
90 22 8:17 / /srv rw,relatime shared:5 - xfs /dev/sdb1 rw
91 90 0:44 / /srv/my\040films\134new rw - nfs4 nas:/films rw
92 22 8:33 /sub /mnt/b rw - btrfs /dev/sdc1 rw
93 22 0:26 / /dev/shm rw,nosuid shared:6 master:2 - tmpfs tmpfs rw
"""


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "mountinfo"
    path.write_text(TABLE)
    return path


def test_mount_points_are_read_with_the_blanks_in_their_names(table):
    assert set(mounts(table)) == {"/", "/proc", "/srv", "/srv/my films\\new", "/mnt/b", "/dev/shm"}


@pytest.mark.parametrize(("path", "device"), [
    ("/srv/x", (8, 17)),
    ("/srv/my films\\new/x/y", (0, 44)),
    ("/srv2", (254, 0)),
])
def test_the_filesystem_of_a_folder_is_known_without_asking_it(table, path, device, monkeypatch):
    for name in ("stat", "lstat", "readlink"):
        monkeypatch.setattr(os, name, refuse)
    assert device_of(Path(path), table) == os.makedev(*device)


@pytest.mark.parametrize(("device", "expected"), [((0, 26), True), ((8, 17), False), ((0, 2), False), ((9, 9), False)])
def test_filesystems_in_memory_are_known_by_their_number(table, device, expected):
    assert is_in_memory(os.makedev(*device), table) is expected
    assert not is_in_memory(os.makedev(*device), table.with_name("none"))


def refuse(*_arguments, **_options):
    raise AssertionError("a dead mount would hang us here")


def test_what_is_mounted_over_a_mount_is_what_counts(table):
    table.write_text(TABLE + "99 90 0:77 / /srv rw - tmpfs none rw\n")
    assert device_of(Path("/srv/x"), table) == os.makedev(0, 77)


def test_without_a_table_filesystems_are_not_told_apart(tmp_path):
    assert device_of(tmp_path, tmp_path / "none") == 0


@pytest.mark.parametrize(("path", "point"), [
    ("/srv", "/srv"),
    ("/srv/x/y/z", "/srv"),
    ("/srv/my films\\new/x", "/srv/my films\\new"),
    ("/srv2/x", "/"),
    ("/mnt/a", "/"),
])
def test_a_folder_lies_on_the_innermost_mount_above_it(table, path, point):
    assert mount_point_of(Path(path), table) == point


def test_the_way_over_links_does_not_matter(table, tmp_path):
    (tmp_path / "link").symlink_to("/srv/x")
    assert mount_point_of(tmp_path / "link" / "y", table) == "/srv"


def test_a_mount_that_is_there_is_enough(table):
    require_mounted("/srv", table)
    require_mounted("/", table)


def test_a_mount_that_is_gone_is_told(table):
    with pytest.raises(StorageError) as caught:
        require_mounted("/srv/disk9", table)
    assert caught.value.code == "storage.unmounted"
    assert "/srv/disk9" in caught.value.detail


def test_where_the_system_has_no_table_nothing_is_refused(tmp_path):
    require_mounted("/srv/disk9", tmp_path / "none")
    assert mount_point_of(Path("/srv/x"), tmp_path / "none") == "/"


def test_the_table_of_this_system_is_understood():
    assert "/" in mounts()
    assert mount_point_of(Path("/proc/self")) == "/proc"
    require_mounted("/proc")
