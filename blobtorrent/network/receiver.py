"""Receiver: the thread `net-i-rx`. Reads every ready link with one system call, then lets the shard's handler decide.

A link that waits for blocks is read in block shape (protocol.wire.shape); others into a small shared buffer.
"""

from __future__ import annotations

import logging
import mmap
import selectors
import socket
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from blobtorrent.model.errors import NetworkError, RemoteError
from blobtorrent.network.handler import LinkHandler, ShardHandler
from blobtorrent.protocol.mse.cipher import decipher
from blobtorrent.protocol.wire.shape import Scatter, SlotPool
from blobtorrent.runtime.loop import SelectorLoop

if TYPE_CHECKING:
    from blobtorrent.protocol.mse.cipher import Cipher

log = logging.getLogger(__name__)

# 4 MiB a receive at most. A receive that large leaves the CPU's caches cold, so the Python between two of them costs
# twice what it does warm: fewer and larger ones are cheaper (2.4 CPU s/GiB with 1 MiB, 2.15 with 4 MiB in all).
SCATTER_UNITS = 256
SCRATCH_BYTES = 64 << 10
# When blocks come in dribs, let them gather for a moment: a pass costs nearly the same for one block as for sixty.
# Measured with 16 KiB pieces: from 1.10 to 0.99 of the CPU that libtorrent takes in the same run.
SMALL_PASS_BYTES = 1 << 20
PAUSE_S = 0.002


class Receiver:
    """Owns the receive halves of one shard. The handler is set before start()."""

    def __init__(self, name: str, pool: SlotPool) -> None:
        self.handler: ShardHandler | None = None
        self._moved = 0                # bytes of blocks in this pass
        self.scatter = Scatter(pool, SCATTER_UNITS)
        self._scratch = memoryview(mmap.mmap(-1, SCRATCH_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
        self.loop = SelectorLoop(name, self._on_message, self._on_pass, on_stop=self._on_stop)

    def attach(self, sock: socket.socket, link: LinkHandler, cipher: Cipher | None = None) -> None:
        """Read this socket from now on; what comes is deciphered, where it lies."""
        self.loop.register(sock, selectors.EVENT_READ, partial(self._read, sock, link, cipher))

    def detach(self, sock: socket.socket) -> None:
        """Read it no more. The socket is not closed."""
        self.loop.unregister(sock)

    def _read(self, sock: socket.socket, link: LinkHandler, cipher: Cipher | None, _events: int) -> None:
        self._moved += read_link(sock, link, self._scratch, cipher)

    def _on_message(self, message: Any) -> None:
        assert self.handler is not None
        self.handler.on_message(message, self.loop.now)

    def _on_pass(self, now: float) -> None:
        assert self.handler is not None
        self.handler.on_pass(now)
        moved, self._moved = self._moved, 0
        if 0 < moved < SMALL_PASS_BYTES:
            time.sleep(PAUSE_S)

    def _on_stop(self) -> None:
        assert self.handler is not None
        self.handler.on_stop()


def read_link(sock: socket.socket, link: LinkHandler, scratch: memoryview, cipher: Cipher | None = None) -> int:
    """Read once what a link has for us, and let it take that in. What is in no block's shape goes through `scratch`.
    All of it goes through `cipher` once, before anybody looks at it.

    Returns how many bytes came in block shape.
    """
    intake = link.intake
    try:
        expected = link.expected_blocks
        if expected and intake.in_shape:
            buffers = intake.buffers(expected)
            count = sock.recvmsg_into(buffers)[0]
            if count:
                if cipher is not None:
                    decipher(cipher, buffers, count)
                intake.advance(count)
                return count
        else:
            count = sock.recv_into(scratch)
            if count:
                if cipher is not None:
                    decipher(cipher, (scratch,), count)
                intake.feed(scratch[:count])
                return 0
        link.on_lost(NetworkError("net.closed", "the peer closed the connection"))
    except (BlockingIOError, InterruptedError):
        pass
    except OSError as error:
        link.on_lost(NetworkError("net.reset", str(error)))
    except RemoteError as error:
        link.on_lost(error)
    except Exception as error:         # else the loop would read the socket no more, and nobody would know of it
        link.on_bug(error)
    return 0
