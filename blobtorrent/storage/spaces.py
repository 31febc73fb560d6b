"""How much room a filesystem has left."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from blobtorrent.storage.faults import storage_error


class Space(NamedTuple):
    """Bytes that we may still write, and bytes that the filesystem has in all."""

    free_bytes: int
    total_bytes: int


def measure_space(path: Path) -> Space:
    """Ask the filesystem of `path`, or of its nearest parent that exists. Raises StorageError."""
    for folder in (path, *path.absolute().parents):
        try:
            status = os.statvfs(folder)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise storage_error(error, folder) from error
        return Space(status.f_bavail * status.f_frsize, status.f_blocks * status.f_frsize)
    raise storage_error(FileNotFoundError(2, "no such folder"), path)
