"""FileStamp: what tells that a file is still the one we left, without reading it."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Mapping
from typing import NamedTuple

from blobtorrent.model.metainfo import Metainfo


class FileStamp(NamedTuple):
    """Of one file: bytes, time of the last change in nanoseconds, and its number in the filesystem."""

    size: int
    mtime_ns: int
    inode: int


class Comparison(NamedTuple):
    """Numbers of files that are not as their stamps say, ascending.

    `changed` were written to since the stamp was taken, by us or by somebody else. `missing` are gone, cut short, or
    replaced by other files: nothing that was known of their bytes holds.
    """

    changed: list[int]
    missing: list[int]


def stamp_of(found: os.stat_result) -> FileStamp:
    return FileStamp(found.st_size, found.st_mtime_ns, found.st_ino)


def compare(known: Mapping[int, FileStamp], found: Mapping[int, FileStamp]) -> Comparison:
    """Compare what is known of some files with what was found; others are not looked at."""
    changed, missing = [], []
    for number, stamp in sorted(known.items()):
        now = found.get(number)
        if now is None or now.inode != stamp.inode or now.size < stamp.size:
            missing.append(number)
        elif now != stamp:
            changed.append(number)
    return Comparison(changed, missing)


def claimed_sizes(metainfo: Metainfo, have: Container[int], numbers: Iterable[int]) -> dict[int, int]:
    """How long some files must be at least, if the pieces in `have` are on disk; without those of which nothing is."""
    geometry, sizes = metainfo.geometry, dict[int, int]()
    for number in numbers:
        entry = metainfo.files[number]
        pieces = () if entry.is_pad else geometry.pieces_of_span(entry.offset, entry.length)
        last = next((index for index in reversed(pieces) if index in have), None)
        if last is not None:
            end = geometry.piece_offset(last) + geometry.piece_size(last)
            sizes[number] = min(entry.length, end - entry.offset)
    return sizes
