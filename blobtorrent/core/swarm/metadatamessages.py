"""What the core thread and a shard tell each other about torrents whose metadata is still to come."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from collections.abc import Mapping
from typing import Any, NamedTuple

from blobtorrent.core.swarm.messages import KnownAddress
from blobtorrent.model.ids import InfoHash, PeerId
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.model.status import PeersFrom
from blobtorrent.runtime.mailbox import Mailbox


class OpenMetadata(NamedTuple):
    """Fetch the info dictionary of a torrent from peers. MetadataReports go to `report_to`, in the end MetadataFound.

    With a `metainfo` it is known already, and only its piece layers are fetched, as by FetchLayers. Addresses come as
    for any swarm, by PeersFound. All that it has then waits for the torrent's OpenSwarm, or for CloseMetadata.
    """

    info_hash: InfoHash
    peer_id: PeerId
    report_to: Mailbox[Any]
    max_links: int
    listen_port: int = 0
    client_version: bytes = b""
    peers: tuple[KnownAddress, ...] = ()
    metainfo: Metainfo | None = None


class FetchLayers(NamedTuple):
    """Fetch the piece layers that the torrent lacks (BEP 52), from the peers that gave the info dictionary and others.
    They are told by LayersFound, as they come."""

    info_hash: InfoHash
    metainfo: Metainfo


class ChangeMetadata(NamedTuple):
    """At most so many links from now on."""

    info_hash: InfoHash
    max_links: int


class CloseMetadata(NamedTuple):
    """Give it up, and all links with it. No answer."""

    info_hash: InfoHash


class MetadataReport(NamedTuple):
    """How it goes. The names are those of SwarmReport, as far as both have them; `pieces_here` are of 16 KiB."""

    info_hash: InfoHash
    links: int
    peers_known: int
    down_bytes_per_s: int = 0
    up_bytes_per_s: int = 0
    seeds: int = 0
    availability: float = 0.0
    pieces_here: int = 0
    pieces_total: int = 0              # 0 while nobody has said a size
    peers_from: tuple[PeersFrom, ...] = ()
    liars: int = 0                     # peers that were banned for what they sent
    layers_here: int = 0               # files whose piece layers came
    layers_total: int = 0              # 0 while the info dictionary is fetched


class MetadataFailed(NamedTuple):
    """A bug showed in the swarm: nothing more comes of it. It waits for CloseMetadata."""

    info_hash: InfoHash


class MetadataFound(NamedTuple):
    """The info dictionary, as it matches the info-hash. `peers` are worth keeping."""

    info_hash: InfoHash
    info: bytes
    peers: tuple[KnownAddress, ...]


class LayersFound(NamedTuple):
    """Piece layers, by pieces root, as they match the info dictionary; those told of before are not repeated.
    `is_complete`: nothing is lacking any more. `peers` are worth keeping."""

    info_hash: InfoHash
    layers: Mapping[bytes, bytes]
    is_complete: bool
    peers: tuple[KnownAddress, ...]
