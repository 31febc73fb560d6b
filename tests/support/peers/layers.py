"""A peer that has the metadata of a v2 torrent and the piece layers of some of its files, and no content."""

from __future__ import annotations

import socket
import struct
from collections.abc import Container

from tests.support.peers.magnets import MetadataSeed
from tests.support.peers.mini import message
from tests.support.v2payload import V2Sample

HASH_REQUEST, HASHES, HASH_REJECT = 21, 22, 23


class LayerSeed(MetadataSeed):
    """`asked` are the pieces roots that it was asked about, `given` those of which it has given hashes."""

    def __init__(self, sample: V2Sample, gives: Container[bytes], *, spoils: bool = False,
                 address: str = "127.0.0.1") -> None:
        super().__init__(sample, sample.info, address=address)
        self._trees = sample.trees
        self._gives = gives
        self._spoils = spoils
        self.asked: list[bytes] = []
        self.given: list[bytes] = []

    def _read_content(self) -> bytes:
        return b""

    def _bitfield(self) -> bytes:
        pieces = sum(-(-file.length // self._sample.piece_length) for file in self._sample.files)
        return bytes(-(-pieces // 8))

    def hear(self, link: socket.socket, kind: int, payload: bytes) -> None:
        if kind != HASH_REQUEST:
            super().hear(link, kind, payload)
            return
        root, _base, first, length, proof_layers = struct.unpack(">32sIIII", payload)
        self.asked.append(root)
        if root not in self._gives:
            link.sendall(message(HASH_REJECT, payload))
            return
        tree = self._trees[root]
        hashes = tree[0][first:first + length]
        for layer in range(length.bit_length() - 1, proof_layers + 1):
            hashes.append(tree[layer][first >> layer ^ 1])
        if self._spoils:
            hashes[0] = bytes(32)
        self.given.append(root)
        link.sendall(message(HASHES, payload + b"".join(hashes)))
