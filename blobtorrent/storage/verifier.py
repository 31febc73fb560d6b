"""Verifiers: what each piece of a torrent must hash to, by SHA-1 (BEP 3), SHA-256 trees (BEP 52), or both.

A verifier is read-only and used by all hashing threads; a digest belongs to the thread that started it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Iterable
from hashlib import sha1, sha256
from typing import Protocol

from blobtorrent.model.errors import MetainfoError
from blobtorrent.model.geometry import BLOCK_SIZE, PieceGeometry
from blobtorrent.model.ids import V1_BYTES
from blobtorrent.model.merkle import PieceTrees, root_of
from blobtorrent.model.metainfo import Metainfo

Buffer = bytes | bytearray | memoryview

_ZEROS = bytes(16 * BLOCK_SIZE)


class PieceDigest(Protocol):
    """Takes the bytes of one piece in order, cut anywhere. `digest` ends it."""

    def update(self, data: Buffer, /) -> None: ...

    def digest(self) -> bytes: ...


class TreeDigest:
    """The root of the SHA-256 tree over one piece, filled up to `width` leaves of 16 KiB."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._leaves: list[bytes] = []
        self._open = sha256()
        self._missing = BLOCK_SIZE     # bytes until the open leaf is full

    def update(self, data: Buffer, /) -> None:
        view = memoryview(data)
        while len(view):
            self._open.update(view[: self._missing])
            taken = min(len(view), self._missing)
            self._missing -= taken
            view = view[taken:]
            if not self._missing:
                self._close_leaf()

    def digest(self) -> bytes:
        if self._missing < BLOCK_SIZE:
            self._close_leaf()
        return root_of(self._leaves, self._width)

    def _close_leaf(self) -> None:
        self._leaves.append(self._open.digest())
        self._open = sha256()
        self._missing = BLOCK_SIZE


class BothDigest:
    """SHA-1 over a piece, and the tree over its first `file_bytes` bytes: what follows is padding that v2 lacks."""

    def __init__(self, width: int, file_bytes: int) -> None:
        self._flat = sha1()
        self._tree = TreeDigest(width)
        self._file_bytes = file_bytes

    def update(self, data: Buffer, /) -> None:
        self._flat.update(data)
        self._tree.update(memoryview(data)[: self._file_bytes])
        self._file_bytes = max(0, self._file_bytes - len(data))

    def digest(self) -> bytes:
        return self._flat.digest() + self._tree.digest()


class Verifier(Protocol):
    """Checks the pieces of one torrent."""

    def start(self, index: int) -> PieceDigest:
        """A digest for the bytes of a piece; it must come out as `expected`."""

    def expected(self, index: int) -> bytes: ...

    def matches(self, index: int, parts: Iterable[Buffer]) -> bool:
        """Whether the bytes of `parts`, one after the other, are the piece `index`."""

    def is_zeros(self, index: int) -> bool:
        """Whether the piece is nothing but zeros: then a hole in a file is as good as bytes. Cheap after the first."""


def verifier_of(metainfo: Metainfo) -> Verifier:
    """The verifier for what a torrent promises: both kinds of hash must match where it has both.

    Raises MetainfoError ("metainfo.no-piece-layers") for a v2-only torrent whose pieces cannot be checked.
    """
    has_trees = bool(metainfo.info_hash.v2) and all(
        entry.pieces_root in metainfo.piece_layers
        for entry in metainfo.files
        if entry.length > metainfo.geometry.piece_length and not entry.is_pad
    )
    if metainfo.piece_hashes_v1:
        return HybridVerifier(metainfo) if has_trees else FlatVerifier(metainfo)
    if not has_trees:
        raise MetainfoError("metainfo.no-piece-layers", f"{metainfo.name} came without the hashes of its pieces")
    return TreeVerifier(metainfo)


class FlatVerifier:
    """SHA-1 of the piece (BEP 3). The one that must be quick: with 16 KiB pieces it is asked 65,536 times a GiB."""

    def __init__(self, metainfo: Metainfo) -> None:
        self._hashes = metainfo.piece_hashes_v1
        self._zeros = _ZeroDigests(metainfo.geometry)

    def start(self, index: int) -> PieceDigest:
        return sha1()

    def expected(self, index: int) -> bytes:
        return self._hashes[index * V1_BYTES : (index + 1) * V1_BYTES]

    def matches(self, index: int, parts: Iterable[Buffer]) -> bool:
        digest = sha1()
        for part in parts:
            digest.update(part)
        return digest.digest() == self._hashes[index * V1_BYTES : (index + 1) * V1_BYTES]

    def is_zeros(self, index: int) -> bool:
        return self._zeros.digest(self, index, None) == self.expected(index)


class TreeVerifier:
    """The SHA-256 tree of the piece (BEP 52)."""

    def __init__(self, metainfo: Metainfo) -> None:
        self._trees = PieceTrees(metainfo)
        self._zeros = _ZeroDigests(metainfo.geometry)

    def start(self, index: int) -> PieceDigest:
        return TreeDigest(self._trees.of_piece(index).width)

    def expected(self, index: int) -> bytes:
        return self._trees.of_piece(index).root

    def matches(self, index: int, parts: Iterable[Buffer]) -> bool:
        return _matches(self, index, parts)

    def is_zeros(self, index: int) -> bool:
        return self._zeros.digest(self, index, self._trees.of_piece(index).width) == self.expected(index)


class HybridVerifier:
    """SHA-1 and tree of the piece: a sender that fits only one of them is wrong."""

    def __init__(self, metainfo: Metainfo) -> None:
        self._flat = FlatVerifier(metainfo)
        self._trees = PieceTrees(metainfo)
        self._zeros = _ZeroDigests(metainfo.geometry)
        self._piece_length = metainfo.geometry.piece_length
        files = [entry for entry in metainfo.files if entry.length and not entry.is_pad]
        self._starts = [entry.offset for entry in files]
        self._ends = [entry.offset + entry.length for entry in files]

    def start(self, index: int) -> PieceDigest:
        return BothDigest(self._trees.of_piece(index).width, self._file_bytes(index))

    def expected(self, index: int) -> bytes:
        return self._flat.expected(index) + self._trees.of_piece(index).root

    def matches(self, index: int, parts: Iterable[Buffer]) -> bool:
        return _matches(self, index, parts)

    def is_zeros(self, index: int) -> bool:
        shape = self._trees.of_piece(index).width, self._file_bytes(index)
        return self._zeros.digest(self, index, shape) == self.expected(index)

    def _file_bytes(self, index: int) -> int:
        """Bytes of the piece that belong to its file: the files of a hybrid start on pieces, padding follows."""
        offset = index * self._piece_length
        return min(self._piece_length, self._ends[bisect_right(self._starts, offset) - 1] - offset)


def _matches(verifier: Verifier, index: int, parts: Iterable[Buffer]) -> bool:
    digest = verifier.start(index)
    for part in parts:
        digest.update(part)
    return digest.digest() == verifier.expected(index)


class _ZeroDigests:
    """Digests of pieces of zeros, made once for each size and shape."""

    def __init__(self, geometry: PieceGeometry) -> None:
        self._geometry = geometry
        self._known: dict[Hashable, bytes] = {}

    def digest(self, verifier: Verifier, index: int, shape: Hashable) -> bytes:
        """What the piece would hash to if it were zeros; pieces of one size and `shape` hash alike."""
        size = self._geometry.piece_size(index)
        if (size, shape) not in self._known:
            digest, left = verifier.start(index), size
            while left:
                digest.update(_ZEROS[:left])
                left -= min(left, len(_ZEROS))
            self._known[size, shape] = digest.digest()
        return self._known[size, shape]
