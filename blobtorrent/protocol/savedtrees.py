"""The hash trees (BEP 52) that libtorrent keeps in a fastresume, as the piece layers that a .torrent file has of them.

qBittorrent leaves the layers out of the .torrent files that it keeps. Nothing is believed here: whoever reads the
torrent compares its layers with the roots in its `info`.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from blobtorrent.model.metainfo import Metainfo
from blobtorrent.protocol.fastresume import PROGRAM, with_members
from blobtorrent.protocol.foreignvalues import Values

BLOCK_BYTES = 16384
HASH_BYTES = 32

_ZERO = bytes(HASH_BYTES)              # of a block beyond the end of the file


def with_piece_layers(torrent: bytes, metainfo: Metainfo, resume: bytes) -> bytes:
    """The .torrent file with the layers that the trees give; its `info` stays as it is, byte by byte.

    Raises FormatError ("bencode.*", "fastresume.bad-value").
    """
    top = Values.decode(resume, PROGRAM)
    is_old = top.get(b"file-version", 1) < 2
    piece_length = metainfo.geometry.piece_length
    layers = {}
    for entry, tree in zip(metainfo.files, top.get(b"trees", [])):
        if entry.pieces_root and entry.length > piece_length and isinstance(tree, dict):
            layer = _layer(Values(tree, PROGRAM), entry.length, piece_length, is_old=is_old)
            if layer:
                layers[entry.pieces_root] = layer
    return with_members(torrent, {b"piece layers": layers}) if layers else torrent


def _layer(tree: Values, length: int, piece_length: int, *, is_old: bool) -> bytes:
    """The hashes of a file's pieces; empty when the tree does not have them all.

    A tree is a list of nodes, the root first, then level by level. All are there, or those that `mask` has.
    """
    hashes, mask = tree.get(b"hashes", b""), tree.get(b"mask", b"")
    num_blocks = -(-length // BLOCK_BYTES)
    num_leaves = 1 << (num_blocks - 1).bit_length()
    num_nodes = 2 * num_leaves - 1
    known = [number for number, is_set in enumerate(_flags(mask, is_old=is_old)) if is_set] if mask else \
        range(len(hashes) // HASH_BYTES)
    if len(hashes) != len(known) * HASH_BYTES or known and known[-1] >= num_nodes:
        return b""
    if num_nodes > max(len(mask) * (1 if is_old else 8), len(known)):      # no room is made for what was not written
        return b""
    nodes: list[Any] = [None] * num_nodes
    for place, number in enumerate(known):
        nodes[number] = hashes[place * HASH_BYTES:(place + 1) * HASH_BYTES]
    first_leaf = num_leaves - 1
    nodes[first_leaf + num_blocks:] = [_ZERO] * (num_leaves - num_blocks)
    for number in range(first_leaf - 1, -1, -1):
        left, right = nodes[2 * number + 1], nodes[2 * number + 2]
        if nodes[number] is None and left is not None and right is not None:
            nodes[number] = sha256(left + right).digest()
    first = num_leaves // (piece_length // BLOCK_BYTES) - 1
    layer = nodes[first:first + -(-length // piece_length)]
    return b"".join(layer) if None not in layer else b""


def _flags(mask: bytes, *, is_old: bool) -> Iterator[bool]:
    """A character for each bit in version 1 of the format, later a bit for each."""
    if is_old:
        yield from (byte == ord("1") for byte in mask)
    else:
        yield from (bool(byte >> 7 - bit & 1) for byte in mask for bit in range(8))
