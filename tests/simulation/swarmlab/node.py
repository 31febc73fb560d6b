"""A node of the lab: the product's host, swarm and links between a simulated network and a simulated disk."""

from __future__ import annotations

import itertools
import random
from bisect import bisect_right
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from blobtorrent.core.swarm.host import SwarmHost
from blobtorrent.core.swarm.messages import OpenSwarm, PeersFound, PeerSource, SwarmSettings
from blobtorrent.core.swarm.swarm import Swarm
from blobtorrent.model.address import Endpoint
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.ids import PeerId
from blobtorrent.network.handler import LinkHandler
from blobtorrent.network.messages import Dial, DialFailed, PeerArrived
from blobtorrent.network.outbox import Buffer
from blobtorrent.network.receiver import read_link
from blobtorrent.network.sender import LinkClosed
from blobtorrent.protocol.wire.greeting import OUR_RESERVED, Greeting
from blobtorrent.protocol.wire.shape import Scatter
from blobtorrent.runtime.clock import FakeClock
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.timers import TimerWheel
from blobtorrent.storage.arena import SLOT_SIZE, Arena
from tests.simulation.swarmlab.disk import LabDisk, LabStore
from tests.simulation.swarmlab.events import US, Events, Journal
from tests.simulation.swarmlab.net import REJECT, REQUEST, Downlink, Flow, LabSocket, Uplink, connect, items_of
from tests.support.simseeds import SimSeeds
from tests.support.stored import StoredTorrent

if TYPE_CHECKING:
    from tests.simulation.swarmlab.policies import PickerClass

SCATTER_UNITS = 16
SCRATCH_BYTES = 64 << 10
FILE_IN_HAND_S = 10.0                  # a file that was written so long ago counts as open


class _Loop:
    """What a host asks of its shard's loop."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers = TimerWheel()


class LabShard:
    """What a host asks of its shard."""

    def __init__(self, node: LabNode, arena: Arena) -> None:
        self.mailbox: Mailbox[Any] = Mailbox("shard")
        self.loop = _Loop()
        self.scatter = Scatter(arena, SCATTER_UNITS)
        self.readers: dict[int, LinkHandler] = {}
        self.ready: dict[int, None] = {}                   # links with something to read
        self.sockets: dict[int, LabSocket] = {}
        self._node = node
        self._numbers = itertools.count(1)
        self._closing: list[int] = []
        self._scratch = memoryview(bytearray(SCRATCH_BYTES))

    def open_link(self, sock: LabSocket, _obfuscation: None) -> int:
        sock.number = next(self._numbers)
        self.sockets[sock.number] = sock
        return sock.number

    def attach(self, number: int, link: LinkHandler) -> None:
        self.readers[number] = link
        self.has_come(self.sockets[number])

    def has_come(self, socket: LabSocket) -> None:
        """There may be something to read."""
        if socket.number in self.readers:
            self.ready[socket.number] = None
            self._node.wake()

    def close_link(self, number: int) -> None:
        del self.readers[number]
        self._closing.append(number)

    def end_pass(self, batches: list[tuple[int, list[Buffer], int, Any]]) -> None:
        for number, buffers, _size, token in batches:
            flow = self.sockets[number].outgoing
            self._node.uplink.push(flow, items_of(flow, buffers, token))
        for number in self._closing:
            socket = self.sockets.pop(number)
            unsent = [*socket.outgoing.queue]
            sending = self._node.uplink.sending
            if sending is not None and sending[0] is socket.outgoing:
                unsent.insert(0, sending[1])
            tokens = [item.token for item in unsent if item.token is not None]
            socket.outgoing.queue.clear()
            socket.close()
            self.mailbox.post(LinkClosed(number, tokens, 0))
        self._closing.clear()

    def receive(self) -> None:
        ready, self.ready = self.ready, {}
        for number in ready:
            socket = self.sockets.get(number)
            while socket is not None and number in self.readers:
                read_link(socket, self.readers[number], self._scratch)  # type: ignore[arg-type]
                if not socket.data:
                    break
            if socket is not None and socket.incoming.is_over and number in self.readers:
                read_link(socket, self.readers[number], self._scratch)  # type: ignore[arg-type]


class LabNode:
    """One engine with one torrent. `number` is its place in the swarm, and its address."""

    def __init__(
        self,
        number: int,
        name: str,
        torrent: StoredTorrent,
        events: Events,
        journal: Journal,
        *,
        up: int,
        down: int,
        grid_us: int,
        slots: int,
        lies: float = 0.0,
        picker: PickerClass,
        reach: Callable[[Endpoint], LabNode | None],
        delay_us: Callable[[LabNode, LabNode], int],
    ) -> None:
        """`name` begins the names of its random numbers. It looks at what came at multiples of `grid_us`."""
        self.number = number
        self.events = events
        self.torrent = torrent
        self.endpoint = Endpoint(f"10.{number}.0.1", 6881)
        self.uplink = Uplink(events, up)
        self.downlink = Downlink(events, down)
        self.is_gone = False
        self.joined_at = 0.0
        self.completed_at: float | None = None
        self.nearly_at: float | None = None                # 99 % was there
        self.written: list[tuple[float, int]] = []         # when, and which piece
        self.waits_us: dict[int, list[int]] = {}           # of blocks, by the number of who sent them
        self.asked = self.rejected = 0                     # requests sent, and refused by others
        self.picker_class = picker
        self._name = name
        self._journal = journal
        self._grid_us = grid_us
        self._reach = reach
        self._delay_us = delay_us
        self._wakes_us: int | None = None
        self._arena = Arena(slots * SLOT_SIZE, scratch_slots=SCATTER_UNITS)
        self.disk = LabDisk(self._arena, self, self.random("disk"), lies)
        self.shard = LabShard(self, self._arena)
        self._door: Mailbox[Any] = Mailbox("door")
        self._reports: Mailbox[Any] = Mailbox("reports")
        self.host = SwarmHost(
            self.shard, self._arena, self.disk.post, self.disk.post, self._door, self.random("engine"),  # type: ignore[arg-type]
            FakeClock(), SimSeeds(self._arena, self.random("seeds")).open_desk)
        self.peer_id = PeerId(b"-BT0000-" + self.random("id").randbytes(12))
        self._file_starts = [entry.offset for entry in torrent.metainfo.files]

    def random(self, purpose: str) -> random.Random:
        """The numbers for one purpose: what is drawn for another does not change them."""
        return random.Random(f"{self._name}:{self.number}:{purpose}")

    # ---- life

    def join(self, *, have: bool, peers: Iterable[LabNode], **settings: Any) -> None:
        """Open the torrent, with everything or with nothing, and hear of others as a tracker would tell."""
        num_pieces = self.torrent.geometry.num_pieces
        self.joined_at = self.events.now
        info_hash = self.torrent.metainfo.info_hash
        with self.picker_class.used_by(self.random("picker")):
            self._handle(OpenSwarm(
                info_hash, self.torrent.metainfo, LabStore(self.torrent),  # type: ignore[arg-type]
                Bitfield.full(num_pieces) if have else Bitfield(num_pieces), self.peer_id,
                SwarmSettings(exchanges_peers=False, **settings), self._reports))
        endpoints = tuple(peer.endpoint for peer in peers)
        if endpoints:
            self.shard.mailbox.post(PeersFound(info_hash, endpoints, PeerSource.TRACKER))
        self.wake()

    def leave(self) -> None:
        """Be gone, without a word but the end of all connections."""
        self.is_gone = True
        for socket in self.shard.sockets.values():
            socket.outgoing.queue.clear()
            socket.close()

    def die(self) -> None:
        """Send nothing any more; the connections stay."""
        self.uplink.bytes_per_s = 0

    @property
    def swarm(self) -> Swarm:
        return self.host._swarms[self.torrent.metainfo.info_hash]

    @property
    def is_complete(self) -> bool:
        return self.swarm.pieces.is_complete

    # ---- time

    def wake(self) -> None:
        """Have a pass soon."""
        self._wake_at(self.events.now_us + 1)

    def _wake_at(self, time_us: int) -> None:
        time_us = -(-time_us // self._grid_us) * self._grid_us
        if self._wakes_us is None or time_us < self._wakes_us:
            self._wakes_us = time_us
            self.events.at(time_us, partial(self._pass, time_us))

    def _pass(self, due_us: int) -> None:
        """In the order of runtime.loop."""
        if self.is_gone or self._wakes_us != due_us:       # an earlier one took its place
            return
        self._wakes_us = None
        shard, now = self.shard, self.events.now
        shard.loop.now = now
        shard.receive()
        while shard.mailbox.depth:
            for message in shard.mailbox.drain():
                self._handle(message)
        shard.loop.timers.expire(now)
        self.host.on_pass(now)
        for message in self._door.drain():
            if isinstance(message, Dial):
                self._dial(message)
        for report in self._reports.drain():
            assert not getattr(report, "error_code", ""), f"node {self.number}: {report.error_detail}"
        if shard.mailbox.depth:
            self.wake()
        deadline = shard.loop.timers.next_deadline()
        if deadline is not None:
            self._wake_at(max(self.events.now_us + 1, int(deadline * US) + 1))

    def _handle(self, message: Any) -> None:
        self.shard.loop.now = self.events.now
        self.host.on_message(message, self.events.now)

    def _dial(self, dial: Dial) -> None:
        """A connection is there after a word went both ways."""
        target = self._reach(dial.endpoint)
        delay_us = 0 if target is None else self._delay_us(self, target)
        self.events.after(2 * delay_us, partial(self._connect, dial, target, delay_us))

    def _connect(self, dial: Dial, target: LabNode | None, delay_us: int) -> None:
        if target is None or target.is_gone:
            self._post(DialFailed(dial.info_hash, dial.endpoint, "net.refused", "nobody there"))
            return
        ours, theirs = connect(self, target, delay_us)
        wire_hash = dial.info_hash.wire_forms[0]
        for node, sock, other in ((self, ours, target), (target, theirs, self)):
            greeting = Greeting(OUR_RESERVED, wire_hash, other.peer_id)
            node._post(PeerArrived(
                dial.info_hash, sock, other.endpoint, greeting, b"", node is target))  # type: ignore[arg-type]

    def _post(self, message: Any) -> None:
        self.shard.mailbox.post(message)
        self.wake()

    # ---- what is to be known of it

    def note_message(self, flow: Flow, kind: int, key: int) -> None:
        """It says something."""
        self._journal.note(self.events.now_us, self.number, flow.receiver.number, kind & 0xFF, key)
        if kind == REQUEST:
            self.asked += 1
        elif kind == REJECT:
            flow.receiver.rejected += 1

    def note_blocks(self, flow: Flow, keys: Iterable[int]) -> None:
        """Blocks came."""
        asked_at = flow.socket.outgoing.asked_at
        waits = self.waits_us.setdefault(flow.sender.number, [])
        for key in keys:
            at_us = asked_at.pop(key, None)
            if at_us is not None:
                waits.append(self.events.now_us - at_us)

    def on_written(self, index: int) -> None:
        """A piece is on disk."""
        self.written.append((self.events.now, index))
        size = self.torrent.geometry.num_pieces
        if len(self.written) == -(-99 * size // 100):
            self.nearly_at = self.events.now
        if len(self.written) == size:
            self.completed_at = self.events.now

    def files_in_hand(self) -> int:
        """Files that were written lately, or have a piece under way."""
        since = self.events.now - FILE_IN_HAND_S
        pieces = set(self.swarm.pieces.open)
        for at, index in reversed(self.written):
            if at < since:
                break
            pieces.add(index)
        length = self.torrent.geometry.piece_length
        return len({bisect_right(self._file_starts, index * length) for index in pieces})

    def outstanding_blocks(self) -> int:
        return sum(link.expected_blocks for link in self.swarm.links)
