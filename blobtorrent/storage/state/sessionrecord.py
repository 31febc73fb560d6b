"""The session record: which session has a state directory, and whether it ended cleanly.

It is written in place, so that it can be also when the disk is full. One that a power cut tears does not match its
digest, and to know nothing of the last session is as good as to know that it was killed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from blobtorrent.storage.faults import storage_error
from blobtorrent.storage.sealed import Seal

NAME = "session"
ID_BYTES = 16

_LABEL = b"session"
_CLEAN, _RUNNING = b"c", b"r"
_GENERATION_BYTES = 8


class SessionRecord(NamedTuple):
    session_id: bytes
    is_clean: bool
    generation: int                    # of the state file when this was written


def read_session(folder: Path, seal: Seal) -> SessionRecord | None:
    """The record of a state directory; None when it is missing or damaged."""
    try:
        body = seal.unwrap(_LABEL, (folder / NAME).read_bytes())
    except OSError:
        return None
    if body is None:
        return None
    return SessionRecord(body[:ID_BYTES], body[-1:] == _CLEAN, int.from_bytes(body[ID_BYTES:-1], "big"))


def write_session(folder: Path, seal: Seal, record: SessionRecord) -> None:
    """Durable when this returns. Raises StorageError."""
    flag = _CLEAN if record.is_clean else _RUNNING
    body = record.session_id + record.generation.to_bytes(_GENERATION_BYTES, "big") + flag
    try:
        descriptor = os.open(folder / NAME, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(descriptor, seal.wrap(_LABEL, body), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise storage_error(error, folder / NAME) from error
