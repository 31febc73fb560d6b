"""Splitting: files of a torrent that are kept on disk as several, none of which is larger than a filesystem can hold.

A torrent whose files are in parts is a Metainfo whose `files` are the parts, and whose `whole_files` are what the
torrent itself lists. The info dictionary is as it was: peers, pieces and hashes know nothing of it. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeVar

from blobtorrent.model.metainfo import FileEntry, FilePart, Metainfo
from blobtorrent.model.paths import keep_apart, with_ending

MIN_SPLIT_BYTES = 16 << 10
MAX_SPLIT_BYTES = 1 << 48              # as long as the largest torrent
MAX_PARTS = 1 << 16                    # of one torrent: a file of terabytes, cut small, would be more files than it has
MAX_SUFFIX_BYTES = 64

T = TypeVar("T")


class Split(NamedTuple):
    """How the files of one torrent are cut: what is larger than `size_bytes` lies in parts of that size, the rest in
    the last. A part is called as the file, then `suffix`, then its number from 000 on.

    `is_lone`: the torrent is one file without a folder, and that is in parts.
    """

    size_bytes: int
    suffix: str
    is_lone: bool = False

    def ending(self, part: int) -> str:
        """What comes behind the file's name."""
        return f"{self.suffix}{part:03}"

    @property
    def own_ending(self) -> str:
        """What comes behind the torrent's name in that of its first file."""
        return self.ending(0) if self.is_lone else ""


def fitting(split: Split, metainfo: Metainfo) -> Split | None:
    """What `split` means for a torrent as it lists its files; None when it leaves them as they are.

    Files of version 2 are never cut: each is a hash tree of its own (BEP 52). Nor are files that links lead to
    (BEP 47). A torrent that would become more than MAX_PARTS more files stays whole.
    """
    wholes = _to_cut(split, metainfo)
    if not wholes or sum(-(-entry.length // split.size_bytes) for entry in wholes) > MAX_PARTS:
        return None
    return split._replace(is_lone=not metainfo.shape.is_multi_file)


def in_parts(metainfo: Metainfo, split: Split | None) -> Metainfo:
    """The torrent with its large files in parts. One that is so already, or without a `split`, is returned."""
    if split is None or metainfo.whole_files:
        return metainfo
    to_cut = {entry.path for entry in _to_cut(split, metainfo)}
    parts: list[FileEntry] = []
    for entry in metainfo.files:
        if entry.path in to_cut and not entry.is_pad:
            parts.extend(_cut(entry, split))
        else:
            parts.append(entry)
    # One of its other files may be called as a part is.
    distinct = iter(keep_apart([entry.path for entry in parts if not entry.is_pad]))
    return metainfo._replace(
        files=tuple(entry if entry.is_pad else entry._replace(path=next(distinct)) for entry in parts),
        whole_files=metainfo.files)


def spread(values: Mapping[int, T], metainfo: Metainfo) -> dict[int, T]:
    """What holds for files by the numbers that the torrent gives them, by the numbers of their parts. `metainfo` is in
    parts; numbers that it does not have are left out."""
    parts = list(_parts_of_each(metainfo))
    return {part: value for number, value in values.items() if 0 <= number < len(parts) for part in parts[number]}


def whole_numbers(metainfo: Metainfo) -> dict[int, int]:
    """For each file the number that the torrent gives it, or to the file that it is a part of; none when all are as
    they are listed."""
    if not metainfo.whole_files:
        return {}
    return {part: number for number, parts in enumerate(_parts_of_each(metainfo)) for part in parts}


def _parts_of_each(metainfo: Metainfo) -> Iterator[range]:
    """The numbers of the parts of each whole file, in order."""
    if not metainfo.whole_files:
        yield from (range(number, number + 1) for number in range(len(metainfo.files)))
        return
    number = 0
    for whole in metainfo.whole_files:
        first, end = number, whole.offset + whole.length
        number += 1
        if metainfo.files[first].part is not None:
            while metainfo.files[number - 1].offset + metainfo.files[number - 1].length < end:
                number += 1
        yield range(first, number)


def _to_cut(split: Split, metainfo: Metainfo) -> list[FileEntry]:
    if any(entry.pieces_root for entry in metainfo.files):
        return []
    targets = {entry.symlink_target for entry in metainfo.files if entry.symlink_target is not None}
    return [entry for entry in metainfo.files
            if entry.length > split.size_bytes and not entry.is_pad and entry.path not in targets]


def _cut(entry: FileEntry, split: Split) -> Iterator[FileEntry]:
    for part, start in enumerate(range(0, entry.length, split.size_bytes)):
        ending = split.ending(part)
        yield entry._replace(
            path=with_ending(entry.path, ending),
            length=min(split.size_bytes, entry.length - start),
            offset=entry.offset + start,
            part=FilePart(entry.path, ending),
        )
