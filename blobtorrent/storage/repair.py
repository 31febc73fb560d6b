"""Writing into a file that others share by a hard link: it gets an inode of its own first.

A file of a torrent may be linked to another torrent's, to a library, to a backup. Repairing it, or finishing it, must
not change what those others have.
"""

from __future__ import annotations

import errno
import os
import stat

from blobtorrent.model.errors import Denied
from blobtorrent.storage.copying import clone, copy
from blobtorrent.storage.folders import sync_open_folder

_SUFFIX = ".blobtorrent-copy"


def unshare(folder: int, name: str, shared: int, *, refuse: bool = False) -> int:
    """Return a descriptor to write to for the file `name` in the open `folder`: not of `shared`, which has several
    links, but of a copy that takes the name.

    `shared` is closed. Raises Denied ("storage.hard-linked") with `refuse`, OSError or StorageError when copying fails:
    then nothing has changed.
    """
    status = os.fstat(shared)
    try:
        if refuse:
            raise Denied("storage.hard-linked", f"{name} has {status.st_nlink} hard links, and writing is not allowed")
        return _replace(folder, name, shared, status)
    finally:
        os.close(shared)


def copy_name(name: str) -> str:
    """What the copy is called until it takes its name; always the same, so that a kill leaves one at most."""
    return f".{name.encode()[:200].decode(errors='ignore')}{_SUFFIX}"


def _replace(folder: int, name: str, shared: int, status: os.stat_result) -> int:
    temporary = copy_name(name)
    try:
        os.unlink(temporary, dir_fd=folder)
    except FileNotFoundError:
        pass
    own = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        if not clone(shared, own):
            copy(shared, own, lambda count: None)
        os.fchmod(own, stat.S_IMODE(status.st_mode))
        os.utime(own, ns=(status.st_atime_ns, status.st_mtime_ns))
        os.fsync(own)
        now = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if (now.st_dev, now.st_ino) != (status.st_dev, status.st_ino):
            raise OSError(errno.EBUSY, "replaced by somebody else meanwhile")
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        sync_open_folder(folder)
    except BaseException:
        os.close(own)
        try:
            os.unlink(temporary, dir_fd=folder)
        except FileNotFoundError:
            pass
        raise
    return own
