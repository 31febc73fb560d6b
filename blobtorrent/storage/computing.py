"""Compute: work for the hashing threads that is too long for the thread that asks for it, whatever it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from blobtorrent.model.errors import StorageError
from blobtorrent.model.ids import InfoHash
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.mailbox import Mailbox

log = get_logger(__name__)


class Computed:
    """The asker calls `then(result)`; the result is None when the disk refused, or a bug showed."""

    __slots__ = ("info_hash", "result", "then")

    def __init__(self, info_hash: InfoHash, then: Callable[[Any], None], result: Any) -> None:
        self.info_hash = info_hash
        self.then = then
        self.result = result


class Compute:
    """Posted to the hasher pool; answered by one Computed. `work` touches nothing that is the asker's."""

    __slots__ = ("_info_hash", "_reply_to", "_then", "_work")

    def __init__(self, info_hash: InfoHash, work: Callable[[], Any], then: Callable[[Any], None],
                 reply_to: Mailbox[Any]) -> None:
        self._info_hash = info_hash
        self._work = work
        self._then = then
        self._reply_to = reply_to

    def run(self) -> None:
        result = None
        try:
            result = self._work()
        except StorageError as error:
            log.warning("cannot read what a peer asks for", torrent=self._info_hash, code=error.code,
                        detail=error.detail)
        finally:                       # what else it raises is logged by the worker
            self._reply_to.post(Computed(self._info_hash, self._then, result))
