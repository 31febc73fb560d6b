"""The key of a state directory: random bytes in two files, each with a checksum: one flipped bit costs nothing."""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path

from blobtorrent.model.damage import Damage
from blobtorrent.storage.atomicfile import write_atomically
from blobtorrent.storage.sealed import KEY_BYTES
from blobtorrent.storage.state.quarantine import Quarantine

NAMES = ("key", "key.1")
CHECKSUM_BYTES = 16


def read_key(folder: Path) -> bytes | None:
    """The key of a state directory, from whichever copy is whole; None when there is none."""
    return next((key for key in map(_read, _paths(folder)) if key is not None), None)


def damaged_keys(folder: Path) -> list[Path]:
    """The copies that are damaged, or missing beside a whole one."""
    key = read_key(folder)
    return [path for path in _paths(folder) if _read(path) != key or (key is None and path.exists())]


def settle_key(folder: Path, quarantine: Quarantine, *, is_new: bool) -> tuple[bytes, list[Damage]]:
    """The key, with both copies whole again; a new one for a new directory, or when both are lost.

    Raises StorageError when a copy cannot be written.
    """
    key = read_key(folder)
    bad = damaged_keys(folder)
    if key is not None:
        remedy = "written anew from the other copy"
    else:
        remedy = "a new key is made: no saved row can be told from a forged one any more"
        bad = [] if is_new else _paths(folder)
    damages = [Damage("key", str(path), "damaged or missing", remedy) for path in bad]
    kept = key or os.urandom(KEY_BYTES)
    for path in _paths(folder):
        if _read(path) != kept:
            quarantine.take(path)
            write_atomically(path, kept + _checksum(kept), mode=0o600)
    return kept, damages


def _paths(folder: Path) -> list[Path]:
    return [folder / name for name in NAMES]


def _read(path: Path) -> bytes | None:
    try:
        data = path.read_bytes()
    except OSError:
        return None
    key, checksum = data[:KEY_BYTES], data[KEY_BYTES:]
    return key if len(key) == KEY_BYTES and checksum == _checksum(key) else None


def _checksum(key: bytes) -> bytes:
    return blake2b(key, digest_size=CHECKSUM_BYTES, person=b"blobtorrent key").digest()
