"""What the session can be asked to tell. A query changes nothing; it is answered through the Gateway like a command."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from typing import NamedTuple

from blobtorrent.model.ids import InfoHash


class PeersOf(NamedTuple):
    """Answered by a tuple of PeerStatus, empty while the torrent has no swarm; NotFound."""

    info_hash: InfoHash


class TrackersOf(NamedTuple):
    """Answered by a tuple of TrackerStatus in the order of the tiers; NotFound, StorageError."""

    info_hash: InfoHash


class PiecesOf(NamedTuple):
    """Answered by a PieceReport; NotFound."""

    info_hash: InfoHash


class WebSeedsOf(NamedTuple):
    """Answered by a tuple of WebSeedStatus; NotFound, StorageError."""

    info_hash: InfoHash


class MetainfoOf(NamedTuple):
    """Answered by the bytes of the .torrent file as they were added; NotFound, StorageError."""

    info_hash: InfoHash


class Explain(NamedTuple):
    """Answered by an Explanation; NotFound."""

    info_hash: InfoHash


class StatsOf(NamedTuple):
    """Answered by SessionStats."""


Query = PeersOf | TrackersOf | PiecesOf | WebSeedsOf | MetainfoOf | Explain | StatsOf
