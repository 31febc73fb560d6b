"""Folders in memory for what outlives a killed daemon: each test removes its own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from blobtorrent.storage.live.livelayout import PAGE, read_owner
from blobtorrent.storage.live.liveplace import SHARED_MEMORY, shared_prefix

_folders: dict[Path, Path] = {}


def memory_for(folder: Path) -> Path:
    """A folder on tmpfs where there is one, the same for the same `folder` until the end of the test."""
    if folder not in _folders:
        parent = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
        _folders[folder] = Path(tempfile.mkdtemp(prefix="blobtorrent-test-", dir=parent))
    return _folders[folder]


def remove_memory() -> None:
    """Delete all that were lent."""
    while _folders:
        shutil.rmtree(_folders.popitem()[1], ignore_errors=True)


@contextmanager
def closing_memory() -> Iterator[None]:
    """For programs that are no tests: what was lent meanwhile is deleted at the end."""
    try:
        yield
    finally:
        remove_memory()


def live_files_below(folder: Path) -> list[Path]:
    """Live files in shared memory, of state directories below `folder`."""
    found = []
    for path in SHARED_MEMORY.glob(f"{shared_prefix()}*"):
        with path.open("rb") as file:
            page = file.read(PAGE)
        if len(page) == PAGE and Path(read_owner(page).decode(errors="replace")).is_relative_to(folder):
            found.append(path)
    return found
