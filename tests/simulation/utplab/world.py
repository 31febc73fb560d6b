"""Flows of uTP that share pipes, in virtual time: greedy senders of the product's own nodes, and what arrived when."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from functools import partial
from random import Random

from blobtorrent.model.address import Endpoint
from blobtorrent.protocol.utp.node import UtpNode
from blobtorrent.protocol.utp.states import Accepted, Connected, Ended, Readable, Writable
from blobtorrent.protocol.utp.stream import UtpStream
from tests.simulation.swarmlab.events import US, Events
from tests.simulation.utplab.pipe import Pipe

BLOCK = memoryview(Random(7).randbytes(1 << 18))


class Arrivals:
    """How many bytes had arrived, and when."""

    def __init__(self) -> None:
        self._times_us: list[int] = []
        self._totals: list[int] = []
        self.total = 0

    def add(self, now_us: int, size: int) -> None:
        self.total += size
        self._times_us.append(now_us)
        self._totals.append(self.total)

    def between(self, from_s: float, to_s: float) -> int:
        def until(time_s: float) -> int:
            index = bisect_left(self._times_us, time_s * US)
            return self._totals[index - 1] if index else 0

        return until(to_s) - until(from_s)


class Host:
    """A node whose streams read all, and write for ever or so much."""

    def __init__(self, lab: Lab, endpoint: Endpoint, seed: int, clock_skew: float = 0.0) -> None:
        self.lab = lab
        self.endpoint = endpoint
        self.skew = 1.0 + clock_skew
        self.node = UtpNode(Random(seed), may_accept=lambda _: True)
        self.received = Arrivals()
        self.left: dict[UtpStream, int] = {}               # bytes still to be written
        self.accepted_writes = 0       # bytes that streams which come in write
        self.ended: list[str | None] = []
        self._wake_us: int | None = None

    @property
    def now(self) -> float:
        return self.lab.events.now * self.skew

    def connect(self, to: Host, size: int = 1 << 60) -> UtpStream:
        stream = self.node.connect(to.endpoint, self.now)
        self.left[stream] = size
        self.pump()
        return stream

    def receive(self, data: bytes, sender: Endpoint) -> None:
        self.node.receive(data, sender, self.now)
        self.pump()

    def pump(self) -> None:
        for event in self.node.take_events():
            if isinstance(event, Accepted) and self.accepted_writes:
                self.left[event.stream] = self.accepted_writes
                self._write(event.stream)
            elif isinstance(event, Connected | Writable):
                self._write(event.stream)
            elif isinstance(event, Readable):
                for payload in event.stream.read(1 << 30):
                    self.received.add(self.lab.events.now_us, len(payload))
                if event.stream.is_eof:
                    event.stream.close(self.now)
            elif isinstance(event, Ended):
                self.ended.append(event.reason)
        for to, packets, is_whole in self.node.take_outgoing(self.now):
            for packet in packets:
                self.lab.carry(packet, self.endpoint, to, is_whole=is_whole)
        due = self.node.next_due
        if due is not None:
            wake_us = max(self.lab.events.now_us + 1, int(due / self.skew * US) + 1)
            if self._wake_us is None or wake_us < self._wake_us:
                self._wake_us = wake_us
                self.lab.events.at(wake_us, partial(self._wake, wake_us))

    def _wake(self, wake_us: int) -> None:
        if self._wake_us != wake_us:
            return
        self._wake_us = None
        self.node.tick(self.now)
        self.pump()

    def _write(self, stream: UtpStream) -> None:
        while self.left.get(stream, 0):
            piece = BLOCK[:self.left[stream]]
            taken = stream.write(piece)
            self.left[stream] -= taken
            if taken < len(piece):
                return
        if self.left.pop(stream, None) is not None:
            stream.close(self.now)


class Lab:
    """Hosts, and the pipe of every pair of them. `digest` is of all that was sent, when and to whom."""

    def __init__(self, start_s: float = 0.0) -> None:
        self.events = Events()
        self.events.now_us = int(start_s * US)
        self.start_s = start_s
        self._pipes: dict[tuple[Endpoint, Endpoint], Pipe] = {}
        self._hosts: dict[Endpoint, Host] = {}
        self._digest = hashlib.sha256()

    def host(self, clock_skew: float = 0.0) -> Host:
        number = len(self._hosts) + 1
        host = Host(self, Endpoint(f"192.0.2.{number}", 6881), number, clock_skew)
        self._hosts[host.endpoint] = host
        return host

    def join(self, one: Host, other: Host, there: Pipe, back: Pipe) -> None:
        self._pipes[one.endpoint, other.endpoint] = there
        self._pipes[other.endpoint, one.endpoint] = back

    def carry(self, packet: bytes, sender: Endpoint, to: Endpoint, *, is_whole: bool) -> None:
        self._digest.update(b"%d %d %d;" % (self.events.now_us, sender.port, len(packet)))
        self._digest.update(packet[:20])
        host = self._hosts[to]
        self._pipes[sender, to].send(len(packet), lambda: host.receive(packet, sender), is_whole=is_whole)

    def run_to(self, time_s: float) -> None:
        """Seconds since the start of the lab."""
        self.events.run(int((self.start_s + time_s) * US))

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()
