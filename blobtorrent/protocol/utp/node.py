"""All uTP streams of one UDP port, sans I/O: datagrams, bytes and `now` in; datagrams, bytes and events out. BEP 29.

A driver hands every datagram to `receive`, calls `tick` when `next_due` is reached, looks at `take_events`, and sends
what `take_runs` gives, once for all that came in a pass: acknowledgements then stand for many packets.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import PeerError
from blobtorrent.protocol.utp.exchange import Exchange, Run
from blobtorrent.protocol.utp.halfopen import Backlog
from blobtorrent.protocol.utp.mtu import ETHERNET
from blobtorrent.protocol.utp.packet import (
    DATA,
    HEADER,
    HEADER_BYTES,
    LARGE,
    RESET,
    SEQUENCE_MASK,
    STATE,
    SYN,
    TIME_MASK,
    VERSION,
    Buffer,
    PacketType,
    read_extensions,
    whole_packets,
    write_large,
)
from blobtorrent.protocol.utp.sending import BUFFER_BYTES
from blobtorrent.protocol.utp.states import Accepted, UtpEvent
from blobtorrent.protocol.utp.stream import UtpStream

FIRST_BYTES = frozenset(kind << 4 | VERSION for kind in PacketType)
RESETS_PER_S, RESETS_BURST = 20.0, 50.0                    # told to strangers


class Randomness(Protocol):
    """The part of `random.Random` that is needed. Outside of tests it is the system's, which nobody can foresee."""

    def getrandbits(self, k: int, /) -> int: ...


class UtpNode:
    """`may_accept(endpoint)` is asked for every SYN, and again before its stream is there. The refused hear nothing.

    `largest_datagram` is what the driver can receive in one piece. Above 1500 it is offered to peers on this machine,
    and their streams look for packets of that size. `counts` has packets that were not taken, by reason.
    """

    def __init__(
        self,
        rng: Randomness,
        *,
        may_accept: Callable[[Endpoint], bool],
        max_streams: int = 4096,
        largest_datagram: int = ETHERNET,
    ) -> None:
        self._rng = rng
        self._may_accept = may_accept
        self._max_streams = max_streams
        self._largest_datagram = largest_datagram
        self._exchange = Exchange()
        self._streams: dict[tuple[Endpoint, int], UtpStream] = {}                          # by the id we receive with
        self._backlog = Backlog()
        self._timers: list[tuple[float, int, UtpStream]] = []
        self._sequence = 0
        self._resets_left, self._resets_at = RESETS_BURST, 0.0

    @property
    def counts(self) -> Counter[str]:
        return self._exchange.counts

    def __len__(self) -> int:
        """Streams that are open or linger."""
        return len(self._streams)

    @property
    def next_due(self) -> float | None:
        """When `tick` must be called; None: only after something else happened."""
        return self._timers[0][0] if self._timers else None

    def connect(self, to: Endpoint, now: float) -> UtpStream:
        """Open a stream. It may be written to at once. When there are too many, `Ended` follows."""
        exchange = self._exchange
        exchange.set_time(now)
        receive_id = self._free_id(to)
        stream = UtpStream(exchange, to, receive_id=receive_id, send_id=receive_id + 1 & SEQUENCE_MASK,
                           number=self._rng.getrandbits(16))
        if len(self._streams) >= self._max_streams:
            stream.refuse("too many streams")
            return stream
        self._streams[to, receive_id] = stream
        stream.dial(write_large(self._largest_datagram) if self._is_near(to) else b"")
        return stream

    def receive(self, data: Buffer, sender: Endpoint, now: float) -> None:
        """A datagram came. What nobody waits for is counted and dropped. `data` may be used again afterwards."""
        exchange = self._exchange
        if now > exchange.now:
            exchange.set_time(now)
        if len(data) < HEADER_BYTES:
            exchange.counts["malformed"] += 1
            return
        kind, extension, receive_id, timestamp_us, difference_us, room, number, ack = HEADER.unpack_from(data)
        if kind not in FIRST_BYTES:
            exchange.counts["malformed"] += 1
            return
        sack, at, largest = 0, HEADER_BYTES, 0
        if extension:
            try:
                at, sack, largest = read_extensions(data, extension)
            except PeerError:
                exchange.counts["malformed"] += 1
                return
        stream = self._streams.get((sender, receive_id))
        if kind == SYN:
            if stream is None:
                self._on_syn(sender, receive_id, number, timestamp_us, largest)
            return
        if stream is None:
            stream = self._stranger(sender, receive_id, kind, number, ack)
            if stream is None:
                return
        if largest and self._is_near(sender):
            stream.allow_datagrams(min(largest, self._largest_datagram))
        stream.on_packet(kind, timestamp_us, difference_us, room, number, ack, sack, bytes(data[at:]))

    def receive_run(self, data: Buffer, size: int, sender: Endpoint, now: float) -> int:
        """Datagrams of one sender came together, each of `size` bytes but for the last, which may be shorter. Those
        from the first on that are uTP by their first byte are taken as `receive` does; of how many bytes these are."""
        exchange, streams, length, at = self._exchange, self._streams, len(data), 0
        if now > exchange.now:
            exchange.set_time(now)
        view = memoryview(data)
        whole = length - length % size
        while at < length and data[at] in FIRST_BYTES:
            if at + size < whole and data[at] == DATA and size > HEADER_BYTES:
                stream = streams.get((sender, data[at + 2] << 8 | data[at + 3]))
                if stream is not None:
                    taken = stream.on_run(whole_packets(size).iter_unpack(view[at:whole]))
                    if taken:
                        at += taken * size
                        continue
            self.receive(view[at:at + size], sender, now)
            at += size
        return min(at, length)

    def tick(self, now: float) -> None:
        """Do what is due."""
        exchange, timers = self._exchange, self._timers
        exchange.set_time(now)
        while timers and timers[0][0] <= exchange.now:
            due_s, _, stream = heapq.heappop(timers)
            if due_s != stream.heap_s:
                continue               # another entry came before it
            stream.heap_s = None
            if stream.is_gone:
                self._forget(stream)
                continue
            deadline_s = stream.deadline_s
            if deadline_s is not None and deadline_s <= exchange.now:
                stream.expire()        # is stirred, and scheduled when it is flushed
            else:
                self._schedule(stream)

    def take_runs(self, now: float | None = None) -> list[Run]:
        """What is to be sent, in order. A datagram that cannot be sent may be dropped. Without `now` the time of the
        last call counts, which is as good only when that was just before."""
        exchange = self._exchange
        if now is not None:
            exchange.set_time(now)
        stirred, exchange.stirred = exchange.stirred, []
        for stream in stirred:
            stream.flush()
            self._schedule(stream)
        outgoing, exchange.outgoing = exchange.outgoing, []
        return outgoing

    def take_outgoing(self, now: float | None = None) -> list[tuple[Endpoint, list[bytes], bool]]:
        """The same for who has no use for parts: (to whom, datagrams, whether routers must not cut them)."""
        return [(run.to, run.datagrams(), run.is_whole) for run in self.take_runs(now)]

    def take_events(self) -> list[UtpEvent]:
        """What happened since the last call."""
        events, self._exchange.events = self._exchange.events, []
        return events

    def close_all(self, now: float) -> None:
        """Break all streams off; the RESETs are in `take_outgoing`."""
        for stream in list(self._streams.values()):
            stream.abort(now)

    # ---- who is nobody yet

    def _on_syn(self, sender: Endpoint, syn_id: int, number: int, timestamp_us: int, largest: int) -> None:
        exchange = self._exchange
        if (sender, syn_id + 1 & SEQUENCE_MASK) in self._streams:
            return                     # a repeated one, or one that would take the place of another
        if len(self._streams) >= self._max_streams or not self._may_accept(sender):
            exchange.counts["refused"] += 1
            return
        note = self._backlog.note((sender, syn_id), number, self._rng.getrandbits(16), largest, exchange.now)
        if note is None:
            exchange.counts["repeated"] += 1
            return
        is_near = bool(largest) and self._is_near(sender)
        answer = HEADER.pack(STATE, LARGE if is_near else 0, syn_id, exchange.now_us,
                             exchange.now_us - timestamp_us & TIME_MASK, BUFFER_BYTES, note.number, number)
        exchange.outgoing.append(Run(sender, [answer, write_large(self._largest_datagram) if is_near else b""]))

    def _stranger(self, sender: Endpoint, receive_id: int, kind: int, number: int, ack: int) -> UtpStream | None:
        """The stream that a packet belongs to which has no stream by its id, if there is one."""
        exchange = self._exchange
        if kind == RESET:              # who does not know a stream names it by the id that we send with
            for one in (receive_id - 1 & SEQUENCE_MASK, receive_id + 1 & SEQUENCE_MASK):
                stream = self._streams.get((sender, one))
                if stream is not None and stream.send_id == receive_id:
                    return stream
            exchange.counts["stray"] += 1
            return None
        syn_id = receive_id - 1 & SEQUENCE_MASK
        note = self._backlog.prove((sender, syn_id), ack, exchange.now)
        if note is not None and len(self._streams) < self._max_streams and self._may_accept(sender):
            stream = UtpStream(exchange, sender, receive_id=receive_id, send_id=syn_id, number=note.number)
            stream.accept(note.syn_number + 1)
            if note.largest_bytes and self._is_near(sender):
                stream.allow_datagrams(min(note.largest_bytes, self._largest_datagram))
            self._streams[sender, receive_id] = stream
            exchange.events.append(Accepted(stream))
            return stream
        exchange.counts["stray"] += 1
        if (sender, syn_id) not in self._backlog and self._may_reset():
            exchange.outgoing.append(Run(sender, [HEADER.pack(
                RESET, 0, receive_id, exchange.now_us, 0, 0, self._rng.getrandbits(16), number), b""]))
        return None

    def _may_reset(self) -> bool:
        """Whether to tell a stranger that we do not know its stream: not often, and never more than came."""
        now = self._exchange.now
        self._resets_left = min(RESETS_BURST, self._resets_left + (now - self._resets_at) * RESETS_PER_S)
        self._resets_at = now
        if self._resets_left < 1:
            return False
        self._resets_left -= 1
        return True

    # ---- bookkeeping

    def _free_id(self, to: Endpoint) -> int:
        while True:
            receive_id = self._rng.getrandbits(16)
            if (to, receive_id) not in self._streams and (to, receive_id - 1 & SEQUENCE_MASK) not in self._backlog:
                return receive_id

    def _is_near(self, endpoint: Endpoint) -> bool:
        """On this machine, where packets larger than those of Ethernet pass, and we can take them."""
        return self._largest_datagram > ETHERNET and (endpoint.host.startswith("127.") or endpoint.host == "::1")

    def _schedule(self, stream: UtpStream) -> None:
        deadline_s = stream.deadline_s
        if deadline_s is not None and (stream.heap_s is None or deadline_s < stream.heap_s):
            stream.heap_s = deadline_s
            self._sequence += 1
            heapq.heappush(self._timers, (deadline_s, self._sequence, stream))

    def _forget(self, stream: UtpStream) -> None:
        key = (stream.endpoint, stream.receive_id)
        if self._streams.get(key) is stream:
            del self._streams[key]
