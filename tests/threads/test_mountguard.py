"""What happens to a torrent whose filesystem is unmounted, with real mounts in a namespace of our own."""

import os
import subprocess
import sys

from tests.support.mounts import in_namespace
from tests.support.source import ROOT

SCRIPT = """
import subprocess, sys
from pathlib import Path
from blobtorrent.model.errors import StorageError
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.relocate import relocate
from blobtorrent.storage.removal import delete_data
from blobtorrent.storage.store import Store
from tests.support.filesystems import listing
from tests.support.stored import StoredTorrent

mount, torrent = Path(sys.argv[1]), StoredTorrent([100_000, 5], 65536)

def mounted():
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", mount], check=True)

def unmounted():
    subprocess.run(["umount", "--lazy", mount], check=True)

def store_in(root, mount_point):
    return Store(root, torrent.metainfo, FilePool(8), mount_point=mount_point)

def refused(action):
    try:
        action()
    except StorageError as error:
        return error.code

def write(store):
    store.write(0, [memoryview(torrent.piece(0))])

for root in (mount, mount / "downloads"):
    mounted()
    store = store_in(root, "")
    store.prepare()
    assert store.mount_point == str(mount), store.mount_point
    write(store)
    assert listing(root)["t/folder0/file0"][:65536] == torrent.piece(0)
    unmounted()
    store.close()
    code = refused(lambda: write(store))
    assert code == ("storage.unmounted" if root == mount else "storage.file-missing"), code
    again = store_in(root, store.mount_point)
    for action in (again.prepare, lambda: delete_data(again),
                   lambda: relocate(again, mount.parent / "there", None, print, is_resumed=False)):
        code = refused(action)
        assert code == "storage.unmounted", code
    assert list(mount.iterdir()) == []
    assert not (mount.parent / "there").exists()
    mounted()
    assert not again.prepare()
    write(again)
    again.close()
    unmounted()
print("done")
"""


def test_a_torrent_is_never_made_anew_below_the_mount_that_is_gone(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    inside = in_namespace(tmp_path, "--bind", str(tmp_path))
    result = subprocess.run([*inside, sys.executable, "-c", SCRIPT, disk], capture_output=True, text=True,
                            env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert (result.stdout, result.stderr) == ("done\n", "")
