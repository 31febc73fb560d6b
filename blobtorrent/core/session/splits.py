"""Splits: what becomes of the wish to keep large files in parts when it is known what a torrent is. Pure."""

from __future__ import annotations

from blobtorrent.config.schema import StorageSettings
from blobtorrent.core.session.record import TorrentRecord
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.model.splitting import Split, fitting, in_parts, spread


def wished_split(storage: StorageSettings) -> Split | None:
    """What the settings want of torrents that are added from now on."""
    return Split(storage.split_size, storage.split_suffix) if storage.split_size else None


def settle_split(record: TorrentRecord, metainfo: Metainfo) -> None:
    """Its metainfo is here for the first time: from now on the record says how its files lie, for ever. Wishes about
    files were for those that the torrent lists; they become wishes about their parts."""
    wished, wishes = record.place.split, record.wishes
    if wished is None:
        return
    split = fitting(wished, metainfo)
    record.place = record.place._replace(split=split)
    parts = in_parts(metainfo, split)
    first, last = (frozenset(spread(dict.fromkeys(numbers, True), parts)) for numbers in wishes.preferred_ends)
    record.wishes = wishes._replace(
        file_priorities=spread(wishes.file_priorities, parts), preferred_ends=(first, last))
