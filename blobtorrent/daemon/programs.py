"""The sessions of other programs, each read as what its own files say: what of each torrent goes on here."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from blobtorrent.core.session import from_libtorrent, from_transmission
from blobtorrent.core.session.from_rtorrent import left_by_rtorrent, link_left_by_rtorrent, locate
from blobtorrent.core.session.record import Place
from blobtorrent.daemon.importing import Find, FoundLink, Program, map_folder
from blobtorrent.model.errors import Conflict, FormatError, NotFound
from blobtorrent.model.magnet import MagnetLink, parse_magnet
from blobtorrent.protocol import fastresume, rtorrentsession, transmissionresume
from blobtorrent.protocol.metafile import parse_torrent
from blobtorrent.protocol.savedtrees import with_piece_layers
from blobtorrent.storage import qbittorrentdb
from blobtorrent.storage.foreignsession import RtorrentSession
from blobtorrent.storage.libtorrentsession import BackupFolder, DelugeState, Kept, read_categories
from blobtorrent.storage.qbittorrentdb import TorrentsDatabase
from blobtorrent.storage.transmissionsession import TransmissionSession

T = TypeVar("T")


def open_program(program: str, path: Path) -> Program:
    """The session of a program of PROGRAMS. Raises NotFound ("import.no-folder", "import.no-session"), Conflict
    ("import.two-sessions"), FormatError or StorageError."""
    return PROGRAMS[program](path)


class Rtorrent(RtorrentSession):
    """rTorrent: HASH.torrent with HASH.torrent.rtorrent and HASH.torrent.libtorrent_resume beside it."""

    def find(self, name: str, moved: Mapping[str, str]) -> Find | FoundLink:
        """As in Program."""
        raw, wanted_raw, progress_raw = self.read(name)
        link = rtorrentsession.unresolved_magnet(raw)
        torrent = parse_torrent(raw) if link is None else parse_magnet(link)
        if torrent.info_hash.v1.hex().upper() != name:
            raise FormatError("import.other-torrent", f"{name}.torrent is another torrent, {torrent.info_hash.hex}")
        if wanted_raw is None:
            raise NotFound("import.no-wishes", f"{name}.torrent.rtorrent is gone, which says where its files are")
        wanted = rtorrentsession.read_wanted(wanted_raw)
        directory = _map_folder_of_rtorrent(os.fsdecode(wanted.directory), moved)
        written_at = self.written_at(f"{name}.torrent")
        if isinstance(torrent, MagnetLink):
            return FoundLink(link_left_by_rtorrent(torrent, wanted, directory, written_at=written_at))
        metainfo = torrent
        root, renames = locate(metainfo, directory)
        num_pieces, num_files = metainfo.geometry.num_pieces, len(metainfo.files)
        progress, notes = _progress(
            progress_raw, lambda raw: rtorrentsession.read_progress(raw, num_pieces, num_files))
        left = left_by_rtorrent(metainfo, wanted, progress, written_at=written_at, notes=notes)
        return Find(raw, self.path / f"{name}.torrent", metainfo, left, (Place(root, root, renames=renames),))


def _map_folder_of_rtorrent(folder: str, moved: Mapping[str, str]) -> str:
    """It keeps folders as its owner wrote them: `~` is his home, unless that is among those that are elsewhere."""
    is_moved = any(old.startswith("~") for old in moved)
    return map_folder(folder if is_moved else os.path.expanduser(folder), moved)


class Transmission(TransmissionSession):
    """Transmission: torrents/HASH.torrent and resume/HASH.resume."""

    def find(self, name: str, moved: Mapping[str, str]) -> Find:
        """As in Program."""
        files = self.read(name)
        if not files.torrent:
            raise _no_metadata(f"the link that {self.torrents.path / name}.magnet holds")
        if transmissionresume.unresolved_magnet(files.torrent):
            raise _no_metadata(f"magnet:?xt=urn:btih:{name}")
        metainfo = parse_torrent(files.torrent)
        digits = metainfo.info_hash.v1.hex()
        if not digits or not digits.startswith(name.rpartition(".")[2]):
            raise FormatError("import.other-torrent", f"{name}.torrent is another torrent, {metainfo.info_hash.hex}")
        if files.resume is None:
            raise NotFound("import.no-wishes", f"{name}.resume is gone, which says where its files are")
        resume = transmissionresume.read_resume(files.resume)
        destination, incomplete = (
            map_folder(os.fsdecode(folder), moved) if folder else ""
            for folder in (resume.destination, resume.incomplete_dir))
        places = from_transmission.places_of(metainfo, resume, destination, incomplete)
        spans = [metainfo.geometry.pieces_of_span(entry.offset, entry.length) for entry in metainfo.files]
        progress, notes = _progress(
            files.resume, lambda raw: transmissionresume.read_progress(raw, metainfo.geometry, spans))
        file = f"{name}.torrent"
        left = from_transmission.left_by_transmission(
            metainfo, resume, progress, written_at=self.torrents.written_at(file), saved_at=files.saved_at, notes=notes)
        return Find(files.torrent, self.torrents.path / file, metainfo, left, places, from_transmission.SUFFIX)


class Libtorrent(Protocol):
    """A session that keeps the resume data of libtorrent."""

    path: Path

    def close(self) -> None: ...

    def refuse_while_used(self) -> None: ...

    def names(self) -> list[str]: ...

    def read(self, name: str) -> Kept: ...


class ByLibtorrent:
    """qBittorrent or Deluge: `session` has the files of libtorrent for each torrent.

    `suffix` is as in Find; `folders` are those of categories, where their torrents are to be when they are complete,
    unless it was said of one of them.
    """

    def __init__(
        self, program: str, session: Libtorrent, *, suffix: str = "", folders: Mapping[str, str] | None = None
    ) -> None:
        self._program = program
        self._session = session
        self._suffix = suffix
        self._folders = folders or {}
        self.close = session.close
        self.refuse_while_used = session.refuse_while_used
        self.names = session.names

    def find(self, name: str, moved: Mapping[str, str]) -> Find:
        """As in Program."""
        kept = self._session.read(name)
        if not kept.torrent:
            raise _no_metadata(f"magnet:?xt=urn:btih:{name}")
        resume = fastresume.read_fastresume(kept.resume, kept.beside)
        raw = kept.torrent
        if resume.web_seeds:
            raw = fastresume.with_members(raw, {b"url-list": list(resume.web_seeds)})
        metainfo = parse_torrent(raw)
        if not metainfo.has_piece_hashes:
            raw = with_piece_layers(raw, metainfo, kept.resume)
            metainfo = parse_torrent(raw)
        info_hash = metainfo.info_hash
        is_same = all(digest in info_hash for digest in resume.info_hashes)
        if not is_same or bytes.fromhex(name) not in info_hash.wire_forms:
            raise FormatError("import.other-torrent", f"{name} is another torrent, {info_hash.hex}")
        num_pieces = metainfo.geometry.num_pieces
        progress, notes = _progress(kept.resume, lambda raw: fastresume.read_progress(raw, num_pieces))
        final_path = os.fsdecode(resume.final_path)
        if not final_path and progress is not None and progress.have.bit_count() < num_pieces:
            final_path = self._folders.get(resume.category, "")
        place = from_libtorrent.place_of(
            metainfo, resume, map_folder(os.fsdecode(resume.save_path), moved),
            map_folder(final_path, moved) if final_path else "")
        left = from_libtorrent.left_by_libtorrent(
            self._program, metainfo, resume, progress, saved_at=kept.saved_at, notes=notes)
        path = kept.path if raw is kept.torrent else None
        return Find(raw, path, metainfo, left, (place,), self._suffix)


def _qbittorrent(path: Path) -> Program:
    """Its folder BT_backup or its file torrents.db, or a folder that has one of them.

    Raises NotFound ("import.no-folder", "import.no-session"), Conflict ("import.two-sessions"), FormatError,
    StorageError.
    """
    if path.name == qbittorrentdb.FILE_NAME:
        session: Libtorrent = TorrentsDatabase(path)
    else:
        folders = (path, path / "BT_backup", path / "data" / "BT_backup")
        files = [path / qbittorrentdb.FILE_NAME, path / "data" / qbittorrentdb.FILE_NAME]
        found = [*filter(_has_torrents, folders), *filter(Path.is_file, files)]
        if not found:
            raise NotFound("import.no-session", f"{path} has neither BT_backup with torrents nor torrents.db")
        if len(found) > 1:
            raise Conflict("import.two-sessions", f"{found[0]} and {found[1]} both have torrents: give one of them")
        session = TorrentsDatabase(found[0]) if found[0] in files else BackupFolder(found[0])
    try:
        categories = fastresume.read_categories(read_categories(session.path) or b"{}")
    except BaseException:
        session.close()
        raise
    return ByLibtorrent("qBittorrent", session, suffix=from_libtorrent.SUFFIX, folders=categories)


def _has_torrents(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    with BackupFolder(folder) as session:
        return bool(session.names())


def _deluge(path: Path) -> Program:
    """Its configuration folder, or the folder `state` in that.

    Raises NotFound ("import.no-folder"), FormatError, StorageError.
    """
    state = path / "state"
    return ByLibtorrent("Deluge", DelugeState(state if state.is_dir() else path, fastresume.read_collection))


PROGRAMS: Mapping[str, Callable[[Path], Program]] = {
    "rtorrent": Rtorrent, "transmission": Transmission, "qbittorrent": _qbittorrent, "deluge": _deluge}


def _progress(raw: bytes | None, read: Callable[[bytes], T]) -> tuple[T | None, Sequence[str]]:
    """What is known of its progress; without that, why all is checked."""
    if raw is None:
        return None, ["how far it was is not known: checked"]
    try:
        return read(raw), ()
    except FormatError as error:
        return None, [f"how far it was cannot be read ({error.detail}): checked"]


def _no_metadata(link: str) -> NotFound:
    """Links are not repeated in full: their trackers may know a person by a secret in their addresses."""
    return NotFound("import.magnet", f"its torrent had not come yet: add it again by {link}")
