"""From files to pieces: which pieces nobody wants, and which are wanted more than others. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from blobtorrent.core.session.commands import FilePriority
from blobtorrent.core.session.record import Wishes
from blobtorrent.core.session.trust import mask_of_files
from blobtorrent.model.metainfo import Metainfo

HIGH = 1                               # above 0, what every other piece has


def skipped_pieces(metainfo: Metainfo, priorities: Mapping[int, FilePriority]) -> int:
    """The mask of pieces that lie in unwanted files only. Padding is never wanted for itself."""
    if FilePriority.SKIP not in priorities.values():
        return 0
    wanted = [
        number for number, entry in enumerate(metainfo.files)
        if not entry.is_pad and priorities.get(number) is not FilePriority.SKIP
    ]
    return ((1 << metainfo.geometry.num_pieces) - 1) & ~mask_of_files(metainfo, wanted)


def piece_priorities(metainfo: Metainfo, wishes: Wishes) -> dict[int, int]:
    """The pieces that hold a byte of a file of high priority, and those at ends of files that are preferred."""
    high = {
        index
        for number, priority in wishes.file_priorities.items() if priority is FilePriority.HIGH
        for index in _pieces_of(metainfo, number)
    }
    skipped = wishes.skipped_files
    for end, numbers in zip((0, -1), wishes.preferred_ends):
        high.update(
            _pieces_of(metainfo, number)[end] for number in numbers - skipped if metainfo.files[number].length)
    return dict.fromkeys(high, HIGH)


def _pieces_of(metainfo: Metainfo, number: int) -> range:
    return metainfo.geometry.pieces_of_span(metainfo.files[number].offset, metainfo.files[number].length)
