"""SHA-256 trees over files (BEP 52): leaves are 16 KiB blocks, missing leaves count as 32 zero bytes.

A file of at most one piece has a tree just wide enough for its blocks; the tree of a longer file has whole pieces, and
the roots of its pieces are its *piece layer*.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.model.metainfo import Metainfo

HASH_BYTES = 32

_zero_roots = [bytes(HASH_BYTES)]      # [level] -> root of a tree of 2**level missing leaves


def zero_root(level: int) -> bytes:
    """The root of a subtree of 2**level leaves that are all missing."""
    while len(_zero_roots) <= level:
        _zero_roots.append(sha256(_zero_roots[-1] * 2).digest())
    return _zero_roots[level]


def tree_width(nodes: int) -> int:
    """The smallest power of two that is at least `nodes` (and at least 1)."""
    return 1 << max(0, nodes - 1).bit_length()


def root_of(nodes: Sequence[bytes], width: int, level: int = 0) -> bytes:
    """The root above `nodes`, which stand `level` layers above the leaves and are filled up to `width` nodes.

    `width` is a power of two, at least len(nodes); `nodes` is not empty.
    """
    layer = list(nodes)
    while width > 1:
        if len(layer) % 2:
            layer.append(zero_root(level))
        joined = b"".join(layer)
        layer = [sha256(joined[start:start + 2 * HASH_BYTES]).digest()
                 for start in range(0, len(joined), 2 * HASH_BYTES)]
        width //= 2
        level += 1
    return layer[0]


def split_layer(layer: bytes) -> list[bytes]:
    """A piece layer as a list of 32-byte hashes."""
    return [layer[start:start + HASH_BYTES] for start in range(0, len(layer), HASH_BYTES)]


def layer_root(layer: bytes, piece_length: int) -> bytes:
    """The pieces root of a file whose piece layer is `layer` (not empty, whole hashes)."""
    hashes = split_layer(layer)
    return root_of(hashes, tree_width(len(hashes)), level=(piece_length // BLOCK_SIZE).bit_length() - 1)


class PieceTree(NamedTuple):
    """What one piece of a v2 torrent must hash to: `root_of(its leaf hashes, width) == root`."""

    root: bytes
    width: int


class PieceTrees:
    """The expected tree of every piece of a torrent with v2 hashes. Read-only, so any thread may ask."""

    def __init__(self, metainfo: Metainfo) -> None:
        self._piece_length = metainfo.geometry.piece_length
        self._layers = metainfo.piece_layers
        self._files = [entry for entry in metainfo.files if entry.pieces_root and not entry.is_pad]
        self._first_pieces = [entry.offset // self._piece_length for entry in self._files]

    def of_piece(self, index: int) -> PieceTree:
        """Raises KeyError when the torrent came without the layer of this file (see Metainfo.has_piece_hashes)."""
        position = bisect_right(self._first_pieces, index) - 1
        entry = self._files[position]
        if entry.length <= self._piece_length:
            return PieceTree(entry.pieces_root, tree_width(-(-entry.length // BLOCK_SIZE)))
        start = (index - self._first_pieces[position]) * HASH_BYTES
        return PieceTree(self._layers[entry.pieces_root][start:start + HASH_BYTES], self._piece_length // BLOCK_SIZE)
