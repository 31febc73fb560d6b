"""The files of a download as rows: what the engine says of them, and what their torrent does, looked up when needed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property

from blobtorrent.interface.rtorrent.downloads.download import Download, preferred_in
from blobtorrent.interface.rtorrent.downloads.downloads import Downloads
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.metainfo import FileEntry, Shape
from blobtorrent.model.status import FileStatus


class FileRows:
    """Made for one request; `index` counts the files without padding. All of it raises Fault when the engine cannot
    say."""

    def __init__(self, downloads: Downloads, download: Download) -> None:
        self.downloads = downloads
        self.download = download

    def __len__(self) -> int:
        return self._shape.num_files

    @cached_property
    def _statuses(self) -> Sequence[FileStatus]:
        return self.downloads.files(self.download)

    @cached_property
    def _entries(self) -> Sequence[FileEntry]:
        if self._is_meta:
            return (FileEntry((self.download.name,), 1, 0),)
        return [entry for entry in self.downloads.metainfo(self.download).files if not entry.is_pad]

    @cached_property
    def _have(self) -> int:
        """The mask of the pieces that are here."""
        status = self.download.status
        return Bitfield.from_wire(status.pieces_wire, status.num_pieces).mask if status.pieces_wire else 0

    @cached_property
    def _is_meta(self) -> bool:
        return self.download.status.lacks_metadata

    @cached_property
    def _shape(self) -> Shape:
        return self.downloads.shape(self.download)

    def number(self, index: int) -> int:
        """How the engine counts it."""
        return 0 if self._is_meta else self._statuses[index].number

    def components(self, index: int) -> tuple[str, ...]:
        """Its path below the folder of the torrent, if that has one."""
        if self._is_meta:
            return (self.download.name,)
        path = self._statuses[index].path
        return path[1:] if self._shape.is_multi_file and len(path) > 1 else path

    def path_on_disk(self, index: int) -> str:
        """Empty until the download was opened."""
        if not self.download.was_opened:
            return ""
        parts = (self.download.name,) if self._is_meta else self._statuses[index].path
        return os.path.join(self.download.root, *parts)

    def size_bytes(self, index: int) -> int:
        return self._entries[index].length

    def offset(self, index: int) -> int:
        return self._entries[index].offset

    def pieces(self, index: int) -> range:
        """Those that hold any of it; of an empty file none, from where it would begin."""
        entry, length = self._entries[index], self._shape.piece_length
        first = entry.offset // length
        if not entry.length:
            return range(first, first)
        return range(first, (entry.offset + entry.length - 1) // length + 1)

    def num_done(self, index: int) -> int:
        """Pieces of it that are here."""
        pieces = self.pieces(index)
        return (self._have >> pieces.start & (1 << len(pieces)) - 1).bit_count()

    def priority(self, index: int) -> int:
        if self._is_meta:
            return 1
        status = self._statuses[index]
        return self.download.file_wishes.get(status.number, status.priority)

    def shared_with(self, index: int, other: int) -> int:
        """So many components of the path are those of another file, too."""
        if not 0 <= other < len(self):
            return 0
        count = 0
        for mine, theirs in zip(self.components(index), self.components(other)):
            if mine != theirs:
                break
            count += 1
        return count

    def prefers(self, key: str, index: int) -> bool:
        """Whether an end of it, FIRST or LAST, is preferred."""
        return self.number(index) in preferred_in(self.download.text(key))

    def prefer(self, key: str, index: int, is_preferred: bool) -> None:
        if self._is_meta:              # what its files will be nobody knows
            return
        numbers, number = preferred_in(self.download.text(key)), frozenset({self.number(index)})
        numbers = numbers | number if is_preferred else numbers - number
        self.downloads.set_texts(self.download, {key: ",".join(map(str, sorted(numbers))) or None})
        self.downloads.wish_ends(self.download)
