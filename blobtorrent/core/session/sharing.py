"""Sharing: which torrents use the same files. Owned by `core`.

A torrent writes only where no other has, or is getting, verified bytes. Two that are complete may lie at one place and
seed side by side. One that is not, and finds another there, is a guest: it goes to *error*, and whatever becomes of it
then, the files stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import partial

from blobtorrent.core.session.lifecycle import TorrentState
from blobtorrent.core.session.metainfos import Metainfos
from blobtorrent.core.session.places import Places
from blobtorrent.core.session.roster import Roster
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.core.session.trust import files_of_mask
from blobtorrent.model.errors import BlobTorrentError, Conflict, NotFound

PATH_TAKEN = "torrent.path-taken"

Then = Callable[[list[Torrent]], None]
Files = Callable[[Torrent], Collection[int]]

_AT_REST = frozenset({TorrentState.STOPPED, TorrentState.QUEUED, TorrentState.METADATA, TorrentState.ERROR,
                      TorrentState.CLOSING, TorrentState.REMOVING})


class Sharing:
    """Knows where all torrents lie; which files two of them have in common is looked up when somebody asks."""

    def __init__(self, roster: Roster, metainfos: Metainfos) -> None:
        self._roster = roster
        self._metainfos = metainfos
        self._places = Places()

    def follow(self, torrent: Torrent) -> None:
        """It is new, or lies elsewhere, or is going to."""
        place, name = torrent.record.place, torrent.record.facts.name
        top = place.renames.get(name, name)
        self._places.put(torrent.info_hash, ((str(place.root), top), (str(place.download_dir), top)))

    def forget(self, torrent: Torrent) -> None:
        self._places.drop(torrent.info_hash)

    def who_forbids(self, torrent: Torrent, files: Files, then: Then) -> None:
        """Call `then(others)` with those that have or get other bytes in these files, or are just getting the same.

        At once, unless somebody's metainfo has to be read first. `files(torrent)` are their numbers.
        """
        self._find(torrent, files, then, is_harmless=lambda mine, theirs: mine.is_like(theirs))

    def who_shares(self, torrent: Torrent, then: Then) -> None:
        """Call `then(others)` with those that have, or are getting, bytes of any of its files. At once, or later."""
        self._find(torrent, files_of, then, is_harmless=lambda mine, theirs: False)

    def _find(self, torrent: Torrent, files: Files, then: Then, is_harmless: Callable[[_File, _File], bool]) -> None:
        near = [other for info_hash in self._places.near(torrent.info_hash)
                if (other := self._roster.get(info_hash)) is not None and _is_owner(other, torrent)]
        if near:
            search = _Search(torrent, near, then, is_harmless)
            self._metainfos.with_metainfo(torrent, lambda error: self._begin(search, files, error))
        else:
            then([])

    def _begin(self, search: _Search, files: Files, error: BlobTorrentError | None) -> None:
        if error is not None:
            search.then(search.left)   # nobody can say: all of them, to be on the safe side
            return
        search.take(files)
        for other in list(search.left):
            self._metainfos.with_metainfo(other, partial(search.compare, other))


class _Search:
    """One question, and the torrents that it is `left` to look at."""

    def __init__(self, torrent: Torrent, near: Iterable[Torrent], then: Then,
                 is_harmless: Callable[[_File, _File], bool]) -> None:
        self.left = list(near)
        self.then = then
        self._torrent = torrent
        self._is_harmless = is_harmless
        self._files: dict[str, _File] = {}
        self._found: list[Torrent] = []

    def take(self, files: Files) -> None:
        for number in files(self._torrent):
            file = _File(self._torrent, number)
            self._files[file.path] = file

    def compare(self, other: Torrent, error: BlobTorrentError | None) -> None:
        is_gone = isinstance(error, NotFound)
        if not is_gone and (error is not None or self._has_some_of_these(other)):
            self._found.append(other)
        self.left.remove(other)
        if not self.left:
            self.then(self._found)

    def _has_some_of_these(self, other: Torrent) -> bool:
        return any(
            file.path in self._files and (_is_getting(other) or not self._is_harmless(self._files[file.path], file))
            for file in (_File(other, number) for number in files_of(other))
        )


class _File:
    """A file of a torrent whose metainfo is loaded."""

    def __init__(self, torrent: Torrent, number: int) -> None:
        assert torrent.metainfo is not None and torrent.store is not None
        self.path = str(torrent.store.path_of(number))
        self._metainfo = torrent.metainfo
        self._entry = torrent.metainfo.files[number]

    def is_like(self, other: _File) -> bool:
        """Both are the same bytes, by their hashes: whoever writes them does no harm."""
        mine, theirs = self._entry, other._entry
        if mine.pieces_root and theirs.pieces_root:
            return (mine.pieces_root, mine.length) == (theirs.pieces_root, theirs.length)
        return (
            (mine.offset, mine.length) == (theirs.offset, theirs.length)
            and bool(self._metainfo.piece_hashes_v1)
            and self._metainfo.piece_hashes_v1 == other._metainfo.piece_hashes_v1
            and self._metainfo.geometry.piece_length == other._metainfo.geometry.piece_length
        )


def path_taken(torrent: Torrent, others: list[Torrent]) -> Conflict:
    """Why it may not write, and what can be done."""
    names = ", ".join(f"{other.name} ({other.info_hash})" for other in others)
    return Conflict(PATH_TAKEN, f"files of {torrent.name} in {torrent.record.place.root} belong to {names}: move one "
                    "of the two, or remove it, then start this one again")


def is_guest(torrent: Torrent) -> bool:
    """It found that its place is another torrent's."""
    return torrent.record.error[0] == PATH_TAKEN


def _is_owner(other: Torrent, torrent: Torrent) -> bool:
    """Whether `other` has verified bytes, is getting some, or is just being checked and was there before `torrent`."""
    if is_guest(other):
        return False
    if len(other.record.have) or _is_getting(other):
        return True
    was_first = (other.record.facts.added_at, other.info_hash) < (torrent.record.facts.added_at, torrent.info_hash)
    return other.state not in _AT_REST and was_first


def _is_getting(torrent: Torrent) -> bool:
    return torrent.state is TorrentState.MOVING or torrent.swarm_is_open and bool(torrent.lacking)


def files_to_write(torrent: Torrent) -> Collection[int]:
    """Those that it writes to when it gets what it lacks."""
    assert torrent.metainfo is not None
    return files_of_mask(torrent.metainfo, torrent.lacking) - torrent.record.wishes.skipped_files


def files_of(torrent: Torrent) -> Collection[int]:
    """Those that it wants, and those of which it has something."""
    assert torrent.metainfo is not None
    everything = files_of_mask(torrent.metainfo, (1 << torrent.record.facts.num_pieces) - 1)
    return everything - torrent.record.wishes.skipped_files | files_of_mask(torrent.metainfo, torrent.record.have.mask)
