"""PidFile: the file that names our process, locked as long as we live, so that it cannot be mistaken for an old one."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from blobtorrent.model.errors import Conflict, StorageError
from blobtorrent.runtime.logs import get_logger

PID_FILE = "blobtorrentd.pid"

log = get_logger(__name__)


class PidFile:
    """Held between `take` and `release`; the system drops the lock of a process that was killed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def take(self) -> None:
        """Write our number. Its folder is made.

        Raises Conflict ("service.running") when another process holds the file, StorageError ("service.pid-file")
        when it cannot be made. On a full filesystem it stays empty: the lock is what matters.
        """
        try:
            _make_folder(self._path.parent)
            while not self._lock():
                pass
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            if self._descriptor < 0 or error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise StorageError("service.pid-file", f"{self._path}: {error.strerror}") from None
            log.warning("no room for our number in the pid file", path=str(self._path))

    def release(self) -> None:
        """Remove the file, if it was taken."""
        if self._descriptor < 0:
            return
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = -1

    def _lock(self) -> bool:
        """Open and lock; False when the file was removed in between by a process that ended."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_current = os.path.samestat(os.fstat(descriptor), os.stat(self._path))
        except BlockingIOError:
            number = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise Conflict("service.running", f"process {number} is running already ({self._path})") from None
        except FileNotFoundError:
            is_current = False
        if is_current:
            self._descriptor = descriptor
        else:
            os.close(descriptor)
        return is_current


def running_process(path: Path) -> str | None:
    """The number of the process that holds a pid file; None when none does, or it cannot be told."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return None


def _make_folder(folder: Path) -> None:
    """For us and our group; with its parents for us alone, since the state directory may be one of them."""
    missing = [parent for parent in folder.parents if not parent.exists()]
    for parent in reversed(missing):
        parent.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(mode=0o750, exist_ok=True)
