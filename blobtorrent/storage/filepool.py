"""FilePool: the open files of all torrents, so many at a time. Least recently used ones are closed for others.

Shared by the hashing and disk threads under one lock. Files are opened and closed outside it: a call that hangs on a
dead mount stalls only its own thread.
"""

from __future__ import annotations

import errno
import os
import resource
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

FileKey = tuple[Hashable, Hashable]       # owner, and what it calls the file
Opener = Callable[[bool], int]         # (writable) -> descriptor; raises OSError

_KEPT_FOR_OTHERS = 256                 # descriptors for listeners, trackers, interfaces, logs
_MOST = 8192                           # with all files of most torrents open, a sync need not open them again


def descriptor_share() -> int:
    """How many descriptors files may use under RLIMIT_NOFILE: half of what is there, sockets need the other half."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _MOST
    return max(16, min(_MOST, (soft - _KEPT_FOR_OTHERS) // 2))


class OpenFile:
    """A descriptor in use while `pins` > 0. Made and counted by the pool alone."""

    __slots__ = ("descriptor", "is_kept", "is_retired", "is_writable", "key", "pins")

    def __init__(self, key: FileKey, descriptor: int, *, is_writable: bool, is_kept: bool) -> None:
        self.key = key
        self.descriptor = descriptor
        self.is_writable = is_writable
        self.is_kept = is_kept         # closed only with its owner
        self.is_retired = False        # closed with its last pin
        self.pins = 0


class FilePool:
    """At most `limit` open files, except while more than that are pinned at once. Any thread may read how often files
    were `opened`, and how often that `failed`."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.opened = self.failed = 0
        self._files: dict[FileKey, OpenFile] = {}
        self._idle: OrderedDict[FileKey, OpenFile] = OrderedDict()     # without pins, least recently used first
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._files)

    def apply(self, limit: int) -> None:
        """Another limit; 0: the share of the descriptors. What is too much is closed, as far as nobody uses it."""
        with self._lock:
            self.limit = limit or descriptor_share()
            surplus = self._overflow()
        _close(surplus)

    def pin(self, key: FileKey, opener: Opener, *, writable: bool = False, keep: bool = False) -> OpenFile:
        """Lend the file; `unpin` gives it back. It is opened with `opener` when it is not, or not for writing yet.

        With `keep` it stays open until `close_owner`. Raises OSError as the opener does.
        """
        with self._lock:
            file = self._files.get(key)
            if file is not None and (file.is_writable or not writable):
                self._pin(file)
                return file
        fresh = OpenFile(key, self._open(opener, writable), is_writable=writable, is_kept=keep)
        with self._lock:
            self.opened += 1
            rival = self._files.get(key)
            if rival is not None and (rival.is_writable or not writable):
                # Another thread opened it meanwhile. It may have been written through: one descriptor for all.
                self._pin(rival)
                chosen, surplus = rival, [fresh]
            else:
                self._pin(fresh)
                surplus = self._retire(rival) if rival is not None else []
                self._files[key] = chosen = fresh
                surplus += self._overflow()
        _close(surplus)
        return chosen

    def unpin(self, file: OpenFile) -> None:
        surplus: list[OpenFile] = []
        with self._lock:
            file.pins -= 1
            if not file.pins:
                if file.is_retired:
                    surplus = [file]
                elif not file.is_kept:
                    self._idle[file.key] = file
                    surplus = self._overflow()
        _close(surplus)

    def close_owner(self, owner: Hashable) -> None:
        """Close all files of `owner`: at once, or when their last pin goes."""
        surplus: list[OpenFile] = []
        with self._lock:
            for file in [file for key, file in self._files.items() if key[0] == owner]:
                surplus += self._retire(file)
        _close(surplus)

    def close_file(self, key: FileKey) -> None:
        """Close one file, at once or when its last pin goes: whoever is next opens what is at its path then."""
        with self._lock:
            file = self._files.get(key)
            surplus = [] if file is None else self._retire(file)
        _close(surplus)

    def _pin(self, file: OpenFile) -> None:
        file.pins += 1
        self._idle.pop(file.key, None)

    def _retire(self, file: OpenFile) -> list[OpenFile]:
        """Forget a file; the caller closes what is returned."""
        del self._files[file.key]
        self._idle.pop(file.key, None)
        file.is_retired = True
        return [] if file.pins else [file]

    def _overflow(self) -> list[OpenFile]:
        surplus: list[OpenFile] = []
        while len(self._files) > self.limit and self._idle:
            surplus += self._retire(next(iter(self._idle.values())))
        return surplus

    def _open(self, opener: Opener, writable: bool) -> int:
        try:
            return opener(writable)
        except OSError as error:
            with self._lock:
                self.failed += 1
            if error.errno not in (errno.EMFILE, errno.ENFILE) or not self._close_idle():
                raise
        return opener(writable)

    def _close_idle(self) -> bool:
        """Close every idle file, because the process has no descriptor left. False when there was none to close."""
        surplus: list[OpenFile] = []
        with self._lock:
            for file in list(self._idle.values()):
                surplus += self._retire(file)
        _close(surplus)
        return bool(surplus)


def _close(files: list[OpenFile]) -> None:
    for file in files:
        try:
            os.close(file.descriptor)
        except OSError:      # late news of a write to a network filesystem; the descriptor is gone all the same
            pass
