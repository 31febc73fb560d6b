"""Where tokens are kept: the first, made at the first start, in a file for its owner; of the others the digests.

A service manager may have the first one for us instead: a credential, in the terms of systemd.
"""

from __future__ import annotations

import os
from pathlib import Path

from blobtorrent.interface.rest.keyring import Keyring
from blobtorrent.interface.rest.tokens import Token, read_tokens
from blobtorrent.model.errors import FormatError, StorageError
from blobtorrent.runtime.clock import SystemClock
from blobtorrent.runtime.logs import get_logger
from blobtorrent.storage.atomicfile import write_atomically

log = get_logger(__name__)

FIRST_FILE = "admin.token"
CREDENTIAL = "blobtorrent.admin-token"  # in the folder of the service manager
TOKENS_FILE = "tokens.json"
DAMAGED_FILE = "tokens.json.damaged"
MAX_TOKENS_BYTES = 1 << 20
FILE_MODE = 0o600
TOKEN_BYTES = 32
MIN_TOKEN = 16                         # characters; a shorter one can be guessed
MAX_TOKEN = 1024


def open_keyring(state: Path, credentials: Path | None) -> Keyring:
    """All tokens of the state directory. Raises StorageError ("token.unusable", "storage.*").

    A damaged file is put aside: its tokens open nothing, but the first one still does.
    """
    first = admin_token(state, credentials)
    path = state / TOKENS_FILE

    def save(data: bytes) -> None:
        write_atomically(path, data, mode=FILE_MODE)

    return Keyring(first, _read_others(path), save, SystemClock())


def _read_others(path: Path) -> tuple[Token, ...]:
    try:
        with path.open("rb") as file:
            return read_tokens(file.read(MAX_TOKENS_BYTES))
    except FileNotFoundError:
        return ()
    except FormatError as error:
        if error.code == "token.newer":
            raise StorageError("token.unusable", f"{path}: {error.detail}") from None
        path.replace(path.with_name(DAMAGED_FILE))
        log.error("the tokens are damaged and open nothing any more: make new ones", path=path, detail=error.detail)
        return ()
    except OSError as error:
        raise StorageError("token.unusable", f"{path}: {error.strerror}") from None


def admin_token(state: Path, credentials: Path | None) -> str:
    """The first token: the credential, if there is one, else from its file; a new one when there is no file, whose
    folder is made too.

    A file that is no text any more is put aside, and a new one made. Raises StorageError ("token.unusable",
    "storage.*").
    """
    path = state / FIRST_FILE
    try:
        if credentials is not None and (credentials / CREDENTIAL).exists():
            return _read_credential(credentials / CREDENTIAL)
        try:
            return _read(path)
        except FileNotFoundError:
            return _make(path)
        except UnicodeDecodeError as error:
            path.replace(path.with_name(f"{FIRST_FILE}.damaged"))
            log.error("the admin token is damaged, a new one is made", path=path, detail=str(error))
            return _make(path)
    except OSError as error:
        raise StorageError("token.unusable", f"{path}: {error}") from None


def _read_credential(path: Path) -> str:
    """Who may read it, and what becomes of one that is of no use, is not for us to say."""
    with path.open("rb") as file:
        data = file.read(MAX_TOKEN)
    token = data.decode("ascii").strip() if data.isascii() else ""
    if len(token) < MIN_TOKEN:
        raise StorageError("token.unusable", f"{path} holds no token: it takes {MIN_TOKEN} characters of ASCII")
    return token


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
    write_atomically(path, f"{token}\n".encode("ascii"), mode=FILE_MODE)  # an empty file would be in the way for ever
    return token
