"""Names that are no UTF-8, of a torrent that came as a link: what they mean is found out when its metadata comes."""

from __future__ import annotations

from blobtorrent.core.session.importing import renames_of
from blobtorrent.core.session.record import TorrentRecord
from blobtorrent.model.errors import BlobTorrentError
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.protocol.legacynames import meant_paths
from blobtorrent.protocol.metafile import encode_torrent

MAX_INFO_BYTES = 1 << 20               # the core thread has no time for more, which ten thousand files would need


def settle_names(record: TorrentRecord, metainfo: Metainfo) -> None:
    """Rename what its encodings have other names for. Files that its owner has given names already keep them;
    `metainfo` has the files as the torrent lists them."""
    encodings = record.wishes.encodings
    if not encodings:
        return
    record.wishes = record.wishes._replace(encodings=())
    if record.place.renames or len(metainfo.raw_info) > MAX_INFO_BYTES:
        return
    try:
        renames = renames_of(metainfo, meant_paths(encode_torrent(metainfo.raw_info), metainfo, encodings))
    except BlobTorrentError:           # paths that cannot be
        return
    record.place = record.place._replace(renames=renames)
