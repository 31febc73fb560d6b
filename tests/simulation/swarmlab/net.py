"""A network with capacities: what a node may send and receive a second, and how long it takes to get there.

A node's uplink serves its connections in turns, a block each; a connection has at most `WINDOW_BYTES` on the way. What
arrives waits for the receiver's downlink, first come, first served. Words without blocks need no capacity, but never
overtake a block of their own connection. All payloads are real: they go through the product's decoder.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from blobtorrent.network.outbox import Buffer
from blobtorrent.network.sender import Sent
from tests.simulation.swarmlab.events import US, Events

if TYPE_CHECKING:
    from tests.simulation.swarmlab.node import LabNode

WINDOW_BYTES = 4 << 20                 # on their way in one connection: a window that fits the fastest paths
PIECE, REQUEST, CANCEL, REJECT = 7, 6, 8, 16
KEYED = (REQUEST, PIECE, CANCEL, REJECT)                   # they name a block
_HAVE = 4


class Item(NamedTuple):
    """What goes at once: a block with its header, or words. `keys` are of the blocks in it, `token` its batch's."""

    data: bytes
    keys: tuple[int, ...]
    token: Any


class Flow:
    """One direction of a connection."""

    def __init__(self, sender: LabNode, receiver: LabNode, delay_us: int) -> None:
        self.sender = sender
        self.receiver = receiver
        self.delay_us = delay_us
        self.queue: deque[Item] = deque()
        self.on_the_way = 0            # bytes
        self.is_open = True
        self.is_over = False           # the other end has read all, and that it is closed
        self.origin: LabSocket         # where it begins
        self.socket: LabSocket         # where it arrives
        self.asked_at: dict[int, int] = {}                 # requests that went this way: key, microseconds


class LabSocket:
    """One end of a connection, as the product reads it."""

    def __init__(self, incoming: Flow, outgoing: Flow) -> None:
        self.incoming = incoming
        self.outgoing = outgoing
        self.data = bytearray()
        self.number = 0                # of its link, once there is one
        self.is_closed = False
        incoming.socket = outgoing.origin = self

    def recvmsg_into(self, buffers: Sequence[memoryview]) -> tuple[int]:
        if not self.data:
            if self.incoming.is_over:
                return (0,)
            raise BlockingIOError
        at = 0
        for buffer in buffers:
            part = self.data[at:at + len(buffer)]
            buffer[:len(part)] = part
            at += len(part)
            if at == len(self.data):
                break
        del self.data[:at]
        return (at,)

    def recv_into(self, buffer: memoryview) -> int:
        return self.recvmsg_into([buffer])[0]

    def close(self) -> None:
        """What was sent arrives all the same, and then that no more comes."""
        self.is_closed = True
        self.data.clear()
        for flow in (self.incoming, self.outgoing):
            flow.is_open = False
        self.outgoing.receiver.downlink.announce_end(self.outgoing)


class Uplink:
    """What a node sends. `bytes_per_s` 0: nothing goes out any more, as if it had died."""

    def __init__(self, events: Events, bytes_per_s: int) -> None:
        self._events = events
        self.bytes_per_s = bytes_per_s
        self.sent_bytes = 0            # of blocks, with their headers
        self._ready: deque[Flow] = deque()
        self._queued: set[int] = set()                     # ids of flows in _ready; never iterated
        self.sending: tuple[Flow, Item] | None = None

    def push(self, flow: Flow, items: Sequence[Item]) -> None:
        if self.bytes_per_s and not flow.queue and not items[0].keys and len(items) == 1:
            self._depart(flow, items[0])
            return
        flow.queue += items
        self.resume(flow)

    def resume(self, flow: Flow) -> None:
        """There may be something to send in it, and room for it."""
        if flow.queue and flow.on_the_way < WINDOW_BYTES and id(flow) not in self._queued:
            self._queued.add(id(flow))
            self._ready.append(flow)
            self._serve()

    def _serve(self) -> None:
        while self._ready and self.sending is None and self.bytes_per_s:
            flow = self._ready.popleft()
            self._queued.discard(id(flow))
            if flow.is_open and flow.queue:
                item = flow.queue.popleft()
                self.sending = (flow, item)
                self._events.after(len(item.data) * US // self.bytes_per_s, partial(self._served, flow, item))

    def _served(self, flow: Flow, item: Item) -> None:
        self.sending = None
        self.sent_bytes += len(item.data)
        self._depart(flow, item)
        if item.token is not None and not flow.origin.is_closed:
            node = flow.sender
            node.shard.mailbox.post(Sent([(flow.origin.number, item.token)]))
            node.wake()
        self.resume(flow)
        self._serve()

    def _depart(self, flow: Flow, item: Item) -> None:
        flow.on_the_way += len(item.data)
        self._events.after(flow.delay_us, partial(flow.receiver.downlink.arrive, flow, item))


class Downlink:
    """What a node receives."""

    def __init__(self, events: Events, bytes_per_s: int) -> None:
        self._events = events
        self.bytes_per_s = bytes_per_s
        self._free_at_us = 0

    def arrive(self, flow: Flow, item: Item) -> None:
        now_us = self._events.now_us
        self._free_at_us = max(self._free_at_us, now_us) + len(item.data) * US // self.bytes_per_s
        self._events.at(self._free_at_us, partial(self._deliver, flow, item))

    def announce_end(self, flow: Flow) -> None:
        """Nothing more is sent in a flow: its receiver hears so behind what is on the way."""
        self._events.after(flow.delay_us, lambda: self._events.at(self._free_at_us, partial(self._end, flow)))

    def _deliver(self, flow: Flow, item: Item) -> None:
        flow.on_the_way -= len(item.data)
        flow.sender.uplink.resume(flow)
        node = flow.receiver
        if node.is_gone or flow.socket.is_closed:
            return
        flow.socket.data += item.data
        if item.keys:
            node.note_blocks(flow, item.keys)
        node.shard.has_come(flow.socket)

    def _end(self, flow: Flow) -> None:
        flow.is_over = True
        node = flow.receiver
        if not node.is_gone and not flow.socket.is_closed:
            node.shard.has_come(flow.socket)


def connect(dialler: LabNode, target: LabNode, delay_us: int) -> tuple[LabSocket, LabSocket]:
    """The ends of a new connection; a word takes `delay_us` either way."""
    there, back = Flow(dialler, target, delay_us), Flow(target, dialler, delay_us)
    return LabSocket(back, there), LabSocket(there, back)


def items_of(flow: Flow, buffers: Sequence[Buffer], token: Any) -> list[Item]:
    """A batch in the parts that go at once. Its messages are noted in the journal, the requests in the flow."""
    data = b"".join(buffers)
    items: list[Item] = []
    start = at = 0                     # `start`: of words that are no item yet
    sender = flow.sender
    while at < len(data):
        length = int.from_bytes(data[at:at + 4], "big")
        kind = data[at + 4] if length else -1
        end = at + 4 + length
        if kind in KEYED:
            key = int.from_bytes(data[at + 5:at + 13], "big")
            sender.note_message(flow, kind, key)
            if kind == REQUEST:
                flow.asked_at[key] = sender.events.now_us
            elif kind == PIECE:
                if start < at:
                    items.append(Item(data[start:at], (), None))
                items.append(Item(data[at:end], (key,), None))
                start = end
        elif kind >= 0:
            sender.note_message(flow, kind, int.from_bytes(data[at + 5:at + 9], "big") if kind == _HAVE else 0)
        at = end
    assert at == len(data), "a batch holds whole messages"
    if start < at:
        items.append(Item(data[start:], (), None))
    if token is not None:
        items[-1] = items[-1]._replace(token=token)
    return items
