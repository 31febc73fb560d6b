"""Files that are there as a whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import os
from pathlib import Path

from blobtorrent.storage.faults import storage_error


def write_atomically(path: Path, data: bytes, *, mode: int = 0o666) -> None:
    """Replace the file `path` by one that holds `data`, durably. Raises StorageError ("storage.*").

    Who may read it is in `mode`, less what the umask takes away.
    """
    temporary = path.with_name(f".{path.name[:200]}.{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)      # of a process that was killed: in a container ours has the same number
        try:
            with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise storage_error(error, path) from None


def sync_folder(folder: Path) -> None:
    """Without it a power cut may undo the rename."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
