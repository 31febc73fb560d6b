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


def proven_root(nodes: Sequence[bytes], uncles: Sequence[bytes], index: int, level: int) -> bytes:
    """The root that a run of nodes belongs to, `level` layers above the leaves, by the uncles that prove it.

    The run is a power of two long, and `index`, the place of its first node in the layer, a multiple of that.
    """
    root, place = root_of(nodes, len(nodes), level), index // len(nodes)
    for uncle in uncles:
        root = sha256(uncle + root if place & 1 else root + uncle).digest()
        place >>= 1
    return root


class LayerTree:
    """Any node of a file's tree from its piece layer up, though few are kept: only those above whole runs of RUN
    pieces. To make one costs a hash for each piece."""

    RUN = 512

    def __init__(self, layer: bytes, level: int) -> None:
        """`layer` stands `level` layers above the leaves, and has more than one hash."""
        self._layer = layer
        self._level = level
        self.num_layers = level + tree_width(len(layer) // HASH_BYTES).bit_length() - 1
        self._run_level = level + self.RUN.bit_length() - 1
        roots = [root_of(split_layer(layer[start:start + self.RUN * HASH_BYTES]), self.RUN, level)
                 for start in range(0, len(layer), self.RUN * HASH_BYTES)] if self.num_layers > self._run_level else []
        self._tops = [roots]
        for above in range(self._run_level, self.num_layers - 1):
            padded = [*self._tops[-1], zero_root(above)]
            self._tops.append([sha256(left + right).digest() for left, right in zip(padded[::2], padded[1::2])])

    def nodes(self, layer: int, index: int, length: int) -> bytes:
        """A run of nodes, joined; `layer` counts from the leaves, and is the piece layer or above it."""
        return b"".join(self.node(layer, place) for place in range(index, index + length))

    def node(self, layer: int, index: int) -> bytes:
        if layer >= self._run_level:
            known = self._tops[layer - self._run_level]
            return known[index] if index < len(known) else zero_root(layer)
        width = 1 << layer - self._level
        hashes = split_layer(self._layer[index * width * HASH_BYTES:(index + 1) * width * HASH_BYTES])
        return root_of(hashes, width, self._level) if hashes else zero_root(layer)


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
