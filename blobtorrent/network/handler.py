"""What the network's loops call. Higher layers implement it; everything runs on the loop's own thread: the receive
thread of a shard, or the thread `udp`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from blobtorrent.model.errors import BlobTorrentError
from blobtorrent.protocol.wire.shape import Intake

if TYPE_CHECKING:
    from blobtorrent.model.address import Endpoint
    from blobtorrent.network.udp import UdpPort


class LinkHandler(Protocol):
    """The receiving side of one link."""

    intake: Intake

    @property
    def expected_blocks(self) -> int:
        """Blocks that are asked for: while there are any, receive in block shape."""

    def on_lost(self, error: BlobTorrentError) -> None:
        """The connection ended or broke the rules. The handler detaches and closes it."""

    def on_bug(self, error: Exception) -> None:
        """The handler itself failed while it took in what came. It detaches and closes the link, perhaps more."""


class ShardHandler(Protocol):
    """The owner of all links of a shard."""

    def on_message(self, message: Any, now: float) -> None:
        """A message came to the shard's mailbox."""

    def on_pass(self, now: float) -> None:
        """All that was ready has been read: send what was decided."""

    def on_stop(self) -> None:
        """The loop is about to end: release everything."""


class DatagramEndpoint(Protocol):
    """The driver of one protocol on the thread `udp`."""

    def on_datagram(self, data: Any, source: Endpoint, port: UdpPort) -> None:
        """One came in on `port`; an answer goes out on the same. It is bytes, of uTP also a view of some."""
