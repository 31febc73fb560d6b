"""What the loops of a shard call. Higher layers implement it; everything runs on the shard's receive thread."""

from __future__ import annotations

from typing import Any, Protocol

from blobtorrent.model.errors import BlobTorrentError
from blobtorrent.protocol.wire.shape import Intake


class LinkHandler(Protocol):
    """The receiving side of one link."""

    intake: Intake

    @property
    def expected_blocks(self) -> int:
        """Blocks that are asked for: while there are any, receive in block shape."""

    def on_lost(self, error: BlobTorrentError) -> None:
        """The connection ended or broke the rules. The handler detaches and closes it."""


class ShardHandler(Protocol):
    """The owner of all links of a shard."""

    def on_message(self, message: Any, now: float) -> None:
        """A message came to the shard's mailbox."""

    def on_pass(self, now: float) -> None:
        """All that was ready has been read: send what was decided."""

    def on_stop(self) -> None:
        """The loop is about to end: release everything."""
