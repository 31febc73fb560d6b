"""MetadataLink: a connected peer of a torrent whose metadata is still to come. Owned by its shard's receive thread.

What the peer says of its pieces cannot be understood yet; it is kept for the swarm that takes the link over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from blobtorrent.core.swarm.said import Said
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import BlobTorrentError
from blobtorrent.model.reach import Reach, neighbourhood_of, reach_of
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.extended import HANDSHAKE_ID, NOTHING_SAID, ExtendedHandshake, handshake_counted
from blobtorrent.protocol.wire.greeting import Greeting
from blobtorrent.protocol.wire.shape import Intake

if TYPE_CHECKING:
    from blobtorrent.core.swarm.metadataswarm import MetadataSwarm
    from blobtorrent.protocol.mse.handshake import Obfuscation


MAX_REJECTS = 1000                     # that a peer hears: it might not read them


class MetadataLink:
    """Implements network.handler.LinkHandler and protocol.wire.shape.Sink."""

    __slots__ = ("_handshakes_spent_s", "chatter_spent_s", "endpoint", "extended", "greeting", "intake", "is_incoming",
                 "last_heard_at", "last_sent_at", "linked_at", "network", "number", "obfuscation", "rejects_left",
                 "said", "swarm", "transport", "unasked")

    expected_blocks = 0

    def __init__(self, swarm: MetadataSwarm, number: int, endpoint: Endpoint, greeting: Greeting, is_incoming: bool,
                 now: float, transport: str = "tcp", obfuscation: Obfuscation | None = None) -> None:
        self.swarm = swarm
        self.transport = transport
        self.number = number
        self.endpoint = endpoint
        self.network = network_of(endpoint)
        self.greeting = greeting
        self.is_incoming = is_incoming
        self.obfuscation = obfuscation
        self.intake: Intake
        self.extended = NOTHING_SAID
        self.linked_at = self.last_heard_at = self.last_sent_at = now
        self.unasked = 0               # metadata pieces that nobody asked for
        self.rejects_left = MAX_REJECTS
        self.said = Said()             # for the swarm to come
        self.chatter_spent_s = 0.0     # see chatter
        self._handshakes_spent_s = 0.0

    @property
    def is_introduced(self) -> bool:
        """It has said what it can."""
        return self._handshakes_spent_s > 0

    def introduce(self, payload: bytes) -> None:
        """Its extension handshake came, perhaps not the first. Raises PeerError ("wire.bad-extended",
        "wire.extended-flood")."""
        self._handshakes_spent_s = handshake_counted(self._handshakes_spent_s, self.swarm.now)
        self.extended = self.extended.updated(ExtendedHandshake.decode(payload))

    def messages(self, num_pieces: int) -> list[Any]:
        """What the peer has said so far, for the swarm of a torrent of so many pieces."""
        introduction = [wire.Extended(HANDSHAKE_ID, self.extended.payload())] if self.is_introduced else []
        return [*introduction, *self.said.messages(num_pieces)]

    def on_lost(self, error: BlobTorrentError) -> None:
        self.swarm.lose(self, error)

    def on_bug(self, error: Exception) -> None:
        self.swarm.on_bug(error)

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


def network_of(endpoint: Endpoint) -> str:
    """What one owner of addresses may well have all of; empty on loopback, where all have the same."""
    return "" if reach_of(endpoint.host) is Reach.LOOPBACK else neighbourhood_of(endpoint.host)
