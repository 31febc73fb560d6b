"""The file `rtorrent.lock` of the session folder: who uses it, and since when, as front-ends read it."""

from __future__ import annotations

import os
import re
import socket
from typing import Final

from blobtorrent.runtime.logs import get_logger

log = get_logger(__name__)

NAME: Final = "rtorrent.lock"
FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o444
MAX_BYTES: Final = 4096
_HOLDER: Final = re.compile(r"(.*):\+([0-9]{1,10})")


class SessionLock:
    """Held between `take` and `release`. Owned by the interpreter's thread."""

    def __init__(self) -> None:
        self._path = ""                # empty: it is not held
        self._ours = f"{socket.gethostname()}:+{os.getpid()}"

    def take(self, folder: str, started_at: float) -> bool:
        """Make the file, and the folder. Its time is `started_at`, seconds since 1970: front-ends show how long we run.

        A lock that a process left behind which is gone is replaced. False, and a line in the log, when another holds it
        or it cannot be made.
        """
        path = os.path.join(folder, NAME)
        try:
            os.makedirs(folder, FOLDER_MODE, exist_ok=True)
            holder = _read(path)
            if is_alive(holder) and holder != self._ours:
                log.error("another program uses the session folder", path=folder, holder=holder)
                return False
            if os.path.lexists(path):
                os.unlink(path)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(self._ours)
            os.utime(path, (started_at, started_at))
        except OSError as error:
            log.warning("the session folder cannot be locked", path=folder, reason=error.strerror)
            return False
        self._path = path
        return True

    def release(self) -> None:
        """Remove the file, if it is ours."""
        path, self._path = self._path, ""
        if path and _read(path) == self._ours:
            try:
                os.unlink(path)
            except OSError as error:
                log.warning("the lock of the session folder stays", path=path, reason=error.strerror)


def is_alive(holder: str) -> bool:
    """Whether who wrote HOST:+PID may still be there: on another machine nobody can tell."""
    found = _HOLDER.fullmatch(holder)
    if found is None:
        return False
    if found[1] != socket.gethostname():
        return True
    try:
        os.kill(int(found[2]), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _read(path: str) -> str:
    """What the lock says; nothing when there is none that can be read."""
    try:
        with open(path, "rb") as file:
            return file.read(MAX_BYTES).decode("utf-8", "replace").strip()
    except OSError:
        return ""
