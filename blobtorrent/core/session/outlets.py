"""Outlets: where the core thread posts its requests. Threads behind them are somebody else's business."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from blobtorrent.core.session.record import TorrentRecord
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.storage.store import Store

if TYPE_CHECKING:
    from blobtorrent.storage.live.livefile import LiveFile


class Outlet(Protocol):
    """A mailbox, or a pool that chooses one."""

    def post(self, message: Any) -> None: ...


class Outlets(NamedTuple):
    """Answers come to `inbox`, the core thread's own mailbox.

    `library`, `state` and `files` are None in an engine that keeps nothing; `live` also where no memory outlives the
    process, and `portmap` where no router is asked.
    """

    inbox: Mailbox[Any]
    door: Outlet
    shards: Sequence[Mailbox[Any]]
    hashers: Outlet
    disks: Outlet
    outcalls: Outlet
    udp: Outlet
    open_store: Callable[[Metainfo, TorrentRecord], Store]
    library: Outlet | None = None
    state: Outlet | None = None
    files: Outlet | None = None
    live: LiveFile | None = None
    portmap: Outlet | None = None

    def post_file_job(self, job: Any) -> None:
        """For managers that only a daemon has."""
        assert self.files is not None
        self.files.post(job)

    def shard_of(self, info_hash: InfoHash) -> Mailbox[Any]:
        """The shard a torrent lives on: always the same one, so that nobody has to remember it."""
        return self.shards[info_hash.wire_forms[0][0] % len(self.shards)]
