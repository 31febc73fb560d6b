"""Two uTP nodes and what lies between them: datagrams that take their time, get lost, double, overtake each other."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from random import Random

from blobtorrent.model.address import Endpoint
from blobtorrent.protocol.utp.node import UtpNode
from blobtorrent.protocol.utp.states import Accepted, Ended, Readable, UtpEvent, Writable
from blobtorrent.protocol.utp.stream import UtpStream

A, B = Endpoint("192.0.2.1", 6881), Endpoint("198.51.100.2", 6882)


class Party:
    """A node, what happened at it, what its streams received, and what is still to be written to them."""

    def __init__(self, endpoint: Endpoint, seed: int, **options: int) -> None:
        self.endpoint = endpoint
        self.node = UtpNode(Random(seed), may_accept=lambda _: True, **options)
        self.events: list[UtpEvent] = []
        self.accepted: list[UtpStream] = []
        self.received: dict[UtpStream, bytearray] = {}
        self.to_write: dict[UtpStream, memoryview] = {}
        self.closes: set[UtpStream] = set()                # once all is written
        self.closes_at_end = True      # when the peer did
        self.reads = True
        self.sent_bytes = 0            # datagrams

    def ended(self, stream: UtpStream) -> list[str | None]:
        return [one.reason for one in self.events if isinstance(one, Ended) and one.stream is stream]

    def send(self, stream: UtpStream, data: bytes, now: float, *, close: bool = True) -> None:
        self.to_write[stream] = memoryview(data)
        if close:
            self.closes.add(stream)
        self._write(stream, now)

    def on_events(self, now: float) -> None:
        for event in self.node.take_events():
            self.events.append(event)
            if isinstance(event, Accepted):
                self.accepted.append(event.stream)
            elif isinstance(event, Writable):
                self._write(event.stream, now)
            elif isinstance(event, Readable) and self.reads:
                self.read(event.stream, now)

    def read(self, stream: UtpStream, now: float) -> None:
        into = self.received.setdefault(stream, bytearray())
        while payloads := stream.read(1 << 16):
            for payload in payloads:
                into += payload
        if stream.is_eof and self.closes_at_end and stream not in self.to_write:
            stream.close(now)

    def _write(self, stream: UtpStream, now: float) -> None:
        data = self.to_write.get(stream)
        if data is None:
            return
        rest = data[stream.write(data):]
        if rest:
            self.to_write[stream] = rest
            return
        del self.to_write[stream]
        if stream in self.closes:
            stream.close(now)


class Link:
    """Virtual time between two parties. `fate(datagram, rng)` says after how many seconds copies of it arrive."""

    def __init__(self, a: Party, b: Party, fate: Callable[[bytes, Random], list[float]], seed: int = 1) -> None:
        self.now = 1000.0
        self.parties = {a.endpoint: a, b.endpoint: b}
        self.fate = fate
        self.rng = Random(seed)
        self._heap: list[tuple[float, int, Endpoint, Endpoint, bytes]] = []
        self._count = 0

    def inject(self, data: bytes, sender: Endpoint, to: Endpoint, delay_s: float = 0.0) -> None:
        self._count += 1
        heapq.heappush(self._heap, (self.now + delay_s, self._count, sender, to, data))

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Let time pass, until the end or until it is so."""
        end = self.now + seconds
        while not until():
            self._exchange()
            due = [party.node.next_due for party in self.parties.values()]
            times = [one for one in due if one is not None]
            if self._heap:
                times.append(self._heap[0][0])
            following = min(times, default=end)
            if following >= end:
                self.now = end
                return
            self.now = max(self.now, following)
            while self._heap and self._heap[0][0] <= self.now:
                _, _, sender, to, data = heapq.heappop(self._heap)
                if to in self.parties:
                    self.parties[to].node.receive(data, sender, self.now)
            for party in self.parties.values():
                party.node.tick(self.now)

    def _exchange(self) -> None:
        for party in self.parties.values():
            party.on_events(self.now)
            for to, packets, _ in party.node.take_outgoing(self.now):
                for packet in packets:
                    party.sent_bytes += len(packet)
                    for delay_s in self.fate(packet, self.rng):
                        self.inject(packet, party.endpoint, to, delay_s)


def perfect(_datagram: bytes, _rng: Random) -> list[float]:
    return [0.01]


def lossy(share: float, *, delay_s: float = 0.01, jitter_s: float = 0.0,
          doubled: float = 0.0) -> Callable[[bytes, Random], list[float]]:
    """Loses that share, doubles another, and lets datagrams overtake each other within the jitter."""

    def fate(_datagram: bytes, rng: Random) -> list[float]:
        copies = 0 if rng.random() < share else 2 if rng.random() < doubled else 1
        return [delay_s + rng.random() * jitter_s for _ in range(copies)]

    return fate
