"""What the session can be asked to tell. A query changes nothing; it is answered through the Gateway like a command."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from pathlib import Path
from typing import NamedTuple

from blobtorrent.model.details import TrackerStatus
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.metainfo import Shape


class PeersOf(NamedTuple):
    """Answered by a PeerReport, without peers while the torrent has no swarm; NotFound."""

    info_hash: InfoHash


class TrackersOf(NamedTuple):
    """Answered by a tuple of TrackerStatus in the order of the tiers; NotFound, StorageError."""

    info_hash: InfoHash


class PiecesOf(NamedTuple):
    """Answered by a PieceReport; NotFound."""

    info_hash: InfoHash


class PieceOf(NamedTuple):
    """Answered by the PieceStory of one piece; NotFound ("piece.unknown" for the piece), Conflict
    ("torrent.no-metadata"), StorageError."""

    info_hash: InfoHash
    piece: int


class WebSeedsOf(NamedTuple):
    """Answered by a tuple of WebSeedStatus; NotFound, StorageError."""

    info_hash: InfoHash


class MetainfoOf(NamedTuple):
    """Answered by the bytes of the .torrent file as they were added; NotFound, StorageError."""

    info_hash: InfoHash


class ContentOf(NamedTuple):
    """Answered by a FileContent; NotFound ("file.unknown" for the file), Conflict while the files are being moved,
    StorageError."""

    info_hash: InfoHash
    number: int                        # of the file, as in FileStatus


class FileContent(NamedTuple):
    """Where the bytes of a file lie, and which pieces of the torrent are verified and on disk: `have_wire` is their
    bitfield (BEP 3), `offset` where the file begins in the torrent's linear space."""

    root: Path
    path: tuple[str, ...]              # below the root
    length: int
    offset: int
    piece_length: int
    have_wire: bytes


class OverviewsOf(NamedTuple):
    """Answered by a dict: the Overview of each of these that is there and whose .torrent file can be read."""

    info_hashes: tuple[InfoHash, ...]


class Overview(NamedTuple):
    """What a list shows of a torrent and no snapshot has: `shape` is that of its metainfo, None for a magnet link.

    `trackers` are in the order of the tiers.
    """

    shape: Shape | None
    trackers: tuple[TrackerStatus, ...]


class Explain(NamedTuple):
    """Answered by an Explanation; NotFound."""

    info_hash: InfoHash


class ScrapeTrackers(NamedTuple):
    """After `delay_s` seconds, ask the trackers that serve a torrent by then how large its swarms are, unless they told
    that just before. Answered by None at once; NotFound."""

    info_hash: InfoHash
    delay_s: float = 0.0


class StatsOf(NamedTuple):
    """Answered by SessionStats."""


Query = (PeersOf | TrackersOf | PiecesOf | PieceOf | WebSeedsOf | MetainfoOf | ContentOf | Explain | ScrapeTrackers
         | StatsOf | OverviewsOf)
