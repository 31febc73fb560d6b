"""Copier: thread `disk-L-c`, which gives shared files an inode of their own while the lane goes on with other files."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from blobtorrent.model.errors import StorageError
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.worker import Worker
from blobtorrent.storage.jobs import CloseStore
from blobtorrent.storage.store import Store

_BUG = StorageError("storage.bug", "a file could not be copied; the log has the traceback")


class CopyFile(NamedTuple):
    """Unshare this file. Not answered: the next who writes to it finds it done, or hears why not."""

    store: Store
    number: int


class Copier:
    """Of one lane; few ever need it, so the thread starts with its first job. The thread that writes posts.

    `close` does a CloseStore that had to wait until nothing of the store was copied any more.
    """

    def __init__(self, name: str, close: Callable[[CloseStore], None]) -> None:
        self._worker: Worker[CopyFile | CloseStore] = Worker(name, Mailbox(name), self._handle)
        self._close = close
        self._is_started = False
        self._is_stopping = False

    @property
    def depth(self) -> int:
        return self._worker.mailbox.depth

    def post(self, job: CopyFile | CloseStore) -> None:
        if not self._is_started:
            self._is_started = True
            self._worker.start()
        self._worker.mailbox.post(job)

    def stop(self, timeout_s: float) -> bool:
        """Give up what is copied now and end."""
        self._is_stopping = True
        return self._worker.stop(timeout_s)

    def _handle(self, job: CopyFile | CloseStore) -> None:
        if isinstance(job, CloseStore):
            self._close(job)
            return
        store = job.store

        def watch(_count: int) -> None:
            if self._is_stopping or store.copies.is_given_up:
                raise StorageError("storage.interrupted", "the torrent was stopped while a file was copied")

        try:
            store.unshare(job.number, watch)
        except StorageError as error:
            store.copies.end(job.number, error)
        except BaseException:
            store.copies.end(job.number, _BUG)
            raise
        else:
            store.copies.end(job.number)
