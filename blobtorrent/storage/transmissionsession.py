"""The configuration folder of Transmission, as files: its folders `torrents` and `resume`. Only read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from blobtorrent.model.errors import NotFound
from blobtorrent.storage.foreignsession import ForeignFolder
from blobtorrent.storage.foreignuse import Habits
from blobtorrent.storage.libtorrentsession import refuse_while_used

HABITS = Habits(("transmission-da", "transmission-gt", "transmission-qt"), ("-g", "--config-dir"), "TRANSMISSION_HOME")

# Until 2.9 files were called by the torrent's name and the first digits of its info-hash, and some are kept by those.
_FILE = re.compile(r"([0-9a-f]{40}|.*\.[0-9a-f]{16})\.(torrent|magnet)", re.DOTALL)


class SessionFiles(NamedTuple):
    """Of one torrent; None for what is not there. `torrent` is empty when its metadata had not come yet."""

    torrent: bytes
    magnet: bytes                      # the link that it came of, else empty
    resume: bytes | None
    saved_at: float                    # when `resume` was written: seconds since 1970, 0 if that cannot be told


class TransmissionSession:
    """An open configuration folder. Used as a context manager."""

    def __init__(self, path: Path) -> None:
        """Raises NotFound ("import.no-folder")."""
        self.path = path
        self.torrents = ForeignFolder(path / "torrents")
        try:
            self._resume = ForeignFolder(path / "resume")
        except NotFound:
            self.torrents.close()
            raise

    def close(self) -> None:
        self.torrents.close()
        self._resume.close()

    def refuse_while_used(self) -> None:
        """Raises Conflict ("import.transmission-runs")."""
        refuse_while_used(HABITS, "Transmission", self.path)

    def names(self) -> list[str]:
        """Of the torrents: info-hashes in lower case, and other names of old versions."""
        found = (_FILE.fullmatch(name) for name in self.torrents.files())
        return sorted({match[1] for match in found if match is not None})

    def read(self, name: str) -> SessionFiles:
        """All there is of one torrent. Raises StorageError, also for what is too large or no regular file."""
        magnet = self.torrents.read_if_there(f"{name}.magnet")
        torrent = self.torrents.read_if_there(f"{name}.torrent") if magnet is not None else \
            self.torrents.read_file(f"{name}.torrent")
        file = f"{name}.resume"
        return SessionFiles(
            torrent or b"", magnet or b"", self._resume.read_if_there(file), self._resume.written_at(file))
