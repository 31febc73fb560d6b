"""Verifiers: what each piece of a torrent must hash to, by SHA-1 (BEP 3), SHA-256 trees (BEP 52), or both.

A verifier is read-only and used by all hashing threads; a digest belongs to the thread that started it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterable
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


class Verifier:
    """Checks pieces of one torrent. `start` and `expected` belong together; `shape` names pieces hashed alike."""

    def __init__(
        self,
        geometry: PieceGeometry,
        *,
        start: Callable[[int], PieceDigest],
        expected: Callable[[int], bytes],
        shape: Callable[[int], Hashable],
    ) -> None:
        self.start = start
        self.expected = expected
        self._geometry = geometry
        self._shape = shape
        self._zero_digests: dict[Hashable, bytes] = {}

    def matches(self, index: int, parts: Iterable[Buffer]) -> bool:
        """Whether the bytes of `parts`, one after the other, are the piece `index`."""
        digest = self.start(index)
        for part in parts:
            digest.update(part)
        return digest.digest() == self.expected(index)

    def is_zeros(self, index: int) -> bool:
        """Whether the piece is nothing but zeros: then a hole in a file is as good as bytes. Cheap after the first."""
        shape = self._shape(index)
        if shape not in self._zero_digests:
            digest, left = self.start(index), self._geometry.piece_size(index)
            while left:
                digest.update(_ZEROS[:left])
                left -= min(left, len(_ZEROS))
            self._zero_digests[shape] = digest.digest()
        return self._zero_digests[shape] == self.expected(index)


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
        return _hybrid_verifier(metainfo) if has_trees else _flat_verifier(metainfo)
    if not has_trees:
        raise MetainfoError("metainfo.no-piece-layers", f"{metainfo.name} came without the hashes of its pieces")
    return _tree_verifier(metainfo)


def _flat_verifier(metainfo: Metainfo) -> Verifier:
    hashes, geometry = metainfo.piece_hashes_v1, metainfo.geometry
    return Verifier(
        geometry,
        start=lambda index: sha1(),
        expected=lambda index: hashes[index * V1_BYTES : (index + 1) * V1_BYTES],
        shape=geometry.piece_size,
    )


def _tree_verifier(metainfo: Metainfo) -> Verifier:
    trees, geometry = PieceTrees(metainfo), metainfo.geometry
    return Verifier(
        geometry,
        start=lambda index: TreeDigest(trees.of_piece(index).width),
        expected=lambda index: trees.of_piece(index).root,
        shape=lambda index: (geometry.piece_size(index), trees.of_piece(index).width),
    )


def _hybrid_verifier(metainfo: Metainfo) -> Verifier:
    hashes, trees, geometry = metainfo.piece_hashes_v1, PieceTrees(metainfo), metainfo.geometry
    files = [entry for entry in metainfo.files if entry.length and not entry.is_pad]
    starts = [entry.offset for entry in files]

    def file_bytes(index: int) -> int:
        """Bytes of the piece that belong to its file: a hybrid's files start on pieces, padding follows."""
        at = geometry.piece_offset(index)
        entry = files[bisect_right(starts, at) - 1]
        return min(geometry.piece_length, entry.offset + entry.length - at)

    return Verifier(
        geometry,
        start=lambda index: BothDigest(trees.of_piece(index).width, file_bytes(index)),
        expected=lambda index: hashes[index * V1_BYTES : (index + 1) * V1_BYTES] + trees.of_piece(index).root,
        shape=lambda index: (geometry.piece_size(index), trees.of_piece(index).width, file_bytes(index)),
    )
