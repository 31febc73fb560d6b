"""Metainfo: one validated torrent (BEP 3, 12, 19, 27, 47, 52), as the rest of the program sees it.

Every path in it is safe to create below a download folder, every size is positive and bounded, every hash has its
length: whoever holds a Metainfo need not check again. `protocol.metafile` makes them.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

from blobtorrent.model.geometry import PieceGeometry
from blobtorrent.model.ids import InfoHash


class FilePart(NamedTuple):
    """A file on disk that is a part of one that the torrent lists: where that would be, and what is behind its name."""

    whole: tuple[str, ...]             # below the download folder
    ending: str


class FileEntry(NamedTuple):
    """One file of a torrent, in the order of the torrent.

    Pad files (BEP 47; implied ones in a v2-only torrent) hold zeros and are never on disk. A symbolic link has a length
    of 0 and a target that is a file, folder or link of the same torrent.
    """

    path: tuple[str, ...]              # below the download folder; begins with the torrent's name if it has a folder
    length: int                        # bytes
    offset: int                        # bytes from the start of the torrent's linear space
    is_pad: bool = False
    symlink_target: tuple[str, ...] | None = None      # below the download folder, like `path`
    is_executable: bool = False
    is_hidden: bool = False
    pieces_root: bytes = b""           # SHA-256 tree root (BEP 52), or empty
    part: FilePart | None = None       # it is one of several that a file is kept as (see `splitting`)


class Shape(NamedTuple):
    """What a list shows of a torrent that only its metainfo says. `num_files` is without padding."""

    num_files: int
    is_multi_file: bool                # it has a folder of its own
    piece_length: int
    creation_date: int                 # seconds since 1970, untrusted; 0: not said


class _Contents(NamedTuple):
    info_hash: InfoHash
    name: str                          # safe as one part of a path
    geometry: PieceGeometry
    files: tuple[FileEntry, ...]
    piece_hashes_v1: bytes             # 20 bytes a piece; empty in a v2-only torrent
    raw_info: bytes                    # the `info` value as it stands in the file: what the info-hash names
    is_private: bool = False           # BEP 27
    tiers: tuple[tuple[str, ...], ...] = ()            # announce URLs in the file's order (BEP 12)
    web_seeds: tuple[str, ...] = ()    # BEP 19
    nodes: tuple[tuple[str, int], ...] = ()            # DHT bootstrap hosts and ports (BEP 5)
    comment: str | None = None
    created_by: str | None = None
    creation_date: int | None = None   # seconds since 1970, untrusted
    source: str | None = None          # a tracker's mark inside `info`
    piece_layers: Mapping[bytes, bytes] = {}           # pieces root -> 32 bytes a piece (BEP 52)
    whole_files: tuple[FileEntry, ...] = ()            # as the torrent lists them, where `files` has parts of some


class Metainfo(_Contents):
    """What a .torrent file says. Two are the same torrent when their `info_hash` is equal."""

    @cached_property
    def payload_bytes(self) -> int:
        """The size without padding."""
        return sum(entry.length for entry in self.files if not entry.is_pad)

    @property
    def lacking_layers(self) -> dict[bytes, int]:
        """How many pieces each file has whose piece layer is needed and not here, by pieces root. None are needed
        where there are v1 hashes."""
        length = self.geometry.piece_length
        if self.piece_hashes_v1:
            return {}
        return {entry.pieces_root: -(-entry.length // length) for entry in self.files
                if entry.length > length and not entry.is_pad and entry.pieces_root not in self.piece_layers}

    @property
    def has_piece_hashes(self) -> bool:
        """Whether each piece can be checked; False for a v2-only torrent that came without its piece layers."""
        return not self.lacking_layers

    @property
    def shape(self) -> Shape:
        files = [entry for entry in self.files if not entry.is_pad]
        is_multi_file = not files or len(files[0].path) > 1
        return Shape(len(files), is_multi_file, self.geometry.piece_length, self.creation_date or 0)

    def __repr__(self) -> str:
        return f"Metainfo({self.info_hash}, {self.name!r}, {len(self.files)} files, {self.geometry.size} bytes)"
