"""Many light leeches of one single-file torrent in one process: together they fetch it once, each a share of its own.

    light_leeches.py TORRENT COUNT NETWORK ENDPOINT [check]       NETWORK like "127.2" gives sources 127.2.0.1, ...

Leech number i asks for the pieces i, i + COUNT, ... Waits for a line on stdin once it is {"ready": []}; prints
{"complete": MONOTONIC_S, "cpu_s": CPU, "bad_pieces": N} when everything came. With `check` the pieces are hashed,
else only counted: then the other side is what a benchmark is about. The end of stdin ends it.
"""

from __future__ import annotations

import hashlib
import json
import os
import selectors
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Iterator

import bencodepy

PROTOCOL = b"\x13BitTorrent protocol"
HANDSHAKE_BYTES = 68
BLOCK_BYTES = 16384
CHOKE, UNCHOKE, INTERESTED, NOT_INTERESTED, REQUEST, PIECE = 0, 1, 2, 3, 6, 7
HEADER = struct.Struct(">IB")
BLOCK = struct.Struct(">II")
REQUEST_MESSAGE = struct.Struct(">IBIII")
WINDOW_BLOCKS = 64                     # asked for and not come, for each leech
ASK_AGAIN_BLOCKS = 16                  # requests are sent in batches of so many
BUFFER_BYTES = 1 << 18

Block = tuple[int, int, int]


class Torrent:
    def __init__(self, path: str, check: bool) -> None:
        with open(path, "rb") as metafile:
            info = bencodepy.decode(metafile.read())[b"info"]
        self.info_hash = hashlib.sha1(bencodepy.encode(info)).digest()
        self.size: int = info[b"length"]
        self.piece_length: int = info[b"piece length"]
        hashes: bytes = info[b"pieces"]
        self.hashes = [hashes[at:at + 20] for at in range(0, len(hashes), 20)]
        self.check = check
        self.bad_pieces = 0

    def blocks(self, index: int) -> Iterator[Block]:
        start = index * self.piece_length
        length = min(self.piece_length, self.size - start)
        for begin in range(0, length, BLOCK_BYTES):
            yield index, begin, min(BLOCK_BYTES, length - begin)


class Leech:
    """One link. Blocks are to be asked for, asked for, or here."""

    def __init__(self, torrent: Torrent, number: int, count: int, source: str, target: tuple[str, int]) -> None:
        self._torrent = torrent
        self._todo = deque(block for share in range(number, len(torrent.hashes), count)
                           for block in torrent.blocks(share))
        self._asked: dict[tuple[int, int], int] = {}
        self._pieces: dict[int, dict[int, bytes]] = {}
        self._greeted = self._may_ask = False
        self._buffer = memoryview(bytearray(BUFFER_BYTES))
        self._filled = 0
        self.sock = socket.create_connection(target, timeout=10, source_address=(source, 0))
        self.sock.sendall(PROTOCOL + bytes(8) + torrent.info_hash + b"-XX0003-" + os.urandom(12))
        self.sock.setblocking(False)

    @property
    def is_done(self) -> bool:
        return not self._todo and not self._asked

    def begin(self) -> None:
        self.sock.sendall(HEADER.pack(1, INTERESTED))

    def read(self) -> None:
        received = self.sock.recv_into(self._buffer[self._filled:])
        if not received:
            raise ConnectionResetError("closed")
        self._filled += received
        used = self._parse()
        rest = self._filled - used
        if used and rest:
            self._buffer[:rest] = bytes(self._buffer[used:self._filled])
        self._filled = rest
        self._ask()

    def _parse(self) -> int:
        buffer, filled, at = self._buffer, self._filled, 0
        if not self._greeted:
            if filled < HANDSHAKE_BYTES:
                return 0
            self._greeted, at = True, HANDSHAKE_BYTES
        while filled - at >= 4:
            length = int.from_bytes(buffer[at:at + 4], "big")
            if filled - at < 4 + length:
                break
            if length:
                self._take(buffer[at + 4], buffer[at + 5:at + 4 + length])
            at += 4 + length
        return at

    def _take(self, kind: int, payload: memoryview) -> None:
        if kind == PIECE:
            index, begin = BLOCK.unpack_from(payload)
            if self._asked.pop((index, begin), None) is None:
                return                 # voided by a choke, yet under way: it will be asked for again
            if self._torrent.check:
                self._keep(index, begin, bytes(payload[8:]))
            if self.is_done:
                self.sock.sendall(HEADER.pack(1, NOT_INTERESTED))
        elif kind == UNCHOKE:
            self._may_ask = True
        elif kind == CHOKE:
            self._may_ask = False
            # A choke voids what was asked for (BEP 3).
            self._todo.extendleft((index, begin, length) for (index, begin), length in reversed(self._asked.items()))
            self._asked = {}

    def _ask(self) -> None:
        if not self._may_ask or not self._todo or len(self._asked) > WINDOW_BLOCKS - ASK_AGAIN_BLOCKS:
            return
        batch = []
        while self._todo and len(self._asked) < WINDOW_BLOCKS:
            index, begin, length = self._todo.popleft()
            self._asked[index, begin] = length
            batch.append(REQUEST_MESSAGE.pack(13, REQUEST, index, begin, length))
        self.sock.sendall(b"".join(batch))

    def _keep(self, index: int, begin: int, data: bytes) -> None:
        piece = self._pieces.setdefault(index, {})
        piece[begin] = data
        if len(piece) == sum(1 for _ in self._torrent.blocks(index)):
            content = b"".join(data for _, data in sorted(self._pieces.pop(index).items()))
            self._torrent.bad_pieces += hashlib.sha1(content).digest() != self._torrent.hashes[index]


def main(path: str, count: int, network: str, endpoint: str, check: bool) -> None:
    torrent = Torrent(path, check)
    host, _, port = endpoint.rpartition(":")
    leeches = [Leech(torrent, number, count, f"{network}.{number // 250}.{number % 250 + 1}", (host, int(port)))
               for number in range(count)]
    print(json.dumps({"ready": []}), flush=True)
    sys.stdin.readline()
    selector = selectors.DefaultSelector()
    for leech in leeches:
        selector.register(leech.sock, selectors.EVENT_READ, leech)
        leech.begin()
    running = {leech for leech in leeches if not leech.is_done}
    while running:
        for key, _ in selector.select():
            key.data.read()
            if key.data.is_done:
                running.discard(key.data)
    print(json.dumps({"complete": time.monotonic(), "cpu_s": time.process_time(), "bad_pieces": torrent.bad_pieces}),
          flush=True)
    while sys.stdin.readline():
        pass


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], "check" in sys.argv[5:])
