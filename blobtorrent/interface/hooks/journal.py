"""Journal: what hooks are still to be told, in a file that outlives the process. Owned by the thread `hook-journal`.

A line is added when an event is to be told and another one when it was; with nothing left the file is emptied, and it
is written anew when most of it is history. It is not synced: it survives a kill, and of a power cut what the system
wrote.

    + HOOK DIGEST TORRENT EVENT            its info-hash of both versions, and JSON, which holds no line break
    - HOOK DIGEST ID

What cannot be written is told all the same, by the process that runs. A line that was torn ends what is read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from blobtorrent.interface.eventjson import Told
from blobtorrent.model.errors import StorageError
from blobtorrent.model.ids import InfoHash
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.logs import get_logger
from blobtorrent.storage.atomicfile import write_atomically
from blobtorrent.storage.faults import storage_error
from blobtorrent.storage.files import open_in
from blobtorrent.storage.sealed import Seal
from blobtorrent.storage.state.keyfile import read_key

log = get_logger(__name__)

FILE_NAME = "hooks.journal"
MAX_KEPT_BYTES = 8 << 20               # of events that wait; the file has at most twice that, and SLACK_BYTES
SLACK_BYTES = 64 << 10                 # of history that is not worth writing the file anew
EXPIRE_S = 86_400.0                    # after that, nobody is told of what happened before we were started
RETRY_S = 60.0                         # between two attempts to write after a failure

_APPENDING = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_ADDED, _DONE = b"+", b"-"
_OVERHEAD = 160                        # bytes of a line besides the event


class Kept(NamedTuple):
    """An event that a hook, by its key, is still to be told."""

    hook: str
    told: Told


class Journal:
    """In the state directory `folder`. `load` first."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._path = folder / FILE_NAME
        self._clock = clock
        self._seal: Seal | None = None                     # None: the directory has no key, and nothing is kept
        self._file = -1
        self._size = 0
        self._live: dict[tuple[str, str], Told] = {}
        self._live_bytes = 0
        self._is_full = False
        self._retry_at_s: float | None = None              # the file is not as it should be until then

    def load(self) -> list[Kept]:
        """What the last process left, in its order, without what is too old."""
        key = read_key(self._folder)
        if key is None:
            return []
        self._seal = Seal(key)
        self._try(self._read)
        self._drop_old()
        return [Kept(hook, told) for (hook, _), told in self._live.items()]

    def keep(self, hook: str, told: Told) -> None:
        """A hook is to be told of it. Not kept when there is no room."""
        if self._seal is None:
            return
        was_full, self._is_full = self._is_full, self._live_bytes + _size_of(told) > MAX_KEPT_BYTES
        if not self._is_full:
            self._remember(hook, told)
            self._add(self._line(_ADDED, hook, _body_of(told)))
        elif not was_full:
            log.warning("more events wait for hooks than are kept: at the end some will be lost",
                        max_bytes=MAX_KEPT_BYTES)

    def forget(self, hook: str, told: Told) -> None:
        """A hook was told of it, or is not to be."""
        if self._forget(hook, told):
            self._add(self._line(_DONE, hook, told.fields["id"].encode("ascii")))

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    # ---- the file

    def _read(self) -> None:
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with os.fdopen(open_in(folder, FILE_NAME, writable=False), "rb") as file:
                raw = file.read(2 * MAX_KEPT_BYTES + SLACK_BYTES + 1)
        except FileNotFoundError:
            return
        finally:
            os.close(folder)
        *lines, rest = raw.split(b"\n")
        is_whole = not rest
        for line in lines:
            if not self._take(line):
                is_whole = False
                break
        if not is_whole:
            log.warning("the end of what hooks were still to be told is lost", path=self._path)
            self._retry_at_s = self._clock.now()           # a line after a torn one would not be read
        self._size = len(raw)

    def _take(self, line: bytes) -> bool:
        """False when it was torn, or is not ours."""
        try:
            sign, hook_raw, _, body = line.split(b" ", 3)
            hook = hook_raw.decode("ascii")
        except ValueError:
            return False
        if line + b"\n" != self._line(sign, hook, body):
            return False
        if sign == _ADDED:
            try:
                self._remember(hook, _told_again(body))
            except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
                return False
        else:
            told = self._live.get((hook, body.decode("ascii")))
            if told is not None:
                self._forget(hook, told)
        return True

    def _add(self, line: bytes) -> None:
        if self._retry_at_s is not None and self._clock.now() < self._retry_at_s:
            return
        self._try(lambda: self._write(line))

    def _write(self, line: bytes) -> None:
        if self._retry_at_s is not None or self._size + len(line) > 2 * self._live_bytes + SLACK_BYTES:
            self._write_anew()
            return
        if self._file < 0:
            self._file = os.open(self._path, _APPENDING, 0o600)
        if not self._live:
            os.ftruncate(self._file, 0)
            self._size = 0
        elif os.write(self._file, line) == len(line):
            self._size += len(line)
        else:
            raise OSError("it was cut short")

    def _write_anew(self) -> None:
        self.close()
        lines = [self._line(_ADDED, hook, _body_of(told)) for (hook, _), told in self._live.items()]
        write_atomically(self._path, b"".join(lines), mode=0o600)
        self._size = sum(map(len, lines))
        self._retry_at_s = None

    def _try(self, write: Callable[[], None]) -> None:
        try:
            write()
        except (OSError, StorageError) as failure:
            error = failure if isinstance(failure, StorageError) else storage_error(failure, self._path)
            log.warning("what hooks are to be told is not kept", code=error.code, detail=error.detail)
            self._retry_at_s = self._clock.now() + RETRY_S

    # ---- what is in it

    def _line(self, sign: bytes, hook: str, body: bytes) -> bytes:
        assert self._seal is not None
        name = hook.encode("ascii")
        return b" ".join((sign, name, self._seal.digest(sign, name, body).hex().encode("ascii"), body)) + b"\n"

    def _remember(self, hook: str, told: Told) -> None:
        self._live[hook, told.fields["id"]] = told
        self._live_bytes += _size_of(told)

    def _forget(self, hook: str, told: Told) -> bool:
        if self._live.pop((hook, told.fields["id"]), None) is None:
            return False
        self._live_bytes -= _size_of(told)
        return True

    def _drop_old(self) -> None:
        oldest = self._clock.wall() - EXPIRE_S
        old = [(hook, told) for (hook, _), told in self._live.items() if told.fields["time"] < oldest]
        for hook, told in old:
            self.forget(hook, told)
        if old:
            log.warning("hooks are not told of what happened too long ago", events=len(old))


def _size_of(told: Told) -> int:
    return len(told.json) + _OVERHEAD


def _body_of(told: Told) -> bytes:
    torrent = "" if told.info_hash is None else f"{told.info_hash.v1.hex()}.{told.info_hash.v2.hex()}"
    return torrent.encode("ascii") + b" " + told.json


def _told_again(body: bytes) -> Told:
    """An event of an earlier run. What is none raises one of many errors."""
    torrent, _, raw = body.partition(b" ")
    fields = json.loads(raw)
    if not fields["id"].isascii() or not isinstance(fields["time"], int | float):
        raise ValueError("an event without a number or a time")
    info_hash = None
    if torrent:
        v1, v2 = (bytes.fromhex(digest) for digest in torrent.decode("ascii").split("."))
        info_hash = InfoHash(v1, v2)
    return Told(0, fields["type"], info_hash, tuple(fields.get("labels", ())), fields, raw)
