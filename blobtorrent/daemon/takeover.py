"""Takeover: a daemon that is started on the session folder of rTorrent goes on where rTorrent left off.

Its torrents are written into our state directory, before that is opened for the engine. It is done once for a folder:
from then on it is ours, and a torrent that is not known any more was removed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from blobtorrent.model.errors import BlobTorrentError, NotFound
from blobtorrent.runtime.logs import get_logger
from blobtorrent.storage.atomicfile import write_atomically
from blobtorrent.storage.foreignsession import RtorrentSession

if TYPE_CHECKING:
    from blobtorrent.daemon.importing import Reader, Writer

log = get_logger(__name__)

TAKEN_FILE = "rtorrent-sessions"       # in the state directory: the folders that were taken over, NUL between them
_MODE = 0o600


def take_over(folder: Path, state: Path, started_in: Path, is_ending: Callable[[], bool]) -> None:
    """Have the torrents of the session `folder` in the directory `state`, unless that was done before.

    Relative folders of torrents are below `started_in`. What cannot be taken is logged, and so is how many were taken.
    When `is_ending` meanwhile the next start takes the rest.
    Raises Conflict ("import.rtorrent-runs") while rTorrent runs on it, ConfigError, and StorageError when what was read
    cannot be written.
    """
    try:
        with RtorrentSession(folder) as session:
            session.refuse_while_used()
    except NotFound:                   # it will be made
        return
    path, taken = bytes(folder.resolve()), _taken(state)
    if path not in taken and _take_all(folder, state, started_in, is_ending):
        write_atomically(state / TAKEN_FILE, b"\0".join([*taken, path]), mode=_MODE)


def _take_all(folder: Path, state: Path, started_in: Path, is_ending: Callable[[], bool]) -> bool:
    """False when there was no time for all."""
    from blobtorrent.daemon.importing import Reader, open_state  # heavy, and wanted once
    from blobtorrent.daemon.programs import Rtorrent

    with Rtorrent(folder) as session, open_state(state) as writer:
        is_done = _take(session.names(), Reader(session, {".": str(started_in)}), writer, is_ending)
        writer.flush()
    return is_done


def _take(names: list[str], reader: Reader, writer: Writer, is_ending: Callable[[], bool]) -> bool:
    from blobtorrent.daemon.importing import key_of

    num_taken = num_refused = to_check_bytes = 0
    if names:
        log.info("taking over the torrents of rTorrent", torrents=len(names))
    for name in names:
        if is_ending():
            return False
        if key_of(name) in writer.known:
            continue
        try:
            source = reader.read(name)
        except BlobTorrentError as error:
            num_refused += 1
            log.error("a torrent of rTorrent was not taken over", torrent=name, code=error.code, detail=error.detail)
            continue
        writer.add(source)
        num_taken += 1
        to_check_bytes += source.imported.to_check_bytes
        for note in source.imported.notes:
            log.info("of a torrent of rTorrent", torrent=name, note=note)
    log.info("torrents of rTorrent were taken over", taken=num_taken, refused=num_refused,
             to_check_bytes=to_check_bytes)
    return True


def _taken(state: Path) -> list[bytes]:
    try:
        return (state / TAKEN_FILE).read_bytes().split(b"\0")
    except FileNotFoundError:
        return []
