"""One torrent whose metadata is still to come, alone: time is a number, peers say what the test says."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from hashlib import sha1
from typing import Any

from blobtorrent.core.swarm.messages import KnownAddress, PeersFound, PeerSource
from blobtorrent.core.swarm.metadatalink import MetadataLink
from blobtorrent.core.swarm.metadatamessages import OpenMetadata
from blobtorrent.core.swarm.metadataswarm import MetadataSwarm
from blobtorrent.model.address import Endpoint
from blobtorrent.model.addressfilter import Gate
from blobtorrent.model.errors import PeerError
from blobtorrent.model.ids import InfoHash, PeerId
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.decode import Decoder
from blobtorrent.protocol.wire.extended import UT_METADATA, ExtendedHandshake
from blobtorrent.protocol.wire.greeting import Greeting, reserved_bits
from blobtorrent.protocol.wire.metadata import DATA, REQUEST, MetadataMessage, metadata_piece
from blobtorrent.protocol.wire.shape import Intake, Scatter
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.timers import Timer, TimerWheel
from blobtorrent.storage.arena import SLOT_SIZE, Arena

THEIR_ID = 3                           # under which peers want ut_metadata
OUR_ID = PeerId(b"-BT0000-" + b"5" * 12)


class Notes:
    """Outlets that only write down."""

    def __init__(self) -> None:
        self.now = 100.0
        self.gate = Gate()
        self.timers = TimerWheel()
        self.dialled: list[Endpoint] = []
        self.closed: list[MetadataLink] = []

    def wall(self) -> float:
        return 1_700_000_000.0 + self.now

    def at(self, swarm: MetadataSwarm, deadline_s: float, callback: Callable[[], None]) -> Timer:
        return self.timers.at(deadline_s, callback)

    def dial(self, swarm: MetadataSwarm, endpoint: Endpoint) -> None:
        self.dialled.append(endpoint)

    def close_link(self, link: MetadataLink) -> None:
        self.closed.append(link)

    def fail(self, swarm: MetadataSwarm, error: Exception) -> None:
        raise error


class OneMetadata:
    """A started swarm that looks for `info`."""

    def __init__(self, info: bytes, *, max_links: int = 50, peers: Iterable[KnownAddress] = ()) -> None:
        self.info = info
        self.notes = Notes()
        self.reports: Mailbox[Any] = Mailbox("reports")
        self.info_hash = InfoHash(v1=sha1(info).digest())
        self.swarm = MetadataSwarm(
            OpenMetadata(self.info_hash, OUR_ID, self.reports, max_links, peers=tuple(peers)), self.notes)
        self._scatter = Scatter(Arena(8 * SLOT_SIZE, scratch_slots=4), 4)
        self._rng = random.Random(1)
        self._numbers = 0
        self.swarm.start()

    def arrive(self, host: str, *, is_incoming: bool = True, peer_id: PeerId | None = None,
               port: int = 0, reserved: bytes = reserved_bits()) -> MetadataLink | PeerError:
        """A greeted peer is there; the link, or why it may not join."""
        self._numbers += 1
        endpoint = Endpoint(host, port or 10_000 + self._numbers)
        if not is_incoming:
            self.swarm.on_peers(PeersFound(self.info_hash, (endpoint,), PeerSource.TRACKER))
        greeting = Greeting(reserved, self.info_hash.v1, peer_id or PeerId(b"-XX0001-" + self._rng.randbytes(12)))
        refusal = self.swarm.refusal(endpoint, greeting.peer_id, is_incoming=is_incoming)
        if refusal is not None:
            return refusal
        link = MetadataLink(self.swarm, self._numbers, endpoint, greeting, is_incoming, self.notes.now)
        link.intake = Intake(link, Decoder(), self._scatter)
        self.swarm.admit(link)
        return link

    def join(self, host: str, *, size: int | None = None, **more: Any) -> MetadataLink:
        """The same for one that must be let in; with `size` it offers metadata of that length."""
        link = self.arrive(host, **more)
        assert isinstance(link, MetadataLink), link
        if size is not None:
            self.tell(link, ExtendedHandshake(ids={UT_METADATA: THEIR_ID}, metadata_size=size))
        return link

    def tell(self, link: MetadataLink, *messages: Any) -> None:
        """The peer says this. Raises PeerError as the swarm does."""
        link.intake.feed(b"".join(message.encode() for message in messages))

    def said(self) -> dict[MetadataLink, list[Any]]:
        """What was sent to each peer since the last call, as messages."""
        streams: dict[int, bytes] = {}
        for number, buffers, _, _ in self.swarm.outgoing:
            streams[number] = streams.get(number, b"") + b"".join(buffers)
        self.swarm.outgoing.clear()
        links = {link.number: link for link in [*self.swarm.links, *self.notes.closed]}
        return {links[number]: Decoder().feed(stream) for number, stream in streams.items()}

    def asked(self) -> list[tuple[MetadataLink, int]]:
        """Metadata pieces that peers were asked for since the last `said` or `asked`."""
        found = []
        for link, messages in self.said().items():
            for message in messages:
                if isinstance(message, wire.Extended) and message.sub_id == THEIR_ID:
                    question = MetadataMessage.decode(message.payload)
                    if question.kind == REQUEST:
                        found.append((link, question.piece))
        return found

    def give(self, link: MetadataLink, piece: int, info: bytes | None = None) -> None:
        """The peer sends a piece, of the right metadata or of something else."""
        whole = self.info if info is None else info
        data = MetadataMessage(DATA, piece, len(whole), metadata_piece(whole, piece)).encode()
        self.tell(link, wire.Extended(2, data))

    def pass_time(self, seconds: float) -> None:
        """Let time pass in steps of a tenth of a second, with everything that is due."""
        for _ in range(round(seconds * 10)):
            self.notes.now += 0.1
            self.notes.timers.expire(self.notes.now)
