"""How much of each file there is, from the pieces that there are. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from blobtorrent.core.session.commands import FilePriority
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.metainfo import FileEntry, Metainfo
from blobtorrent.model.splitting import whole_numbers
from blobtorrent.model.status import FileStatus


def file_statuses(
    metainfo: Metainfo, have: Bitfield, priorities: Mapping[int, FilePriority], renames: Mapping[str, str]
) -> tuple[FileStatus, ...]:
    """All files but padding, where they lie now."""
    from blobtorrent.storage.naming import Naming

    paths, wholes = Naming(metainfo.files, renames).paths, whole_numbers(metainfo)
    return tuple(
        FileStatus(
            path=paths[number],
            size_bytes=entry.length,
            done_bytes=_done_bytes(entry, metainfo, have),
            number=number,
            priority=int(priorities.get(number, FilePriority.NORMAL)),
            whole=wholes.get(number),
        )
        for number, entry in enumerate(metainfo.files) if not entry.is_pad
    )


def _done_bytes(entry: FileEntry, metainfo: Metainfo, have: Bitfield) -> int:
    if have.is_full:
        return entry.length
    step, start, end = metainfo.geometry.piece_length, entry.offset, entry.offset + entry.length
    return sum(
        min(end, (index + 1) * step) - max(start, index * step)
        for index in metainfo.geometry.pieces_of_span(start, entry.length) if index in have
    )
