"""The session folder as clients look into it: HASH.torrent of every download.

Nothing of ours depends on it: the engine keeps its own. Clients read these files, and some rewrite them before they
load them again.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable

from blobtorrent.interface.rtorrent.downloads.download import Download
from blobtorrent.interface.rtorrent.downloads.downloads import Downloads
from blobtorrent.interface.rtorrent.faults import Fault
from blobtorrent.runtime.logs import get_logger

log = get_logger(__name__)

FOLDER_MODE = 0o700
FILES_AT_ONCE = 5
_ENDINGS = ("", ".rtorrent", ".libtorrent_resume")


class SessionFolder:
    """`path()` is where it is, empty for nowhere. Owned by the interpreter's thread.

    What came with the session is written when somebody shows an interest: by `fill`, a little at a time.
    """

    def __init__(self, path: Callable[[], str]) -> None:
        self._path = path
        self.downloads: Downloads | None = None            # set by whoever knows them
        self._missing: deque[Download] = deque()

    def write(self, download: Download) -> None:
        """Its .torrent file is there, as it was added. What goes wrong is logged."""
        folder = self._path()
        if not folder or self.downloads is None or download.status.lacks_metadata:
            return
        path = os.path.join(folder, f"{download.hash}.torrent")
        try:
            raw = self.downloads.raw(download)
            os.makedirs(folder, FOLDER_MODE, exist_ok=True)
            with open(f"{path}.new", "wb") as file:
                file.write(raw)
            os.replace(f"{path}.new", path)
        except (OSError, Fault) as error:
            log.warning("a file of the session folder was not written", path=path, reason=str(error))

    def write_missing(self, download: Download) -> None:
        """The same, unless there is one."""
        folder = self._path()
        if folder and not os.path.exists(os.path.join(folder, f"{download.hash}.torrent")):
            self.write(download)

    def fill(self) -> bool:
        """Have the folder, and write a few of those that are missing; whether there are more."""
        if folder := self._path():
            try:
                os.makedirs(folder, FOLDER_MODE, exist_ok=True)
            except OSError as error:
                log.warning("the session folder cannot be made", path=folder, reason=str(error))
        for _ in range(min(FILES_AT_ONCE, len(self._missing))):
            download = self._missing.popleft()
            if not download.is_gone:
                self.write_missing(download)
        return bool(self._missing)

    def drop(self, download: Download) -> None:
        """It was erased: what rTorrent once kept of it goes, too."""
        folder = self._path()
        for ending in _ENDINGS if folder else ():
            try:
                os.unlink(os.path.join(folder, f"{download.hash}.torrent{ending}"))
            except FileNotFoundError:
                continue
            except OSError as error:
                log.warning("a file of the session folder was not deleted", download=download.hash, reason=str(error))

    def on_event(self, name: str, download: Download) -> None:
        """A listener of the follower."""
        if name == "inserted_new":
            self.write_missing(download)
        elif name == "inserted_session":
            self._missing.append(download)
        elif name == "erased":
            self.drop(download)
