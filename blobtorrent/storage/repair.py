"""Writing into a file that others share by a hard link: it gets an inode of its own first.

A file of a torrent may be linked to another torrent's, to a library, to a backup. Repairing it, or finishing it, must
not change what those others have.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from blobtorrent.model.errors import Denied, StorageError
from blobtorrent.storage.copying import Watch, clone, copy
from blobtorrent.storage.folders import sync_open_folder

_SUFFIX = ".blobtorrent-copy"


AT_ONCE_BYTES = 16 << 20               # what is copied while others wait


class FileShared(StorageError):
    """The file with this number is to be written to, has other names, and takes long to copy."""

    def __init__(self, number: int, name: str) -> None:
        super().__init__("storage.being-copied", f"{name} has other hard links: it is copied before it is written to")
        self.number = number


class Copies:
    """The files of a store that get an inode of their own. The thread that writes begins, the one that copies ends."""

    def __init__(self) -> None:
        self.is_given_up = False       # tells the thread that copies to stop
        self._running: set[int] = set()
        self._failed: dict[int, StorageError] = {}

    @property
    def is_idle(self) -> bool:
        return not self._running

    def begin(self, number: int) -> bool:
        """False when that file is being copied already."""
        is_first = number not in self._running
        self._running.add(number)
        return is_first

    def end(self, number: int, error: StorageError | None = None) -> None:
        if error is not None:
            self._failed[number] = error
        self._running.discard(number)

    def require_written(self, number: int, name: str) -> None:
        """Raises FileShared while the file is copied: what is written meanwhile would be lost. Tells a failure once."""
        if number in self._running:
            raise FileShared(number, name)
        failure = self._failed.pop(number, None)
        if failure is not None:
            raise failure


def unshare(folder: int, name: str, shared: int, *, refuse: bool = False, watch: Watch | None = None) -> int:
    """Return a descriptor to write to for the file `name` in the open `folder`: not of `shared`, which has several
    links, but of a copy that takes the name.

    `shared` is closed. `watch` may stop the copying; without it only what takes a moment is done, else EAGAIN is
    raised. Raises Denied ("storage.hard-linked") with `refuse`, OSError or StorageError when copying fails: then
    nothing has changed.
    """
    status = os.fstat(shared)
    try:
        if refuse:
            raise Denied("storage.hard-linked", f"{name} has {status.st_nlink} hard links, and writing is not allowed")
        return _replace(folder, name, shared, status, watch)
    finally:
        os.close(shared)


def remove_leftover(folder: int, name: str) -> None:
    """Delete the half copy that a killed process left of a file. Raises OSError."""
    with suppress(FileNotFoundError):
        os.unlink(copy_name(name), dir_fd=folder)


def copy_name(name: str) -> str:
    """What the copy is called until it takes its name; always the same, so that a kill leaves one at most."""
    return f".{name.encode()[:200].decode(errors='ignore')}{_SUFFIX}"


def _replace(folder: int, name: str, shared: int, status: os.stat_result, watch: Watch | None) -> int:
    temporary = copy_name(name)
    remove_leftover(folder, name)
    own = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        if not clone(shared, own):
            if watch is None and status.st_size > AT_ONCE_BYTES:
                raise BlockingIOError(errno.EAGAIN, "a large file")
            copy(shared, own, watch or _go_on)
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
        remove_leftover(folder, name)
        raise
    return own


def _go_on(_count: int) -> None:
    pass
