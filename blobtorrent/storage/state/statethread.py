"""What the session says to the thread `state`, which alone writes the state file, and that thread.

Nothing here loads SQLite: commands that keep no state never pay for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from blobtorrent.model.damage import Damage
from blobtorrent.model.errors import StorageError
from blobtorrent.model.ids import V1_BYTES, InfoHash
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.worker import Worker

if TYPE_CHECKING:
    from blobtorrent.storage.state.statefile import StateFile

log = get_logger(__name__)

# Kinds of rows. The bodies of the first four are the session's; whoever adds a kind names it here.
SESSION = "session"                    # one row, key b"": what is true for all torrents
TORRENT = "torrent"                    # what the user wants of a torrent, and its static facts
PROGRESS = "progress"                  # what changes while it runs
STAMPS = "stamps"                      # sizes and times of its files
PEERS = "peers"                        # addresses that were good
METAFILE = "metafile"                  # the digest of its .torrent file: made by the library

OF_A_TORRENT = (TORRENT, PROGRESS, STAMPS, PEERS, METAFILE)
KINDS = (SESSION, *OF_A_TORRENT)


RowName = tuple[str, bytes]            # kind, key


class Row(NamedTuple):
    """One saved thing: `body` means nothing to the storage layer."""

    kind: str
    key: bytes
    body: bytes


class LoadedRows(NamedTuple):
    """Every sound row of the kinds asked for.

    `stale` names those that were damaged and came from the previous generation: what they say was true up to an hour
    before. A torrent with such a row has to be checked.
    """

    rows: list[Row]
    damaged: list[Damage]
    stale: frozenset[RowName] = frozenset()


def row_key(info_hash: InfoHash) -> bytes:
    """The key of a torrent's rows: its v1 digest if there is one, else the whole v2 digest, as in `InfoHash.hex`."""
    return info_hash.v1 or info_hash.v2


def info_hash_of(key: bytes) -> InfoHash:
    """The torrent of a row's key, as far as the key tells: of a hybrid only the v1 digest."""
    return InfoHash(v1=key) if len(key) == V1_BYTES else InfoHash(v2=key)


def all_rows_of(info_hash: InfoHash) -> list[RowName]:
    """Names of all rows that a torrent may have: what to drop with it."""
    return [(kind, row_key(info_hash)) for kind in OF_A_TORRENT]


class SaveState(NamedTuple):
    """Put and drop rows in one transaction. Answered by one StateSaved, when they are durable."""

    puts: Sequence[Row]
    drops: Sequence[RowName]
    token: Any
    reply_to: Mailbox[Any]


class StateSaved(NamedTuple):
    """`error` says why nothing of it was saved."""

    token: Any
    error: StorageError | None


class KeepPrevious:
    """Write the previous generation anew: hourly. No answer."""


StateJob = SaveState | KeepPrevious

_BUG = StorageError("storage.bug", "the state thread failed; the log has the traceback")


class StateThread:
    """The thread `state`. `on_damage` is called on it for what turns out damaged while we run, `on_commit` with the
    number of each commit before that is answered."""

    def __init__(self, state: StateFile, on_damage: Callable[[Damage], None],
                 on_commit: Callable[[int], None] | None = None) -> None:
        self.mailbox: Mailbox[StateJob] = Mailbox("state")
        self._state = state
        self._on_damage = on_damage
        self._on_commit = on_commit
        self._worker = Worker("state", self.mailbox, self._handle)

    def start(self) -> None:
        self._worker.start()

    def stop(self, timeout_s: float) -> bool:
        """Save what was posted, then end. False when that took longer than `timeout_s` seconds."""
        return self._worker.stop(timeout_s)

    def _handle(self, job: StateJob) -> None:
        if isinstance(job, SaveState):
            job.reply_to.post(StateSaved(job.token, self._save(job)))
            if not self.mailbox.depth:
                self._state.fold()
        else:
            self._keep_previous()
        for damage in self._state.take_damages():
            self._on_damage(damage)

    def _save(self, job: SaveState) -> StorageError | None:
        try:
            self._state.commit(job.puts, job.drops)
        except StorageError as error:
            return error
        except BaseException:
            job.reply_to.post(StateSaved(job.token, _BUG))
            raise
        if self._on_commit is not None:
            self._on_commit(self._state.generation)
        return None

    def _keep_previous(self) -> None:
        try:
            self._state.keep_previous()
        except StorageError as error:
            # The generation before stays, and the next hour brings the next try.
            log.warning("the previous generation of the state could not be written", code=error.code,
                        detail=error.detail)
