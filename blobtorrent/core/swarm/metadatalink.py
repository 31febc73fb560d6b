"""MetadataLink: a connected peer of a torrent whose metadata is still to come. Owned by its shard's receive thread.

What the peer says of its pieces cannot be understood yet; it is kept for the swarm that takes the link over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import BlobTorrentError
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.decode import HaveRun
from blobtorrent.protocol.wire.extended import ExtendedHandshake
from blobtorrent.protocol.wire.greeting import Greeting
from blobtorrent.protocol.wire.shape import Intake

if TYPE_CHECKING:
    from blobtorrent.core.swarm.metadataswarm import MetadataSwarm

MAX_KEPT_BYTES = 96 << 10              # of messages for later: a bitfield of 800,000 pieces
_MESSAGE_BYTES = 64                    # what a short one weighs

_FOR_LATER = (wire.Choke, wire.Unchoke, wire.Interested, wire.NotInterested, wire.BitfieldMessage, HaveRun)


class MetadataLink:
    """Implements network.handler.LinkHandler and protocol.wire.shape.Sink."""

    __slots__ = ("_kept_bytes", "endpoint", "extended", "greeting", "intake", "is_incoming", "is_suitable", "kept",
                 "last_heard_at", "last_sent_at", "linked_at", "number", "swarm", "unasked")

    expected_blocks = 0

    def __init__(self, swarm: MetadataSwarm, number: int, endpoint: Endpoint, greeting: Greeting, is_incoming: bool,
                 now: float) -> None:
        self.swarm = swarm
        self.number = number
        self.endpoint = endpoint
        self.greeting = greeting
        self.is_incoming = is_incoming
        self.intake: Intake
        self.extended = ExtendedHandshake()
        self.linked_at = self.last_heard_at = self.last_sent_at = now
        self.unasked = 0               # metadata pieces that nobody asked for
        self.kept: list[Any] = []      # messages for the swarm to come
        self._kept_bytes = 0
        self.is_suitable = True        # False: it said more than was kept, so its link cannot be handed on

    def on_lost(self, error: BlobTorrentError) -> None:
        self.swarm.lose(self, error)

    def keep(self, message: Any) -> None:
        """Put by what only a swarm understands."""
        if not isinstance(message, (*_FOR_LATER, wire.Extended)):
            return
        self._kept_bytes += _weight(message)
        if self._kept_bytes > MAX_KEPT_BYTES:
            self.is_suitable = False
            self.kept.clear()
        elif self.is_suitable:
            self.kept.append(message)

    def send(self, data: bytes) -> None:
        self.last_sent_at = self.swarm.now
        self.swarm.outgoing.append((self.number, [data], len(data), None))

    # ---- protocol.wire.shape.Sink: no block is ever asked for here

    def on_blocks(self, headers: memoryview, slots: Sequence[int], spare: list[int]) -> int:
        return 0

    def begin_block(self, key: int, size: int) -> bool:
        return False

    def end_block(self, slot: int) -> bool:
        return False

    def on_messages(self, messages: list[Any]) -> None:
        self.swarm.on_messages(self, messages)


def _weight(message: Any) -> int:
    match message:
        case wire.BitfieldMessage():
            return len(message.data)
        case wire.Extended():
            return len(message.payload)
        case HaveRun():
            return 8 * len(message.indices)
    return _MESSAGE_BYTES
