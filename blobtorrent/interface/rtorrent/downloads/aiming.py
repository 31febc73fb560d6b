"""Targets of requests: '', HASH, HASH:fINDEX, HASH:tINDEX, HASH:pPEERID, and what they name."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
import string
from collections.abc import Collection, Iterator
from itertools import repeat
from typing import NamedTuple

from blobtorrent.interface.rtorrent.context import NOTHING, Aim, Target
from blobtorrent.interface.rtorrent.downloads.download import Download
from blobtorrent.interface.rtorrent.downloads.downloads import Downloads
from blobtorrent.interface.rtorrent.downloads.filerows import FileRows
from blobtorrent.interface.rtorrent.downloads.trackerrows import rows_of
from blobtorrent.interface.rtorrent.faults import (
    TYPE,
    Fault,
    no_such_index,
    no_such_peer,
    not_an_index,
    unsupported_target,
)
from blobtorrent.interface.rtorrent.reading import HASH_DIGITS
from blobtorrent.interface.rtorrent.values import Value
from blobtorrent.model.details import PeerStatus

PEER_DIGITS = 40

_HEX = frozenset(string.hexdigits)


class FileAim(NamedTuple):
    """A file of a download: its place among those that are shown."""

    rows: FileRows
    place: int

    @property
    def download(self) -> Download:
        return self.rows.download


class AllFiles(Collection[FileAim]):
    """The files of a download. Aims are made as they are needed: there may be very many."""

    def __init__(self, rows: FileRows) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[FileAim]:
        return map(FileAim, repeat(self._rows), range(len(self)))

    def __contains__(self, aim: object) -> bool:
        return isinstance(aim, FileAim) and aim.rows is self._rows


class TrackerAim(NamedTuple):
    """A tracker of a download, by its place in the list."""

    download: Download
    place: int


class PeerAim(NamedTuple):
    """A peer of a download, as it was a moment ago."""

    download: Download
    peer: PeerStatus


class Aiming:
    """Reads targets. Whether there is such a file, tracker or peer is looked up right away, as rTorrent does."""

    def __init__(self, downloads: Downloads) -> None:
        self._downloads = downloads

    def read(self, target: Value) -> Aim:
        """What the first parameter of a request names; nothing when it is no text. Raises Fault."""
        if not isinstance(target, str) or not target:
            return NOTHING
        digits, rest = target[:HASH_DIGITS], target[HASH_DIGITS:]
        if len(digits) < HASH_DIGITS or rest and (len(rest) < 2 or rest[0] != ":" or rest[1] not in "ftp"):
            raise unsupported_target()
        download = self._downloads.find(digits)
        if not rest:
            return Aim(Target.DOWNLOAD, download)
        kind, word = rest[1], rest[2:]
        if kind == "p":
            return Aim(Target.PEER, self._peer(download, word))
        if not (word.isascii() and word.isdigit()) or len(word) > 9:
            raise not_an_index() if word[:1] != "-" else no_such_index()
        index = int(word)
        if kind == "f":
            if index >= self._downloads.shape(download).num_files:
                raise no_such_index()
            return Aim(Target.FILE, FileAim(FileRows(self._downloads, download), index))
        self._downloads.look_at_trackers([download])
        if index >= len(rows_of(self._downloads, download)):
            raise no_such_index()
        return Aim(Target.TRACKER, TrackerAim(download, index))

    def _peer(self, download: Download, word: str) -> PeerAim:
        if len(word) != PEER_DIGITS or not _HEX.issuperset(word):
            raise Fault(TYPE, "Not a hash string.")
        peer_id = bytes.fromhex(word)
        for peer in self._downloads.peers(download):
            if peer.peer_id == peer_id:
                return PeerAim(download, peer)
        raise no_such_peer()
