"""Changes to a .torrent file: what is not changed stays byte for byte, above all the `info` value that the hash is of.

Only `private` and `source` stand in `info`: changing them makes another torrent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from bencodepy import Bencached

from blobtorrent.protocol.bencode import Document, encode, read_document
from blobtorrent.protocol.metafile import TORRENT_LIMITS, parse_torrent


class Edits(NamedTuple):
    """What to change; None leaves a thing as it is, an empty value takes it away."""

    tiers: tuple[tuple[str, ...], ...] | None = None
    web_seeds: tuple[str, ...] | None = None
    comment: str | None = None
    source: str | None = None
    is_private: bool | None = None


def edit_torrent(data: bytes, edits: Edits) -> bytes:
    """The file with the edits. Raises what `parse_torrent` does, for the file as it was or as it would be."""
    parse_torrent(data)
    document = read_document(data, limits=TORRENT_LIMITS, lenient=True)
    top: dict[bytes, Any] = document.value
    kept = _members(data, document)
    if edits.tiers is not None:
        urls = [list(tier) for tier in edits.tiers]
        _put(kept, b"announce", urls[0][0] if urls else None)
        _put(kept, b"announce-list", urls if sum(map(len, urls)) > 1 else None)
    if edits.web_seeds is not None:
        _put(kept, b"url-list", list(edits.web_seeds) or None)
    if edits.comment is not None:
        _put(kept, b"comment.utf-8", None)
        _put(kept, b"comment", edits.comment or None)
    info = _edited_info(top[b"info"], edits)
    if info != top[b"info"]:
        kept[b"info"] = info
    edited = encode(kept)
    parse_torrent(edited)              # what we cannot read ourselves is not given out
    return edited


def with_layers(data: bytes, layers: Mapping[bytes, bytes]) -> bytes:
    """The file with these piece layers too, by pieces root (BEP 52). Raises FormatError when it is no bencoding.

    Whether they are right is for `parse_torrent` to tell.
    """
    document = read_document(data, limits=TORRENT_LIMITS, lenient=True)
    known = document.value.get(b"piece layers")
    if not isinstance(known, dict):
        known = {}
    if layers.items() <= known.items():
        return data
    return encode({**_members(data, document), b"piece layers": {**known, **layers}})


def _members(data: bytes, document: Document) -> dict[bytes, Any]:
    """What the file holds, ready to be encoded. Containers are copied as they stand: encoding them again would sort
    what a careless writer left unsorted."""
    return {key: Bencached(bytes(data[slice(*document.spans[key])])) if key in document.spans else value
            for key, value in document.value.items()}


def _edited_info(info: dict[bytes, Any], edits: Edits) -> dict[bytes, Any]:
    edited = dict(info)
    if edits.source is not None:
        _put(edited, b"source.utf-8", None)
        _put(edited, b"source", edits.source or None)
    if edits.is_private is not None:
        _put(edited, b"private", 1 if edits.is_private else None)
    return edited


def _put(values: dict[bytes, Any], key: bytes, value: Any) -> None:
    values.pop(key, None)
    if value is not None:
        values[key] = value
