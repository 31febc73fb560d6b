"""Makes torrents from files: v1 (BEP 3), v2 and hybrid (BEP 52), equal byte for byte each time they are made.

The info-hash depends on the content, the names, the piece size, the format and the marks `private` and `source` alone.
Hybrid torrents are padded as libtorrent pads them, also behind the last file.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from hashlib import sha1
from typing import Any

from blobtorrent.model.errors import Invalid
from blobtorrent.model.geometry import BLOCK_SIZE, PieceGeometry
from blobtorrent.model.merkle import layer_root, tree_width
from blobtorrent.model.metainfo import FileEntry
from blobtorrent.protocol.bencode import encode
from blobtorrent.protocol.filelist import SourceFile
from blobtorrent.protocol.filespace import MAX_PIECES, file_entries, measure, with_implied_padding
from blobtorrent.protocol.metafile import encode_torrent
from blobtorrent.storage.layout import Layout
from blobtorrent.storage.piecehash import Progress, hash_pieces
from blobtorrent.storage.source import Source
from blobtorrent.storage.verifier import BothDigest, PieceDigest, TreeDigest

MIN_PIECE_LENGTH, MAX_PIECE_LENGTH = BLOCK_SIZE, 128 << 20             # other programs refuse larger ones
USUAL_MAX_PIECE_LENGTH = 16 << 20      # what we choose ourselves, unless the torrent is huge
USUAL_PIECES = 2048                    # so many at most: small .torrent, yet pieces small enough to trade early
SHA1_BYTES = 20


class Format(Enum):
    V1 = "v1"
    V2 = "v2"
    HYBRID = "hybrid"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What the author wants of a torrent. `piece_length` 0 lets us choose."""

    format: Format = Format.V1
    piece_length: int = 0
    tiers: tuple[tuple[str, ...], ...] = ()
    web_seeds: tuple[str, ...] = ()
    is_private: bool = False
    source: str | None = None
    comment: str | None = None
    created_by: str | None = None
    creation_date: int | None = None


def usual_piece_length(size: int) -> int:
    """The smallest power of two that keeps a torrent of `size` bytes at 2048 pieces: 512 KiB for 1 GiB."""
    length = MIN_PIECE_LENGTH
    while size > length * USUAL_PIECES and length < USUAL_MAX_PIECE_LENGTH or size > length * MAX_PIECES:
        length *= 2
    return length


def make_torrent(source: Source, recipe: Recipe, *, progress: Progress | None = None) -> bytes:
    """The .torrent file for this content.

    Raises Invalid ("create.*") when the recipe or the content makes no torrent, StorageError when a file cannot be
    read, MetainfoError for paths or numbers of pieces beyond what torrents may have.
    """
    if not source.size:
        raise Invalid("create.empty", "there is no content: a torrent needs at least one byte")
    work = _Work(source, recipe)
    digests = work.hash(progress)
    has_v1, has_v2 = recipe.format is not Format.V2, recipe.format is not Format.V1
    info: dict[bytes, Any] = {b"name": source.name.encode(), b"piece length": work.geometry.piece_length}
    layers: dict[bytes, bytes] | None = None
    if has_v1:
        info[b"pieces"] = b"".join(digest[:SHA1_BYTES] for digest in digests)
        info.update(work.file_list())
    if has_v2:
        roots = [digest[SHA1_BYTES:] if has_v1 else digest for digest in digests]
        tree, layers = work.file_tree(roots)
        info.update({b"file tree": tree, b"meta version": 2})
    if recipe.is_private:
        info[b"private"] = 1
    if recipe.source is not None:
        info[b"source"] = recipe.source.encode()
    return encode_torrent(
        encode(info),
        tiers=recipe.tiers,
        web_seeds=recipe.web_seeds,
        comment=recipe.comment,
        created_by=recipe.created_by,
        creation_date=recipe.creation_date,
        piece_layers=layers,
    )


class _Work:
    """One torrent in the making: its content laid out in linear space."""

    def __init__(self, source: Source, recipe: Recipe) -> None:
        piece_length = recipe.piece_length or usual_piece_length(source.size)
        _check_piece_length(piece_length, recipe.format)
        self._source = source
        self._format = recipe.format
        listed = [SourceFile(file.parts, file.length) for file in source.files]
        if recipe.format is not Format.V1 and not (recipe.format is Format.HYBRID and source.is_single):
            listed = with_implied_padding(listed, piece_length)
        self._listed = listed
        self.geometry: PieceGeometry = measure(listed, piece_length, is_v2_only=recipe.format is Format.V2)
        self._entries: tuple[FileEntry, ...] = file_entries(listed, source.name, is_single=source.is_single)

    def hash(self, progress: Progress | None) -> list[bytes]:
        """Per piece: its SHA-1, or the root of its tree, or in a hybrid both in this order."""
        on_disk = iter(self._source.files)
        files = [None if file.is_pad else next(on_disk) for file in self._listed]
        threads = max(1, os.cpu_count() or 1)
        return hash_pieces(files, Layout(self._entries), self.geometry, self._digests(), threads=threads,
                           progress=progress)

    def _digests(self) -> Callable[[int], PieceDigest]:
        if self._format is Format.V1:
            return lambda index: sha1()
        shapes = list(self._tree_shapes())
        if self._format is Format.V2:
            return lambda index: TreeDigest(shapes[index][0])
        return lambda index: BothDigest(*shapes[index])

    def _tree_shapes(self) -> list[tuple[int, int]]:
        """Per piece: the width of its tree in leaves, and its bytes that are no padding."""
        piece_length = self.geometry.piece_length
        shapes = []
        for file in self._source.files:
            width = piece_length // BLOCK_SIZE
            if file.length <= piece_length:
                width = tree_width(-(-file.length // BLOCK_SIZE))
            shapes += [(width, min(piece_length, file.length - begin)) for begin in range(0, file.length, piece_length)]
        return shapes

    def file_list(self) -> dict[bytes, Any]:
        """The v1 entries of the info dictionary."""
        if self._source.is_single:
            return {b"length": self._source.size}
        return {b"files": [_list_entry(file) for file in self._listed]}

    def file_tree(self, piece_roots: list[bytes]) -> tuple[dict[bytes, Any], dict[bytes, bytes]]:
        """The v2 tree and the piece layers of the files that are longer than a piece."""
        piece_length = self.geometry.piece_length
        tree: dict[bytes, Any] = {}
        layers: dict[bytes, bytes] = {}
        first = 0
        for file in self._source.files:
            after = first + -(-file.length // piece_length)
            entry: dict[bytes, Any] = {b"length": file.length}
            if file.length > piece_length:
                layer = b"".join(piece_roots[first:after])
                entry[b"pieces root"] = root = layer_root(layer, piece_length)
                layers[root] = layer
            elif file.length:
                entry[b"pieces root"] = piece_roots[first]
            folder = tree
            for part in file.parts:
                folder = folder.setdefault(part, {})
            folder[b""] = entry
            first = after
        return tree, layers


def _list_entry(file: SourceFile) -> dict[bytes, Any]:
    entry: dict[bytes, Any] = {b"length": file.length, b"path": list(file.path)}
    return {b"attr": b"p", **entry} if file.is_pad else entry


def _check_piece_length(length: int, format: Format) -> None:
    if not MIN_PIECE_LENGTH <= length <= MAX_PIECE_LENGTH or length % BLOCK_SIZE:
        raise Invalid("create.bad-piece-size", f"pieces of {length} bytes: take a multiple of 16 KiB, at most 128 MiB")
    if format is not Format.V1 and length & (length - 1):
        raise Invalid("create.bad-piece-size", f"pieces of {length} bytes: {format.value} torrents need a power of two")
