"""Torrents with their content in memory, for tests of what reaches a disk."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from pathlib import Path

from blobtorrent.model.geometry import BLOCK_SIZE, PieceGeometry
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.merkle import root_of, tree_width
from blobtorrent.model.metainfo import FileEntry, Metainfo
from blobtorrent.storage.arena import SLOT_SIZE, Arena
from blobtorrent.storage.jobs import FullPiece
from tests.support.merkle import leaf_hashes

PAD = "pad"


class StoredTorrent:
    """A torrent and the bytes of its linear space. `sizes` are payload lengths; (PAD, n) stands for a pad file.

    A v2 torrent gets its padding by itself. The pieces `zeros` of a v1 torrent hold nothing but zeros.
    """

    def __init__(
        self, sizes: Sequence[int | tuple[str, int]], piece_length: int, *, seed: int = 1, v1: bool = True,
        zeros: range = range(0)
    ) -> None:
        rng = random.Random(seed)
        files: list[FileEntry] = []
        content = bytearray()
        short: dict[int, int] = {}
        layers: dict[bytes, bytes] = {}

        def pad(length: int) -> None:
            files.append(FileEntry(("t", ".pad", str(length)), length, len(content), is_pad=True))
            content.extend(bytes(length))

        for number, size in enumerate(sizes):
            if isinstance(size, tuple):
                pad(size[1])
                continue
            gap = -len(content) % piece_length
            if gap and size and not v1:
                short[len(content) // piece_length] = piece_length - gap
                pad(gap)
            data = rng.randbytes(size)
            root = b"" if v1 or not size else _tree(data, piece_length, layers)
            files.append(FileEntry(("t", f"folder{number % 3}", f"file{number}"), size, len(content), pieces_root=root))
            content += data
        content[zeros.start * piece_length : zeros.stop * piece_length] = bytes(len(zeros) * piece_length)
        self.content = bytes(content)
        self.geometry = PieceGeometry(len(content), piece_length, short)
        hashes = b"".join(hashlib.sha1(self.piece(index)).digest() for index in range(self.geometry.num_pieces))
        self.metainfo = Metainfo(
            info_hash=InfoHash(v1=rng.randbytes(20)) if v1 else InfoHash(v2=rng.randbytes(32)),
            name="t",
            geometry=self.geometry,
            files=tuple(files),
            piece_hashes_v1=hashes if v1 else b"",
            raw_info=b"",
            piece_layers=layers,
        )

    def piece(self, index: int) -> bytes:
        start = self.geometry.piece_offset(index)
        return self.content[start : start + self.geometry.piece_size(index)]

    def full_piece(self, arena: Arena, index: int, *, spoil: bool = False) -> FullPiece:
        """The piece in slots of the arena, as if it had just been received."""
        data = bytearray(self.piece(index))
        if spoil:
            data[len(data) // 2] ^= 1
        count = -(-len(data) // SLOT_SIZE)
        assert arena.reserve(count)
        slots = arena.take(count)
        for block, slot in enumerate(slots):
            block_data = data[block * SLOT_SIZE : (block + 1) * SLOT_SIZE]
            arena.views[slot][: len(block_data)] = block_data
        return FullPiece(index, len(data), slots)

    def payload_files(self) -> list[FileEntry]:
        return [entry for entry in self.metainfo.files if not entry.is_pad]

    def put_on_disk(self, root: Path) -> None:
        for entry in self.payload_files():
            path = root.joinpath(*entry.path)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.content[entry.offset : entry.offset + entry.length])

    def is_on_disk(self, root: Path) -> bool:
        """Whether every file is there, byte by byte and not a byte more."""
        return all(
            root.joinpath(*entry.path).read_bytes() == self.content[entry.offset : entry.offset + entry.length]
            for entry in self.payload_files()
        )


def _tree(data: bytes, piece_length: int, layers: dict[bytes, bytes]) -> bytes:
    """The pieces root of a file; its layer goes into `layers` if it needs one."""
    leaves = list(leaf_hashes(data))
    if len(data) <= piece_length:
        return root_of(leaves, tree_width(len(leaves)))
    wide = piece_length // BLOCK_SIZE
    layer = [root_of(leaves[at : at + wide], wide) for at in range(0, len(leaves), wide)]
    root = root_of(layer, tree_width(len(layer)), level=wide.bit_length() - 1)
    layers[root] = b"".join(layer)
    return root
