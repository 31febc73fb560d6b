"""Which mount a folder lies on, and whether that mount is still there.

A torrent on a disk that was not mounted must not be made anew on the disk below: the daemon would download everything
again and fill the wrong filesystem. So a torrent remembers its mount point, and is refused while that is none.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from blobtorrent.model.errors import StorageError

MOUNT_TABLE = Path("/proc/self/mountinfo")

_ESCAPED = re.compile(rb"\\([0-7]{3})")          # the kernel's way to write blanks and backslashes
_MOUNT_POINT_FIELD = 4


def mount_points(table: Path = MOUNT_TABLE) -> set[str]:
    """The folders on which something is mounted, as absolute names; empty where the system has no such table."""
    try:
        lines = table.read_bytes().split(b"\n")
    except OSError:
        return set()
    names = [line.split(b" ")[_MOUNT_POINT_FIELD] for line in lines if line]
    return {os.fsdecode(_ESCAPED.sub(_unescape, name)) for name in names}


def mount_point_of(path: Path, table: Path = MOUNT_TABLE) -> str:
    """The mount that `path` is on, or will be on once it is made; "/" where the system cannot tell."""
    points = mount_points(table)
    real = Path(os.path.realpath(path))
    return next((str(folder) for folder in (real, *real.parents) if str(folder) in points), "/")


def require_mounted(mount_point: str, table: Path = MOUNT_TABLE) -> None:
    """Raises StorageError ("storage.unmounted") when nothing is mounted on `mount_point` any more."""
    points = mount_points(table)
    if mount_point != "/" and points and mount_point not in points:
        raise unmounted(mount_point)


def unmounted(mount_point: str) -> StorageError:
    return StorageError("storage.unmounted", f"nothing is mounted on {mount_point}: mount it, then start the torrent")


def _unescape(match: re.Match[bytes]) -> bytes:
    return bytes((int(match[1], 8),))
