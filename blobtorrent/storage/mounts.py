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

_IN_MEMORY = (b"tmpfs", b"ramfs")
_ESCAPED = re.compile(rb"\\([0-7]{3})")          # the kernel's way to write blanks and backslashes
_NUMBER_FIELD = 2
_MOUNT_POINT_FIELD = 4


def mounts(table: Path = MOUNT_TABLE) -> dict[str, int]:
    """The folders on which something is mounted, as absolute names, and the number of the filesystem; empty where the
    system has no such table. Asks no filesystem, so that a dead one hangs nobody."""
    try:
        lines = table.read_bytes().split(b"\n")
    except OSError:
        return {}
    found = {}
    for line in lines:
        if line:
            fields = line.split(b" ")
            major, minor = map(int, fields[_NUMBER_FIELD].split(b":"))
            found[os.fsdecode(_ESCAPED.sub(_unescape, fields[_MOUNT_POINT_FIELD]))] = os.makedev(major, minor)
    return found


def device_of(path: Path, table: Path = MOUNT_TABLE) -> int:
    """The filesystem that `path` is on by its name; no link is followed. 0 where the system cannot tell.

    It tells filesystems apart. Those of several volumes (btrfs) have other numbers in the status of their files.
    """
    points = mounts(table)
    absolute = path.absolute()
    return next((points[str(folder)] for folder in (absolute, *absolute.parents) if str(folder) in points), 0)


def mount_point_of(path: Path, table: Path = MOUNT_TABLE) -> str:
    """The mount that `path` is on, or will be on once it is made; "/" where the system cannot tell."""
    points = mounts(table)
    real = Path(os.path.realpath(path))
    return next((str(folder) for folder in (real, *real.parents) if str(folder) in points), "/")


def is_in_memory(device: int, table: Path = MOUNT_TABLE) -> bool:
    """Whether the filesystem with this number (st_dev) keeps its files in memory; False where the system cannot tell.
    """
    try:
        lines = table.read_bytes().splitlines()
    except OSError:
        return False
    number = b"%d:%d" % (os.major(device), os.minor(device))
    return any(_filesystem(line) in _IN_MEMORY for line in lines if line.split(b" ")[_NUMBER_FIELD] == number)


def require_mounted(mount_point: str, table: Path = MOUNT_TABLE) -> None:
    """Raises StorageError ("storage.unmounted") when nothing is mounted on `mount_point` any more."""
    points = mounts(table)
    if mount_point != "/" and points and mount_point not in points:
        raise unmounted(mount_point)


def unmounted(mount_point: str) -> StorageError:
    return StorageError("storage.unmounted", f"nothing is mounted on {mount_point}: mount it, then start the torrent")


def _filesystem(line: bytes) -> bytes:
    """The type of a mount: it follows a lone dash, behind fields of which there are more or fewer."""
    return line.partition(b" - ")[2].partition(b" ")[0]


def _unescape(match: re.Match[bytes]) -> bytes:
    return bytes((int(match[1], 8),))
