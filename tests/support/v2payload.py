"""Seeded content and v2-only torrents of it (BEP 52), with the piece layers in the file or without.

Written with `bencode.py` and `hashlib` alone, as `tests.support.payload`.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import bencodepy

from tests.support.payload import Sample, SampleFile

BLOCK = 16384


@dataclass(frozen=True)
class V2Sample(Sample):
    """`info_hash` is the whole SHA-256, 32 bytes. `trees` are of files that are longer than a piece, by pieces root."""

    bare: Path                         # the same torrent, without its piece layers
    trees: Mapping[bytes, list[list[bytes]]]               # padded layers, from the piece layer up to the root

    def link(self, *more: str) -> str:
        """`more` are parameters, as "x.pe=127.0.0.1:6881"."""
        return "&".join((f"magnet:?xt=urn:btmh:1220{self.info_hash.hex()}", *more))

    @property
    def layers(self) -> dict[bytes, bytes]:
        """The piece layers of the .torrent file."""
        found: dict[bytes, bytes] = bencodepy.decode(self.torrent.read_bytes())[b"piece layers"]
        return found

    @property
    def info(self) -> bytes:
        encoded: bytes = bencodepy.encode(bencodepy.decode(self.torrent.read_bytes())[b"info"])
        return encoded


def make_v2_sample(work: Path, name: str, files: Mapping[str, int], piece_length: int, *, seed: int = 1) -> V2Sample:
    """Write content of pseudo-random bytes below `work/content` and its torrents beside it."""
    rng = random.Random(seed)
    folder = work / "content"
    (folder / name).mkdir(parents=True, exist_ok=True)
    tree: dict[bytes, object] = {}
    layers: dict[bytes, bytes] = {}
    trees: dict[bytes, list[list[bytes]]] = {}
    digests: dict[bytes, str] = {}
    for path, length in sorted(files.items()):
        data = rng.randbytes(length)
        (folder / name / path).write_bytes(data)
        digests[f"{name}/{path}".encode()] = hashlib.sha256(data).hexdigest()
        levels = _levels(data, piece_length)
        root = levels[-1][0]
        tree[path.encode()] = {b"": {b"length": length, b"pieces root": root}}
        if length > piece_length:
            upper = levels[(piece_length // BLOCK).bit_length() - 1:]
            layers[root] = b"".join(upper[0][:-(-length // piece_length)])
            trees[root] = upper
    info = {b"name": name.encode(), b"piece length": piece_length, b"meta version": 2, b"file tree": tree}
    torrent, bare = work / f"{name}-{seed}.torrent", work / f"{name}-{seed}-bare.torrent"
    torrent.write_bytes(bencodepy.encode({b"info": info, b"piece layers": layers}))
    bare.write_bytes(bencodepy.encode({b"info": info, b"comment": b"kept"}))
    return V2Sample(
        name=name.encode(), folder=folder, torrent=torrent,
        info_hash=hashlib.sha256(bencodepy.encode(info)).digest(), size_bytes=sum(files.values()),
        piece_length=piece_length, digests=digests, bare=bare, trees=trees,
        files=tuple(SampleFile(f"{name}/{path}".encode(), length) for path, length in sorted(files.items())))


def _levels(data: bytes, piece_length: int) -> list[list[bytes]]:
    """The layers of a file's tree from the leaves up, filled up with what stands for nothing."""
    nodes = [hashlib.sha256(data[at:at + BLOCK]).digest() for at in range(0, len(data), BLOCK)]
    width = 1
    while width < len(nodes):
        width *= 2
    if len(data) > piece_length:
        width = max(width, piece_length // BLOCK)
    levels = [nodes + [bytes(32)] * (width - len(nodes))]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([hashlib.sha256(left + right).digest() for left, right in zip(below[::2], below[1::2])])
    return levels
