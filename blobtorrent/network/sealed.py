"""SealedSocket: the send half of a link whose stream is encrypted, as the send thread uses a socket.

What is to be sent lies in memory that links share, so it is enciphered into a buffer of the thread. A cipher cannot go
back: what the kernel does not take stays here, enciphered, and goes first the next time.
"""

from __future__ import annotations

import mmap
import socket
from collections.abc import Sequence

from blobtorrent.network.outbox import Buffer
from blobtorrent.protocol.mse.cipher import Cipher

# Enciphered at a time. A peer that takes little leaves little behind, so that many of them hold little memory.
MIN_CHUNK_BYTES = 16 << 10
MAX_CHUNK_BYTES = 256 << 10


class SealedSocket:
    """Of its `sock` it is the owner. `scratch` has MAX_CHUNK_BYTES, and holds nothing between two calls."""

    __slots__ = ("_chunk_bytes", "_cipher", "_ready", "_scratch", "_sock")

    def __init__(self, sock: socket.socket, cipher: Cipher, scratch: memoryview) -> None:
        self._sock = sock
        self._cipher = cipher
        self._scratch = scratch
        self._chunk_bytes = MAX_CHUNK_BYTES
        self._ready = memoryview(b"")  # enciphered, and not sent yet

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        self._sock.close()

    def sendmsg(self, buffers: Sequence[Buffer]) -> int:
        """Send the start of what is in `buffers`; returns how many bytes of it went out, as the method of a socket
        does. The next call's buffers go on with the byte behind these. Raises what a socket raises."""
        if self._ready:
            sent = self._sock.send(self._ready)
            self._ready = self._ready[sent:]
            return sent
        sealed = self._scratch[:self._seal(buffers)]
        try:
            sent = self._sock.send(sealed)
        except (BlockingIOError, InterruptedError):
            self._keep(sealed, 0)
            raise
        if sent < len(sealed):
            self._keep(sealed, sent)
        else:
            self._chunk_bytes = min(2 * self._chunk_bytes, MAX_CHUNK_BYTES)
        return sent

    def _keep(self, sealed: memoryview, sent: int) -> None:
        self._ready = memoryview(bytes(sealed[sent:]))
        self._chunk_bytes = max(MIN_CHUNK_BYTES, min(sent, MAX_CHUNK_BYTES))

    def _seal(self, buffers: Sequence[Buffer]) -> int:
        """Encipher as much as one chunk into the scratch buffer."""
        update_into, scratch, at, limit = self._cipher.update_into, self._scratch, 0, self._chunk_bytes
        for buffer in buffers:
            room = limit - at
            if len(buffer) >= room:
                update_into(memoryview(buffer)[:room], scratch[at:limit])
                return limit
            update_into(buffer, scratch[at:])
            at += len(buffer)
        return at


def new_scratch() -> memoryview:
    """Of one send thread."""
    return memoryview(mmap.mmap(-1, MAX_CHUNK_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
