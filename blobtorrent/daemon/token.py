"""The first admin token: made at the first start, kept in a file that only its owner can read."""

from __future__ import annotations

import os
from pathlib import Path

from blobtorrent.model.errors import StorageError
from blobtorrent.runtime.logs import get_logger
from blobtorrent.storage.atomicfile import write_atomically

log = get_logger(__name__)

TOKEN_BYTES = 32
MIN_TOKEN = 16                         # characters; a shorter one can be guessed
MAX_TOKEN = 1024


def admin_token(path: Path) -> str:
    """The token in the file; a new one when there is no file, whose folder is made too.

    Raises StorageError ("token.unusable", "storage.*").
    """
    try:
        try:
            return _read(path)
        except FileNotFoundError:
            return _make(path)
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError("token.unusable", f"{path}: {error}") from None


def _read(path: Path) -> str:
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_mode & 0o077:
            log.warning("others may read the admin token", path=path)
        token = file.read(MAX_TOKEN).decode("ascii").strip()
    if len(token) < MIN_TOKEN:
        raise StorageError("token.unusable", f"{path} holds no token; remove it to have a new one made")
    return token


def _make(path: Path) -> str:
    import secrets

    token = secrets.token_urlsafe(TOKEN_BYTES)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(path, f"{token}\n".encode("ascii"), mode=0o600)      # an empty file would be in the way for ever
    return token
