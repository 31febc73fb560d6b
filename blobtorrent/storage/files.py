"""The system calls on a torrent's files: opening below a folder without following links, reading and writing in full.

Everything here raises OSError as it comes; `faults` translates, and names the file.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

IOV_MAX = 1024                         # buffers that one call takes on Linux
_FOLDER = os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)


def open_folder(root: Path, parts: Sequence[str], *, create: bool = False, device: int = 0) -> int:
    """Open the folder `parts` below `root`, which exists. No part may be a link; `root` and what is above may.

    With `create`, missing parts are made. With `device`, the number of a filesystem, `root` must lie on that (ESTALE):
    below a mount point there is another folder of the same name.
    """
    folder = os.open(root, _FOLDER)
    if device and os.fstat(folder).st_dev != device:
        os.close(folder)
        raise OSError(errno.ESTALE, "another filesystem")
    for part in parts:
        try:
            below = _open_or_make(part, folder) if create else os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
        finally:
            os.close(folder)
        folder = below
    return folder


def _open_or_make(part: str, folder: int) -> int:
    try:
        return os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
    except FileNotFoundError:
        try:
            os.mkdir(part, dir_fd=folder)
        except FileExistsError:      # another thread was faster
            pass
        return os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)


def open_in(folder: int, name: str, *, writable: bool, mode: int = 0o666) -> int:
    """Open a regular file in an open folder; a writable one is created when it is missing.

    A link is refused (ELOOP), and so are devices, pipes and folders (ENXIO).
    """
    return open_counting(folder, name, writable=writable, mode=mode)[0]


def open_counting(folder: int, name: str, *, writable: bool, mode: int = 0o666) -> tuple[int, int]:
    """As `open_in`, with the number of its hard links."""
    if writable:
        try:                           # nearly always: then it needs no look, it can be nothing else
            return os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode, dir_fd=folder), 1
        except FileExistsError:
            pass
    access = os.O_RDWR | os.O_CREAT if writable else os.O_RDONLY
    # O_NONBLOCK, so that a planted pipe cannot hang the thread; regular files ignore it.
    file = os.open(name, access | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, mode, dir_fd=folder)
    status = os.fstat(file)
    if not stat.S_ISREG(status.st_mode):
        os.close(file)
        raise OSError(errno.ENXIO, "not a regular file")
    return file, status.st_nlink


def open_anonymous(folder: Path) -> int:
    """Open a new file in `folder` that has no name and vanishes when it is closed, or with the process."""
    if hasattr(os, "O_TMPFILE"):
        try:
            return os.open(folder, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
                raise
    import tempfile  # not every process needs it, and it takes long to import

    file, name = tempfile.mkstemp(prefix=".blobtorrent-", dir=folder)
    os.unlink(name)
    return file


def make_link(root: Path, parts: Sequence[str], target: Sequence[str]) -> None:
    """Make the symbolic link `parts` point to `target`, both below `root` (BEP 47). What has the name already stays."""
    folder = open_folder(root, parts[:-1], create=True)
    try:
        os.symlink(link_text(parts, target), parts[-1], dir_fd=folder)
    except FileExistsError:
        pass
    finally:
        os.close(folder)


def link_text(parts: Sequence[str], target: Sequence[str]) -> str:
    """What a link at `parts` says: relative and as short as can be, so the torrent may be moved as a whole."""
    shared = 0
    while shared < min(len(parts), len(target)) - 1 and parts[shared] == target[shared]:
        shared += 1
    return os.path.join(*[os.pardir] * (len(parts) - 1 - shared), *target[shared:])


def write_all(file: int, buffers: list[memoryview], offset: int) -> None:
    """Write all buffers one after the other from `offset`, in as few calls as the system allows."""
    while buffers:
        written = os.pwritev(file, buffers[:IOV_MAX], offset)
        offset += written
        buffers = _without(buffers, written)


def read_all(file: int, buffers: list[memoryview], offset: int) -> int:
    """Fill the buffers from `offset`. Returns the bytes read: fewer than there is room for only at the file's end."""
    start = offset
    while buffers:
        count = os.preadv(file, buffers[:IOV_MAX], offset)
        if not count:
            break
        offset += count
        buffers = _without(buffers, count)
    return offset - start


def advise_wanted(file: int, offset: int, length: int) -> None:
    """Have the kernel read this into its cache, if it can; it does not wait for that."""
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):        # a filesystem that does not know of it: nothing is lost
            os.posix_fadvise(file, offset, length, os.POSIX_FADV_WILLNEED)


def _without(buffers: list[memoryview], done: int) -> list[memoryview]:
    """What is left of the buffers behind their first `done` bytes."""
    for position, buffer in enumerate(buffers):
        if done < len(buffer):
            return [buffer[done:], *buffers[position + 1 :]]
        done -= len(buffer)
    return []


class Cutter:
    """Hands out a row of buffers in pieces of other lengths, without copying."""

    __slots__ = ("_buffers", "_next", "_used")

    def __init__(self, buffers: Sequence[memoryview]) -> None:
        self._buffers = buffers
        self._next = 0
        self._used = 0                 # bytes of the next buffer that were handed out

    def take(self, length: int) -> list[memoryview]:
        """The next `length` bytes."""
        taken = []
        while length:
            buffer = self._buffers[self._next]
            upto = min(len(buffer), self._used + length)
            length -= upto - self._used
            taken.append(buffer[self._used : upto])
            if upto == len(buffer):
                self._next, self._used = self._next + 1, 0
            else:
                self._used = upto
        return taken
