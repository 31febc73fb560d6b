"""The .torrent file: bytes to Metainfo, and back (BEP 3, 5, 12, 19, 27, 47, 52).

Other programs write odd files, so what stands outside `info` is taken if it makes sense and passed over if not, and
inside `info` every doubt about names is settled in favour of safety. A doubt about bytes, sizes or hashes is an error.
Where the standards leave room the verdict is libtorrent's.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha1, sha256
from typing import Any

from bencodepy import Bencached

from blobtorrent.model.errors import MetainfoError
from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.merkle import HASH_BYTES, layer_root
from blobtorrent.model.metainfo import FileEntry, Metainfo
from blobtorrent.model.paths import safe_part, safe_text
from blobtorrent.model.urls import usable_tiers, usable_web_seeds
from blobtorrent.protocol.bencode import Limits, decode, encode, read_document
from blobtorrent.protocol.filelist import SourceFile, info_name, read_file_list, read_file_tree
from blobtorrent.protocol.filespace import file_entries, measure, merged_hybrid, with_implied_padding

TORRENT_LIMITS = Limits(size_bytes=64 << 20)           # 2 million pieces of v1, or 1 million of a hybrid
MAX_PIECE_LENGTH = 0x7fff * BLOCK_SIZE                 # 512 MiB, as libtorrent
SHA1_BYTES = 20
MAX_NODES = 64
MAX_TEXT_BYTES = 1 << 16               # of a comment; longer ones are cut


def parse_torrent(data: bytes, *, limits: Limits = TORRENT_LIMITS) -> Metainfo:
    """Read a .torrent file of any origin.

    Raises MetainfoError ("metainfo.*") or BencodeError ("bencode.*"), both FormatError. What is missing or odd outside
    `info` never refuses a torrent, except piece layers that contradict it.
    """
    with _collector_paused():
        document = read_document(data, limits=limits, lenient=True)
        top = document.value
        if not isinstance(top, dict):
            raise MetainfoError("metainfo.no-dictionary", "not a torrent: the file holds no dictionary")
        info = top.get(b"info")
        if not isinstance(info, dict):
            raise MetainfoError("metainfo.no-info", "not a torrent: there is no info dictionary")
        start, end = document.spans[b"info"]
        return _assemble(bytes(data[start:end]), info, top, is_canonical=document.is_canonical)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """A million new objects of which none is garbage: looking for it again and again takes a fifth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _assemble(raw_info: bytes, info: dict[bytes, Any], top: dict[bytes, Any], *, is_canonical: bool) -> Metainfo:
    version = _version(info)
    if version and not is_canonical:
        decode(raw_info, limits=TORRENT_LIMITS)        # BEP 52 asks for canonical form: the tree's order is its meaning
    is_v2 = version == 2
    is_v1 = not is_v2 or b"length" in info or isinstance(info.get(b"files"), list)
    info_hash = InfoHash(sha1(raw_info).digest() if is_v1 else b"", sha256(raw_info).digest() if is_v2 else b"")
    piece_length = _piece_length(info, is_v2=is_v2)

    files = _source_files(info, piece_length, is_v1=is_v1, is_v2=is_v2)
    is_single = not isinstance(info.get(b"files"), list) if is_v1 else _is_lone_file(files)
    geometry = measure(files, piece_length, is_v2_only=not is_v1)
    hashes = _piece_hashes(info, geometry.num_pieces, is_v1=is_v1)
    folder_name = info_name(info)
    name = safe_part(files[0].path[0] if is_single else folder_name, instead="")
    if not name:
        if is_single:
            raise MetainfoError("metainfo.no-name", "the torrent's file has no usable name")
        name = info_hash.hex
    entries = file_entries(files, name, is_single=is_single)
    return Metainfo(
        info_hash=info_hash,
        name=name,
        geometry=geometry,
        files=entries,
        piece_hashes_v1=hashes,
        raw_info=raw_info,
        is_private=info.get(b"private", 0) not in (0, b"0", b""),      # any other form says: stay with the trackers
        tiers=_tiers(top),
        web_seeds=_web_seeds(top),
        nodes=_nodes(top),
        comment=_text(top, b"comment"),
        created_by=_text(top, b"created by"),
        creation_date=_date(top),
        source=_text(info, b"source"),
        piece_layers=_piece_layers(top, entries, piece_length) if is_v2 else {},
    )


def _version(info: dict[bytes, Any]) -> int:
    """2 for v2 and hybrid, 0 or 1 for v1 torrents."""
    version = info.get(b"meta version", 0)
    if not isinstance(version, int):
        version = 0
    if version > 2:
        raise MetainfoError("metainfo.unknown-version", f"torrent of version {version}; 1 and 2 are known")
    if version < 2 and isinstance(info.get(b"file tree"), dict):
        raise MetainfoError("metainfo.no-version", "a v2 file tree without meta version 2")
    return max(0, version)


def _piece_length(info: dict[bytes, Any], *, is_v2: bool) -> int:
    length = info.get(b"piece length")
    if not isinstance(length, int) or not 0 < length <= MAX_PIECE_LENGTH:
        raise MetainfoError("metainfo.bad-piece-length", "the piece length is missing or impossible")
    if is_v2 and (length < BLOCK_SIZE or length & (length - 1)):
        raise MetainfoError("metainfo.bad-piece-length", "a v2 piece length must be a power of two of at least 16 KiB")
    return length


def _source_files(info: dict[bytes, Any], piece_length: int, *, is_v1: bool, is_v2: bool) -> list[SourceFile]:
    if not is_v2:
        return read_file_list(info)
    tree = read_file_tree(info)
    if is_v1:
        return merged_hybrid(read_file_list(info), tree, piece_length)
    return with_implied_padding(tree, piece_length)


def _is_lone_file(files: list[SourceFile]) -> bool:
    """Whether a v2 tree is one file directly at its root: then there is no folder of the torrent's name."""
    payload = [file for file in files if not file.is_pad]
    return len(payload) == 1 and len(payload[0].path) == 1


def _piece_hashes(info: dict[bytes, Any], num_pieces: int, *, is_v1: bool) -> bytes:
    hashes = info.get(b"pieces")
    if not is_v1:
        if hashes is not None:
            raise MetainfoError("metainfo.inconsistent", "v1 piece hashes without a v1 list of files")
        return b""
    if not isinstance(hashes, bytes):
        raise MetainfoError("metainfo.bad-pieces", "the piece hashes are missing")
    if len(hashes) != num_pieces * SHA1_BYTES:
        raise MetainfoError("metainfo.bad-pieces", f"{len(hashes)} bytes of hashes for {num_pieces} pieces")
    return hashes


def _piece_layers(top: dict[bytes, Any], files: Iterable[FileEntry], piece_length: int) -> Mapping[bytes, bytes]:
    """The checked layers. As in libtorrent they may be missing, as they are when metadata came over a magnet link."""
    layers = top.get(b"piece layers")
    if not isinstance(layers, dict):
        return {}
    lengths = {entry.pieces_root: entry.length for entry in files if entry.pieces_root and entry.length > piece_length}
    for root, layer in layers.items():
        pieces = -(-lengths.get(root, 0) // piece_length)
        if not pieces or not isinstance(layer, bytes) or len(layer) != pieces * HASH_BYTES:
            raise MetainfoError("metainfo.bad-layer", "a piece layer of a wrong length, or of no file in the torrent")
        if layer_root(layer, piece_length) != root:
            raise MetainfoError("metainfo.bad-layer", "a piece layer that does not hash to its root")
    return layers


def _tiers(top: dict[bytes, Any]) -> tuple[tuple[str, ...], ...]:
    """BEP 12: `announce` counts only when `announce-list` gives nothing."""
    listed = top.get(b"announce-list")
    tiers = usable_tiers(map(_strings, listed)) if isinstance(listed, list) else ()
    return tiers or usable_tiers([_strings(top.get(b"announce"))])


def _web_seeds(top: dict[bytes, Any]) -> tuple[str, ...]:
    return usable_web_seeds(_strings(top.get(b"url-list")))


def _strings(value: Any) -> list[bytes]:
    """A string or a list of strings as a list, anything else left out: writers disagree on which one it is."""
    values = value if isinstance(value, list) else [value]
    return [string for string in values if isinstance(string, bytes)]


def _nodes(top: dict[bytes, Any]) -> tuple[tuple[str, int], ...]:
    nodes = top.get(b"nodes")
    found = []
    for node in nodes[:MAX_NODES] if isinstance(nodes, list) else []:
        if isinstance(node, list) and len(node) == 2:
            host, port = node
            if isinstance(host, bytes) and isinstance(port, int) and 0 < len(host) <= 255 and 0 < port <= 0xffff:
                found.append((safe_text(host), port))
    return tuple(found)


def _text(values: dict[bytes, Any], key: bytes) -> str | None:
    for candidate in (key + b".utf-8", key):
        text = values.get(candidate)
        if isinstance(text, bytes):
            return safe_text(text[:MAX_TEXT_BYTES])
    return None


def _date(top: dict[bytes, Any]) -> int | None:
    date = top.get(b"creation date")
    return date if isinstance(date, int) and date >= 0 else None


def encode_torrent(
    raw_info: bytes,
    *,
    tiers: Iterable[Iterable[str]] = (),
    web_seeds: Iterable[str] = (),
    nodes: Iterable[tuple[str, int]] = (),
    comment: str | None = None,
    created_by: str | None = None,
    creation_date: int | None = None,
    piece_layers: Mapping[bytes, bytes] | None = None,
) -> bytes:
    """A .torrent file around an encoded `info`, which is copied as it is; `piece_layers` is None for v1 alone."""
    tier_lists = [list(tier) for tier in tiers]
    optional: dict[bytes, Any] = {
        b"announce": tier_lists[0][0] if tier_lists else None,
        b"announce-list": tier_lists if sum(map(len, tier_lists)) > 1 else None,
        b"comment": comment,
        b"created by": created_by,
        b"creation date": creation_date,
        b"nodes": [list(node) for node in nodes] or None,
        b"piece layers": None if piece_layers is None else dict(piece_layers),
        b"url-list": list(web_seeds) or None,
    }
    present = {key: value for key, value in optional.items() if value is not None}
    return encode({**present, b"info": Bencached(raw_info)})
