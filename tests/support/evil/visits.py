"""Evil peers that come to a program: connections that misbehave, as many as wanted, all served by one thread.

A `Visit` is one connection, its class the kind of misbehaviour. A `Raid` is a number of visits to one address; who is
cut comes again after a while, as the same peer. Each visit comes from a loopback address of its own.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from tests.support.payload import Sample
from tests.support.peers.mini import BITFIELD, PROTOCOL, message

Self = TypeVar("Self", bound="Raid")

GREETING_BYTES = 68
RECEIVE_BYTES = 1 << 18
TICK_S = 0.05
HOSTS_PER_NETWORK = 250
JOIN_S = 20.0
MAX_MESSAGE = 1 << 20                  # longer ones are no messages
MAX_UNSENT = 1 << 20                   # a visit writes no more until that has gone
FAST, EXTENDED = bytes.fromhex("0000000000000004"), bytes.fromhex("0000000000100000")


class Visit:
    """One connection to a program that has the torrent of `sample`. An honest one: it greets, and says no more.

    What it does is in the methods that subclasses override; a visit may close itself.
    """

    reserved = bytes(8)
    reads = True                       # else what comes stays with the kernel

    def __init__(self, raid: Raid, number: int) -> None:
        self.raid = raid
        self.sample = raid.sample
        self.number = number
        self.peer_id = b"-EV0001-%012d" % (raid.first_number + number)
        self.sock: socket.socket | None = None
        self.unsent = bytearray()
        self.received = bytearray()
        self.is_greeted = False
        self.back_s = 0.0
        self.opened_s = 0.0

    # ---- what kinds of evil differ in

    def opened(self, now: float) -> None:
        """Connected."""
        self.greet()

    def greeted(self) -> None:
        """The program's greeting came."""

    def heard(self, kind: int, payload: bytes) -> None:
        """A message came."""

    def tick(self, now: float) -> None:
        """Every twentieth of a second while connected."""

    # ---- what they use

    def greet(self) -> None:
        self.send(PROTOCOL + self.reserved + self.sample.info_hash + self.peer_id)

    def send(self, data: bytes) -> None:
        self.unsent += data

    def say(self, kind: int, payload: bytes = b"") -> None:
        self.send(message(kind, payload))

    def claim_everything(self) -> None:
        self.say(BITFIELD, bitfield(self.sample.num_pieces))

    def block(self, index: int, begin: int, length: int) -> bytes:
        """What is there in the torrent."""
        start = index * self.sample.piece_length + begin
        return self.raid.content[start:start + length]

    def take(self, data: bytes) -> None:
        self.received += data
        if not self.is_greeted:
            if len(self.received) < GREETING_BYTES:
                return
            self.is_greeted = True
            del self.received[:GREETING_BYTES]
            self.greeted()
        while len(self.received) >= 4:
            length = int.from_bytes(self.received[:4], "big")
            assert length <= MAX_MESSAGE
            if len(self.received) < 4 + length:
                return
            body = bytes(self.received[4:4 + length])
            del self.received[:4 + length]
            if body:
                self.heard(body[0], body[1:])


class Raid:
    """`count` visits of one kind to "HOST:PORT". A context: they come at its beginning, and are gone at its end.

    `cuts` counts how often the program ended one, `links` how often one was greeted. `struck` is set by the first that
    has done its evil.
    """

    _numbers = 0

    def __init__(self, kind: Callable[[Raid, int], Visit], endpoint: str, sample: Sample, count: int = 1, *,
                 network: str = "127.3", again_s: float | None = 0.5) -> None:
        host, _, port = endpoint.rpartition(":")
        self._target = (host, int(port))
        self._network = network
        self._again_s = again_s
        self.sample = sample
        self.content = (sample.folder / sample.name.decode()).read_bytes()
        self.first_number = Raid._numbers
        Raid._numbers += count
        self.visits = [kind(self, number) for number in range(count)]
        self.links = self.cuts = 0
        self.sent_bytes = 0
        self.struck = threading.Event()
        self._is_over = threading.Event()
        self._selector = selectors.DefaultSelector()
        self._thread = threading.Thread(target=self._run, name=getattr(kind, "__name__", "raid"))

    def __enter__(self: Self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._is_over.set()
        self._thread.join(JOIN_S)
        assert not self._thread.is_alive(), "a raid does not end"

    @property
    def connected(self) -> int:
        return sum(visit.is_greeted for visit in self.visits)

    def _run(self) -> None:
        next_tick_s = 0.0
        while not self._is_over.is_set():
            now = time.monotonic()
            if now >= next_tick_s:
                next_tick_s = now + TICK_S
                for visit in self.visits:
                    self._tick(visit, now)
            for key, events in self._selector.select(max(0.0, next_tick_s - time.monotonic())):
                self._serve(key.data, events)
        for visit in self.visits:
            self._end(visit, None)
        self._selector.close()

    def _tick(self, visit: Visit, now: float) -> None:
        if visit.sock is None:
            if now >= visit.back_s:
                self._dial(visit, now)
            return
        if len(visit.unsent) < MAX_UNSENT:
            visit.tick(now)
        self._watch(visit)

    def _dial(self, visit: Visit, now: float) -> None:
        sock = socket.socket()
        sock.setblocking(False)
        # From an address of its own, whose port the kernel chooses at the connect.
        sock.setsockopt(socket.IPPROTO_IP, 24, 1)          # IP_BIND_ADDRESS_NO_PORT
        number = visit.number
        sock.bind((f"{self._network}.{number // HOSTS_PER_NETWORK}.{number % HOSTS_PER_NETWORK + 1}", 0))
        sock.connect_ex(self._target)
        visit.sock, visit.opened_s = sock, now
        visit.is_greeted = False
        visit.unsent.clear()
        visit.received.clear()
        visit.opened(now)
        self._selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE, visit)

    def _watch(self, visit: Visit) -> None:
        assert visit.sock is not None
        wanted = selectors.EVENT_WRITE if visit.unsent else 0
        if visit.reads or not visit.is_greeted:
            wanted |= selectors.EVENT_READ
        key = self._selector.get_map().get(visit.sock.fileno())
        if key is None:
            if wanted:
                self._selector.register(visit.sock, wanted, visit)
        elif not wanted:
            self._selector.unregister(visit.sock)
        elif key.events != wanted:
            self._selector.modify(visit.sock, wanted, visit)

    def _serve(self, visit: Visit, events: int) -> None:
        assert visit.sock is not None
        try:
            if events & selectors.EVENT_READ:
                data = visit.sock.recv(RECEIVE_BYTES)
                if not data:
                    raise ConnectionResetError("closed")
                was_greeted = visit.is_greeted
                visit.take(data)
                self.links += visit.is_greeted and not was_greeted
            if visit.unsent:
                count = visit.sock.send(visit.unsent)
                del visit.unsent[:count]
                self.sent_bytes += count
        except BlockingIOError:
            pass
        except OSError:
            self.cuts += 1
            self._end(visit, self._again_s)
            return
        self._watch(visit)

    def _end(self, visit: Visit, again_s: float | None) -> None:
        if visit.sock is None:
            return
        if visit.sock.fileno() in self._selector.get_map():
            self._selector.unregister(visit.sock)
        visit.sock.close()
        visit.sock = None
        visit.is_greeted = False
        visit.back_s = float("inf") if again_s is None else time.monotonic() + again_s


def bitfield(count: int) -> bytes:
    """All of so many pieces."""
    return ((1 << count) - 1 << (-count % 8)).to_bytes(-(-count // 8), "big")
