"""Where the live file lies: the runtime directory when that is kept in memory, else the system's shared memory."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from blobtorrent.storage.mounts import is_in_memory

SHARED_MEMORY = Path("/dev/shm")       # noqa: S108  files there are made with their mode, and never followed


def live_path(runtime_dir: Path | None, state_dir: Path, *, shared: Path = SHARED_MEMORY) -> Path | None:
    """The same path for the same state directory; None where nothing of both is in memory and ours to write.

    A runtime directory that goes when the process does is of no use: None is given then.

    On a disk the file would cost a write for every block.
    """
    if runtime_dir is not None and _is_in_memory(runtime_dir):
        return runtime_dir / f"live-{place_id(state_dir)}"
    if _is_in_memory(shared) and os.access(shared, os.W_OK | os.X_OK):
        return shared / f"{shared_prefix()}{place_id(state_dir)}"
    return None


def place_id(state_dir: Path) -> str:
    """What live files are named after: a daemon must not take those of another for its own."""
    return hashlib.blake2b(os.fsencode(os.path.realpath(state_dir)), digest_size=8).hexdigest()


def shared_prefix() -> str:
    """How the names of this user's live files in shared memory begin."""
    return f"blobtorrent-{os.geteuid()}-"


def _is_in_memory(folder: Path) -> bool:
    try:
        return is_in_memory(os.stat(folder).st_dev)
    except OSError:
        return False
