"""What rTorrent would keep beside HASH.torrent of a download: clients read it, and rTorrent can go on from there."""

from __future__ import annotations

import os

from blobtorrent.interface.rtorrent.downloads.download import FIELD, Download
from blobtorrent.interface.rtorrent.downloads.downloads import Downloads
from blobtorrent.interface.rtorrent.downloads.filerows import FileRows
from blobtorrent.interface.rtorrent.downloads.trackerrows import rows_of
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.magnet import MagnetLink, format_magnet
from blobtorrent.protocol.rtorrentsave import (
    NOT_WANTED,
    TO_BE_MADE,
    WRITTEN_TO,
    encode_link,
    encode_progress,
    encode_wanted,
)
from blobtorrent.protocol.rtorrentsession import SAID_NUMBERS, SAID_TEXTS, Progress, TrackerChoice, Wanted

_TRACKERS = ("http:", "https:", "udp:")
_NUMBERED = tuple(f"custom{number}" for number in range(1, 6))


def wanted_file(downloads: Downloads, download: Download) -> bytes:
    """HASH.torrent.rtorrent. Raises Fault when its metainfo cannot be read."""
    status = download.status
    said = {name: download.text(name) for name in SAID_TEXTS.values()}
    times = {"timestamp.finished": int(status.finished_at), "state_changed": int(status.added_at)}
    numbers = {name: download.number(name, times.get(name, 0)) for name in SAID_NUMBERS}
    return encode_wanted(Wanted(
        directory=os.fsencode(downloads.directory(download)),
        is_started=download.is_started,
        priority=download.priority,
        custom={key: text for key, text in download.texts.items() if key in _NUMBERED or key.startswith(FIELD)},
        said={**said, **{name: str(number) for name, number in numbers.items()}},
        views=tuple(download.views),
        throttle=download.status.group,
        uploaded_bytes=status.uploaded_bytes,
        downloaded_bytes=status.downloaded_bytes,
        started_at=numbers["timestamp.started"],
        finished_at=numbers["timestamp.finished"],
    ), num_done=download.num_done, num_pieces=download.num_pieces)


def link_file(downloads: Downloads, download: Download) -> bytes:
    """HASH.torrent of a magnet link whose metadata has not come. Raises Fault."""
    tiers: dict[int, list[str]] = {}
    for row in rows_of(downloads, download):
        if row.url.lower().startswith(_TRACKERS):
            tiers.setdefault(row.group, []).append(row.url)
    name = download.status.name
    link = MagnetLink(download.info_hash, None if name == download.info_hash.hex else name,
                      tiers=tuple(map(tuple, tiers.values())))
    return encode_link(format_magnet(link), link.tiers, download.info_hash.wire_forms[0],
                       is_started=download.is_started)


def progress_file(downloads: Downloads, download: Download) -> bytes:
    """HASH.torrent.libtorrent_resume. Raises Fault when the engine cannot say."""
    rows, status = FileRows(downloads, download), download.status
    have = Bitfield.from_wire(status.pieces_wire, status.num_pieces).mask if status.pieces_wire else 0
    is_written_to = download.is_active and not download.is_complete
    files = range(len(rows))
    return encode_progress(Progress(
        have=have,
        mtimes=tuple(WRITTEN_TO if is_written_to else _mtime(rows, index) for index in files),
        priorities=tuple(rows.priority(index) for index in files),
        trackers=tuple(TrackerChoice(row.url.encode("utf-8", "surrogateescape"), row.is_enabled,
                                     row.group if row.is_extra else None) for row in rows_of(downloads, download)),
        peers=(),
        uncertain=0,
        saved_at=int(downloads.now()),
    ), status.num_pieces, [rows.num_done(index) for index in files])


def _mtime(rows: FileRows, index: int) -> int:
    """The time that vouches for a file, in seconds since 1970."""
    path = rows.path_on_disk(index)
    try:
        return int(os.stat(path).st_mtime)
    except (OSError, ValueError):
        return TO_BE_MADE if rows.priority(index) else NOT_WANTED
