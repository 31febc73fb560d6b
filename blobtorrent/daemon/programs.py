"""The sessions of other programs, each read as what its own files say: what of each torrent goes on here."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from blobtorrent.core.session.from_rtorrent import left_by_rtorrent, locate
from blobtorrent.core.session.record import Place
from blobtorrent.daemon.importing import Find, Program, map_folder
from blobtorrent.model.errors import FormatError, NotFound
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.protocol.metafile import parse_torrent
from blobtorrent.protocol.rtorrentsession import Progress, read_progress, read_wanted, unresolved_magnet
from blobtorrent.storage.foreignsession import RtorrentSession

PROGRAMS = ("rtorrent",)


def open_program(program: str, path: Path) -> Program:
    """The session of a program of PROGRAMS. Raises NotFound ("import.no-folder")."""
    return Rtorrent(path)


class Rtorrent(RtorrentSession):
    """rTorrent: HASH.torrent with HASH.torrent.rtorrent and HASH.torrent.libtorrent_resume beside it."""

    def find(self, name: str, moved: Mapping[str, str]) -> Find:
        """As in Program."""
        raw, wanted_raw, progress_raw = self.read(name)
        link = unresolved_magnet(raw)
        if link is not None:
            raise _no_metadata(link)
        metainfo = parse_torrent(raw)
        if metainfo.info_hash.v1.hex().upper() != name:
            raise FormatError("import.other-torrent", f"{name}.torrent is another torrent, {metainfo.info_hash.hex}")
        if wanted_raw is None:
            raise NotFound("import.no-wishes", f"{name}.torrent.rtorrent is gone, which says where its files are")
        wanted = read_wanted(wanted_raw)
        root, renames = locate(metainfo, map_folder(os.fsdecode(wanted.directory), moved))
        progress, notes = _progress(progress_raw, metainfo)
        file = f"{name}.torrent"
        left = left_by_rtorrent(metainfo, wanted, progress, written_at=self.written_at(file), notes=notes)
        return Find(raw, self.path / file, metainfo, left, (Place(root, root, renames=renames),))


def _progress(raw: bytes | None, metainfo: Metainfo) -> tuple[Progress | None, Sequence[str]]:
    """What is known of its progress; without that, why all is checked."""
    if raw is None:
        return None, ["how far it was is not known: checked"]
    try:
        return read_progress(raw, metainfo.geometry.num_pieces, len(metainfo.files)), ()
    except FormatError as error:
        return None, [f"how far it was cannot be read ({error.detail}): checked"]


def _no_metadata(link: str) -> NotFound:
    return NotFound("import.magnet", f"its torrent had not come yet: add the link again: {link}")
