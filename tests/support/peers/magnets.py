"""Peers that give or take metadata (BEP 9): libtorrent with a magnet link, and seeds that lie of what it is."""

from __future__ import annotations

import socket
import sys
import threading
from pathlib import Path

import bencodepy

from tests.support.payload import Sample
from tests.support.peers.conversation import PIPES, Conversation
from tests.support.peers.mini import BITFIELD, PROTOCOL, MiniSeed, message, receive_exactly
from tests.support.peers.program import Program

SCRIPT = Path(__file__).with_name("scripts") / "libtorrent_magnet.py"
START_TIMEOUT_S = 30.0
EXTENDED, HANDSHAKE, OUR_ID = 20, 0, 3
PIECE_BYTES = 16384


def link_of(sample: Sample, *more: str) -> str:
    """`more` are parameters, as "x.pe=127.0.0.1:6881"."""
    return "&".join((f"magnet:?xt=urn:btih:{sample.info_hash.hex()}", *more))


def info_of(sample: Sample) -> bytes:
    """The encoded info dictionary."""
    encoded: bytes = bencodepy.encode(bencodepy.decode(sample.torrent.read_bytes())[b"info"])
    return encoded


class LibtorrentMagnet(Program):
    """libtorrent-rasterbar with a link, or with a torrent that it seeds, and some peers."""

    def __init__(self, source: str | Path, folder: Path, *peers: str) -> None:
        super().__init__([sys.executable, SCRIPT, source, folder, *peers], home=folder)
        self._options.update(PIPES)
        self._talk = Conversation(self)

    def wait_ready(self) -> None:
        self.endpoint: str = self._talk.hear("ready", START_TIMEOUT_S)["ready"]

    def wait_metadata(self, timeout_s: float) -> str:
        name: str = self._talk.hear("metadata", timeout_s)["metadata"]
        return name

    def wait_complete(self, timeout_s: float) -> None:
        self._talk.hear("complete", timeout_s)

    def stop(self) -> None:
        if self._process is not None:
            self._talk.close()
        super().stop()


class MetadataSeed(MiniSeed):
    """A seed that also offers metadata: `info`, as `size` bytes, whatever the truth. `was_asked` is set by the first
    request for it. One that is `mute` answers none.
    """

    def __init__(self, sample: Sample, info: bytes, *, size: int | None = None, is_mute: bool = False,
                 gate: threading.Event | None = None, address: str = "127.0.0.1") -> None:
        super().__init__(sample, address=address)
        self._info = info
        self._size = len(info) if size is None else size
        self._is_mute = is_mute
        self._metadata_gate = gate
        self._their_id = 0
        self.was_asked = threading.Event()

    def greet(self, link: socket.socket) -> bool:
        receive_exactly(link, 68)
        reserved = bytes((0, 0, 0, 0, 0, 0x10, 0, 0))
        peer_id = b"-XX0001-" + self._listener.getsockname()[1].to_bytes(12, "big")
        link.sendall(PROTOCOL + reserved + self._sample.info_hash[:20] + peer_id)
        link.sendall(message(BITFIELD, self._bitfield()))
        if self._metadata_gate is not None:
            self._metadata_gate.wait(60.0)
        link.sendall(extended(HANDSHAKE, {b"m": {b"ut_metadata": OUR_ID}, b"metadata_size": self._size}))
        return True

    def hear(self, link: socket.socket, kind: int, payload: bytes) -> None:
        if kind != EXTENDED:
            return
        values = bencodepy.decode(payload[1:])
        if payload[0] == HANDSHAKE:
            self._their_id = values[b"m"].get(b"ut_metadata", self._their_id)
            return
        piece = values[b"piece"]
        self.was_asked.set()
        if not self._is_mute:
            data = self._info[piece * PIECE_BYTES:(piece + 1) * PIECE_BYTES]
            facts = {b"msg_type": 1, b"piece": piece, b"total_size": self._size}
            link.sendall(extended(self._their_id, facts, data))


def extended(number: int, facts: dict[bytes, object], data: bytes = b"") -> bytes:
    return message(EXTENDED, bytes((number,)) + bencodepy.encode(facts) + data)
