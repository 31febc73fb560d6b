"""Live files in shared memory that nobody will read again: each holds its memory until the machine ends."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from blobtorrent.storage.live.livelayout import PAGE, read_header, read_owner
from blobtorrent.storage.live.liveplace import SHARED_MEMORY, place_id, shared_prefix
from blobtorrent.storage.sealed import Seal
from blobtorrent.storage.state.keyfile import read_key

_NAME = re.compile(r"([0-9a-f]{16})(\.\d+|\.damaged|\.draft)?")
_UNREAD = (".damaged", ".draft")


class Leftover(NamedTuple):
    """A file that holds `size` bytes of memory for nothing. `is_own` says that it is of the state directory asked for:
    one of another directory may only be told of, which may be on a disk that is away."""

    path: Path
    size: int
    detail: str
    is_own: bool


def leftovers(state_dir: Path, *, shared: Path = SHARED_MEMORY) -> list[Leftover]:
    """Those of a state directory, which must be locked, and of directories that are gone; only this user's.

    What a killed process left of unfinished work is none: the next start takes it in.
    """
    key = read_key(state_dir)
    return sorted(_found(state_dir, None if key is None else Seal(key), shared))


def remove_own(found: list[Leftover]) -> list[Leftover]:
    """Delete those of the state directory itself; returns the others."""
    for leftover in found:
        if leftover.is_own:
            leftover.path.unlink(missing_ok=True)
    return [leftover for leftover in found if not leftover.is_own]


def _found(state_dir: Path, seal: Seal | None, shared: Path) -> Iterator[Leftover]:
    own = place_id(state_dir)
    for path in shared.glob(f"{shared_prefix()}*"):
        name = _NAME.fullmatch(path.name.removeprefix(shared_prefix()))
        page = b""
        if name is not None:
            with suppress(OSError):    # gone meanwhile, or not for us to read
                size, page = _first_page(path)
        if name is None or len(page) < PAGE:
            continue
        owner = read_owner(page)
        if name[1] == own:
            if name[2] in _UNREAD or seal is not None and read_header(page, seal) is None:
                yield Leftover(path, size, "no start reads it again", True)
        elif owner and not os.path.lexists(owner):
            yield Leftover(path, size, f"its state directory {os.fsdecode(owner)} is gone", False)


def _first_page(path: Path) -> tuple[int, bytes]:
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(file)
        return status.st_size, os.pread(file, PAGE, 0) if stat.S_ISREG(status.st_mode) else b""
    finally:
        os.close(file)
