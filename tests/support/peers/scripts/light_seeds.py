"""Many light seeds of one single-file torrent in one process, each with an address and listener of its own.

    light_seeds.py TORRENT CONTENT COUNT NETWORK CROWD      NETWORK like "127.1" gives 127.1.0.1, 127.1.0.2, ...

Nobody is unchoked before CROWD links are interested. Prints {"ready": ["HOST:PORT", ...]}; the end of stdin ends it.
Content is sent straight from a map of the file, up to 16 blocks a call, so that the other side is what a test or
benchmark is about.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import selectors
import socket
import struct
import sys
from collections import deque

import bencodepy

PROTOCOL = b"\x13BitTorrent protocol"
HANDSHAKE_BYTES = 68
REQUEST_HEAD = b"\0\0\0\x0d\x06"
INTERESTED, UNCHOKE, BITFIELD, PIECE = 2, 1, 5, 7
BLOCK_HEADER = struct.Struct(">IBII")
REQUEST = struct.Struct(">III")
BLOCKS_A_CALL = 16
READ_WRITE = selectors.EVENT_READ | selectors.EVENT_WRITE


class Content:
    """What all seeds serve."""

    def __init__(self, torrent: str, path: str, crowd: int) -> None:
        with open(torrent, "rb") as metafile:
            info = bencodepy.decode(metafile.read())[b"info"]
        self.info_hash = hashlib.sha1(bencodepy.encode(info)).digest()
        self.piece_length: int = info[b"piece length"]
        count = len(info[b"pieces"]) // 20
        bits = ((1 << count) - 1 << (-count % 8)).to_bytes(-(-count // 8), "big")
        self.bitfield = struct.pack(">IB", 1 + len(bits), BITFIELD) + bits
        with open(path, "rb") as file:
            self.view = memoryview(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))
        self._crowd = crowd
        self._waiting: set[Link] = set()

    def interested(self, link: Link) -> None:
        """Unchoke a leech, or let it wait for the others and then unchoke all."""
        self._waiting.add(link)
        if len(self._waiting) >= self._crowd:
            self._crowd = 0
            for waiting in self._waiting:
                waiting.unchoke()
            self._waiting.clear()


class Link:
    """One leech that dialled us: its requests in order, and what of the last batch is not sent yet."""

    def __init__(self, sock: socket.socket, content: Content) -> None:
        self.sock = sock
        self._content = content
        self._greeted = False
        self._received = bytearray()
        self._asked: deque[tuple[int, int, int]] = deque()
        self._unsent: list[bytes | memoryview] = []

    def read(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionResetError("closed")
        self._received += data
        if not self._greeted:
            if len(self._received) < HANDSHAKE_BYTES:
                return
            self._greeted = True
            del self._received[:HANDSHAKE_BYTES]
            self._unsent.append(PROTOCOL + bytes(8) + self._content.info_hash + b"-XX0002-" + os.urandom(12)
                                + self._content.bitfield)
        self._parse()

    def _parse(self) -> None:
        received, at = self._received, 0
        while len(received) - at >= 4:
            length = int.from_bytes(received[at:at + 4], "big")
            if len(received) - at < 4 + length:
                break
            if received.startswith(REQUEST_HEAD, at):
                self._asked.append(REQUEST.unpack_from(received, at + 5))
            elif length and received[at + 4] == INTERESTED:
                self._content.interested(self)
            at += 4 + length
        del received[:at]

    def unchoke(self) -> None:
        """Five bytes on a link that has sent little so far: the socket has room for them."""
        self.write()
        self._unsent.append(struct.pack(">IB", 1, UNCHOKE))
        self.write()

    def write(self) -> bool:
        """Send what fits; whether something is left."""
        while self._unsent or self._asked:
            if not self._unsent:
                self._unsent = self._next_batch()
            try:
                sent = self.sock.sendmsg(self._unsent)
            except BlockingIOError:
                return True
            done = 0
            while done < len(self._unsent) and sent >= len(self._unsent[done]):
                sent -= len(self._unsent[done])
                done += 1
            del self._unsent[:done]
            if sent:
                self._unsent[0] = memoryview(self._unsent[0])[sent:]
        return False

    def _next_batch(self) -> list[bytes | memoryview]:
        batch: list[bytes | memoryview] = []
        for _ in range(min(len(self._asked), BLOCKS_A_CALL)):
            index, begin, length = self._asked.popleft()
            start = index * self._content.piece_length + begin
            batch += (BLOCK_HEADER.pack(9 + length, PIECE, index, begin), self._content.view[start:start + length])
        return batch


def main(torrent: str, path: str, count: int, network: str, crowd: int) -> None:
    content = Content(torrent, path, crowd)
    selector = selectors.DefaultSelector()
    endpoints = []
    for number in range(count):
        listener = socket.create_server((f"{network}.{number // 250}.{number % 250 + 1}", 0))
        listener.setblocking(False)
        selector.register(listener, selectors.EVENT_READ, None)
        host, port = listener.getsockname()
        endpoints.append(f"{host}:{port}")
    selector.register(sys.stdin, selectors.EVENT_READ, None)
    print(json.dumps({"ready": endpoints}), flush=True)
    while True:
        for key, mask in selector.select():
            if key.fileobj is sys.stdin:
                return
            if key.data is None:
                sock, _ = key.fileobj.accept()     # type: ignore[union-attr]
                sock.setblocking(False)
                selector.register(sock, selectors.EVENT_READ, Link(sock, content))
            else:
                serve(selector, key, mask)


def serve(selector: selectors.BaseSelector, key: selectors.SelectorKey, mask: int) -> None:
    link: Link = key.data
    try:
        if mask & selectors.EVENT_READ:
            link.read()
        wanted = READ_WRITE if link.write() else selectors.EVENT_READ
    except OSError:
        selector.unregister(link.sock)
        link.sock.close()
        return
    if wanted != key.events:
        selector.modify(link.sock, wanted, link)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5]))
