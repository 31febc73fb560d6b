"""FileStamp: what tells that a file is still the one we left, without reading it."""

from __future__ import annotations

import os
from typing import NamedTuple


class FileStamp(NamedTuple):
    """Of one file: bytes, time of the last change in nanoseconds, and its number in the filesystem."""

    size: int
    mtime_ns: int
    inode: int


def stamp_of(found: os.stat_result) -> FileStamp:
    return FileStamp(found.st_size, found.st_mtime_ns, found.st_ino)
