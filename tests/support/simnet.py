"""A network in memory: sockets that never block, and a shard without threads that drives the real receive path."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import Any

from blobtorrent.network.handler import LinkHandler
from blobtorrent.network.outbox import Buffer, Outbox
from blobtorrent.network.receiver import read_link
from blobtorrent.network.sender import LinkBroken, LinkClosed, Sent
from blobtorrent.protocol.wire.shape import Scatter
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.timers import TimerWheel
from blobtorrent.storage.arena import Arena

PIPE_BYTES = 256 << 10                 # what the "kernel" buffers in one direction
SCATTER_UNITS = 16
SCRATCH_BYTES = 64 << 10


class Pipe:
    """One direction of a connection."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.is_open = True


class SimSocket:
    """One end of a connection. Receives give at most what `rng` says, so that streams are cut anywhere."""

    def __init__(self, incoming: Pipe, outgoing: Pipe, rng: random.Random) -> None:
        self._in = incoming
        self._out = outgoing
        self._rng = rng

    def recvmsg_into(self, buffers: Sequence[memoryview]) -> tuple[int]:
        data = self._readable(sum(map(len, buffers)))
        at = 0
        for buffer in buffers:
            part = data[at:at + len(buffer)]
            buffer[:len(part)] = part
            at += len(part)
            if at == len(data):
                break
        return (at,)

    def recv_into(self, buffer: memoryview) -> int:
        return self.recvmsg_into([buffer])[0]

    def recv(self, limit: int) -> bytes:
        return self._readable(limit)

    def sendmsg(self, buffers: Sequence[Buffer]) -> int:
        if not self._out.is_open:
            raise BrokenPipeError("the other side closed")
        room = PIPE_BYTES - len(self._out.data)
        if room <= 0:
            raise BlockingIOError
        data = b"".join(buffers)[:room]
        self._out.data += data
        return len(data)

    def close(self) -> None:
        """The other side may still read what was sent."""
        self._in.is_open = self._out.is_open = False
        self._in.data.clear()

    def _readable(self, limit: int) -> bytes:
        data = self._in.data
        if not data:
            if self._in.is_open:
                raise BlockingIOError
            return b""
        count = min(limit, len(data), self._rng.choice((1, 13, 5000, 16397, 40000, 300000)))
        part = bytes(data[:count])
        del data[:count]
        return part


def socket_pair(rng: random.Random) -> tuple[SimSocket, SimSocket]:
    there, back = Pipe(), Pipe()
    return SimSocket(there, back, rng), SimSocket(back, there, rng)


class _Loop:
    """What a host asks of its shard's loop."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers = TimerWheel()


class SimShard:
    """Does in one thread what network.shard does in two: `receive`, the host's pass, then `transmit`."""

    def __init__(self, arena: Arena) -> None:
        self.mailbox: Mailbox[Any] = Mailbox("shard")
        self.loop = _Loop()
        self.scatter = Scatter(arena, SCATTER_UNITS)
        self._numbers = itertools.count(1)
        self._readers: dict[int, LinkHandler] = {}
        self._sockets: dict[int, SimSocket] = {}
        self._outboxes: dict[int, Outbox] = {}
        self._broken: set[int] = set()
        self._closing: list[int] = []
        self._scratch = memoryview(bytearray(SCRATCH_BYTES))

    # ---- what the host calls

    def open_link(self, sock: SimSocket, _obfuscation: None) -> int:
        number = next(self._numbers)
        self._sockets[number] = sock
        self._outboxes[number] = Outbox()
        return number

    def attach(self, number: int, link: LinkHandler) -> None:
        self._readers[number] = link

    def reattach(self, number: int, link: LinkHandler) -> None:
        assert number in self._readers, "only what is read can be read by another"
        self._readers[number] = link

    def close_link(self, number: int) -> None:
        del self._readers[number]
        self._closing.append(number)

    def end_pass(self, batches: list[tuple[int, list[Buffer], int, Any]]) -> None:
        for number, buffers, size, token in batches:
            assert sum(map(len, buffers)) == size, "a batch is as long as it claims"
            self._outboxes[number].push(buffers, size, token)

    # ---- what the simulation calls

    def receive(self) -> None:
        """Read once from every link that has something, by network.receiver."""
        for number, link in list(self._readers.items()):
            if number in self._readers:
                read_link(self._sockets[number], link, self._scratch)  # type: ignore[arg-type]

    def transmit(self) -> None:
        """Send what there is room for, then close what is to be closed."""
        done: list[tuple[int, Any]] = []
        for number, outbox in self._outboxes.items():
            if number not in self._broken:
                done += [(number, token) for token in self._send(number, outbox)]
        if done:
            self.mailbox.post(Sent(done))
        for number in self._closing:
            self._sockets.pop(number).close()
            self.mailbox.post(LinkClosed(number, *self._outboxes.pop(number).unsent()))
        self._closing.clear()

    def _send(self, number: int, outbox: Outbox) -> list[Any]:
        tokens: list[Any] = []
        while outbox:
            try:
                tokens += outbox.sent(self._sockets[number].sendmsg(outbox.gather()))
            except BlockingIOError:
                break
            except OSError as error:
                self._broken.add(number)
                self.mailbox.post(LinkBroken(number, "net.reset", str(error)))
                break
        return tokens
