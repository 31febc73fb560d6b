"""SealedSocket: the send half of a link whose stream is encrypted, as the send thread uses a socket.

What is to be sent lies in memory that links share, so it is joined and enciphered in a buffer of its own. A cipher
cannot go back: what the kernel does not take stays there, enciphered, and goes first the next time.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

from blobtorrent.network.outbox import Buffer
from blobtorrent.protocol.mse.cipher import Cipher

# Enciphered at a time. A peer that takes little leaves little behind, so that many of them hold little memory. Larger
# ones are no gain: what was just enciphered is to be in the CPU's cache when it is sent.
MIN_CHUNK_BYTES = 16 << 10
MAX_CHUNK_BYTES = 256 << 10


class SealedSocket:
    """Of its `sock` it is the owner."""

    __slots__ = ("_chunk_bytes", "_cipher", "_ready", "_sock")

    def __init__(self, sock: socket.socket, cipher: Cipher) -> None:
        self._sock = sock
        self._cipher = cipher
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
        sealed = self._seal(buffers)
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

    def _keep(self, sealed: bytearray, sent: int) -> None:
        rest = memoryview(sealed)[sent:]
        self._ready = rest if len(rest) > sent else memoryview(bytes(rest))        # little is not to hold much
        self._chunk_bytes = max(MIN_CHUNK_BYTES, min(sent, MAX_CHUNK_BYTES))

    def _seal(self, buffers: Sequence[Buffer]) -> bytearray:
        """Join as much as one chunk, and encipher it.

        Each call of the cipher gives the interpreter's lock away and waits for it again. With two calls for each block,
        unjoined, the thread of the other direction held this one up: joined it takes a twentieth less CPU beside that
        one, and a sixth less time.
        """
        parts: list[Buffer] = []
        room = self._chunk_bytes
        for buffer in buffers:
            size = len(buffer)
            if size >= room:
                parts.append(memoryview(buffer)[:room])
                break
            parts.append(buffer)
            room -= size
        sealed = bytearray().join(parts)
        self._cipher.update_into(sealed, sealed)
        return sealed
