"""Compute: work for the hashing threads that is too long for the thread that asks for it, whatever it is."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from collections.abc import Callable
from typing import Any, NamedTuple

from blobtorrent.model.errors import StorageError
from blobtorrent.model.ids import InfoHash
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.mailbox import Mailbox

log = get_logger(__name__)


class Computed(NamedTuple):
    """The asker calls `then(result)`; the result is None when the disk refused, or a bug showed."""

    info_hash: InfoHash
    then: Callable[[Any], None]
    result: Any


class Compute(NamedTuple):
    """Posted to the hasher pool; answered by one Computed. `work` touches nothing that is the asker's."""

    info_hash: InfoHash
    work: Callable[[], Any]
    then: Callable[[Any], None]
    reply_to: Mailbox[Any]

    def run(self) -> None:
        result = None
        try:
            result = self.work()
        except StorageError as error:
            log.warning("cannot read what a peer asks for", torrent=self.info_hash, code=error.code,
                        detail=error.detail)
        finally:                       # what else it raises is logged by the worker
            self.reply_to.post(Computed(self.info_hash, self.then, result))
