"""Seeds of few words inside the test's own process: an honest one, and hostile ones that spoil, vanish or rave.

Each serves one single-file sample on a loopback port, a blocking thread for each link: enough for a few MiB.
"""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import TypeVar

from tests.support.payload import Sample
from tests.support.peers.client import LOOPBACK

Self = TypeVar("Self", bound="MiniSeed")

PROTOCOL = b"\x13BitTorrent protocol"
BITFIELD, UNCHOKE, INTERESTED, REQUEST, PIECE = 5, 1, 2, 6, 7
LINK_TIMEOUT_S = 60.0
JOIN_S = 10.0


def message(kind: int, payload: bytes = b"") -> bytes:
    return struct.pack(">IB", 1 + len(payload), kind) + payload


class MiniSeed:
    """An honest seed. It answers the requests of a link in order once `gate` is set (no gate: at once)."""

    def __init__(self, sample: Sample, *, gate: threading.Event | None = None, address: str = LOOPBACK) -> None:
        self._sample = sample
        self._content = self._read_content()
        self._gate = gate
        self._listener = socket.create_server((address, 0))
        self.endpoint = f"{address}:{self._listener.getsockname()[1]}"
        self.links_seen = 0
        self.blocks_served = 0
        self.first_block_at_s = 0.0    # monotonic: when it was asked for
        self._links: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._closing = False

    def __enter__(self: Self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(self, *raised: object) -> None:
        self._closing = True
        self.leave()
        if self._gate is not None:
            self._gate.set()
        for thread in self._threads:
            thread.join(JOIN_S)

    def leave(self) -> None:
        """Close the listener and every link, each with a reset."""
        for one in (self._listener, *self._links):
            try:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                one.shutdown(socket.SHUT_RDWR)     # wakes the thread that waits on it; close alone would not
            except OSError:
                pass                   # closed or never connected
            one.close()

    def _read_content(self) -> bytes:
        return (self._sample.folder / self._sample.name.decode()).read_bytes()

    def greet(self, link: socket.socket) -> bool:
        """Exchange handshakes and tell that everything is here; False ends the link."""
        receive_exactly(link, 68)
        link.sendall(PROTOCOL + bytes(8) + self._sample.info_hash + b"-XX0001-" + random.randbytes(12))
        link.sendall(message(BITFIELD, self._bitfield()))
        return True

    def answer(self, link: socket.socket, index: int, begin: int, block: bytes) -> bool:
        """Send one block that was asked for; False ends the link."""
        link.sendall(message(PIECE, struct.pack(">II", index, begin) + block))
        return True

    def hear(self, link: socket.socket, kind: int, payload: bytes) -> None:
        """Some other message came."""

    def _bitfield(self) -> bytes:
        count = self._sample.num_pieces
        return ((1 << count) - 1 << (-count % 8)).to_bytes(-(-count // 8), "big")

    def _spawn(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, name=type(self).__name__)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closing:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            link.settimeout(LINK_TIMEOUT_S)
            self.links_seen += 1
            self._links.append(link)
            self._spawn(self._serve, link)

    def _serve(self, link: socket.socket) -> None:
        try:
            if not self.greet(link):
                return
            for kind, payload in _messages(link):
                if kind == INTERESTED:
                    if self._gate is not None:
                        self._gate.wait(LINK_TIMEOUT_S)
                    link.sendall(message(UNCHOKE))
                elif kind == REQUEST:
                    index, begin, length = struct.unpack(">III", payload)
                    self.first_block_at_s = self.first_block_at_s or time.monotonic()
                    start = index * self._sample.piece_length + begin
                    if not self.answer(link, index, begin, self._content[start:start + length]):
                        return
                    self.blocks_served += 1
                else:
                    self.hear(link, kind, payload)
        except OSError:
            pass                       # the other side has gone, or the test is over
        finally:
            link.close()


class SilentSeed(MiniSeed):
    """Takes requests and never answers any."""

    def answer(self, link: socket.socket, index: int, begin: int, block: bytes) -> bool:
        return True


class CorruptingSeed(MiniSeed):
    """Turns one bit in every block that it sends. `struck` is set by the first."""

    def __init__(self, sample: Sample) -> None:
        super().__init__(sample)
        self.struck = threading.Event()

    def answer(self, link: socket.socket, index: int, begin: int, block: bytes) -> bool:
        super().answer(link, index, begin, bytes((block[0] ^ 1,)) + block[1:])
        self.struck.set()
        return True


class PoisoningSeed(MiniSeed):
    """Turns one bit in a share of the blocks that it sends. `struck` is set by the first."""

    def __init__(self, sample: Sample, share: float, *, seed: int = 1) -> None:
        super().__init__(sample)
        self._share = share
        self._rng = random.Random(seed)
        self.struck = threading.Event()

    def answer(self, link: socket.socket, index: int, begin: int, block: bytes) -> bool:
        if self._rng.random() >= self._share:
            return super().answer(link, index, begin, block)
        super().answer(link, index, begin, block[:-1] + bytes((block[-1] ^ 1,)))
        self.struck.set()
        return True


class VanishingSeed(MiniSeed):
    """Serves some blocks, one of them half, and is gone: links reset, nobody listens. Then `struck` is set."""

    def __init__(self, sample: Sample, after_blocks: int) -> None:
        super().__init__(sample)
        self._after_blocks = after_blocks
        self.struck = threading.Event()

    def answer(self, link: socket.socket, index: int, begin: int, block: bytes) -> bool:
        if self.blocks_served < self._after_blocks:
            return super().answer(link, index, begin, block)
        whole = message(PIECE, struct.pack(">II", index, begin) + block)
        link.sendall(whole[: len(whole) // 2])
        self.leave()
        self.struck.set()
        return False


class RavingSeed(MiniSeed):
    """Sends `rubbish` in place of a handshake, or after one. `struck` is set when it was sent."""

    def __init__(self, sample: Sample, rubbish: bytes, *, after_handshake: bool) -> None:
        super().__init__(sample)
        self._rubbish = rubbish
        self._after_handshake = after_handshake
        self.struck = threading.Event()

    def greet(self, link: socket.socket) -> bool:
        if self._after_handshake:
            super().greet(link)
        link.sendall(self._rubbish)
        self.struck.set()
        return self._after_handshake


def _messages(link: socket.socket) -> Iterator[tuple[int, bytes]]:
    while True:
        length = int.from_bytes(receive_exactly(link, 4), "big")
        if length:
            body = receive_exactly(link, length)
            yield body[0], body[1:]


def receive_exactly(link: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        chunk = link.recv(count - len(data))
        if not chunk:
            raise ConnectionResetError("closed")
        data += chunk
    return data
