"""StateDir: the folder that a daemon's saved state lives in, who may use it, and in what condition it was found.

    lock                  held (flock) by the daemon, or by a command that works on the folder
    format                version of everything here, sealed; a newer one is refused and not touched
    key, key.1            the key under all digests, twice
    session               the session's id and whether it ended cleanly, sealed; written in place, so on a full disk too
    state.sqlite3, .1     the rows, and their previous generation
    torrents/             HASH.torrent, and a second copy HASH.torrent.1
    parts/                HASH.parts and HASH.kept: blocks that are in no file of their torrent
    hooks.journal         events that hooks are still to be told
    quarantine/           what was found damaged
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Container
from pathlib import Path

from blobtorrent.model.damage import Damage
from blobtorrent.model.errors import ConfigError, StorageError
from blobtorrent.model.ids import InfoHash
from blobtorrent.storage.atomicfile import write_atomically
from blobtorrent.storage.sealed import Seal
from blobtorrent.storage.state.keyfile import read_key, settle_key
from blobtorrent.storage.state.quarantine import QUARANTINE, Quarantine
from blobtorrent.storage.state.sessionrecord import ID_BYTES, SessionRecord, read_session, write_session
from blobtorrent.storage.state.statefile import StateFile
from blobtorrent.storage.state.statethread import OF_A_TORRENT, RowName, info_hash_of

FORMAT_VERSION = 1

STATE_NAME = "state.sqlite3"

_FORMAT = b"format"
_FORMAT_TEXT = b"blobtorrent state, format "
_TORRENT_NAME = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")


class StateDir:
    """An open state directory; nobody else can open it before `close`. Owned by the thread that starts and stops."""

    def __init__(self, path: Path) -> None:
        """Make it if it is not there, lock it, and repair what can be repaired without reading the rows.

        Raises ConfigError: "state.locked" while another process has it, "state.newer" when a later version wrote it,
        "state.unusable" when it cannot be made or written.
        """
        self.path = path.absolute()
        self.quarantine = Quarantine(self.path / QUARANTINE)
        self.damages: list[Damage] = []
        self._lock = -1
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            refuse_newer(self.path)
            self._lock = lock_folder(self.path)
            self._open()
        except OSError as error:
            self._unlock()
            raise ConfigError("state.unusable", f"the state directory {self.path}: {error.strerror}") from error
        except StorageError as error:
            self._unlock()
            raise ConfigError("state.unusable", f"the state directory {self.path}: {error.detail}") from error
        except BaseException:
            self._unlock()
            raise

    def _open(self) -> None:
        is_new = not (self.path / "torrents").exists()     # made last: nothing is missed after a crash on the way
        key, damages = settle_key(self.path, self.quarantine, is_new=is_new)
        self.damages += damages
        self.seal = Seal(key)
        self._settle_format(is_new)
        if not is_new and not any((self.path / f"{STATE_NAME}{ending}").exists() for ending in ("", ".1", ".new")):
            self.damages.append(Damage(
                "state file", str(self.path / STATE_NAME), "it is gone, and so is its previous generation",
                "torrents are made anew from their .torrent files"))
        self.state = StateFile(self.path / STATE_NAME, self.seal, self.quarantine, self._may_return)
        self.damages += self.state.take_damages()
        self._settle_session(is_new)
        for name in ("parts", "torrents"):
            (self.path / name).mkdir(mode=0o700, exist_ok=True)

    # ---- where things are

    def torrent_path(self, info_hash: InfoHash) -> Path:
        return self.path / "torrents" / f"{info_hash.hex}.torrent"

    def parts_path(self, info_hash: InfoHash) -> Path:
        """Where the unverified blocks of a torrent go."""
        return self.path / "parts" / f"{info_hash.hex}.parts"

    def kept_path(self, info_hash: InfoHash) -> Path:
        """Where verified bytes of a torrent's unwanted files go."""
        return self.path / "parts" / f"{info_hash.hex}.kept"

    def stray_torrents(self, known: Container[bytes]) -> list[InfoHash]:
        """Torrents that have a .torrent file but no row: their keys are not in `known`. Their rows are lost, or a crash
        came between the two steps of adding or removing them.

        The name of a file tells only the digest that stands in it: of a hybrid's info-hash, v1.
        """
        names = {entry.name.partition(".")[0] for entry in os.scandir(self.path / "torrents")}
        keys = sorted(bytes.fromhex(name) for name in names if _TORRENT_NAME.fullmatch(name))
        return [info_hash_of(key) for key in keys if key not in known]

    # ---- the end

    def mark_clean(self) -> None:
        """All is saved, and nothing will be written from now on. Raises StorageError."""
        self.state.keep_previous()
        self._write_session(is_clean=True)

    def mark_untouched(self) -> None:
        """Nothing was read of what a clean end left, and nothing written: it is still that. Raises StorageError."""
        self._write_session(is_clean=True)

    def close(self) -> None:
        self.state.close()
        self._unlock()

    # ---- opening and closing

    def _settle_session(self, is_new: bool) -> None:
        """Take over from the last session. One of which nothing is known counts as killed."""
        last = read_session(self.path, self.seal)
        if last is None and not is_new:
            self.damages.append(Damage(
                "session record", str(self.path / "session"), "damaged or missing",
                "how the last session ended is unknown: torrents that ran are checked"))
        ended_cleanly = last is not None and last.is_clean
        if last is not None and ended_cleanly and self.state.generation < last.generation:
            self.damages.append(Damage(
                "state file", str(self.state.path), "it is older than it was at the last stop",
                "torrents that ran are checked"))
        self.was_clean = last is not None and ended_cleanly and self.state.generation == last.generation
        # What a killed session left in memory is still of use to the next: they are one session until a clean stop.
        self.session_id = os.urandom(ID_BYTES) if last is None or ended_cleanly else last.session_id
        self._write_session(is_clean=False)

    def _write_session(self, *, is_clean: bool) -> None:
        write_session(self.path, self.seal, SessionRecord(self.session_id, is_clean, self.state.generation))

    def _settle_format(self, is_new: bool) -> None:
        if read_version(self.path, self.seal) is not None:
            return
        if not is_new:
            path = self.path / "format"
            self.damages.append(Damage("format", str(path), "damaged or missing", "written anew"))
            self.quarantine.take(path)
        write_atomically(
            self.path / "format", self.seal.wrap(_FORMAT, _FORMAT_TEXT + b"%d\n" % FORMAT_VERSION), mode=0o600)

    def _may_return(self, name: RowName) -> bool:
        """Whether a row that vanished is missed: those of a torrent are, while its .torrent file is there."""
        kind, key = name
        path = self.path / "torrents" / f"{key.hex()}.torrent"
        return kind not in OF_A_TORRENT or path.exists()

    def _unlock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def lock_folder(path: Path) -> int:
    """Take the lock of a state directory; closing the descriptor gives it back, and so does the end of the process.

    Raises ConfigError: "state.locked" while somebody else has it, "state.unusable" when it cannot be written.
    """
    try:
        descriptor = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError("state.unusable", f"the state directory {path}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ConfigError("state.locked", f"the state directory {path} is in use by another process") from None
    return descriptor


def refuse_newer(path: Path) -> None:
    """Raises ConfigError ("state.newer") when a later version of this program wrote the directory. Changes nothing."""
    key = read_key(path)
    version = read_version(path, Seal(key) if key is not None else None)
    if version is not None and version > FORMAT_VERSION:
        raise ConfigError("state.newer", f"the state directory {path} has format {version}, which only a later version"
                                         f" of this program reads; this one reads up to {FORMAT_VERSION}")


def read_version(path: Path, seal: Seal | None) -> int | None:
    """The version of a directory; None when its record is damaged or missing. Without a key it goes unchecked."""
    try:
        record = (path / "format").read_bytes()
    except OSError:
        return None
    body = record.partition(b"\n")[0] + b"\n" if seal is None else seal.unwrap(_FORMAT, record)
    if body is None or not body.startswith(_FORMAT_TEXT):
        return None
    number = body[len(_FORMAT_TEXT):-1]
    return int(number) if number.isdigit() and len(number) < 10 else None
