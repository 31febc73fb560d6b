"""Thread `watch`: looks into the watch folders, adds what is ready, and puts the files away.

What was added goes to `done/` in the folder, what cannot be added to `failed/`, with the reason in `NAME.error`. When
the session has no time, the file stays and is tried again.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from blobtorrent.config.doors import WatchSettings
from blobtorrent.core.session.commands import AddTorrent
from blobtorrent.core.session.gateway import Gateway
from blobtorrent.core.session.sources import read_file
from blobtorrent.core.session.watch import Find, Sighting, WatchScanner, WatchStatus, read_sidecar
from blobtorrent.model.errors import BlobTorrentError, Conflict, Invalid, Unavailable
from blobtorrent.model.text import clean
from blobtorrent.protocol.metafile import parse_torrent
from blobtorrent.runtime.clock import Clock, SystemClock
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.loop import SelectorLoop

log = get_logger(__name__)

LOOK_S = 2.0                           # between two looks
DONE, FAILED = "done", "failed"        # folders in a watch folder
MAX_SIDECAR_BYTES = 64 << 10


class _Folder:
    """One watch folder and what was seen there."""

    def __init__(self, settings: WatchSettings) -> None:
        self.settings = settings
        self.path = settings.path.absolute()
        self.scanner = WatchScanner()
        self.status = WatchStatus(str(self.path))


class _Watch(NamedTuple):
    folders: tuple[WatchSettings, ...]


class Watcher:
    """`apply` gives it the folders, at the start and at every reload. Its thread waits for disks and the session.

    `statuses` are those of all folders, replaced as a whole by its thread for whoever reads them.
    """

    def __init__(self, gateway: Gateway, *, clock: Clock | None = None) -> None:
        self.statuses: tuple[WatchStatus, ...] = ()
        self._gateway = gateway
        self._clock = SystemClock() if clock is None else clock
        self._loop = SelectorLoop("watch", self._on_message, clock=self._clock)
        self._folders: list[_Folder] = []
        self._ready: deque[tuple[_Folder, Find]] = deque()
        self._is_looking = False

    def apply(self, folders: Iterable[WatchSettings]) -> None:
        """Watch these folders from now on and no others; from any thread."""
        self._loop.mailbox.post(_Watch(tuple(folders)))

    def start(self) -> None:
        self._loop.start()

    def stop(self, timeout_s: float) -> bool:
        """Finish the file in hand, then end. True when the thread has ended within `timeout_s` seconds."""
        return self._loop.stop(timeout_s)

    def _on_message(self, message: _Watch) -> None:
        kept = {folder.settings: folder for folder in self._folders}
        self._folders = [kept.get(settings) or _Folder(settings) for settings in message.folders]
        if not self._is_looking:
            self._is_looking = True
            self._look()
        self._tell()

    def _look(self) -> None:
        """Look into every folder; then take what is ready, one file a pass, so that a stop is noticed in between."""
        self._is_looking = bool(self._folders)
        if not self._folders:
            return
        for folder in self._folders:
            self._ready.extend((folder, find) for find in folder.scanner.look(_files_of(folder)))
        self._tell()
        self._take_next()

    def _take_next(self) -> None:
        now = self._loop.now
        if not self._ready:
            self._loop.timers.at(now + LOOK_S, self._look)
            return
        self._loop.timers.at(now, self._take_next)
        folder, find = self._ready.popleft()
        self._take(folder, find)
        self._tell()

    def _tell(self) -> None:
        self.statuses = tuple(folder.status for folder in self._folders)

    def _take(self, folder: _Folder, find: Find) -> None:
        """Add one torrent and put its files away."""
        try:
            self._add(folder, find)
        except Unavailable as error:
            log.warning("a watched torrent has to wait", file=folder.path / find.torrent, code=error.code)
            folder.scanner.forget(find)
            return
        except BlobTorrentError as error:
            log.warning("a watched torrent cannot be added", file=folder.path / find.torrent, code=error.code,
                        detail=error.detail)
            failure: BlobTorrentError | None = error
        else:
            failure = None
        folder.status = _after(folder.status, find, failure, self._clock.wall())
        try:
            _put_away(folder.path, find, failure)
        except OSError as error:
            log.warning("cannot move a watched file away", file=folder.path / find.torrent, detail=error.strerror)

    def _add(self, folder: _Folder, find: Find) -> None:
        """Raises Unavailable when it may work later, another BlobTorrentError when it will not."""
        raw = read_file(str(folder.path / find.torrent))
        metainfo = parse_torrent(raw)
        command = AddTorrent(metainfo, raw=raw, **_options(folder, find))
        try:
            self._gateway.ask(command)
        except Conflict as error:
            if error.code != "torrent.present":
                raise
            log.info("a watched torrent was there already", torrent=metainfo.info_hash)


def _options(folder: _Folder, find: Find) -> dict[str, Any]:
    """What the folder's settings say, then what the file beside the torrent says."""
    settings = folder.settings
    download_dir = None if settings.download_dir is None else settings.download_dir.absolute()
    options: dict[str, Any] = {"start": settings.start, "download_dir": download_dir}
    if find.sidecar is not None:
        options |= read_sidecar(find.sidecar, _read_small(folder.path / find.sidecar))
    if settings.label:
        options["labels"] = tuple(dict.fromkeys((settings.label, *options.get("labels", ()))))
    return options


def _read_small(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SIDECAR_BYTES + 1)
    except OSError as error:
        raise Invalid("watch.bad-sidecar", f"{path.name}: {error.strerror}") from None
    if len(data) > MAX_SIDECAR_BYTES:
        raise Invalid("watch.bad-sidecar", f"{path.name}: more than {MAX_SIDECAR_BYTES} bytes")
    return data


def _files_of(folder: _Folder) -> dict[str, Sighting]:
    """The regular files of a folder; links are not followed. None, and one line in the log, when it cannot be read."""
    found = {}
    try:
        with os.scandir(folder.path) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    seen = entry.stat(follow_symlinks=False)
                    found[entry.name] = Sighting(seen.st_size, seen.st_mtime_ns, seen.st_ino)
    except FileNotFoundError:
        if folder.path.is_dir():       # only a file that went away between two steps
            return found
        _tell_unreadable(folder, "there is no such folder")
        return {}
    except OSError as error:
        _tell_unreadable(folder, error.strerror or str(error))
        return {}
    folder.status = folder.status._replace(is_readable=True)
    return found


def _tell_unreadable(folder: _Folder, detail: str) -> None:
    if folder.status.is_readable:
        log.warning("cannot read a watch folder", folder=folder.path, detail=detail)
    folder.status = folder.status._replace(is_readable=False)


def _after(status: WatchStatus, find: Find, failure: BlobTorrentError | None, wall: float) -> WatchStatus:
    """The folder when one more file was dealt with."""
    last = status._replace(last_file=find.torrent, last_at=wall, error_code="", error_detail="")
    if failure is None:
        return last._replace(added=status.added + 1)
    return last._replace(failed=status.failed + 1, error_code=failure.code, error_detail=failure.detail)


def _put_away(folder: Path, find: Find, failure: BlobTorrentError | None) -> None:
    """Move the files to `done/` or `failed/`; nothing there is overwritten. Raises OSError."""
    target = folder / (DONE if failure is None else FAILED)
    target.mkdir(exist_ok=True)
    if failure is not None:            # first, so that who sees the torrent there finds the reason
        text = f"{clean(failure.detail)} ({failure.code})\n"
        _free_name(target, f"{find.torrent}.error").write_text(text, encoding="utf-8")
    for name in find.names:
        os.rename(folder / name, _free_name(target, name))


def _free_name(folder: Path, name: str) -> Path:
    path, number = folder / name, 1
    while path.exists():
        number += 1
        path = folder / f"{name}.{number}"
    return path
