"""Quarantine: where damaged files of the state directory go. Nothing is deleted there: people may want to look."""

from __future__ import annotations

import os
import time
from pathlib import Path

from blobtorrent.storage.faults import storage_error

QUARANTINE = "quarantine"              # its name in a state directory


class Quarantine:
    """The folder `root`, made when the first thing comes. Any thread may use it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def take(self, path: Path) -> Path | None:
        """Move a file or folder here, as NAME.TIME; where it went, or None when there was nothing. Raises StorageError.
        """
        if not os.path.lexists(path):
            return None
        try:
            self.root.mkdir(mode=0o700, exist_ok=True)
            place = self._free_place(path.name)
            path.rename(place)
        except OSError as error:
            raise storage_error(error, path) from error
        return place

    def keep(self, name: str, data: bytes) -> None:
        """Keep a copy of what has to stay where it is, if there is room for it."""
        try:
            self.root.mkdir(mode=0o700, exist_ok=True)
            with open(self._free_place(name), "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                file.write(data)
        except OSError:
            pass                       # it is told anyhow; a copy for people to look at is not worth a failed start

    def _free_place(self, name: str) -> Path:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        place = self.root / f"{name}.{stamp}"
        number = 1
        while place.exists():
            number += 1
            place = self.root / f"{name}.{stamp}-{number}"
        return place
