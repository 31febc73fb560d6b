"""Outlets: where the core thread posts its requests. Threads behind them are somebody else's business."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from blobtorrent.model.ids import InfoHash
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.storage.store import Store


class Outlet(Protocol):
    """A mailbox, or a pool that chooses one."""

    def post(self, message: Any) -> None: ...


class Outlets(NamedTuple):
    """Answers come to `inbox`, the core thread's own mailbox."""

    inbox: Mailbox[Any]
    door: Outlet
    shards: Sequence[Mailbox[Any]]
    hashers: Outlet
    disks: Outlet
    outcalls: Outlet
    open_store: Callable[[Metainfo, Path], Store]

    def shard_of(self, info_hash: InfoHash) -> Mailbox[Any]:
        """The shard a torrent lives on: always the same one, so that nobody has to remember it."""
        return self.shards[info_hash.wire_forms[0][0] % len(self.shards)]
